//! What a server said when it closed a connection that no statement was waiting on.
//!
//! An idle time-out, a pooler's veto or a recovery conflict may come between two statements. The driver then hands the
//! reason to the task that drives the connection, and tells the next statement no more than "connection closed". The
//! driver's errors do not say which connection they are of, so the reasons are kept for the process as a whole, newest
//! last, and each explains one lost connection.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A new session means that the last one has been replaced without being missed: its reason explains nothing later on.
const STALE: Duration = Duration::from_secs(5);

/// More connections than a run may have.
const MOST: usize = 256;

/// The reasons, with the instants at which they were heard.
pub(super) struct LastWords<T>(Mutex<Vec<(Instant, T)>>);

impl<T> LastWords<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(super) fn keep(&self, reason: T) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() < MOST {
            heard.push((Instant::now(), reason));
        }
    }

    /// The newest reason, once.
    pub(super) fn recall(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().map(|(_, reason)| reason)
    }

    /// A session begins: reasons that are older explain nothing any more.
    pub(super) fn forget_old(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(at, _)| at.elapsed() < STALE);
    }
}
