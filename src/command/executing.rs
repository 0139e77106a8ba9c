//! What the verbs that write applications have in common: the question, the secrets and their delivery, the writer.

use std::path::Path;

use super::delivering::UNDELIVERABLE;
use super::environment;
use super::hashing;
use super::prepared::Prepared;
use super::scope::ConsentArgs;
use super::session::Session;
use super::writing;
use crate::apply::Outcome;
use crate::db::ledger::Noted;
use crate::delivery::Delivery;
use crate::error::{Error, Exit};
use crate::model::ClientId;
use crate::plan::seal::{Recipe, SealError, Sealed, seal};
use crate::secret::Secret;
use crate::ui::plan::{plural, visible};

/// Continues if the flag or a person says so.
pub(super) async fn confirm(session: &mut Session, args: &ConsentArgs, question: &str) -> Result<(), Error> {
    if args.yes {
        return Ok(());
    }
    if !session.ui.terminal().interactive {
        let verb = session.verb.name();
        let message = format!(
            "{verb} needs --yes because there is no terminal on which it could ask; nothing was changed"
        );
        return Err(Error::new(Exit::Refused, message));
    }
    if session.confirm(&format!("{question} Type \"yes\" to continue:")).await? {
        Ok(())
    } else {
        Err(Error::new(Exit::Failed, "not confirmed; nothing was changed"))
    }
}

/// Makes the secrets, delivers them, writes the rows. `None`: there was nothing to write. `unknown`: how to find out
/// whether a COMMIT without an answer was executed.
pub(super) async fn execute(
    session: &mut Session,
    args: &ConsentArgs,
    prepared: &Prepared,
    noted: Noted,
    unknown: &str,
) -> Result<Option<Outcome>, Error> {
    if prepared.proposal.plan.is_empty() {
        return Ok(None);
    }
    let recipe = hashing::recipe(&prepared.config);
    let sealed = make_secrets(session, prepared, recipe)?;
    let delivery = match &args.secrets_out {
        Some(path) if !sealed.generated.is_empty() => Some(deliver(path, &sealed.generated)?),
        _ => None,
    };
    let outcome = writing::write(session, prepared, &sealed, noted).await;
    let outcome = outcome.map_err(|error| error.hint_if_unknown(unknown));
    settle(session, args, delivery, &sealed, outcome).map(Some)
}

/// Makes the plan's secrets.
pub fn make_secrets(session: &mut Session, prepared: &Prepared, recipe: Recipe) -> Result<Sealed, Error> {
    let mut entropy = environment::entropy();
    let mut watch = hashing::watch(session, "Hashing secrets");
    let sealed = seal(&prepared.proposal.plan, &prepared.config.desired, recipe, &mut entropy, &mut watch);
    drop(watch);
    let sealed = sealed.inspect(|sealed| session.known.note(sealed));
    sealed.map_err(|error| match error {
        SealError::Stopped(_) => session.interrupted.stopped(),
        SealError::Entropy(_) | SealError::NotEncoded(_) => Error::from_source(Exit::Failed, &error),
    })
}

/// Writes the secrets to their file before anything is committed: a file too many can be deleted, a lost secret
/// cannot be brought back.
fn deliver(path: &Path, generated: &[(ClientId, Secret)]) -> Result<Delivery, Error> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Error::from_source(Exit::Failed, error).context(UNDELIVERABLE)
    };
    let mut delivery = Delivery::prepare(path).map_err(|error| failed(&error))?;
    let secrets: Vec<(&str, &Secret)> = generated.iter().map(|(id, secret)| (id.as_str(), secret)).collect();
    delivery.write(&secrets).map_err(|error| failed(&error))?;
    Ok(delivery)
}

/// Keeps or takes back the delivered secrets, and shows them where there is no file.
fn settle(
    session: &mut Session,
    args: &ConsentArgs,
    delivery: Option<Delivery>,
    sealed: &Sealed,
    outcome: Result<Outcome, Error>,
) -> Result<Outcome, Error> {
    let count = sealed.generated.len() as u64;
    match (outcome, delivery, &args.secrets_out) {
        (Ok(outcome), Some(delivery), Some(path)) => {
            delivery.keep();
            session.ui.status(format_args!(
                "Wrote {} to {}.",
                plural(count, "generated secret"),
                path.display()
            ));
            Ok(outcome)
        }
        (Ok(outcome), _, _) => {
            show_secrets(session, sealed)?;
            Ok(outcome)
        }
        (Err(error), Some(delivery), Some(path)) if error.outcome_is_unknown() => {
            delivery.keep();
            Err(error.hint(format!("the generated secrets are kept in {}", path.display())))
        }
        (Err(error), None, _) if error.outcome_is_unknown() && count > 0 => {
            show_secrets(session, sealed)?;
            Err(error.hint("the secrets above are valid only if the changes were made"))
        }
        (Err(error), _, _) => Err(error),
    }
}

fn show_secrets(session: &mut Session, sealed: &Sealed) -> Result<(), Error> {
    for (client_id, secret) in &sealed.generated {
        let label = format!("client_secret of {}", visible(client_id.as_str()));
        session.reveal(&label, client_id, secret)?;
    }
    Ok(())
}
