//! `-f -`: the file comes from stdin. It can be read once and not written.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::verb_name::VerbName;
use crate::config::{self, SIZE_LIMIT};
use crate::error::Error;

/// What `-f` says for stdin.
const STDIN: &str = "-";

/// Reads the file, or stdin.
///
/// # Errors
/// The operating system's; [`io::ErrorKind::FileTooLarge`] above [`SIZE_LIMIT`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new(STDIN) {
        return config::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().take(SIZE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SIZE_LIMIT { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// The file as messages name it.
#[must_use]
pub fn name(path: &Path) -> PathBuf {
    if path == Path::new(STDIN) { PathBuf::from("stdin") } else { path.to_owned() }
}

/// Whether it is found again under its name: no pipe, and also what cannot be read.
#[must_use]
pub fn is_file(path: &Path) -> bool {
    let is_place = |metadata: std::fs::Metadata| metadata.is_file() || metadata.is_dir();
    path != Path::new(STDIN) && std::fs::metadata(path).map_or(true, is_place)
}

/// Refuses a verb that writes the file.
///
/// # Errors
/// With what to type.
pub fn must_be_writable(path: &Path, verb: VerbName) -> Result<(), Error> {
    if is_file(path) {
        return Ok(());
    }
    let verb = verb.name();
    let message = format!("{verb} writes the file, and {} is no file that can be written", path.display());
    Err(Error::usage(format!("{message}; nothing was changed")).hint("name a file with -f"))
}
