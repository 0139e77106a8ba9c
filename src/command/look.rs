//! Reading what may not be readable: a statement under a savepoint, so that its failure ends nothing else.

use deadpool_postgres::Transaction;

use crate::db::error::{DbError, Meaning};
use crate::health::Look;

/// Reads something. What the server refuses, or takes too long for, comes back as a text.
///
/// # Errors
/// When the connection is lost: then there is nothing more to read.
pub async fn look<T>(
    snapshot: &mut Transaction<'_>,
    attempted: &str,
    read: impl AsyncFnOnce(&tokio_postgres::Transaction<'_>) -> Result<T, tokio_postgres::Error>,
) -> Result<Look<T>, DbError> {
    try_look(snapshot, attempted, async |client| {
        read(client).await.map_err(DbError::during(attempted.to_owned()))
    })
    .await
}

/// The same for what has errors of its own.
///
/// # Errors
/// As [`look`].
pub async fn try_look<T>(
    snapshot: &mut Transaction<'_>,
    attempted: &str,
    read: impl AsyncFnOnce(&tokio_postgres::Transaction<'_>) -> Result<T, DbError>,
) -> Result<Look<T>, DbError> {
    let savepoint = snapshot.savepoint("look").await.map_err(DbError::during(attempted.to_owned()))?;
    match read(&savepoint).await {
        Ok(seen) => {
            savepoint.commit().await.map_err(DbError::during(attempted.to_owned()))?;
            Ok(Ok(seen))
        }
        Err(error) if matches!(error.meaning(), Meaning::ConnectionLost | Meaning::AdminShutdown) => {
            Err(error)
        }
        Err(error) => {
            savepoint.rollback().await.map_err(DbError::during(attempted.to_owned()))?;
            Ok(Err(error.to_string()))
        }
    }
}
