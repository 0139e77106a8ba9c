//! A COMMIT whose answer never came: asks over a new connection, for a limited time, whether it was committed.

use std::time::Duration;

use super::prepared::Prepared;
use super::session::Session;
use crate::apply::{ApplyError, Outcome, commit};
use crate::db::transaction::Verdict;
use crate::model::visible::visible;

/// How long the server may stay away before the question is left to the user.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is tried.
const RETRY: Duration = Duration::from_millis(500);

/// How to find out where a file declares everything.
pub(super) const PLAN_TELLS: &str = "run `oauthctl plan`: no changes means that they were made";

/// The same where a part of it was applied.
pub(super) const PLAN_TELLS_OF_PICKED: &str =
    "run `oauthctl plan`: if it shows only what was left out, they were made";

/// The outcome of a COMMIT without an answer where the server can tell it; any other outcome as it is.
pub(super) async fn resolve(
    session: &mut Session,
    prepared: &Prepared,
    outcome: Result<Outcome, ApplyError>,
) -> Result<Outcome, ApplyError> {
    let (lost, written) = match outcome {
        Err(ApplyError::Unknown { lost, written }) => (lost, written),
        known => return known,
    };
    session.ui.status(
        "The connection was lost at COMMIT. Asking the server over a new one whether the changes were made.",
    );
    let interrupted = session.interrupted.clone();
    let verdict = tokio::select! {
        asked = tokio::time::timeout(PATIENCE, ask(prepared, &written)) => asked.unwrap_or(Verdict::Unknown),
        _ = interrupted.wait() => Verdict::Unknown,
    };
    match verdict {
        Verdict::Committed => {
            session.ui.status("The changes were committed.");
            Ok(Outcome { done: prepared.proposal.plan.summary(), ..Outcome::default() })
        }
        Verdict::Aborted => Err(ApplyError::LostAtCommit(lost)),
        Verdict::Running | Verdict::Unknown => Err(ApplyError::Unknown { lost, written }),
    }
}

/// Asks until the server answers.
async fn ask(prepared: &Prepared, written: &commit::Written) -> Verdict {
    let connected = &prepared.connected;
    loop {
        let asked = async {
            let client = connected.database.get().await?;
            commit::fate(&**client, &connected.layout, written).await
        };
        match asked.await {
            Ok(verdict) => return verdict,
            Err(error) if !error.is_retryable() => return Verdict::Unknown,
            Err(error) => {
                tracing::debug!("the server cannot be asked: {}", visible(&error.to_string()));
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
