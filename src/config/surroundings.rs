//! What the file refers to and does not contain: environment variables and secret files, as arguments.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;

/// The process's environment and its files, or a test's idea of them.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Looks up an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Reads a file of at most the given number of bytes; [`read_file`] outside tests.
    pub file: &'a dyn Fn(&Path, u64) -> io::Result<Vec<u8>>,
}

/// Whether secrets have to be available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// They need not: one that is missing is a warning, and its field counts as not managed. For `validate`.
    Optional,
    /// They must be. For everything that compares or writes.
    Required,
    /// They are not looked at, whether they are there or not. For a plan without secrets.
    Withheld,
}

/// Reads a file, but not a directory and not more than `limit` bytes ([`io::ErrorKind::FileTooLarge`]).
pub fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Why a file cannot be read, in a few words without a full stop.
#[must_use]
pub fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "cannot be read: permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        io::ErrorKind::FileTooLarge => "is too big".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}
