//! What a server said when it closed a connection that no statement was waiting on.
//!
//! An idle time-out, a pooler's veto or a recovery conflict may come between two statements. The driver then hands the
//! reason to the task that drives the connection, and tells the next statement no more than "connection closed". The
//! driver's errors do not say which connection they are of, so the reasons are kept for the process as a whole, newest
//! last, and each explains one lost connection.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::DbError;

/// A new session means that the last one has been replaced without being missed: its reason explains nothing later on.
const STALE: Duration = Duration::from_secs(5);

/// More connections than a run may have.
const MOST: usize = 256;

static HEARD: Mutex<Vec<(Instant, DbError)>> = Mutex::new(Vec::new());

/// Keeps the reason, if the server gave one.
pub(in crate::db) fn hear(error: &tokio_postgres::Error) {
    let Some(server) = error.as_db_error() else { return };
    let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    if heard.len() < MOST {
        heard.push((Instant::now(), DbError::from_server(None, server)));
    }
}

/// The newest reason, once.
pub(super) fn recall() -> Option<DbError> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).pop().map(|(_, error)| error)
}

/// A session begins: reasons that are older explain nothing any more.
pub(in crate::db) fn forget_old_words() {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).retain(|(at, _)| at.elapsed() < STALE);
}
