//! A query that the server may refuse, in a transaction that goes on either way.

use tokio_postgres::{Error, GenericClient, Row};

use super::Parameter;
use super::error::DbError;

/// Asks under a savepoint; inside, what the server said where it refused. The savepoint is rolled back after an answer,
/// too: a function that the query calls may change settings, and they must not reach the next statement.
///
/// `prelude`: further statements before the query, which are undone with it.
///
/// # Errors
/// When the connection is lost, or the error is none of the server's.
pub(super) async fn ask(
    client: &impl GenericClient,
    attempted: &str,
    prelude: &str,
    (sql, parameters): (&str, &[Parameter<'_>]),
) -> Result<Result<Vec<Row>, Error>, DbError> {
    let during = || DbError::during(attempted.to_owned());
    client.batch_execute(&format!("SAVEPOINT oauthctl_asks; {prelude}")).await.map_err(during())?;
    let answer = client.query_typed(sql, parameters).await;
    // Without a session there is nothing to roll back.
    if answer.as_ref().is_err_and(|error| error.as_db_error().is_none() || error.is_closed()) {
        return answer.map(Ok).map_err(during());
    }
    let back = "ROLLBACK TO SAVEPOINT oauthctl_asks; RELEASE SAVEPOINT oauthctl_asks";
    client.batch_execute(back).await.map_err(during())?;
    Ok(answer)
}
