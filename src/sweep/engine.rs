//! The order of a run: checks, sweep after sweep, second looks, and a last one.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use futures_util::future::join_all;

use super::account::{Account, AfterFailure};
use super::admission::{self, Admission};
use super::connection::{Connection, Fault, fault};
use super::job::Job;
use super::worker::Worker;
use super::{Event, Place, Stop, SweepError, Transient, Wait, rewrite, route};
use crate::db::layout::Layout;
use crate::db::tokens::{self, Cleaner, Window};
use crate::model::{Category, Doomed, Pace, Sweep};

/// How often locked rows are tried again after the sweep.
const LOOKS: u32 = 3;

/// The pauses before them are 2, 4 and 8 times this: 1.4 s in all.
const LOOK_AFTER: Duration = Duration::from_millis(100);

/// A run that may begin: what was found out about it, and its jobs.
type Begun<'s> = (Admission<'s>, Vec<Job<'s>>);

/// A part of a table.
enum Part<'a> {
    Leg(&'a route::Leg),
    /// Windows with rows that were locked.
    Windows(Vec<Window>),
}

pub(super) struct Engine<'a> {
    account: &'a Account<'a>,
    workers: Vec<Worker<'a>>,
}

impl<'a> Engine<'a> {
    pub(super) fn new(pool: &'a Pool, account: &'a Account<'a>) -> Self {
        // More workers than connections would wait for each other.
        let most = u32::try_from(pool.status().max_size).unwrap_or(u32::MAX);
        let count = account.pace.workers.most().min(most).max(1);
        account.crew.cap(count);
        let workers = (0..count).map(|number| Worker::new(number, pool, account)).collect();
        Self { account, workers }
    }

    pub(super) async fn run(&mut self, layout: &Layout, sweeps: &[Sweep]) -> Result<Stop, SweepError> {
        let (admission, jobs) = match self.begin(layout, sweeps).await? {
            ControlFlow::Continue(begun) => begun,
            ControlFlow::Break(stop) => return Ok(stop),
        };
        if let Some(reasons) = &admission.fallback {
            self.account.tell(Event::Triggers { reasons });
        }
        if let Some(rewrite) = &admission.rewrite {
            let Some(worker) = self.workers.first_mut() else { return Ok(Stop::Finished) };
            return rewrite::run(&mut worker.connection, self.account, rewrite, sweeps).await;
        }
        if let Some(stop) = self.walk_all(sweeps, &jobs).await? {
            return Ok(stop);
        }
        if let Some(stop) = self.last_look(&jobs).await? {
            return Ok(stop);
        }
        self.account.book(|outcome| outcome.locked += jobs.iter().map(Job::left).sum::<u64>());
        Ok(Stop::Finished)
    }

