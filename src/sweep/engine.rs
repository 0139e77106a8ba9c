//! The loop: windows, batches, retries, pauses and second looks.
//!
//! One window after the other, in the order of the primary key, in bulk where most rows are doomed and nobody else is
//! there, row by row otherwise. Rows that others have locked are left, and looked at again when the sweep is through,
//! and once more at the end.

use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use tokio_util::sync::CancellationToken;

use super::pace::{Pacer, Way, back_off, pause};
use super::worker::{Done, Fault, Unseen, Verdict, Worker};
use super::{Batch, Event, Failure, Outcome, Pace, Stop, SweepError, Transient, Wait};
use crate::db::layout::{Layout, Table};
use crate::db::tokens::{self, Cleaner, Excluded, Window};
use crate::model::{Category, Doomed, Sweep, TableRole, Tally};

/// So many batches in a row without progress end the run.
const STALLED: u32 = 10;

/// So many tries for one window before it is left for a second look.
const TRIES: u32 = 3;

/// So many looks at what was locked, after the sweep.
const LOOKS: u32 = 3;

/// The pauses before them are 2, 4 and 8 times this: 1.4 s in all.
const LOOK_AFTER: Duration = Duration::from_millis(100);

/// No more windows than this are remembered for a second look; beyond it they are joined.
const REMEMBERED: usize = 1_000;

/// A run.
pub(super) struct Engine<'a> {
    worker: Worker<'a>,
    pace: &'a Pace,
    stop: &'a CancellationToken,
    on: &'a mut (dyn FnMut(Event<'_>) + Send),
    outcome: Outcome,
    started: Instant,
    /// Batches in a row that got nowhere.
    stalled: u32,
    /// Rows that stay locked are no news while the run looks at them again.
    looking_again: bool,
    due: Duration,
}

/// A sweep on its way.
struct Job<'a> {
    sweep: &'a Sweep,
    cleaner: Cleaner,
    pacer: Pacer,
    /// About how many rows the driving table has.
    rows: Option<u64>,
    deleted: Tally,
    /// Windows with rows that others had locked, and how many rows those were.
    locked: Vec<Window>,
    left: u64,
}

