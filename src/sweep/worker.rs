//! One of the workers of a run: takes window after window and does what has to be done there.
//!
//! In bulk where most rows are doomed and no other session has locked them, row by row otherwise. A window that meets a
//! lock, a change or a new reference is done row by row at once; what stays locked is left for another look.

use std::time::{Duration, Instant};

use deadpool_postgres::Pool;

use super::account::{Account, AfterFailure};
use super::connection::{Connection, Done, Fault};
use super::crew::Turn;
use super::error::SweepError;
use super::event::{Stop, Transient, Wait};
use super::gate;
use super::job::{Job, Piece};
use super::pace::{Pacer, Way, pause};
use super::retry::{self, Next};
use crate::db::lock::Wanted;
use crate::db::tokens::{Pointers, Taken, Window};
use crate::db::transaction::Verdict;

/// How often one window is tried before it is left for a second look.
const TRIES: u32 = 3;

pub(super) struct Worker<'a> {
    number: u32,
    pub connection: Connection<'a>,
    account: &'a Account<'a>,
    /// Rows that stay locked are not counted again while the run tries them again.
    looking_again: bool,
    /// The pause before the next batch.
    due: Duration,
    /// When it ended its last batch, or began to work.
    since: Instant,
}

/// How a batch ended.
#[expect(clippy::large_enum_variant, reason = "one of them at a time, and nearly always the large one")]
enum Attempt {
    Done(Done),
    Failed(Transient),
    Stop(Stop),
}

impl From<AfterFailure> for Attempt {
    fn from(next: AfterFailure) -> Self {
        match next {
            AfterFailure::Again(reason) => Self::Failed(reason),
            AfterFailure::End(stop) => Self::Stop(stop),
        }
    }
}

impl<'a> Worker<'a> {
    pub(super) fn new(number: u32, pool: &'a Pool, account: &'a Account<'a>) -> Self {
        let (connection, since) = (Connection::new(pool), Instant::now());
        Self { number, connection, account, looking_again: false, due: Duration::ZERO, since }
    }

    /// Does windows until there are none, or until the run ends. An error ends the other workers too.
    pub(super) async fn walk(&mut self, job: &Job<'_>) -> Result<Option<Stop>, SweepError> {
        self.looking_again = false;
        let result = self.walk_on(job).await;
        match &result {
            Ok(None) => {}
            Ok(Some(stop)) => self.account.end(stop.clone()),
            Err(_) => self.account.end(Stop::Interrupted),
        }
        self.account.crew.end();
        result
    }

    async fn walk_on(&mut self, job: &Job<'_>) -> Result<Option<Stop>, SweepError> {
        loop {
            if !self.is_admitted().await {
                return Ok(None);
            }
            if let Some(stop) = self.may_go_on(job).await? {
                return Ok(Some(stop));
            }
            let size = job.with_pacer(|pacer| pacer.size());
            let Some(room) = self.account.reserve(size, job.cleaner.rows_per_key()) else {
                return Ok(self.account.must_stop());
            };
            let next = tokio::select! {
                next = job.next(&mut self.connection, room) => next,
                // A search may take a while, and changes nothing.
                () = self.account.ended() => {
                    self.account.release(room);
                    self.connection.cancel(self.account.cancel).await;
                    return Ok(self.account.must_stop());
                }
            };
            let piece = match next {
                Ok(Some(piece)) => piece,
                Ok(None) => {
                    self.account.release(room);
                    return Ok(None);
                }
                Err(fault) => {
                    self.account.release(room);
                    if let Attempt::Stop(stop) = self.trouble(job, fault, false).await? {
                        return Ok(Some(stop));
                    }
                    continue;
                }
            };
            let stop = match piece.way {
                Way::Bulk(pointers) => self.sweep(job, piece, pointers, room).await?,
                Way::Few(..) | Way::Careful(_) => {
                    self.account.release(room);
                    self.pick(job, piece.window, piece.span, false).await?
                }
            };
            if stop.is_some() {
                return Ok(stop);
            }
        }
    }

    /// Waits until this worker may work; `false`: the walk has ended meanwhile.
    async fn is_admitted(&mut self) -> bool {
        let crew = &self.account.crew;
        while self.number >= crew.allowed() || self.number > 0 && crew.is_auto() && !self.is_connected().await
        {
            if !crew.admits(self.number).await {
                return false;
            }
            self.since = Instant::now();
        }
        true
    }

