//! Reads the file that `--file` names, for verbs that need it, its secrets, or only what it says about the database.

use std::io;
use std::path::Path;

use super::from_stdin;
use super::reporting;
use super::session::Session;
use super::variables::{Given, unused};
use crate::config::{self, Config, Presence};
use crate::error::Error;

/// The file that is read when `--file` names none.
pub const DEFAULT_FILE: &str = "oauth.toml";

/// Reads the file with its secrets.
///
/// # Errors
/// Shows every problem, and returns that there were some.
pub fn load(session: &mut Session) -> Result<Config, Error> {
    load_with(session, Presence::Required)
}

/// Reads the file and looks at none of the secrets that it refers to.
///
/// # Errors
/// As [`load`], but for secrets that are not there.
pub fn withholding_secrets(session: &mut Session) -> Result<Config, Error> {
    load_with(session, Presence::Withheld)
}

fn load_with(session: &mut Session, presence: Presence) -> Result<Config, Error> {
    let path = session.global.file.clone();
    let bytes = from_stdin::read(&path).map_err(|error| {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let problem = Error::usage(format!("cannot read {}: {error}", path.display()));
        if missing {
            problem.hint("`oauthctl init` writes a starter file; -f names another one")
        } else {
            problem
        }
    })?;
    parse(session, bytes, &path, presence)
}

/// Reads the file if there is one, for verbs that need no secret of it.
///
/// # Errors
/// As [`load`], but for a missing file of the default name.
pub fn without_secrets(session: &mut Session) -> Result<Config, Error> {
    let path = session.global.file.clone();
    match from_stdin::read(&path) {
        Ok(bytes) => parse(session, bytes, &path, Presence::Optional),
        Err(error) if error.kind() == io::ErrorKind::NotFound && path == Path::new(DEFAULT_FILE) => {
            parse(session, Vec::new(), &path, Presence::Optional)
        }
        Err(_) => load(session),
    }
}

/// Reads the file for a verb that changes it and needs no secret of it. A file that is not there is an empty one; the flag
/// says whether it is there.
///
/// # Errors
/// As [`load`], but for a missing file.
pub fn if_there(session: &mut Session) -> Result<(Config, bool), Error> {
    from_stdin::must_be_writable(&session.global.file, session.verb)?;
    let path = session.global.file.clone();
    match from_stdin::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok((parse(session, Vec::new(), &path, Presence::Optional)?, false))
        }
        Ok(bytes) => Ok((parse(session, bytes, &path, Presence::Optional)?, true)),
        Err(_) => Ok((load(session)?, true)),
    }
}

fn parse(session: &mut Session, bytes: Vec<u8>, path: &Path, presence: Presence) -> Result<Config, Error> {
    let path = &from_stdin::name(path);
    let given = Given::read(&session.global)?;
    match given.surround(|surroundings| config::load(bytes, path, surroundings, presence)) {
        Ok(config) => {
            for name in unused(&session.global, &config.variables) {
                session
                    .ui
                    .warning(format_args!("--var {name}: {} does not use this variable", path.display()));
            }
            // With optional secrets the warnings are about what this verb does not need.
            if !config.problems.is_empty() && presence != Presence::Optional {
                reporting::problems(session, &config.source, &config.problems);
            }
            Ok(config)
        }
        Err(mut rejected) => {
            if let Some(mut config) = rejected.flawed.take_if(|_| presence == Presence::Optional) {
                config.forget_unsendable();
                return Ok(config);
            }
            reporting::problems(session, &rejected.source, &rejected.problems);
            let errors = rejected.problems.error_count();
            session.flawed = rejected.flawed;
            Err(reporting::invalid(session, path, errors))
        }
    }
}
