//! `schema`: the JSON Schema of `oauth.toml`, for editors, or of what verbs print as JSON, for scripts.

use clap::Args;

use super::session::Session;
use crate::config;
use crate::error::{Error, Exit};
use crate::model::json;
use crate::ui::{history_json, plan_json, undo_json};

const EXAMPLES: &str = "\
Examples:
  oauthctl schema > oauth.schema.json
  oauthctl schema --plan > plan.schema.json";

/// The flags of `schema`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SchemaArgs {
    /// Print the schema of what `plan` and `show-plan` print with `--format json`.
    #[arg(long)]
    plan: bool,
    /// Print the schema of what `history` prints with `--format json`.
    #[arg(long, conflicts_with = "plan")]
    history: bool,
    /// Print the schema of what `undo` prints with `--format json`.
    #[arg(long, conflicts_with_all = ["plan", "history"])]
    undo: bool,
}

/// Prints it.
///
/// # Errors
/// When the answer cannot be written.
pub fn run(session: &mut Session, args: &SchemaArgs) -> Result<Exit, Error> {
    let schema = match args {
        SchemaArgs { plan: true, .. } => plan_json::json_schema(),
        SchemaArgs { history: true, .. } => history_json::json_schema(),
        SchemaArgs { undo: true, .. } => undo_json::json_schema(),
        SchemaArgs { plan: false, history: false, undo: false } => config::json_schema(),
    };
    let text = json::document(&schema);
    session.answer(&text.map_err(|error| Error::from_source(Exit::Failed, &error))?)?;
    Ok(Exit::Done)
}
