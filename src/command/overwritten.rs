//! Variables of the file where `undo` prints a value: written there, it would replace them. Pure.

use crate::config::{Config, PlaceOf, Problem, Problems, Span, variables_in};
use crate::model::{Attribute, ClientId};
use crate::plan::{Plan, Step};

/// A warning for each value that has variables in the file.
pub(super) fn problems(config: &Config, plan: &Plan) -> Problems {
    let mut problems = Problems::default();
    for step in &plan.steps {
        let Step::Update { row, client_id, changes, .. } = step else { continue };
        let declared = &row.client_id;
        if client_id != declared {
            let place = config.place(PlaceOf::ClientId(declared));
            warn(&mut problems, config, (declared, "client_id"), place);
        }
        for change in changes {
            let place = config.place(PlaceOf::Value(declared, change.field.clone()));
            let is_written = config.declares(declared, &change.field);
            let name = Attribute::to_string(&change.field);
            warn(&mut problems, config, (declared, &name), place.filter(|_| is_written));
        }
    }
    problems
}

fn warn(problems: &mut Problems, config: &Config, (client_id, key): (&ClientId, &str), place: Option<Span>) {
    let Some(place) = place else { return };
    let text = config.source.text().get(place.clone()).unwrap_or_default();
    let names: Vec<&str> = variables_in(text).into_iter().collect();
    if names.is_empty() {
        return;
    }
    let (what, values) = if names.len() == 1 {
        ("a variable", "its former value")
    } else {
        ("variables", "their former values")
    };
    let message =
        format!("application \"{client_id}\", {key}: the file has {what} here, and undo prints a value");
    let problem = Problem::warning("value-over-variable", message);
    problems.push(
        problem.hint(format!("leave the line as it is, and give {} {values}", names.join(", "))).at(place),
    );
}
