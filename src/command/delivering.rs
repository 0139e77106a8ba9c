//! Whether generated secrets can be delivered: checked before any work, and again before the question.

use std::io::IsTerminal as _;

use super::Format;
use super::scope::ConsentArgs;
use super::session::Session;
use crate::delivery::Delivery;
use crate::error::{Error, Exit};
use crate::plan::{Plan, Step, Value};

/// How a run ends whose secrets cannot reach anybody.
pub(super) const UNDELIVERABLE: &str = "the secrets cannot be written; nothing was changed";

/// Looks at `--secrets-out` before anything else is done: its ending and its directory.
pub(super) fn check_secrets_out(args: &ConsentArgs) -> Result<(), Error> {
    let Some(path) = &args.secrets_out else { return Ok(()) };
    Delivery::check_path(path).map_err(|error| Error::from_source(Exit::Usage, &error))
}

/// Whether generated secrets have somewhere to go: never a log or a CI transcript by accident.
pub(super) fn check_delivery(session: &Session, args: &ConsentArgs, plan: &Plan) -> Result<(), Error> {
    let generated = plan.steps.iter().any(generates);
    if !generated {
        return Ok(());
    }
    if let Some(path) = &args.secrets_out {
        return Delivery::check_free(path)
            .map_err(|error| Error::from_source(Exit::Failed, &error).context(UNDELIVERABLE));
    }
    if std::io::stdout().is_terminal() && session.global.format == Format::Text {
        return Ok(());
    }
    Err(Error::usage("secrets would be generated, and stdout is not a terminal that could show them once")
        .hint("write them to a file with --secrets-out secrets.json"))
}

fn generates(step: &Step) -> bool {
    let delivered = |value: &Value| matches!(value, Value::Secret { source, .. } if source.is_delivered());
    match step {
        Step::Create { fields, .. } => fields.iter().any(|setting| delivered(&setting.value)),
        Step::Update { changes, .. } => changes.iter().any(|change| delivered(&change.after)),
        Step::Adopt { .. } | Step::Delete { .. } => false,
    }
}
