//! `schema`: the JSON Schema of `oauth.toml`, for editors.

use clap::Args;

use super::session::Session;
use crate::config;
use crate::error::{Error, Exit};

/// The flags of `schema`: none of its own.
#[derive(Args, Debug)]
pub struct SchemaArgs {}

/// Prints it.
///
/// # Errors
/// When the answer cannot be written.
pub fn run(session: &mut Session, _args: &SchemaArgs) -> Result<Exit, Error> {
    // `Display` of a JSON value with `#` is indented.
    session.answer(&format!("{:#}\n", config::json_schema()))?;
    Ok(Exit::Done)
}
