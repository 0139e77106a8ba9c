//! Reads a secret from a file or from stdin.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;

use super::session::Session;
use crate::config;
use crate::error::Error;
use crate::lint;
use crate::secret::{Flaws, Secret};

/// The largest secret file, in bytes; the column holds 255 characters.
const SECRET_LIMIT: u64 = 4_096;

/// Reads a secret from a file; one newline at its end is not part of it.
///
/// # Errors
/// When the file cannot be read, is empty or is not text that PostgreSQL can store.
pub fn from_file(path: &Path) -> Result<Secret, Error> {
    let subject = format!("the secret file {}", path.display());
    let bytes = config::read_file(path, SECRET_LIMIT)
        .map_err(|error| Error::usage(format!("{subject} cannot be read: {error}")))?;
    secret(bytes, &subject)
}

/// Says what speaks against a secret that was given on the command line or on stdin.
pub fn advise(session: &mut Session, secret: &Secret) {
    let advice = lint::advise_on_secret(secret);
    for advice in &advice {
        session.ui.warning(format_args!("{}: {}.", advice.rule.id(), advice.message));
    }
    if !advice.is_empty() {
        session.ui.hint("take 22 random letters and digits or more, such as `openssl rand -hex 32` makes");
    }
}

/// Reads a secret from stdin. A terminal is refused, because it would show the secret while it is typed.
///
/// # Errors
/// As [`from_file`].
pub fn from_stdin() -> Result<Secret, Error> {
    if io::stdin().is_terminal() {
        return Err(Error::usage("the secret is read from stdin, which is a terminal that would show it")
            .hint("for example: oauthctl hash-secret < secret.txt"));
    }
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(SECRET_LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::usage(format!("the secret on stdin cannot be read: {error}")))?;
    if bytes.len() as u64 > SECRET_LIMIT {
        return Err(Error::usage("the secret on stdin is too big"));
    }
    secret(bytes, "the secret on stdin")
}

/// A secret out of the bytes of a file; one newline at their end is not part of it.
fn secret(mut bytes: Vec<u8>, subject: &str) -> Result<Secret, Error> {
    let failed = |why: &str| Error::usage(format!("{subject} {why}"));
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    let secret = Secret::from_utf8(bytes).map_err(|_| failed("is not UTF-8 text"))?;
    match secret.expose() {
        "" => Err(failed("is empty")),
        text if text.contains('\0') => Err(failed("contains a NUL byte")),
        _ => sendable(secret, subject),
    }
}

/// The secret, unless no client can send it.
pub fn sendable(secret: Secret, subject: &str) -> Result<Secret, Error> {
    let checked = secret.check_sendable();
    checked.map_err(|flaws| Error::usage(format!("{subject} {flaws}")).hint(Flaws::HINT))?;
    Ok(secret)
}
