//! `version`: which build this is, and what it works with.

use std::collections::BTreeMap;

use clap::Args;
use strum::VariantArray as _;

use super::format::Format;
use super::session::Session;
use super::verb_name::VerbName;
use crate::error::{Error, Exit};
use crate::ui::version::{self, Build};

const EXAMPLES: &str = "\
Examples:
  oauthctl version
  oauthctl version --format json";

/// The flags of `version`: none of its own.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct VersionArgs {}

/// Prints it.
///
/// # Errors
/// When the answer cannot be written.
pub fn run(session: &mut Session, _args: &VersionArgs) -> Result<Exit, Error> {
    let build = build();
    let text = match session.global.format {
        Format::Json => version::json(&build).map_err(|error| Error::from_source(Exit::Failed, &error))?,
        Format::Text | Format::Markdown | Format::Html | Format::Sarif | Format::Github | Format::Gitlab => {
            version::text(&build)
        }
    };
    session.answer(&text)?;
    Ok(Exit::Done)
}

/// What the compiler knew. The commit is what `.ci/dist` says that it is, because a build from an archive of the sources
/// could not ask git, and has to be the same.
fn build() -> Build {
    let formats = |verb: &VerbName| verb.formats().iter().map(|format| format.name()).collect();
    let verbs: BTreeMap<_, _> = VerbName::VARIANTS.iter().map(|verb| (verb.name(), formats(verb))).collect();
    Build { commit: option_env!("OAUTHCTL_BUILD_COMMIT"), libc: libc(), verbs }
}

const fn libc() -> Option<&'static str> {
    if cfg!(target_env = "gnu") {
        Some("gnu")
    } else if cfg!(target_env = "musl") {
        Some("musl")
    } else {
        None
    }
}
