//! Runs a cleanup with its progress: for `cleartokens`, and at the end of `apply`.

use deadpool_postgres::Object;
use tokio_postgres::Client;

use super::Format;
use super::session::{Connected, Session};
use crate::db::connect::Canceller;
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
    // Aloud: the run itself waits for batches only.
    if let Err(error) = wait(session, connected).await {
        return (None, Err(error));
    }
    let manner = Manner::of(&session.ui, session.global.format == Format::Json);
    let (pace, stop) = (Pace::from(policy), session.interrupted.token.clone());
    let mut progress = Progress::new(&mut session.ui, manner, total);
    let pool = connected.database.pool();
    let (layout, cancel) =
        (&connected.layout, |client: &Client| cancelling(connected.database.canceller(client)));
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
    }
    (outcome, result)
}

async fn wait(session: &Session, connected: &Connected) -> Result<(), Error> {
    let client = connected.database.get().await?;
    let waited = session
        .interrupted
        .or(async { Ok(connected.patience.wait(&client, &connected.tables, Reading::Everything).await?) });
    let waited = waited.await;
    if session.interrupted.exit().is_some() {
        // It may be waiting still: nobody else is to have this connection.
        drop(Object::take(client));
    }
    waited
}

fn cancelling(canceller: Canceller) -> sweep::Canceller {
    Box::new(move || Box::pin(canceller.clone().cancel_or_warn()))
}

/// The exit code of a run that did not end well; `None`: it did.
#[must_use]
pub fn exit_of(session: &Session, outcome: &Outcome) -> Option<Exit> {
    match outcome.stop {
        Stop::Interrupted => Some(session.interrupted.exit().unwrap_or(Exit::Interrupted)),
        _ if outcome.is_prevented() => Some(Exit::Locked),
        Stop::Finished | Stop::MaxRows | Stop::MaxDuration => None,
        Stop::NoProgress { .. } | Stop::Failed { .. } => Some(Exit::Failed),
    }
}
