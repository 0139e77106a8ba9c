//! What a database cannot give or would refuse, as problems at the lines of the file that asked for it.
//!
//! Pure: finds places and words. Shows nothing.

use crate::config::{self, Config, PlaceOf, Problem, Problems};
use crate::plan::{Finding, FindingCause};
use crate::rules::Violation;

/// The findings in the order of the planner. `owner`: what the ledger calls the file.
pub(super) fn problems(config: &Config, findings: &[Finding], owner: &str) -> Problems {
    let mut problems = Problems::default();
    for finding in findings {
        let mut problem = problem(config, finding, owner);
        problem.span = config.place(place(finding));
        problems.push(problem);
    }
    problems
}

const fn place(finding: &Finding) -> PlaceOf<'_> {
    let Finding { client_id, field, cause } = finding;
    match (*field, cause) {
        (_, FindingCause::RenameCollision { .. }) => PlaceOf::Renamed(client_id),
        (Some(field), FindingCause::Rule(Violation { index: Some(index), .. })) => {
            PlaceOf::Item(client_id, field, *index)
        }
        (Some(field), FindingCause::NoSuchColumn(_)) => PlaceOf::Key(client_id, field),
        (Some(field), _) => PlaceOf::Value(client_id, field),
        (None, _) => PlaceOf::ClientId(client_id),
    }
}

fn problem(config: &Config, finding: &Finding, owner: &str) -> Problem {
    let Finding { client_id, field, cause } = finding;
    let message = match field {
        Some(field) => format!("application \"{client_id}\", {field}: {cause}"),
        None => format!("application \"{client_id}\": {cause}"),
    };
    let problem = Problem::error("database", message);
    match cause {
        FindingCause::Rule(violation) => config::rule_problem(violation, &config.provider),
        FindingCause::OwnedByAnother { owner: other } => problem.hint(format!(
            "if that is this file under another name, say so once: UPDATE oauthctl.managed_application SET owner = {} \
             WHERE owner = {}",
            literal(owner),
            literal(other)
        )),
        _ => problem,
    }
}

/// A text as SQL writes it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
