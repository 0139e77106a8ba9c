//! The statements of `--reclaim`: one at a time, outside of a transaction, beside the users of the tables.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, GenericClient};

use super::query::{self, unsigned};
use crate::model::health::Rebuild;

/// Runs one.
///
/// # Errors
/// The server's. What `REINDEX … CONCURRENTLY` leaves behind then is an invalid index.
pub async fn run(client: &Client, sql: &str) -> Result<(), Error> {
    client.batch_execute(sql).await
}

/// Looks at it from another session; `None`: it tells nothing.
///
/// # Errors
/// The server's.
pub async fn progress(client: &impl GenericClient, pid: i32) -> Result<Option<Rebuild>, Error> {
    let sql = "SELECT phase, blocks_done, blocks_total, current_locker_pid::int4 \
               FROM pg_catalog.pg_stat_progress_create_index WHERE pid = $1";
    let row = client.query_typed_opt(sql, &[(&pid, Type::INT4)]).await?;
    Ok(row.map(|row| Rebuild {
        phase: row.get(0),
        blocks: (unsigned(row.get(1)), unsigned(row.get(2))),
        waits_for: row.get::<_, Option<i32>>(3).filter(|pid| *pid != 0),
    }))
}

/// The process of a session.
///
/// # Errors
/// The server's.
pub async fn pid(client: &impl GenericClient) -> Result<i32, Error> {
    Ok(client.query_typed_one("SELECT pg_catalog.pg_backend_pid()", &[]).await?.get(0))
}

/// What a table with its indexes, or an index, takes on disk, in bytes. `name`: as SQL names it.
///
/// # Errors
/// The server's.
pub async fn size(client: &impl GenericClient, name: &str) -> Result<u64, Error> {
    let sql = "SELECT pg_catalog.pg_total_relation_size($1::text::regclass)";
    query::value(client, sql, &[(&name, Type::TEXT)]).await.map(unsigned)
}
