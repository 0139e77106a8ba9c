//! `schema`: the JSON Schema of `oauth.toml`, for editors, or of the JSON plan, for scripts.

use clap::Args;

use super::session::Session;
use crate::config;
use crate::error::{Error, Exit};
use crate::model::json;
use crate::ui::plan_json;

const EXAMPLES: &str = "\
Examples:
  oauthctl schema > oauth.schema.json
  oauthctl schema --plan > plan.schema.json";

/// The flags of `schema`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SchemaArgs {
    /// Print the schema of what `plan --format json` prints.
    #[arg(long)]
    plan: bool,
}

/// Prints it.
///
/// # Errors
/// When the answer cannot be written.
pub fn run(session: &mut Session, args: &SchemaArgs) -> Result<Exit, Error> {
    let schema = if args.plan { plan_json::json_schema() } else { config::json_schema() };
    let text = json::document(&schema);
    session.answer(&text.map_err(|error| Error::from_source(Exit::Failed, &error))?)?;
    Ok(Exit::Done)
}
