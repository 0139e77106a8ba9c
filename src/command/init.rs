//! `init`: a commented starter file, never over one that is there.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use clap::Args;

use super::from_stdin;
use super::session::Session;
use crate::config::json_schema;
use crate::error::{Error, Exit};
use crate::model::json;

/// What is written: everything is a comment, so that nothing happens before a person has read it.
const STARTER: &str = include_str!("starter.toml");

/// What its first line refers to.
const SCHEMA: &str = "oauth.schema.json";

const EXAMPLES: &str = "\
Examples:
  oauthctl init
  oauthctl -f staging.toml init";

/// The flags of `init`: none of its own; `--file` says where.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {}

/// Writes the starter file.
///
/// # Errors
/// When there is a file of that name, or it cannot be written.
pub fn run(session: &mut Session, _args: &InitArgs) -> Result<Exit, Error> {
    from_stdin::must_be_writable(&session.global.file, session.verb)?;
    let path = &session.global.file.clone();
    let written = write_new(path, STARTER);
    let shown = path.display();
    match written {
        Ok(()) => {
            session.ui.status(format_args!("Wrote {shown}."));
            let schema = path.with_file_name(SCHEMA);
            write_schema(session, &schema)?;
            session
                .ui
                .status(format_args!("Edit {shown}, then run `oauthctl validate` and `oauthctl plan`."));
            Ok(Exit::Done)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let error = Error::new(Exit::Failed, format!("{shown} exists already; it was left as it is"));
            Err(error.hint("-f names another file"))
        }
        Err(error) => Err(Error::from_source(Exit::Failed, &error).context(format!("cannot write {shown}"))),
    }
}

/// The schema that the starter's first line names: without it, taplo and editors report that it is missing.
fn write_schema(session: &mut Session, path: &Path) -> Result<(), Error> {
    let shown = path.display();
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Error::from_source(Exit::Failed, error).context(format!("cannot write {shown}"))
    };
    let text = json::document(&json_schema()).map_err(|error| failed(&error))?;
    match write_new(path, &text) {
        Ok(()) => session.ui.status(format_args!("Wrote {shown}, the schema of the file for editors.")),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            session.ui.status(format_args!("{shown} exists already and is used as it is."));
        }
        Err(error) => return Err(failed(&error)),
    }
    Ok(())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
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
