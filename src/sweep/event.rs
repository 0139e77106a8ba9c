//! The events of a run, and its outcome.
//!
//! Values only: the drawer decides what is worth a line. Knows no terminal.

use std::time::Duration;

use super::cause::{Cause, Unwatched, Waited};
use super::error::SweepError;
use super::route::Place;
use crate::db::lock::Blocked;
use crate::db::tokens::Phase;
use crate::model::{ForeignTally, Position, Sweep, TableRole, Tally};

/// Is called with everything that happens meanwhile.
pub type Observer<'a> = &'a mut (dyn FnMut(Event<'_>) + Send);

/// What a run tells while it runs.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A sweep begins.
    Started {
        sweep: &'a Sweep,
        /// About how many rows will be looked at, from the table's statistics; `None` where there are none.
        rows: Option<u64>,
    },
    /// A batch was committed.
    Batch(Batch<'a>),
    /// A batch was rolled back and is tried again, after a pause unless that is zero.
    Retry {
        /// The sweep it belongs to.
        sweep: &'a Sweep,
        reason: Transient,
        /// Batches in a row that made no progress.
        stalled: u32,
        wait: Duration,
    },
    /// Another session holds a lock that the next batch needs. Told again when that changes.
    Blocked(&'a Blocked),
    /// The run pauses on purpose.
    Waiting {
        reason: Wait,
        /// For how long.
        wait: Duration,
    },
    /// Something that is watched speaks against the next batch; the run waits until it does not. Told again meanwhile.
    Held {
        cause: &'a Cause,
        /// How long the run has waited for it by now.
        waited: Duration,
    },
    /// Something is to be watched and cannot be. Told once, before the first batch where that is known then.
    Unwatched(&'a Unwatched),
    /// `fk_checks = "auto"` leaves the triggers on, for these reasons. Told once.
    Triggers { reasons: &'a str },
    /// A rewrite is at this step. Told when it begins, and again while it lasts.
    Step {
        /// What it does.
        phase: Phase,
        /// To which table; `None`: to all.
        table: Option<TableRole>,
        /// The number of the step, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// How long the step has taken by now.
        elapsed: Duration,
    },
    /// A rewrite is committed, but some tables have no statistics.
    Unvacuumed { reason: &'a str },
    /// A sweep ended, at its end or because the run stops.
    Finished {
        sweep: &'a Sweep,
        /// What it deleted.
        deleted: Tally,
        /// How long it took, pauses included.
        elapsed: Duration,
    },
}

/// A committed transaction.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The sweep it belongs to.
    pub sweep: &'a Sweep,
    /// What it deleted.
    pub deleted: Tally,
    /// How many rows of the project's own tables went or were changed along.
    pub others: u64,
    /// How many rows of the driving table it moved past.
    pub examined: u64,
    /// The most rows that it was allowed to delete.
    pub size: u32,
    /// From its first statement to the end of its commit.
    pub elapsed: Duration,
}

/// Why a batch is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transient {
    /// Another transaction holds a lock (55P03).
    Locked,
    /// The server broke a deadlock (40P01).
    Deadlock,
    /// The rows were changed meanwhile (40001).
    Changed,
    /// A row that refers to one of the batch appeared meanwhile (23503).
    Referenced,
    /// The batch took longer than its statement timeout (57014); the next one is smaller.
    TooSlow,
    /// The connection or the server went away; the batch was rolled back by the server, or committed unseen.
    Disconnected,
}

/// What a pause is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// `batch_interval` and `nice_ratio`.
    Pace,
    /// Rows that others hold locked.
    Locks,
}

/// Why a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// There is nothing left to do, except rows counted in [`Outcome::locked`].
    #[default]
    Finished,
    /// `max_rows` were deleted.
    MaxRows,
    /// `max_duration` is over.
    MaxDuration,
    /// The user asked to stop.
    Interrupted,
    /// The tables could not be read in this time, because of locks: there was no batch.
    LockTimeout {
        /// How long the lock was waited for.
        limit: Duration,
    },
    /// It waited for this, and nothing changed.
    Held {
        cause: Cause,
        /// For how long.
        waited: Duration,
    },
    /// This number of batches in a row made no progress.
    NoProgress {
        batches: u32,
        /// What the last one met.
        reason: Transient,
        /// What the server said to it.
        detail: String,
    },
    /// An error ended it. What is left is not known.
    Failed {
        /// What the error says.
        detail: String,
    },
}

/// What a run did. Everything in it is committed.
#[derive(Clone, Debug, Default)]
#[must_use = "an unreported outcome misleads the operator"]
pub struct Outcome {
    pub deleted: Tally,
    /// Access tokens that stay, whose pointer to a deleted refresh token was cleared.
    pub detached: u64,
    /// Rows that went with an application; they are not in [`Outcome::deleted`].
    pub dependents: u64,
    /// Rows of the project's own tables that went or were changed along.
    pub others: ForeignTally,
    /// Committed transactions that deleted something.
    pub batches: u64,
    /// Transactions that were rolled back and tried again.
    pub retries: u64,
    /// Batches that a lock of another session prevented, with nothing else to try.
    pub blocked: u64,
    /// Batches that found nothing to delete and nothing locked.
    pub idle: u64,
    /// Who held that lock last.
    pub holder: Option<Blocked>,
    /// Rows that would have gone, and are still there because others held them locked throughout.
    pub locked: u64,
    /// Batches whose COMMIT was lost with the connection and of which the server no longer knows whether they were
    /// committed; their rows are not in [`Outcome::deleted`].
    pub unseen: u64,
    /// The whole run.
    pub elapsed: Duration,
    /// The part of it spent in batches.
    pub busy: Duration,
    /// The part of it spent waiting for what is watched, by kind.
    pub waited: Waited,
    /// The part of it spent in pauses: `batch_interval` and `nice_ratio`, and before second looks and tries.
    pub paused: Duration,
    /// The most connections that worked at the same time; the parts are sums over them.
    pub workers: u32,
    /// The time of all of them together.
    pub available: Duration,
    /// The longest batch: no lock was held for longer.
    pub longest: Duration,
    /// What a rewrite did to the disk; `None`: there was none.
    pub disk: Option<Disk>,
    /// Where a later run goes on; `None`: at the beginning.
    pub place: Option<Place>,
    /// The same as it is written down.
    pub position: Option<Position>,
    /// Whether that was, so that the next run knows it.
    pub remembered: bool,
    /// How long a rewrite kept the tables locked; `None`: there was none.
    pub exclusive: Option<Duration>,
    /// Why it ended.
    pub stop: Stop,
}

/// The bytes that the rewritten tables take, with their indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// When they were locked.
    pub before: u64,
    /// When it was over.
    pub after: u64,
}

impl Outcome {
    /// All rows that were deleted.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.deleted.total() + self.dependents
    }

    /// Whether nothing was deleted because of locks of other sessions, for any reason of the end.
    #[must_use]
    pub fn is_prevented(&self) -> bool {
        let prevented = match self.stop {
            Stop::Finished => self.locked > 0,
            Stop::NoProgress { reason, .. } => reason == Transient::Locked,
            Stop::MaxDuration | Stop::MaxRows | Stop::Interrupted => self.blocked > 0 && self.idle == 0,
            Stop::LockTimeout { .. } => true,
            Stop::Held { .. } | Stop::Failed { .. } => false,
        };
        prevented && self.batches == 0 && self.unseen == 0
    }

    /// A run that ended before its first batch. `holder`: who held the lock that it waited for.
    pub fn before_the_first_batch(stop: Stop, holder: Option<Blocked>, elapsed: Duration) -> Self {
        let blocked = u64::from(holder.is_some());
        Self { blocked, holder, elapsed, stop, workers: 1, ..Self::default() }
    }
}

/// A run that ended with an error, and what it had done by then.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    #[source]
    pub error: SweepError,
    /// What was committed before; its `stop` is [`Stop::Failed`].
    pub outcome: Outcome,
}
