//! `hash-secret`: a secret on stdin, its hash on stdout, as `{ hash = "…" }` takes it.

use clap::Args;

use super::Format;
use super::environment;
use super::given_secret;
use super::loading;
use super::session::Session;
use crate::error::{Error, Exit};
use crate::hasher::{Salt, looks_hashed};
use crate::ui::report_json;

/// The width of DOT's column, which the plain text must fit too.
const MOST_CHARACTERS: usize = 255;

const EXAMPLES: &str = "\
Examples:
  oauthctl hash-secret < secret.txt
  openssl rand -hex 32 | oauthctl hash-secret";

/// The flags of `hash-secret`: none of its own.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct HashArgs {}

/// Hashes as `[provider]` says.
///
/// # Errors
/// When there is no secret, or one that DOT would not hash.
pub fn run(session: &mut Session, _args: &HashArgs) -> Result<Exit, Error> {
    let config = loading::without_secrets(session)?;
    let secret = given_secret::from_stdin()?;
    if secret.expose().chars().count() > MOST_CHARACTERS {
        return Err(Error::usage(format!("the secret on stdin has more than {MOST_CHARACTERS} characters")));
    }
    looks_hashed(secret.expose()).map_err(|error| Error::from_source(Exit::Usage, &error))?;
    given_secret::advise(session, &secret);
    let salt = Salt::generate(&mut environment::entropy());
    let salt = salt.map_err(|error| Error::from_source(Exit::Failed, &error))?;
    let hash = config.provider.client_secret_hasher.encode(&secret, &salt);
    let hash = hash.map_err(|error| Error::from_source(Exit::Failed, &error))?;
    let text = match session.global.format {
        Format::Json => {
            report_json::hashed(hash.as_str()).map_err(|error| Error::from_source(Exit::Failed, &error))?
        }
        Format::Text | Format::Markdown | Format::Html | Format::Sarif | Format::Github | Format::Gitlab => {
            format!("{}\n", hash.as_str())
        }
    };
    session.answer(&text)?;
    Ok(Exit::Done)
}
