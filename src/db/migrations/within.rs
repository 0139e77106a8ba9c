//! refinery, inside a transaction that the caller begins and ends, and without named statements. Its own driver
//! begins several and prepares what it asks.

use refinery::Migration;
use refinery_core::AsyncMigrate;
use refinery_core::traits::r#async::{AsyncQuery, AsyncTransaction};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_postgres::{Row, Transaction};

/// Where migrations run.
pub(super) struct Within<'t>(pub &'t Transaction<'t>);

/// Why one of refinery's statements came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Statement(#[from] tokio_postgres::Error),
    /// What it returned is not what refinery writes.
    #[error("the entry of migration {0} is damaged")]
    Damaged(String),
}

impl AsyncTransaction for Within<'_> {
    type Error = Failed;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &mut self,
        queries: T,
    ) -> Result<usize, Failed> {
        let mut count = 0;
        for query in queries {
            self.0.batch_execute(query).await?;
            count += 1;
        }
        Ok(count)
    }
}

impl AsyncQuery<Vec<Migration>> for Within<'_> {
    async fn query(&mut self, query: &str) -> Result<Vec<Migration>, Failed> {
        self.0.query_typed(query, &[]).await?.iter().map(migration).collect()
    }
}

impl AsyncMigrate for Within<'_> {}

/// A row of the history: version, name, instant and checksum.
fn migration(row: &Row) -> Result<Migration, Failed> {
    let name: String = row.get(1);
    let instant = OffsetDateTime::parse(row.get(2), &Rfc3339);
    let (Ok(applied_on), Ok(checksum)) = (instant, row.get::<_, &str>(3).parse()) else {
        return Err(Failed::Damaged(name));
    };
    Ok(Migration::applied(row.get(0), name, applied_on, checksum))
}
