//! Runs a cleanup with its progress: for `cleartokens`, and at the end of `apply`.

use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use tokio_postgres::Client;
use tokio_util::task::TaskTracker;

use super::Format;
use super::connected::Connected;
use super::resuming::Resuming;
use super::session::Session;
use crate::db::connect::Canceller;
use crate::db::lock::Blocked;
use crate::db::patience::Reading;
use crate::db::tokens;
use crate::error::{Error, Exit};
use crate::model::{Category, CleanupPolicy, Pace, Sweep};
use crate::plan::retention::{self, NoLifetime};
use crate::sweep::{self, Outcome, Stop};
use crate::ui::plan::visible;
use crate::ui::progress::{Manner, Progress, Total};

/// Runs the sweeps. `total`: how many rows were counted or estimated before.
///
/// The outcome is there whether the run failed or not; `None`: it was refused before it began.
pub async fn run(
    session: &mut Session,
    connected: &Connected,
    sweeps: &[Sweep],
    pace: &Pace,
    total: Option<Total>,
    resuming: &Resuming,
) -> (Option<Outcome>, Result<(), Error>) {
    let started = Instant::now();
    // Aloud: the run itself waits for batches only.
    let ended = match wait(session, connected, pace.max_duration).await {
        Ok(ended) => ended,
        Err(error) => return (None, Err(error)),
    };
    let manner = Manner::of(&session.ui, session.global.format == Format::Json);
    let (pace, stop) = (pace.clone().after(started.elapsed()), session.interrupted.token.clone());
    let mut progress = Progress::new(&mut session.ui, manner, total);
    if let Some(outcome) = ended {
        let mut outcome = Outcome { place: resuming.place().cloned(), ..outcome };
        let failed = resuming.end(connected, &mut outcome).await;
        progress.stopped(&outcome);
        drop(progress);
        if let Some(error) = failed {
            session.ui.warning(error);
        }
        hint(session, &outcome);
        return (Some(outcome), Ok(()));
    }
    let pool = connected.database.pool();
    let (layout, requests) = (&connected.layout, session.interrupted.requests.clone());
    let cancel = |client: &Client| cancelling(connected.database.canceller(client), requests.clone());
    let control =
        sweep::Control { stop: &stop, cancel: &cancel, patience: sweep::PATIENCE, from: resuming.place() };
    let mut on = |event: sweep::Event<'_>| progress.on(&event);
    let ended = sweep::run(pool, layout, sweeps, &pace, control, &mut on).await;
    let (mut outcome, result) = match ended {
        Ok(outcome) => (Some(outcome), Ok(())),
        Err(failure) => {
            let sweep::Failure { error, outcome } = *failure;
            (error.hint().is_none().then_some(outcome), Err(error.into()))
        }
    };
    if let Some(outcome) = &mut outcome {
        let failed = resuming.end(connected, outcome).await;
        progress.stopped(outcome);
        drop(progress);
        if let Some(error) = failed {
            session.ui.warning(error);
        }
        hint(session, outcome);
    }
    (outcome, result)
}

/// Waits until the tables can be read. `Some`: the run ends before its first batch.
async fn wait(
    session: &Session,
    connected: &Connected,
    max_duration: Option<Duration>,
) -> Result<Option<Outcome>, Error> {
    let (started, limit) = (Instant::now(), connected.patience.limit());
    let client = connected.database.get().await?;
    let patience = connected.patience.within(max_duration.unwrap_or(limit));
    let waiting = patience.wait_or_name(&client, &connected.tables, Reading::Everything);
    let waited = session.interrupted.or(async { Ok(waiting.await?) }).await;
    if session.interrupted.exit().is_some() {
        // It may still be waiting, so this connection must not be used again.
        drop(Object::take(client));
        return Ok(Some(Outcome::before_the_first_batch(Stop::Interrupted, None, started.elapsed())));
    }
    let stop = if patience.limit() < limit { Stop::MaxDuration } else { Stop::LockTimeout { limit } };
    let end = |holder| Outcome::before_the_first_batch(stop, Some(holder), started.elapsed());
    Ok(waited?.map(end))
}