    /// A server that has no room for one connection more is no reason to fail while there are others.
    async fn is_connected(&mut self) -> bool {
        let connected = self.connection.client().await.is_ok();
        if !connected {
            self.account.crew.cap(self.number);
        }
        connected
    }

    /// Does a window in bulk.
    async fn sweep(
        &mut self,
        job: &Job<'_>,
        piece: Piece,
        pointers: Pointers,
        room: u32,
    ) -> Result<Option<Stop>, SweepError> {
        let Piece { window, span, .. } = piece;
        let attempt = self.attempt(job, &window, Way::Bulk(pointers)).await;
        self.account.release(room);
        match attempt? {
            Attempt::Stop(stop) => {
                job.give_back(window).await;
                return Ok(Some(stop));
            }
            Attempt::Done(done) => {
                let rows = done.taken.deleted.rows();
                job.with_pacer(|pacer| pacer.swept(span, rows, done.elapsed));
                self.book(job, &done, span, room);
            }
            Attempt::Failed(reason) => match retry::next(reason, Way::Bulk(pointers)) {
                Next::Careful | Next::Counted => return self.pick(job, window, span, true).await,
                next @ (Next::Again | Next::Smaller | Next::LookingForPointers) => {
                    learn(job, next);
                    job.give_back(window).await;
                }
            },
        }
        Ok(None)
    }

