//! What a plan is about: the file, the environment, the database and the commit, as its readers tell plans apart.

use std::path::Path;

use super::environment;
use super::from_stdin::is_file;
use super::session::Session;
use crate::plan::Subject;

/// The name of a file that is read from a pipe: that of the pipe (`/dev/fd/63`) differs from run to run, and a comment
/// could not be found again.
const PIPE: &str = "stdin";

/// `database`: its name, where it is known.
#[must_use]
pub fn subject(session: &Session, label: Option<&str>, database: Option<String>) -> Subject {
    Subject {
        file: file(&session.global.file),
        label: label.map(str::to_owned),
        database,
        commit: environment::commit(),
    }
}

/// The file as a reader knows it.
fn file(path: &Path) -> String {
    if is_file(path) { path.display().to_string() } else { PIPE.to_owned() }
}