/// What became of a batch.
enum Attempt {
    Done(Done),
    Failed(Transient),
    Stop(Stop),
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        pool: &'a Pool,
        pace: &'a Pace,
        stop: &'a CancellationToken,
        on: &'a mut (dyn FnMut(Event<'_>) + Send),
    ) -> Self {
        Self {
            worker: Worker::new(pool),
            pace,
            stop,
            on,
            outcome: Outcome::new(),
            started: Instant::now(),
            stalled: 0,
            looking_again: false,
            due: Duration::ZERO,
        }
    }

    pub(super) async fn run(mut self, layout: &Layout, sweeps: &[Sweep]) -> Result<Outcome, Box<Failure>> {
        let result = self.run_all(layout, sweeps).await;
        self.outcome.elapsed = self.started.elapsed();
        match result {
            Ok(stop) => Ok(Outcome { stop, ..self.outcome }),
            Err(error) => Err(Box::new(Failure { error, outcome: self.outcome })),
        }
    }

    async fn run_all(&mut self, layout: &Layout, sweeps: &[Sweep]) -> Result<Stop, SweepError> {
        let mut jobs = self.prepare(layout, sweeps).await?;
        for job in &mut jobs {
            if let Some(stop) = self.sweep(job, None).await? {
                return Ok(stop);
            }
        }
        if let Some(stop) = self.last_look(&mut jobs).await? {
            return Ok(stop);
        }
        self.outcome.locked = jobs.iter().map(|job| job.left).sum();
        Ok(Stop::Finished)
    }

    /// Refuses what cannot be done, before anything is deleted, and writes the statements.
    async fn prepare<'s>(
        &mut self,
        layout: &Layout,
        sweeps: &'s [Sweep],
    ) -> Result<Vec<Job<'s>>, SweepError> {
        let roles = [TableRole::RefreshToken, TableRole::AccessToken]
            .into_iter()
            .chain(sweeps.iter().flat_map(|sweep| sweep.tables().iter().copied()));
        let tables: Vec<&Table> = roles.filter_map(|role| layout.table(role)).collect();
        let mut hidden: Vec<String> =
            tables.iter().filter(|table| table.row_security).map(|table| table.sql()).collect();
        hidden.dedup();
        if !hidden.is_empty() {
            return Err(SweepError::RowSecurity(hidden));
        }
        let pace = self.pace;
        let client = self.worker.client().await.map_err(Fault::into_error)?;
        let reading = client.build_transaction().read_only(true).start().await;
        let reading = reading.map_err(|error| Fault::reading(error).into_error())?;
        let excluded = Excluded::resolve(&*reading, layout, sweeps).await?;
        let obstacles = tokens::obstacles(&*reading, layout, sweeps).await?;
        if !obstacles.is_empty() {
            return Err(SweepError::Obstacles(obstacles));
        }
        let vetoes = tokens::has_vetoes(&*reading, &tables).await?;
        let mut jobs = Vec::with_capacity(sweeps.len());
        for sweep in sweeps {
            let Some(table) = layout.table(sweep.role()) else { continue };
            let Some(cleaner) = Cleaner::new(layout, sweep, excluded.clone()) else { continue };
            let bulk = cleaner.has_bulk() && !vetoes;
            jobs.push(Job {
                sweep,
                pacer: Pacer::new(pace, cleaner.rows_per_key(), bulk),
                rows: tokens::estimate(&*reading, table).await?,
                cleaner,
                deleted: Tally::ZERO,
                locked: Vec::new(),
                left: 0,
            });
        }
        Ok(jobs)
    }

    /// Looks once more at what was locked throughout, and at the ID tokens that this frees.
    async fn last_look(&mut self, jobs: &mut [Job<'_>]) -> Result<Option<Stop>, SweepError> {
        let mut freed = false;
        for job in jobs {
            let again = freed && matches!(job.sweep.doomed, Doomed::IdTokens { .. });
            if job.locked.is_empty() && !again {
                continue;
            }
            let before = self.outcome.deleted.get(Category::Access);
            let windows = std::mem::take(&mut job.locked);
            job.left = 0;
            let stop = self.sweep(job, (!again).then_some(windows)).await?;
            if stop.is_some() {
                return Ok(stop);
            }
            freed |= self.outcome.deleted.get(Category::Access) > before;
        }
        Ok(None)
    }

    /// Sweeps a whole table, or some windows of it.
    async fn sweep(
        &mut self,
        job: &mut Job<'_>,
        windows: Option<Vec<Window>>,
    ) -> Result<Option<Stop>, SweepError> {
        let started = Instant::now();
        job.deleted = Tally::ZERO;
        (self.on)(Event::Started { sweep: job.sweep, rows: job.rows });
        let mut stop = match windows {
            None => self.walk(job).await?,
            Some(windows) => self.look(job, windows).await?,
        };
        if stop.is_none() {
            stop = self.look_again(job).await?;
        }
        (self.on)(Event::Finished { sweep: job.sweep, deleted: job.deleted, elapsed: started.elapsed() });
        Ok(stop)
    }

    async fn walk(&mut self, job: &mut Job<'_>) -> Result<Option<Stop>, SweepError> {
        let mut rest = loop {
            match self.worker.whole(&job.cleaner).await {
                Ok(rest) => break rest,
                Err(fault) => {
                    if let Attempt::Stop(stop) = self.trouble(job, fault, false).await? {
                        return Ok(Some(stop));
                    }
                }
            }
        };
        while let Some(left) = rest.take() {
            if let Some(stop) = self.may_go_on(job).await {
                return Ok(Some(stop));
            }
            let (way, span) = job.pacer.next(job.pacer.size(self.remaining()));
            let (window, tail) = match self.worker.cut(&job.cleaner, &left, span).await {
                Ok(parts) => parts,
                Err(fault) => {
                    if let Attempt::Stop(stop) = self.trouble(job, fault, false).await? {
                        return Ok(Some(stop));
                    }
                    rest = Some(left);
                    continue;
                }
            };
            let attempt = match way {
                Way::Bulk => self.attempt(job, &window, way).await?,
                Way::Careful(_) => Attempt::Failed(Transient::Locked),
            };
            match attempt {
                Attempt::Stop(stop) => return Ok(Some(stop)),
                Attempt::Done(done) => {
                    job.pacer.swept(span, done.deleted().tally.total(), done.elapsed);
                    self.record(job, &done, span);
                    rest = tail;
                }
                Attempt::Failed(Transient::TooSlow) => {
                    job.pacer.too_slow();
                    rest = Some(left);
                }
                Attempt::Failed(Transient::Disconnected) => rest = Some(left),
                Attempt::Failed(_) => {
                    if let Some(stop) = self.pick(job, window, span).await? {
                        return Ok(Some(stop));
                    }
                    rest = tail;
                }
            }
        }
        Ok(None)
    }

    /// Deletes the doomed rows of a window one lock at a time, in as many batches as it takes.
    async fn pick(
        &mut self,
        job: &mut Job<'_>,
        window: Window,
        span: u32,
    ) -> Result<Option<Stop>, SweepError> {
        let mut rest = Some(window);
        let mut tries = 0;
        while let Some(window) = rest.take() {
            if let Some(stop) = self.may_go_on(job).await {
                return Ok(Some(stop));
            }
            let keys = job.pacer.keys(job.pacer.size(self.remaining()));
            match self.attempt(job, &window, Way::Careful(keys)).await? {
                Attempt::Stop(stop) => return Ok(Some(stop)),
                Attempt::Done(done) => {
                    tries = 0;
                    rest.clone_from(&done.taken.rest);
                    job.pacer.picked(rest.is_some(), done.elapsed);
                    self.record(job, &done, if rest.is_some() { 0 } else { span });
                    if done.taken.left > 0 {
                        let high = rest.as_ref().map_or(&window.high, |rest| &rest.low).clone();
                        job.remember(Window { low: window.low, high }, done.taken.left);
                    }
                }
                Attempt::Failed(Transient::TooSlow) => {
                    job.pacer.too_slow();
                    rest = Some(window);
                }
                Attempt::Failed(Transient::Disconnected) => rest = Some(window),
                Attempt::Failed(_) => {
                    tries += 1;
                    if tries < TRIES {
                        rest = Some(window);
                    } else {
                        job.remember(window, 1);
                    }
                }
            }
        }
        Ok(None)
    }

    async fn look(&mut self, job: &mut Job<'_>, windows: Vec<Window>) -> Result<Option<Stop>, SweepError> {
        for window in windows {
            if let Some(stop) = self.pick(job, window, 0).await? {
                return Ok(Some(stop));
            }
        }
        Ok(None)
    }

    /// Waits for what was locked, a few times.
    async fn look_again(&mut self, job: &mut Job<'_>) -> Result<Option<Stop>, SweepError> {
        for look in 1..=LOOKS {
            if job.locked.is_empty() {
                break;
            }
            self.wait(Wait::Locks, LOOK_AFTER * 2_u32.pow(look)).await;
            let windows = std::mem::take(&mut job.locked);
            job.left = 0;
            self.looking_again = true;
            let stop = self.look(job, windows).await;
            self.looking_again = false;
            if let Some(stop) = stop? {
                return Ok(Some(stop));
            }
        }
        Ok(None)
    }

    /// Runs one batch and finds out what became of it.
    async fn attempt(&mut self, job: &Job<'_>, window: &Window, way: Way) -> Result<Attempt, SweepError> {
        let done = match self.worker.attempt(&job.cleaner, window, way).await {
            Ok(done) => done,
            Err(Fault::Unseen(unseen, error)) => {
                let fault = Fault::Transient(Transient::Disconnected, error);
                let attempt = self.trouble(job, fault, false).await?;
                match (attempt, self.verdict(job, &unseen).await?) {
                    (_, Verdict::Committed) => unseen.done,
                    (attempt, verdict) => {
                        self.outcome.unseen += u64::from(verdict == Verdict::Unknown);
                        return Ok(attempt);
                    }
                }
            }
            Err(fault) => return self.trouble(job, fault, way == Way::Bulk).await,
        };
        if done.deleted().tally.total() > 0 {
            self.stalled = 0;
        } else if done.taken.left > 0 && !self.looking_again {
            self.stalled += 1;
            if self.stalled >= STALLED {
                return Ok(Attempt::Stop(Stop::NoProgress {
                    batches: self.stalled,
                    reason: Transient::Locked,
                    detail: "other transactions have the rows locked".to_owned(),
                }));
            }
        }
        Ok(Attempt::Done(done))
    }

    async fn verdict(&mut self, job: &Job<'_>, unseen: &Unseen) -> Result<Verdict, SweepError> {
        loop {
            match self.worker.verdict(unseen).await {
                Ok(verdict) => return Ok(verdict),
                Err(fault) => {
                    if let Attempt::Stop(_) = self.trouble(job, fault, false).await? {
                        return Ok(Verdict::Unknown);
                    }
                }
            }
        }
    }

    /// Waits before the next try, or gives up. `fallback`: there is another way to try at once.
    async fn trouble(&mut self, job: &Job<'_>, fault: Fault, fallback: bool) -> Result<Attempt, SweepError> {
        let (reason, error) = match fault {
            Fault::Transient(reason, error) => (reason, error),
            Fault::Unseen(_, error) => (Transient::Disconnected, error),
            Fault::Fatal(error) => return Err(error),
        };
        self.outcome.retries += 1;
        let at_once = fallback && reason != Transient::Disconnected;
        if !at_once {
            self.stalled += 1;
        }
        if self.stalled >= STALLED {
            if reason == Transient::Disconnected {
                return Err(error);
            }
            return Ok(Attempt::Stop(Stop::NoProgress {
                batches: self.stalled,
                reason,
                detail: detail(&error),
            }));
        }
        let wait = if at_once { Duration::ZERO } else { back_off(reason, self.stalled) };
        (self.on)(Event::Retry { sweep: job.sweep, reason, stalled: self.stalled, wait });
        self.sleep(wait).await;
        Ok(Attempt::Failed(reason))
    }

    fn record(&mut self, job: &mut Job<'_>, done: &Done, examined: u32) {
        let deleted = done.deleted();
        let rows = deleted.tally.total();
        job.deleted += deleted.tally;
        self.outcome.deleted += deleted.tally;
        self.outcome.detached += deleted.detached;
        self.outcome.batches += u64::from(rows > 0);
        self.outcome.busy += done.elapsed;
        self.outcome.longest = self.outcome.longest.max(done.elapsed);
        self.due = pause(self.pace, done.elapsed, rows);
        (self.on)(Event::Batch(Batch {
            sweep: job.sweep,
            deleted: deleted.tally,
            examined: u64::from(examined),
            size: job.pacer.size(u64::MAX),
            elapsed: done.elapsed,
        }));
    }

    fn remaining(&self) -> u64 {
        self.pace.max_rows.map_or(u64::MAX, |max| max.saturating_sub(self.outcome.deleted.total()))
    }

    /// Pauses if a pause is due, and says why the run must end, if it must.
    async fn may_go_on(&mut self, job: &Job<'_>) -> Option<Stop> {
        if let Some(stop) = self.must_stop(job) {
            return Some(stop);
        }
        let due = std::mem::take(&mut self.due);
        if due.is_zero() {
            return None;
        }
        self.wait(Wait::Pace, due).await;
        self.must_stop(job)
    }

    fn must_stop(&self, job: &Job<'_>) -> Option<Stop> {
        if self.stop.is_cancelled() {
            return Some(Stop::Interrupted);
        }
        // A pair is not torn apart; but a run that may delete one row only deletes something.
        let enough = if self.outcome.batches == 0 { 1 } else { job.cleaner.rows_per_key() };
        if self.remaining() < u64::from(enough) {
            return Some(Stop::MaxRows);
        }
        self.pace.max_duration.filter(|max| self.started.elapsed() >= *max).map(|_| Stop::MaxDuration)
    }

    async fn wait(&mut self, reason: Wait, wait: Duration) {
        (self.on)(Event::Waiting { reason, wait });
        self.sleep(wait).await;
    }

    /// Sleeps, but not beyond the end of the run.
    async fn sleep(&mut self, wait: Duration) {
        let started = Instant::now();
        let left = self.pace.max_duration.map(|max| max.saturating_sub(self.started.elapsed()));
        let wait = left.map_or(wait, |left| wait.min(left));
        if !wait.is_zero() {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.outcome.paused += started.elapsed();
    }
}

impl Job<'_> {
    /// Keeps a window for another look.
    fn remember(&mut self, window: Window, rows: u64) {
        self.left += rows;
        if self.locked.len() >= REMEMBERED
            && let Some(last) = self.locked.last_mut()
        {
            last.high = window.high;
        } else {
            self.locked.push(window);
        }
    }
}

/// The server's own words.
fn detail(error: &SweepError) -> String {
    match error {
        SweepError::Tokens(error) => match error.database() {
            Some(database) => database.message().to_owned(),
            None => error.to_string(),
        },
        SweepError::Obstacles(_) | SweepError::RowSecurity(_) => error.to_string(),
    }
}
