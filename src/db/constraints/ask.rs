//! One question about the rows, under a savepoint: what the server refuses to answer ends nothing else.

use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use super::rows::Rows;
use crate::db::Parameter;
use crate::db::error::{DbError, Meaning};

const ATTEMPTED: &str = "trying the constraints of the application table";

/// What came of a question.
pub(super) enum Answer {
    /// The rows that break the constraint.
    Rows(Vec<Row>),
    /// A value of one of the rows makes the expression fail, in PostgreSQL's words.
    Fails(String),
    /// It cannot be asked.
    Refused(String),
}

/// Asks. `$1` are the rows, `$2` the numbers of those that are meant; `more` comes after these.
pub(super) async fn ask(
    client: &impl GenericClient,
    rows: &Rows<'_>,
    select: &str,
    numbers: &[i64],
    more: &[Parameter<'_>],
) -> Result<Answer, DbError> {
    let during = || DbError::during(ATTEMPTED);
    client.batch_execute("SAVEPOINT oauthctl_trial").await.map_err(during())?;
    let sql = format!("{}{select}", rows.sql);
    let mut parameters: Vec<Parameter<'_>> = vec![(&rows.json, Type::TEXT), (&numbers, Type::INT8_ARRAY)];
    parameters.extend_from_slice(more);
    let error = match client.query_typed(&sql, &parameters).await {
        Ok(found) => {
            client.batch_execute("RELEASE SAVEPOINT oauthctl_trial").await.map_err(during())?;
            return Ok(Answer::Rows(found));
        }
        Err(error) => during()(error),
    };
    let class = error.sqlstate().and_then(|code| code.get(..2)).unwrap_or_default().to_owned();
    if class.is_empty() || error.is_connection_lost() || *error.meaning() == Meaning::QueryCanceled {
        return Err(error);
    }
    let back = "ROLLBACK TO SAVEPOINT oauthctl_trial; RELEASE SAVEPOINT oauthctl_trial";
    client.batch_execute(back).await.map_err(during())?;
    let why = error.message().to_owned();
    Ok(if ["22", "23"].contains(&class.as_str()) { Answer::Fails(why) } else { Answer::Refused(why) })
}
