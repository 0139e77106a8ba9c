//! `init`: a commented starter file, never over one that is there.

use std::fs::OpenOptions;
use std::io::{self, Write};

use clap::Args;

use super::session::Session;
use crate::error::{Error, Exit};

/// What is written: everything is a comment, so that nothing happens before somebody has read it.
const STARTER: &str = include_str!("starter.toml");

/// The flags of `init`: none of its own; `--file` says where.
#[derive(Args, Debug)]
pub struct InitArgs {}

/// Writes the starter file.
///
/// # Errors
/// When there is a file of that name, or it cannot be written.
pub fn run(session: &mut Session, _args: &InitArgs) -> Result<Exit, Error> {
    let path = &session.global.file;
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(STARTER.as_bytes()));
    let shown = path.display();
    match written {
        Ok(()) => {
            session.ui.status(format_args!("Wrote {shown}."));
            session.ui.status("Edit it, then run `oauthctl validate` and `oauthctl plan`.");
            Ok(Exit::Done)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let error = Error::new(Exit::Failed, format!("{shown} exists already; it was left as it is"));
            Err(error.hint("-f names another file"))
        }
        Err(error) => Err(Error::from_source(Exit::Failed, &error).context(format!("cannot write {shown}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::STARTER;
    use crate::config::{Config, Presence, Surroundings, load, read_file};

    fn config(text: &str) -> Config {
        let around = Surroundings { variable: &|_| None, file: &read_file };
        load(text.as_bytes().to_vec(), Path::new("oauth.toml"), around, Presence::Optional).unwrap()
    }

    #[test]
    fn the_starter_declares_nothing() {
        let config = config(STARTER);
        assert!(config.problems.is_empty());
        assert!(config.desired.applications.is_empty() && config.desired.removed.is_empty());
        assert!(config.cleanup.is_none());
    }

    /// Prose is `# text`, examples are `#key = …`: without their `#` they are a valid file.
    #[test]
    fn the_examples_in_the_starter_are_valid() {
        let is_example =
            |line: &&str| line.starts_with('#') && !line.starts_with("# ") && !line.starts_with("#:");
        let examples: Vec<_> = STARTER.lines().filter(is_example).map(|line| &line[1..]).collect();
        let config = config(&examples.join("\n"));
        assert_eq!(config.problems.error_count(), 0);
        assert_eq!(config.desired.applications.len(), 2);
        assert_eq!((config.desired.removed.len(), config.desired.renamed.len()), (1, 1));
        assert!(config.cleanup.is_some());
    }
}