    /// Does the doomed rows of a window in as many batches as it takes; `careful`: one row lock at a time.
    async fn pick(
        &mut self,
        job: &Job<'_>,
        window: Window,
        span: u32,
        mut careful: bool,
    ) -> Result<Option<Stop>, SweepError> {
        let mut rest = Some(window);
        let mut tries = 0;
        while let Some(window) = rest.take() {
            if let Some(stop) = self.may_go_on(job).await? {
                job.give_back(window).await;
                return Ok(Some(stop));
            }
            let (size, pair) = (job.with_pacer(|pacer| pacer.size()), job.cleaner.rows_per_key());
            let Some(room) = self.account.reserve(size, pair) else {
                job.give_back(window).await;
                return Ok(self.account.must_stop());
            };
            let way = job.with_pacer(|pacer| pacer.pick(room, careful));
            let attempt = self.attempt(job, &window, way).await;
            self.account.release(room);
            match attempt? {
                Attempt::Stop(stop) => {
                    job.give_back(window).await;
                    return Ok(Some(stop));
                }
                Attempt::Done(done) => {
                    tries = 0;
                    rest.clone_from(&done.taken.rest);
                    job.with_pacer(|pacer| pacer.picked(rest.is_some(), done.elapsed));
                    self.book(job, &done, if rest.is_some() { 0 } else { span }, room);
                    if done.taken.left > 0 {
                        let high = rest.as_ref().map_or(&window.high, |rest| &rest.low).clone();
                        let keys = done.taken.seen.keys;
                        job.remember(Window { low: window.low, high, keys }, done.taken.left);
                    }
                }
                Attempt::Failed(reason) => {
                    let next = retry::next(reason, way);
                    learn(job, next);
                    careful |= next == Next::Careful;
                    tries += u32::from(next == Next::Counted);
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

    /// Looks at windows with locked rows; `again`: these have been counted before.
    pub(super) async fn look(
        &mut self,
        job: &Job<'_>,
        windows: Vec<Window>,
        again: bool,
    ) -> Result<Option<Stop>, SweepError> {
        self.looking_again = again;
        for window in windows {
            if let Some(stop) = self.pick(job, window, 0, true).await? {
                return Ok(Some(stop));
            }
        }
        Ok(None)
    }

    /// Runs one batch and finds out whether it was committed.
    async fn attempt(&mut self, job: &Job<'_>, window: &Window, way: Way) -> Result<Attempt, SweepError> {
        let done = match self.connection.attempt(&job.cleaner, window, way).await {
            Ok(done) => done,
            Err(Fault::Unseen(unseen, error)) => {
                let next =
                    self.account.after_failure(job.sweep, Transient::Disconnected, error, false).await?;
                loop {
                    match self.connection.fate(unseen.xid).await {
                        Ok(Verdict::Committed) => match self.confirm(job, unseen.done, way).await? {
                            Attempt::Done(done) => break done,
                            other => return Ok(other),
                        },
                        Ok(Verdict::Aborted) => return Ok(next.into()),
                        Ok(Verdict::Unknown | Verdict::Running) => {
                            self.account.book_unseen();
                            return Ok(next.into());
                        }
                        Err(fault) => {
                            if let Attempt::Stop(stop) = self.trouble(job, fault, false).await? {
                                self.account.book_unseen();
                                return Ok(Attempt::Stop(stop));
                            }
                        }
                    }
                }
            }
            Err(fault) => return self.trouble(job, fault, !matches!(way, Way::Careful(_))).await,
        };
        let left = done.taken.left > 0 && !self.looking_again;
        match self.account.note_progress(done.taken.deleted.rows(), left) {
            Some(stop) => Ok(Attempt::Stop(stop)),
            None => Ok(Attempt::Done(done)),
        }
    }

    /// Looks whether a batch that is said to be committed has left anything.
    ///
    /// After a crash the server gives out again the numbers of transactions of which nothing had reached its log: then
    /// "committed" is another transaction, and this one was never committed. Its rows are still there, and go now.
    async fn confirm(&mut self, job: &Job<'_>, said: Done, way: Way) -> Result<Attempt, SweepError> {
        let keys = match way {
            Way::Careful(keys) | Way::Few(keys, _) => keys,
            Way::Bulk(_) => u32::MAX,
        };
        loop {
            match self.connection.attempt(&job.cleaner, &said.taken.seen, Way::Careful(keys)).await {
                Ok(again) if again.taken.deleted.rows() == 0 => return Ok(Attempt::Done(said)),
                Ok(again) => {
                    let taken = Taken { rest: said.taken.rest, ..again.taken };
                    return Ok(Attempt::Done(Done { taken, ..again }));
                }
                Err(fault) => {
                    if let Attempt::Stop(stop) = self.trouble(job, fault, false).await? {
                        self.account.book_unseen();
                        return Ok(Attempt::Stop(stop));
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
        let at_once = fallback && reason != Transient::Disconnected;
        if reason == Transient::Locked && !at_once {
            // Rows that are locked are skipped, so this was a table. Who holds it is worth no failure of its own.
            let blocked = self.connection.blocked(&self.account.tables, Wanted::Write).await.ok();
            self.account.note_blocked(blocked);
        }
        Ok(self.account.after_failure(job.sweep, reason, error, at_once).await?.into())
    }

    fn book(&mut self, job: &Job<'_>, done: &Done, examined: u32, size: u32) {
        job.book(done.taken.deleted.tally);
        self.account.book_batch(job, done, examined, size);
        self.due = pause(self.account.pace, done.elapsed, done.taken.deleted.rows());
        let (deleted, elapsed, waited) = (done.taken.deleted.rows(), done.elapsed, self.account.waited());
        let since = std::mem::replace(&mut self.since, Instant::now());
        self.account.crew.note(&Turn { since, deleted, examined, elapsed, waited });
    }

    /// Pauses if a pause is due, waits for what is watched, and says why the run must end, if it must.
    async fn may_go_on(&mut self, job: &Job<'_>) -> Result<Option<Stop>, SweepError> {
        let due = std::mem::take(&mut self.due);
        if !due.is_zero() && self.account.must_stop().is_none() {
            self.account.wait(Wait::Pace, due).await;
        }
        loop {
            match gate::pass(&mut self.connection, self.account).await {
                Ok(stop) => return Ok(stop),
                Err(fault) => {
                    if let Attempt::Stop(stop) = self.trouble(job, fault, false).await? {
                        return Ok(Some(stop));
                    }
                }
            }
        }
    }
}

/// What the next batches of the sweep do otherwise.
fn learn(job: &Job<'_>, next: Next) {
    match next {
        Next::Smaller => job.with_pacer(Pacer::too_slow),
        Next::LookingForPointers => job.with_pacer(Pacer::expect_pointers),
        Next::Again | Next::Careful | Next::Counted => {}
    }
}
