//! What is wrong with the file or refused, on stderr, and the error with which the verb then ends.

use std::path::Path;

use super::findings;
use super::session::Session;
use crate::config::{Config, Problems, Source};
use crate::error::{Error, Exit};
use crate::model::ClientId;
use crate::plan::guard::Refusal;
use crate::plan::{Finding, Plan};
use crate::ui::diagnostics;
use crate::ui::plan::{plural, render_refusal};

/// Shows problems at their lines.
pub fn problems(session: &mut Session, source: &Source, problems: &Problems) {
    let text = diagnostics::render(source, problems);
    if !text.is_empty() {
        session.ui.problems(&text);
    }
}

/// A file that has problems, which were shown.
#[must_use]
pub fn invalid(session: &Session, path: &Path, errors: u64) -> Error {
    let (count, unchanged) = (plural(errors, "problem"), session.verb.unchanged());
    Error::usage(format!("{} has {count}{unchanged}", path.display()))
}

/// Shows the planner's findings at the lines that asked for them.
#[must_use]
pub fn findings(session: &mut Session, config: &Config, findings: &[Finding]) -> Error {
    let found = findings::problems(config, findings, &session.owner(&config.policy));
    problems(session, &config.source, &found);
    impossible(session, config, found.error_count())
}

/// A file that this database cannot follow, whose problems were shown.
#[must_use]
pub fn impossible(session: &Session, config: &Config, errors: u64) -> Error {
    let (count, unchanged) = (plural(errors, "problem"), session.verb.unchanged());
    let path = config.source.path().display();
    Error::usage(format!("this database cannot be as {path} says: {count}{unchanged}"))
}

/// Shows what `apply` was refused for at the lines that asked for it.
#[must_use]
pub fn rolled_back(session: &mut Session, config: &Config, findings: &[Finding]) -> Error {
    let found = findings::problems(config, findings, &session.owner(&config.policy));
    problems(session, &config.source, &found);
    let (count, path) = (plural(found.error_count(), "problem"), config.source.path().display());
    Error::new(
        Exit::Failed,
        format!("this database cannot be as {path} says: {count}; everything was rolled back"),
    )
}

/// Warns of constraints that would be broken unless a trigger changes the row.
pub fn doubts(session: &mut Session, config: &Config, doubts: &[Finding]) {
    problems(session, &config.source, &findings::doubts(config, doubts, &session.owner(&config.policy)));
}

/// Warns at the lines that declare a secret which the project has encrypted in the database, or a column that Django
/// maintains.
pub fn left_alone(session: &mut Session, config: &Config, plan: &Plan, maintained: &[(ClientId, String)]) {
    problems(session, &config.source, &findings::foreign(config, plan));
    problems(session, &config.source, &findings::maintained(config, maintained));
}

/// Gives the advice on rows that the file wants to hear. What it must follow is an error.
pub fn advice(session: &mut Session, config: &Config, advice: &Problems) -> Result<(), Error> {
    problems(session, &config.source, advice);
    match advice.error_count() {
        0 => Ok(()),
        count => Err(invalid(session, config.source.path(), count)),
    }
}

/// Shows every broken rail.
#[must_use]
pub fn refusal(session: &mut Session, refusal: &Refusal) -> Error {
    session.ui.sentence(render_refusal(refusal).trim_end());
    let rails = plural(refusal.violations.len() as u64, "safety rail");
    let message = if session.verb.changes() {
        format!("refused by {rails}{}", session.verb.unchanged())
    } else {
        format!("apply would be refused by {rails}")
    };
    Error::new(Exit::Refused, message)
}
