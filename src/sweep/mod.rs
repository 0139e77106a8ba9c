//! Runs sweeps: batch after batch, each its own short transaction, until nothing is left or something says stop.
//!
//! Invariant: at every moment the database is one that DOT could have left: no dangling pointer, no row gone whose
//! predicate does not hold under the row lock. After any end of a run, a second one continues from there. Memory does
//! not grow with the tables. Makes no choice about what may go: that is `plan::retention`. Prints nothing.

mod account;
mod admission;
mod cancel;
mod connection;
mod engine;
mod error;
mod event;
mod job;
mod pace;
mod retry;
mod rewrite;
mod throttle;
mod worker;

use deadpool_postgres::Pool;
use tokio_util::sync::CancellationToken;

use account::Account;
pub use admission::refusals;
pub use cancel::{Cancel, Canceller};
use engine::Engine;
pub use error::SweepError;
pub use event::{Batch, Disk, Event, Failure, Observer, Outcome, Stop, Transient, Wait};

use crate::db::layout::Layout;
use crate::model::{Pace, Sweep};

/// Runs the sweeps in order.
///
/// Stops after the running batches once `stop` is cancelled; a rewrite is cancelled with `cancel` and rolled back.
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
    stop: &CancellationToken,
    cancel: Cancel<'_>,
    on: Observer<'_>,
) -> Result<Outcome, Box<Failure>> {
    let account = Account::new(pace, stop, cancel, layout.oids(), on);
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
