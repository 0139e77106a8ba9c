//! Reading again where a connection was lost: that changes nothing, so it needs no question.

use std::time::Duration;

use crate::db::error::DbError;

/// The pauses before the next tries.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// Reads over a new connection as long as the last one was lost.
///
/// # Errors
/// Whatever else goes wrong, and the last loss.
pub async fn again<T>(read: impl AsyncFn() -> Result<T, DbError>) -> Result<T, DbError> {
    for pause in PAUSES {
        match read().await {
            Err(error) if error.is_connection_lost() => tokio::time::sleep(pause).await,
            done => return done,
        }
    }
    read().await
}
