//! The state that the workers of a run share: what was done, what may still be done, and the observer.
//!
//! Nothing waits while the account is locked.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::types::Oid;
use tokio_util::sync::CancellationToken;

use super::cancel::Cancel;
use super::cause::Kind;
use super::connection::Done;
use super::crew::Crew;
use super::error::SweepError;
use super::event::{Batch, Event, Observer, Outcome, Stop, Transient, Wait};
use super::job::Job;
use super::retry::{Course, course};
use super::route::Place;
use super::watch::{Committed, Watch};
use crate::db::lock::Blocked;
use crate::model::{Pace, Sweep};

/// This number of batches in a row without progress ends the run. It is multiplied by the number of workers.
const STALLED: u32 = 10;

pub(super) struct Account<'a> {
    pub pace: &'a Pace,
    stop: &'a CancellationToken,
    /// Cancels what runs on a connection.
    pub cancel: Cancel<'a>,
    started: Instant,
    stalled_at_most: u32,
    /// Which workers may work.
    pub crew: Crew,
    /// What speaks against the next batch; `None`: nothing is watched.
    pub watch: Option<Watch>,
    /// The tables whose locks a batch may have to wait for.
    pub tables: Vec<Oid>,
    entries: Mutex<Entries<'a>>,
}

struct Entries<'a> {
    on: Observer<'a>,
    outcome: Outcome,
    /// Rows that batches under way may delete.
    reserved: u64,
    /// Batches in a row that made no progress.
    stalled: u32,
    /// Why all workers end.
    end: Option<Stop>,
}

/// What to do about a batch that failed.
pub(super) enum AfterFailure {
    Again(Transient),
    /// End the run.
    End(Stop),
}

