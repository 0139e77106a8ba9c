//! The writer, run for a verb: its connections, what it says meanwhile, and what its failures mean.

use super::connected::give_back;
use super::prepared::Prepared;
use super::session::Session;
use super::trying;
use super::unanswered;
use crate::apply::{ApplyError, DRAIN_ABOVE, Event, Outcome, Request};
use crate::db::error::{DbError, Meaning};
use crate::db::ledger::Noted;
use crate::error::Error;
use crate::plan::seal::Sealed;
use crate::ui::plan::{plural, visible};
use crate::ui::waiting;

/// Runs the writer; shared with `createapplication`.
pub async fn write(
    session: &mut Session,
    prepared: &Prepared,
    sealed: &Sealed,
    noted: Noted,
) -> Result<Outcome, Error> {
    let database = &prepared.connected.database;
    let mut writer = database.get().await?;
    let mut drainer = None;
    if crate::apply::drains(&prepared.proposal.plan) {
        drainer = Some(database.get().await.map_err(no_second_connection)?);
    }
    let owner = session.owner(&prepared.config.policy);
    let request = Request {
        plan: &prepared.proposal.plan,
        secrets: &sealed.stored,
        layout: &prepared.connected.layout,
        lock_timeout: session.global.lock_timeout,
        owner: noted.owner(&owner),
        noted_as: noted.steps(),
        stop: &session.interrupted.token,
    };
    let used = std::iter::once(&writer).chain(&drainer);
    let guards: Vec<_> =
        used.map(|client| prepared.connected.cancel_on_signal(client, &session.interrupted)).collect();
    let ui = &mut session.ui;
    let mut drained = 0;
    let mut on = |event: Event<'_>| match event {
        Event::Waiting(Some(holder)) => ui.status(format_args!(
            "Waiting for another oauthctl: pid {} ({}), since {}.",
            holder.pid,
            visible(&holder.application_name),
            holder.since
        )),
        Event::Waiting(None) => ui.status("Waiting for another oauthctl."),
        Event::Blocked(blocked) => ui.status(waiting::line(blocked)),
        Event::Executed(step) => {
            tracing::info!(client_id = visible(step.client_id().as_str()), "step executed");
        }
        Event::Drained { client_id, deleted, rows, total } => {
            drained += deleted;
            ui.status(format_args!(
                "Deleting tokens of {}: {rows} of about {total}.",
                visible(client_id.as_str())
            ));
        }
    };
    let second = drainer.as_mut().map(|client| &mut ***client);
    let outcome = crate::apply::apply(&mut writer, second, &request, &mut on).await;
    drop(guards);
    give_back(writer, &session.interrupted);
    if let Some(drainer) = drainer {
        give_back(drainer, &session.interrupted);
    }
    let outcome = unanswered::resolve(session, prepared, outcome).await;
    match outcome {
        Err(ApplyError::Refused { client_id, failed }) if drained == 0 => {
            Err(trying::refused(session, prepared, client_id, failed).await)
        }
        outcome => outcome.map_err(|error| failure(session, error, drained)),
    }
}

/// Why one connection is not enough this time.
fn no_second_connection(error: DbError) -> Error {
    Error::from(error)
        .context(format!(
            "nothing was changed: deleting an application with more than {DRAIN_ABOVE} dependent rows takes two connections at \
             once"
        ))
        .hint("raise the role's CONNECTION LIMIT, or the size of the pooler's pool, to 2")
}

/// What to say of a failure: a cancelled statement after a signal is an interruption, not an error.
fn failure(session: &Session, error: ApplyError, drained: u64) -> Error {
    let cancelled = match &error {
        ApplyError::Interrupted => true,
        ApplyError::Database(error) => *error.meaning() == Meaning::QueryCanceled,
        ApplyError::Locked(_)
        | ApplyError::Stale(_)
        | ApplyError::Affected { .. }
        | ApplyError::Unsealed(_)
        | ApplyError::NotJson(_)
        | ApplyError::Refused { .. }
        | ApplyError::SequenceBehind { .. }
        | ApplyError::LostAtCommit(_)
        | ApplyError::Unknown { .. } => false,
    };
    let error = match session.interrupted.exit().filter(|_| cancelled) {
        Some(exit) => Error::new(exit, "interrupted; the changes were rolled back"),
        None => Error::from(error),
    };
    if drained == 0 {
        return error;
    }
    let rows = plural(drained, "token");
    error.hint(format!(
        "{rows} of applications to be deleted are deleted already; the next run continues from there"
    ))
}
