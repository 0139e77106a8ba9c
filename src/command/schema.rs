//! `schema`: the JSON Schema of `oauth.toml`, for editors.

use clap::Args;

use super::session::Session;
use crate::config;
use crate::error::{Error, Exit};
use crate::model::json;

const EXAMPLES: &str = "\
Examples:
  oauthctl schema > oauth.schema.json
  oauthctl schema | jq '.properties | keys'      # the tables of the file";

/// The flags of `schema`: none of its own.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SchemaArgs {}

/// Prints it.
///
/// # Errors
/// When the answer cannot be written.
pub fn run(session: &mut Session, _args: &SchemaArgs) -> Result<Exit, Error> {
    let text = json::document(&config::json_schema());
    session.answer(&text.map_err(|error| Error::from_source(Exit::Failed, &error))?)?;
    Ok(Exit::Done)
}
