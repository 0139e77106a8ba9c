//! Runs sweeps: batch after batch, each its own short transaction, until nothing is left or something says stop.
//!
//! Invariant: at every moment the database is one that DOT could have left: no dangling pointer, no row gone whose
//! predicate does not hold under the row lock. After any end of a run, a second one continues from there. Memory does
//! not grow with the tables. Makes no choice about what may go: that is `plan::retention`. Prints nothing.

mod account;
mod admission;
mod attended;
mod cancel;
mod cause;
mod connection;
mod controller;
mod crew;
mod engine;
mod error;
mod event;
mod gate;
mod job;
mod lag;
mod pace;
mod retry;
mod rewrite;
mod route;
mod wal_rate;
mod watch;
mod worker;

use std::time::Duration;

use deadpool_postgres::Pool;
use tokio_util::sync::CancellationToken;

use account::Account;
pub use admission::refusals;
pub use cancel::{Cancel, Canceller};
pub use cause::{Cause, Kind, Unwatched, Waited};
use engine::Engine;
pub use error::SweepError;
pub use event::{Batch, Disk, Event, Failure, Observer, Outcome, Stop, Transient, Wait};
pub use route::Place;
use watch::Watch;

use crate::db::layout::Layout;
use crate::model::{Pace, Sweep};

/// A wait during which nothing changes ends the run after this time.
pub const PATIENCE: Duration = Duration::from_mins(10);

/// How a run is stopped.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// Cancelled: the run ends after the running batches.
    pub stop: &'a CancellationToken,
    /// Cancels what runs on a connection: a rewrite, which is rolled back, a search, or a vacuum.
    pub cancel: Cancel<'a>,
    /// A wait during which nothing changes ends the run after this time: [`PATIENCE`], but for tests.
    pub patience: Duration,
    /// Where an earlier run stopped; `None`: the run begins at the beginning.
    pub from: Option<&'a Place>,
}

/// Runs the sweeps in order.
///
/// Takes as many connections from the pool as there are workers and gives them back; a lost one is replaced.
///
/// # Errors
/// Before the first delete: [`SweepError::BlockingRows`], [`SweepError::RowSecurity`], [`SweepError::Engine`],
/// [`SweepError::FkChecks`], [`SweepError::Rewrite`].
/// Later: an error that is not worth a retry, or a server that stays away.
pub async fn run(
    pool: &Pool,
    layout: &Layout,
    sweeps: &[Sweep],
    pace: &Pace,
    control: Control<'_>,
    on: Observer<'_>,
) -> Result<Outcome, Box<Failure>> {
    let Control { stop, cancel, patience, from } = control;
    let watch = Watch::new(pace, patience, layout, sweeps);
    let account = Account::new(pace, stop, cancel, (layout.oids(), watch), on);
    account.book(|outcome| outcome.place = from.cloned());
    let result = Engine::new(pool, &account).run(layout, sweeps).await;
    let outcome = account.outcome();
    match result {
        Ok(stop) => Ok(Outcome { stop, ..outcome }),
        Err(error) => {
            let stop = Stop::Failed { detail: error.detail() };
            Err(Box::new(Failure { error, outcome: Outcome { stop, ..outcome } }))
        }
    }
}