impl<'a> Account<'a> {
    pub(super) fn new(
        pace: &'a Pace,
        stop: &'a CancellationToken,
        cancel: Cancel<'a>,
        (tables, watch): (Vec<Oid>, Option<Watch>),
        on: Observer<'a>,
    ) -> Self {
        let entries = Entries { on, outcome: Outcome::default(), reserved: 0, stalled: 0, end: None };
        let stalled_at_most = STALLED.saturating_mul(pace.workers.most());
        Self {
            pace,
            stop,
            cancel,
            started: Instant::now(),
            stalled_at_most,
            crew: Crew::new(pace.workers),
            watch,
            tables,
            entries: Mutex::new(entries),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries<'a>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds something to the outcome.
    pub(super) fn book(&self, add: impl FnOnce(&mut Outcome)) {
        add(&mut self.entries().outcome);
    }

    /// Tells the observer.
    pub(super) fn tell(&self, event: Event<'_>) {
        (self.entries().on)(event);
    }

    /// The outcome so far.
    pub(super) fn outcome(&self) -> Outcome {
        let (available, workers) = self.crew.time();
        Outcome { elapsed: self.started.elapsed(), available, workers, ..self.entries().outcome.clone() }
    }

    /// Where the run begins.
    pub(super) fn place(&self) -> Option<Place> {
        self.entries().outcome.place.clone()
    }

    /// What is committed by now.
    pub(super) fn committed(&self) -> Committed {
        let entries = self.entries();
        Committed { batches: entries.outcome.batches, deleted: entries.outcome.deleted }
    }

    /// How long the run has waited by now for what it watches, apart from vacuums.
    pub(super) fn waited(&self) -> Duration {
        let waited = self.entries().outcome.waited;
        waited.total().saturating_sub(waited.get(Kind::Vacuum))
    }

    /// Why the run must end, if it must.
    pub(super) fn must_stop(&self) -> Option<Stop> {
        if self.stop.is_cancelled() {
            return Some(Stop::Interrupted);
        }
        if self.time_left() == Some(Duration::ZERO) {
            return Some(Stop::MaxDuration);
        }
        self.entries().end.clone()
    }

    /// The time until the end of the run; `None`: there is no limit.
    fn time_left(&self) -> Option<Duration> {
        self.pace.max_duration.map(|max| max.saturating_sub(self.started.elapsed()))
    }

    /// Waits until the run must end for a reason that does not wait for a batch.
    pub(super) async fn ended(&self) {
        let time_is_up = async {
            match self.time_left() {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = time_is_up => {}
        }
    }

    /// Makes every worker end.
    pub(super) fn end(&self, stop: Stop) {
        self.entries().end.get_or_insert(stop);
    }

    /// Sets rows aside for a batch of up to `size` rows; a pair of `pair` rows is not torn apart.
    /// `None`: there are none to be had, now or at all, and then the run ends.
    pub(super) fn reserve(&self, size: u32, pair: u32) -> Option<u32> {
        let mut entries = self.entries();
        let Some(max) = self.pace.max_rows else { return Some(size) };
        let deleted = entries.outcome.rows();
        let left = max.saturating_sub(deleted).saturating_sub(entries.reserved);
        // A run that may delete a single row still deletes a pair: otherwise it would delete nothing.
        let least = if deleted == 0 && entries.reserved == 0 { 1 } else { u64::from(pair) };
        if left < least {
            if entries.reserved == 0 {
                entries.end.get_or_insert(Stop::MaxRows);
            }
            return None;
        }
        let room = u32::try_from(left).unwrap_or(u32::MAX).min(size).max(pair);
        entries.reserved += u64::from(room);
        Some(room)
    }

    /// Gives back what a batch did not use.
    pub(super) fn release(&self, room: u32) {
        if self.pace.max_rows.is_some() {
            let mut entries = self.entries();
            entries.reserved = entries.reserved.saturating_sub(u64::from(room));
        }
    }

    /// Books a committed batch.
    pub(super) fn book_batch(&self, job: &Job<'_>, done: &Done, examined: u32, size: u32) {
        let deleted = &done.taken.deleted;
        let rows = deleted.rows();
        let mut entries = self.entries();
        let outcome = &mut entries.outcome;
        outcome.deleted += deleted.tally;
        outcome.detached += deleted.detached;
        outcome.dependents += deleted.dependents;
        outcome.others.extend(&deleted.others);
        outcome.batches += u64::from(rows > 0);
        outcome.idle += u64::from(rows == 0 && done.taken.left == 0);
        outcome.busy += done.elapsed;
        outcome.longest = outcome.longest.max(done.elapsed);
        (entries.on)(Event::Batch(Batch {
            sweep: job.sweep,
            deleted: deleted.tally,
            others: deleted.others.total(),
            examined: u64::from(examined),
            size,
            elapsed: done.elapsed,
        }));
    }

    /// Counts a batch that had to wait for a lock, and tells who holds it, unless that was the last thing told.
    pub(super) fn note_blocked(&self, blocked: Option<Blocked>) {
        let mut entries = self.entries();
        entries.outcome.blocked += 1;
        let Some(blocked) = blocked.filter(|now| entries.outcome.holder.as_ref() != Some(now)) else {
            return;
        };
        (entries.on)(Event::Blocked(&blocked));
        entries.outcome.holder = Some(blocked);
    }

    /// Counts a batch of which it is not known whether it was committed.
    pub(super) fn book_unseen(&self) {
        self.book(|outcome| outcome.unseen += 1);
    }

    /// A batch was committed. `left`: it deleted nothing because others have its rows locked.
    pub(super) fn note_progress(&self, rows: u64, left: bool) -> Option<Stop> {
        let mut entries = self.entries();
        if rows > 0 {
            entries.stalled = 0;
        } else if left {
            entries.outcome.blocked += 1;
            entries.stalled += 1;
        }
        let stuck = left && entries.stalled >= self.stalled_at_most;
        stuck.then(|| Stop::NoProgress {
            batches: entries.stalled,
            reason: Transient::Locked,
            detail: "other transactions have the rows locked".to_owned(),
        })
    }

    /// A batch failed: waits before the next try, or gives up. `at_once`: there is another way that needs no wait.
    pub(super) async fn after_failure(
        &self,
        sweep: &Sweep,
        reason: Transient,
        error: SweepError,
        at_once: bool,
    ) -> Result<AfterFailure, SweepError> {
        let wait = {
            let mut entries = self.entries();
            entries.outcome.retries += 1;
            entries.stalled += u32::from(!at_once);
            let stalled = entries.stalled;
            let wait = match course(reason, stalled, self.stalled_at_most, at_once) {
                Course::Wait(wait) => wait,
                Course::GiveUp => {
                    let detail = error.detail();
                    return Ok(AfterFailure::End(Stop::NoProgress { batches: stalled, reason, detail }));
                }
                Course::Fail => return Err(error),
            };
            (entries.on)(Event::Retry { sweep, reason, stalled, wait });
            wait
        };
        self.pause(wait).await;
        Ok(AfterFailure::Again(reason))
    }

    /// Pauses, and says what for.
    pub(super) async fn wait(&self, reason: Wait, wait: Duration) {
        self.tell(Event::Waiting { reason, wait });
        self.pause(wait).await;
    }

    /// Waits for something that is watched.
    pub(super) async fn hold(&self, kind: Kind, wait: Duration) {
        let slept = self.sleep(wait).await;
        self.entries().outcome.waited.add(kind, slept);
    }

    async fn pause(&self, wait: Duration) {
        let slept = self.sleep(wait).await;
        self.entries().outcome.paused += slept;
    }

    /// Sleeps, but not beyond the end of the run; returns how long.
    async fn sleep(&self, wait: Duration) -> Duration {
        let started = Instant::now();
        let wait = self.time_left().map_or(wait, |left| wait.min(left));
        if wait.is_zero() {
            return Duration::ZERO;
        }
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
        started.elapsed()
    }
}
