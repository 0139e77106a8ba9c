//! `[policy] dynamic` against the columns of the database, with every problem at its line.

use super::reporting;
use super::session::Session;
use crate::config::{Config, PlaceOf, Problem, Problems, closest};
use crate::db::applications::{self, MarkError};
use crate::db::layout::Layout;
use crate::error::Error;
use crate::model::Mark;
use crate::model::visible::visible;

/// Lets the layout tell by the marks of the file which applications registered themselves.
pub(super) fn mark(session: &mut Session, config: &Config, layout: &mut Layout) -> Result<(), Error> {
    let Err(errors) = applications::mark(layout, &config.policy.dynamic) else { return Ok(()) };
    let mut problems = Problems::default();
    for (position, error) in &errors {
        let Some(mark) = config.policy.dynamic.get(*position) else { continue };
        problems.push(problem(config, mark, *position, error));
    }
    reporting::problems(session, &config.source, &problems);
    Err(reporting::impossible(session, config, problems.error_count()))
}

fn problem(config: &Config, mark: &Mark, position: usize, error: &MarkError) -> Problem {
    let message = format!("[policy] dynamic, column \"{}\": {error}", visible(&mark.column));
    let problem = Problem::error("database", message);
    let (place, problem) = match error {
        MarkError::NoSuchColumn { known } => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let hint = match closest(&mark.column, known.iter().copied()) {
                Some(meant) => format!("did you mean `{}`?", visible(meant)),
                None => format!("it has {}", visible(&known.join(", "))),
            };
            (PlaceOf::MarkColumn(position), problem.hint(hint))
        }
        MarkError::Confidential | MarkError::Incomparable { .. } => (
            PlaceOf::MarkColumn(position),
            problem
                .hint("name another column, or write registration_source into these rows: `oauthctl doctor`"),
        ),
        MarkError::Misfit { .. } => (PlaceOf::MarkValue(position), problem),
    };
    problem.at(config.place(place))
}