/// How to end the session that prevented the run.
fn hint(session: &mut Session, outcome: &Outcome) {
    let end =
        outcome.holder.as_ref().and_then(Blocked::statement_to_end_it).filter(|_| outcome.is_prevented());
    if let Some(end) = end.filter(|_| session.global.format != Format::Json) {
        session
            .ui
            .hint(format_args!("`oauthctl doctor` says more about the session that holds it; {end} ends it"));
    }
}

/// A cancel request. The process waits for its answer before it ends, also if the caller does not.
fn cancelling(canceller: Canceller, requests: TaskTracker) -> sweep::Canceller {
    Box::new(move || {
        let request = requests.spawn(canceller.clone().cancel_or_warn());
        Box::pin(async { drop(request.await) })
    })
}

/// The exit code of a run that did not end well; `None`: it did.
#[must_use]
pub fn exit_of(session: &Session, outcome: &Outcome) -> Option<Exit> {
    match outcome.stop {
        Stop::Interrupted => Some(session.interrupted.exit().unwrap_or(Exit::Interrupted)),
        _ if outcome.is_prevented() => Some(Exit::Locked),
        Stop::Finished | Stop::MaxRows | Stop::MaxDuration => None,
        Stop::NoProgress { .. } | Stop::Held { .. } | Stop::LockTimeout { .. } | Stop::Failed { .. } => {
            Some(Exit::Failed)
        }
    }
}

/// How many connections a run of the policy takes, with one more for the ledger.
#[must_use]
pub fn connections(pace: &Pace) -> usize {
    usize::try_from(pace.workers.most()).unwrap_or(usize::MAX).saturating_add(1)
}

/// Warns of what a policy leaves behind, as DOT does where there is no lifetime.
pub async fn warn(session: &mut Session, connected: &Connected, policy: &CleanupPolicy) -> Result<(), Error> {
    let wanted = retention::categories(policy, &connected.layout.roles());
    if let Some(kept) = retention::no_lifetime(policy).filter(|_| wanted.contains(&Category::Expired)) {
        let what = match kept {
            NoLifetime::KeepsIdle => {
                "only revoked and orphaned refresh tokens are deleted, and the access tokens of the others stay"
            }
            NoLifetime::KeepsIdleAndRevoked => {
                "under reuse protection revoked refresh tokens are never deleted, and others only when they are orphaned"
            }
        };
        session
            .ui
            .warning(format_args!("refresh tokens have no lifetime, so they never expire by age: {what}."));
        session.ui.hint("set refresh_token_expire in [cleanup], or --refresh-token-expire, to REFRESH_TOKEN_EXPIRE_SECONDS");
    }
    for category in policy.only.iter().filter(|category| !wanted.contains(category)) {
        session.ui.warning(format_args!("this database has no table of {}.", category.title()));
    }
    for category in &wanted {
        let lacking = tokens::lacking(&connected.layout, *category);
        if !lacking.is_empty() {
            let (title, columns) = (category.title(), lacking.join(", "));
            // DOT has always had the others: the table is a model of the project's own.
            let (marks, others): (Vec<&str>, Vec<&str>) = lacking
                .iter()
                .partition(|column| ["registration_source", "cimd_expires_at"].contains(column));
            if others.is_empty() {
                session.ui.warning(format_args!(
                    "this database does not mark {title}: its application table lacks {columns}, which came with DOT 3.4.0."
                ));
            } else {
                session.ui.warning(format_args!(
                    "no {title} are deleted: the application table lacks {columns}, without which it is not known which are old \
                     and unused."
                ));
            }
            if *category == Category::Dcr && !marks.is_empty() {
                session.ui.hint("if another column marks them, name it: dynamic = { column = \"NAME\", value = true } in [policy]");
            }
        }
    }
    // What policies hide is not said to be missing; a run is refused for that.
    if !policy.exclude_clients.is_empty() && !connected.layout.application().row_security {
        let mut client = connected.database.get().await?;
        let snapshot = connected.snapshot(&mut client, Reading::Applications).await?;
        for unknown in tokens::unknown_clients(&*snapshot, &connected.layout, &policy.exclude_clients).await?
        {
            let name = visible(unknown.as_str());
            session
                .ui
                .warning(format_args!("no application has the client id {name}, which is to be left alone."));
        }
    }
    Ok(())
}
