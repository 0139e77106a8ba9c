//! `validate`: every problem of the file at once, offline and without its secrets.

use std::io;

use clap::Args;

use super::Format;
use super::from_stdin;
use super::reporting;
use super::repository;
use super::session::Session;
use super::variables::Given;
use crate::config::{self, Config, Presence, Problems, Rejected, Source};
use crate::error::{Error, Exit};
use crate::ui::{annotations, code_quality, diagnostics, sarif};

const EXAMPLES: &str = "\
Examples:
  oauthctl validate
  oauthctl -f staging.toml validate
  oauthctl validate --format sarif > oauth.sarif";

/// The flags of `validate`: none of its own.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ValidateArgs {}

/// Reads the file and says what is wrong with it.
///
/// # Errors
/// When it is not valid, or the answer cannot be written.
pub fn run(session: &mut Session, _args: &ValidateArgs) -> Result<Exit, Error> {
    let format = session.global.format;
    let given = Given::read(&session.global)?;
    match load(session, &given) {
        Ok(config) if format == Format::Text => {
            reporting::problems(session, &config.source, &config.problems);
            session.tell(&summary(&config))?;
            Ok(Exit::Done)
        }
        Err(rejected) if format == Format::Text => {
            reporting::problems(session, &rejected.source, &rejected.problems);
            Err(Error::usage(diagnostics::summary(&rejected.source, &rejected.problems)))
        }
        Ok(config) => report(session, &config.source, &config.problems).map(|()| Exit::Done),
        Err(rejected) => report(session, &rejected.source, &rejected.problems).map(|()| Exit::Usage),
    }
}

fn load(session: &Session, given: &Given) -> Result<Config, Box<Rejected>> {
    let path = &session.global.file;
    let error = match from_stdin::read(path) {
        Ok(bytes) => {
            let name = from_stdin::name(path);
            return given.surround(|around| config::load(bytes, &name, around, Presence::Optional));
        }
        Err(error) => error,
    };
    let problem = config::unreadable(path, &error);
    let problem = match error.kind() {
        io::ErrorKind::NotFound => {
            problem.hint("`oauthctl init` writes a starter file; -f names another one")
        }
        _ => problem,
    };
    Err(Box::new(Rejected::unread(path, problem)))
}

/// The problems for programs.
fn report(session: &mut Session, source: &Source, problems: &Problems) -> Result<(), Error> {
    let failed = |error: &serde_json::Error| Error::from_source(Exit::Failed, error);
    let is_file = from_stdin::is_file(&session.global.file);
    let in_repository = || {
        let path = if is_file { repository::path(source.path()) } else { source.path().to_owned() };
        source.clone().seen_at(path)
    };
    let text = match session.global.format {
        Format::Text | Format::Markdown | Format::Html => diagnostics::render(source, problems),
        Format::Json => diagnostics::json(source, problems).map_err(|error| failed(&error))?,
        Format::Sarif => sarif::render(&in_repository(), problems).map_err(|error| failed(&error))?,
        Format::Github => annotations::render(&in_repository(), problems),
        Format::Gitlab => code_quality::render(&in_repository(), problems).map_err(|error| failed(&error))?,
    };
    session.tell(&text)
}

/// `oauth.toml is valid: 6 applications, 1 removed, cleanup configured.`
fn summary(config: &Config) -> String {
    let desired = &config.desired;
    let mut parts = vec![match desired.applications.len() {
        1 => "1 application".to_owned(),
        count => format!("{count} applications"),
    }];
    for (count, what) in [(desired.removed.len(), "removed"), (desired.renamed.len(), "renamed")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.push(if config.cleanup.is_some() { "cleanup configured" } else { "no cleanup" }.to_owned());
    let warnings = match config.problems.warning_count() {
        0 => String::new(),
        1 => " (1 warning)".to_owned(),
        count => format!(" ({count} warnings)"),
    };
    format!("{} is valid: {}{warnings}.\n", config.source.path().display(), parts.join(", "))
}