    /// All tables, from the place where an earlier run stopped.
    async fn walk_all(&mut self, sweeps: &[Sweep], jobs: &[Job<'_>]) -> Result<Option<Stop>, SweepError> {
        let mut legs = route::legs(sweeps, self.account.place().as_ref());
        // ID tokens are freed by access tokens, which a run that wraps around deletes after them.
        let (mut walked_ids, mut freed) = (None, false);
        let mut next = 0;
        while let Some(leg) = legs.get(next).cloned() {
            next += 1;
            let Some(job) = jobs.iter().find(|job| sweeps.get(leg.sweep) == Some(job.sweep)) else {
                continue;
            };
            let (stop, walked) = self.sweep(job, Part::Leg(&leg)).await?;
            if stop.is_some() {
                let left = legs.get(next..).unwrap_or_default();
                let place = if walked { None } else { self.place(sweeps, job, &leg).await };
                let place = place.or_else(|| route::first_place(sweeps, left));
                let place = place.filter(|place| !route::is_beginning(sweeps, place));
                self.account.book(|outcome| outcome.place = place);
                return Ok(stop);
            }
            freed |= walked_ids.is_some() && job.deleted().get(Category::Access) > 0;
            if matches!(job.sweep.doomed, Doomed::IdTokens { .. }) {
                walked_ids = Some(leg.sweep);
            }
            if next == legs.len()
                && let Some(ids) = walked_ids.filter(|_| std::mem::take(&mut freed))
            {
                legs.push(route::Leg { sweep: ids, from: None, until: None });
            }
        }
        self.account.book(|outcome| outcome.place = None);
        Ok(None)
    }

    /// Where a run goes on that stopped on this leg; `None`: after it. Where the server does not answer any more, the leg
    /// is walked again.
    async fn place(&mut self, sweeps: &[Sweep], job: &Job<'_>, leg: &route::Leg) -> Option<Place> {
        let begins = route::first_place(sweeps, std::slice::from_ref(leg));
        let key = match job.rest().await.as_deref() {
            None => return begins,
            Some([]) => return None,
            Some([key]) => key.clone(),
            Some(keys) => {
                let worker = self.workers.first_mut()?;
                match worker.connection.lowest(&job.cleaner, keys).await {
                    Ok(Some(key)) => key,
                    Ok(None) | Err(_) => return begins,
                }
            }
        };
        route::place_in(sweeps, leg, key)
    }

    /// Looks whether the run may begin, and prepares it. A connection that is lost meanwhile is replaced: nothing has
    /// been changed yet.
    async fn begin<'s>(
        &mut self,
        layout: &'s Layout,
        sweeps: &'s [Sweep],
    ) -> Result<ControlFlow<Stop, Begun<'s>>, SweepError> {
        let account = self.account;
        let (Some(worker), Some(first)) = (self.workers.first_mut(), sweeps.first()) else {
            return Ok(ControlFlow::Break(Stop::Finished));
        };
        loop {
            match look(&mut worker.connection, account.pace, layout, sweeps).await {
                Ok(begun) => return Ok(ControlFlow::Continue(begun)),
                Err(Fault::Transient(Transient::Disconnected, error)) => {
                    let next = account.after_failure(first, Transient::Disconnected, error, false).await?;
                    if let AfterFailure::End(stop) = next {
                        return Ok(ControlFlow::Break(stop));
                    }
                }
                Err(fault) => return Err(fault.into_error()),
            }
        }
    }

    /// Looks once more at what was locked throughout, and at the ID tokens that this frees.
    async fn last_look(&mut self, jobs: &[Job<'_>]) -> Result<Option<Stop>, SweepError> {
        let mut freed = false;
        for job in jobs {
            let again = freed && matches!(job.sweep.doomed, Doomed::IdTokens { .. });
            let windows = job.take_locked();
            if windows.is_empty() && !again {
                continue;
            }
            let whole = route::Leg { sweep: 0, from: None, until: None };
            let part = if again { Part::Leg(&whole) } else { Part::Windows(windows) };
            let (stop, _) = self.sweep(job, part).await?;
            if stop.is_some() {
                return Ok(stop);
            }
            freed |= job.deleted().get(Category::Access) > 0;
        }
        Ok(None)
    }

    /// Sweeps a part of a table; also whether it was walked to its end.
    async fn sweep(&mut self, job: &Job<'_>, part: Part<'_>) -> Result<(Option<Stop>, bool), SweepError> {
        let started = Instant::now();
        self.account.tell(Event::Started { sweep: job.sweep, rows: job.rows });
        let mut stop = match part {
            Part::Leg(leg) => {
                job.restart(leg.from.clone(), leg.until.clone()).await;
                self.walk(job).await?
            }
            Part::Windows(windows) => {
                job.restart(None, None).await;
                self.look(job, windows, false).await?
            }
        };
        let walked = stop.is_none();
        if stop.is_none() {
            stop = self.look_again(job).await?;
        }
        let (deleted, elapsed) = (job.deleted(), started.elapsed());
        self.account.tell(Event::Finished { sweep: job.sweep, deleted, elapsed });
        Ok((stop, walked))
    }

    /// All workers at once, each on windows of its own.
    async fn walk(&mut self, job: &Job<'_>) -> Result<Option<Stop>, SweepError> {
        loop {
            self.account.crew.begin();
            let results = join_all(self.workers.iter_mut().map(|worker| worker.walk(job))).await;
            let mut stop = None;
            for result in results {
                stop = stop.or(result?);
            }
            // Near `max_rows` a worker may have found all rows set aside by others, which then did not need them.
            if stop.is_some() || job.is_handed_out() {
                return Ok(stop);
            }
        }
    }

    async fn look(
        &mut self,
        job: &Job<'_>,
        windows: Vec<Window>,
        again: bool,
    ) -> Result<Option<Stop>, SweepError> {
        match self.workers.first_mut() {
            Some(worker) => worker.look(job, windows, again).await,
            None => Ok(None),
        }
    }

    /// Waits for what was locked, a few times.
    async fn look_again(&mut self, job: &Job<'_>) -> Result<Option<Stop>, SweepError> {
        for look in 1..=LOOKS {
            let windows = job.take_locked();
            if windows.is_empty() {
                break;
            }
            self.account.wait(Wait::Locks, LOOK_AFTER * 2_u32.pow(look)).await;
            if let Some(stop) = self.look(job, windows, true).await? {
                return Ok(Some(stop));
            }
        }
        Ok(None)
    }
}

/// Whether the run may begin, and the statements that it will use.
async fn look<'s>(
    connection: &mut Connection<'_>,
    pace: &Pace,
    layout: &'s Layout,
    sweeps: &'s [Sweep],
) -> Result<Begun<'s>, Fault> {
    let client = connection.client().await?;
    let admitted = admission::admit(client, layout, sweeps, pace).await?;
    // A run fails with the first reason.
    let admission = admitted.map_err(|mut refusals| Fault::Fatal(refusals.remove(0)))?;
    let Admission { excluded, vetoes, checks, .. } = &admission;
    let mut jobs = Vec::with_capacity(sweeps.len());
    for sweep in sweeps.iter().filter(|_| admission.rewrite.is_none()) {
        let Some(table) = layout.table(sweep.role()) else { continue };
        let Some(cleaner) = Cleaner::new(layout, sweep, excluded.clone(), checks) else {
            continue;
        };
        let rows = tokens::estimate(&***client, table).await.map_err(fault)?;
        jobs.push(Job::new(sweep, cleaner, rows, pace, !*vetoes));
    }
    Ok((admission, jobs))
}
