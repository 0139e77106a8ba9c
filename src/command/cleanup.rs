//! Runs a cleanup with its progress: for `cleartokens`, and at the end of `apply`.

use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use tokio_postgres::Client;
use tokio_util::task::TaskTracker;

use super::Format;
use super::session::{Connected, Session};
use crate::db::connect::Canceller;
use crate::db::lock::Blocked;
use crate::db::patience::Reading;
use crate::error::{Error, Exit};
use crate::model::{CleanupPolicy, Sweep};
use crate::sweep::{self, Outcome, Pace, Stop};
use crate::ui::progress::{Manner, Progress};

/// Runs the sweeps. `total`: how many rows were counted before.
///
/// The outcome is there whether the run failed or not; `None`: it was refused before it began.
pub async fn run(
    session: &mut Session,
    connected: &Connected,
    sweeps: &[Sweep],
    policy: &CleanupPolicy,
    total: Option<u64>,
) -> (Option<Outcome>, Result<(), Error>) {
    let started = Instant::now();
    // Aloud: the run itself waits for batches only.
    let ended = match wait(session, connected, policy.max_duration).await {
        Ok(ended) => ended,
        Err(error) => return (None, Err(error)),
    };
    let manner = Manner::of(&session.ui, session.global.format == Format::Json);
    let (pace, stop) = (Pace::from(policy).after(started.elapsed()), session.interrupted.token.clone());
    let mut progress = Progress::new(&mut session.ui, manner, total);
    if let Some(outcome) = ended {
        progress.stopped(&outcome);
        drop(progress);
        hint(session, &outcome);
        return (Some(outcome), Ok(()));
    }
    let pool = connected.database.pool();
    let (layout, requests) = (&connected.layout, session.interrupted.requests.clone());
    let cancel = |client: &Client| cancelling(connected.database.canceller(client), requests.clone());
    let mut on = |event: sweep::Event<'_>| progress.on(&event);
    let ended = sweep::run(pool, layout, sweeps, &pace, &stop, &cancel, &mut on).await;
    let (outcome, result) = match ended {
        Ok(outcome) => (Some(outcome), Ok(())),
        Err(failure) => {
            let sweep::Failure { error, outcome } = *failure;
            (error.remedy().is_none().then_some(outcome), Err(error.into()))
        }
    };
    if let Some(outcome) = &outcome {
        progress.stopped(outcome);
        drop(progress);
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
    let pid = outcome.holder.as_ref().and_then(Blocked::pid).filter(|_| outcome.is_prevented());
    if let Some(pid) = pid.filter(|_| session.global.format != Format::Json) {
        session.ui.hint(format_args!(
            "`oauthctl doctor` says more about the session in the way; SELECT pg_terminate_backend({pid}) ends it"
        ));
    }
}

/// A request whose answer is waited for at the end of the process, whoever waits for it here.
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
        Stop::NoProgress { .. } | Stop::LockTimeout { .. } | Stop::Failed { .. } => Some(Exit::Failed),
    }
}
