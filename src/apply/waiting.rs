//! Waiting for rows and tables that others hold, inside the one transaction: under a savepoint, so that a wait in vain
//! loses nothing of it.

use tokio_postgres::Transaction;

use super::{ApplyError, Event, Request, go_on};
use crate::db::error::DbError;
use crate::db::lock::Wanted;
use crate::db::patience::{self, Wait, Waits, lock_timeout};

const ATTEMPTED: &str = "waiting for a lock";

/// Does some work of the transaction, as often as a lock keeps it from ending.
pub(super) async fn patiently<T>(
    transaction: &Transaction<'_>,
    request: &Request<'_>,
    attempted: &str,
    on: &mut (dyn FnMut(Event<'_>) + Send),
    mut work: impl AsyncFnMut() -> Result<T, DbError>,
) -> Result<T, ApplyError> {
    let mut wait = Wait::new(request.lock_timeout);
    let tables = request.layout.oids();
    loop {
        go_on(request)?;
        run(transaction, &format!("SAVEPOINT waiting; {}", wait.setting())).await?;
        match work().await {
            Ok(done) => {
                let limit = lock_timeout(request.lock_timeout);
                run(transaction, &format!("RELEASE SAVEPOINT waiting; {limit}")).await?;
                return Ok(done);
            }
            Err(error) if error.is_locked() => {
                run(transaction, "ROLLBACK TO SAVEPOINT waiting; RELEASE SAVEPOINT waiting").await?;
                let blocked = patience::who(transaction, Some(&tables), Wanted::Rows).await?;
                wait.go_on(attempted, blocked, |blocked| on(Event::Blocked(blocked)))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Row locks are waited for as long as the advisory lock at most.
pub(super) async fn bound_waiting(
    transaction: &Transaction<'_>,
    request: &Request<'_>,
) -> Result<(), ApplyError> {
    transaction
        .batch_execute(&lock_timeout(request.lock_timeout))
        .await
        .map_err(DbError::during("limiting how long locks are waited for"))?;
    Ok(())
}

async fn run(transaction: &Transaction<'_>, sql: &str) -> Result<(), DbError> {
    transaction.batch_execute(sql).await.map_err(DbError::during(ATTEMPTED))
}
