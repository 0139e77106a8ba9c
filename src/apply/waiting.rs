//! Waiting for locked rows and tables inside the one transaction: under a savepoint, so that a wait that fails loses
//! nothing of it.

use super::error::ApplyError;
use super::request::{Event, Observer, Request, Work};
use crate::db::error::DbError;
use crate::db::lock::Wanted;
use crate::db::patience::{self, Wait, Waits};
use crate::db::session;

const ATTEMPTED: &str = "waiting for a lock";

/// Whether the work may go on: the user has not asked to stop.
pub(super) fn go_on(request: &Request<'_>) -> Result<(), ApplyError> {
    if request.stop.is_cancelled() { Err(ApplyError::Interrupted) } else { Ok(()) }
}

/// Does some work of the transaction, as often as a lock keeps it from ending.
pub(super) async fn patiently<T>(
    Work { transaction, request }: Work<'_>,
    attempted: &str,
    on: Observer<'_>,
    mut work: impl AsyncFnMut() -> Result<T, DbError>,
) -> Result<T, ApplyError> {
    let during = || DbError::during(ATTEMPTED);
    let mut wait = Wait::new(request.lock_timeout);
    let tables = request.layout.oids();
    loop {
        go_on(request)?;
        session::begin_attempt(transaction, &wait.setting()).await.map_err(during())?;
        match work().await {
            Ok(done) => {
                session::keep_attempt(transaction, request.lock_timeout).await.map_err(during())?;
                return Ok(done);
            }
            Err(error) if error.is_locked() => {
                session::undo_attempt(transaction).await.map_err(during())?;
                let blocked = patience::who(transaction, Some(&tables), Wanted::Rows).await?;
                wait.go_on(attempted, blocked, |blocked| on(Event::Blocked(blocked)))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
