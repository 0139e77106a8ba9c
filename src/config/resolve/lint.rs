//! `[lint]`: which advice is given, and which must be followed.

use super::Context;
use crate::config::document::Lint as Section;
use crate::config::places::{PlaceOf, Places};
use crate::config::problem::{Problem, Severity};
use crate::config::slot::{List, Placed, Slot};
use crate::config::suggest::{closest, quoted};
use crate::lint::{Advice, Rule, Set, advise};
use crate::model::{ClientId, Desired, Provider};

/// Gives the advice that the file wants to hear.
pub(super) fn check(
    section: Slot<Section>,
    desired: &Desired,
    provider: &Provider,
    places: &mut Places,
    context: &Context<'_>,
) -> Manner {
    let Section { set, deny, ignore } = section.value().unwrap_or_default();
    let manner = Manner {
        set: set.present().map(|set| places.note("lint", "set", set)).unwrap_or_default(),
        deny: selections("deny", deny, places, context),
        ignore: selections("ignore", ignore, places, context),
    };
    for (client_id, declared) in &desired.applications {
        for advice in advise(&declared.application, provider) {
            if let Some(severity) = manner.severity(advice.rule, client_id) {
                let place = match advice.index {
                    Some(index) => PlaceOf::Item(client_id, advice.field, index),
                    None => PlaceOf::Value(client_id, advice.field.into()),
                };
                context.push(problem(advice, severity).at(places.find(place)));
            }
        }
    }
    manner
}

/// What the file wants to hear.
#[derive(Debug, Default)]
pub struct Manner {
    set: Set,
    deny: Vec<Selection>,
    ignore: Vec<Selection>,
}

impl Manner {
    /// Advice on the row of an application, as the file wants to hear it.
    #[must_use]
    pub fn of_row(&self, client_id: &ClientId, advice: Advice) -> Option<Problem> {
        let severity = self.severity(advice.rule, client_id)?;
        let mut problem = problem(advice, severity);
        problem.message = format!("application \"{client_id}\": {}", problem.message);
        Some(problem)
    }

    /// The severity of a rule for an application; `None`: off. A denied rule is on in every set.
    fn severity(&self, rule: Rule, client_id: &ClientId) -> Option<Severity> {
        let selected = |selections: &[Selection]| {
            selections.iter().any(|selection| {
                selection.rule == rule && selection.client_id.as_ref().is_none_or(|only| only == client_id)
            })
        };
        if selected(&self.ignore) {
            None
        } else if selected(&self.deny) {
            Some(Severity::Error)
        } else {
            (rule.set() <= self.set).then_some(Severity::Warning)
        }
    }
}

/// `RULE`, or `RULE:CLIENT_ID`.
#[derive(Debug)]
struct Selection {
    rule: Rule,
    /// `None`: all applications.
    client_id: Option<ClientId>,
}

fn selections(key: &str, list: List<String>, places: &Places, context: &Context<'_>) -> Vec<Selection> {
    let Some(list) = list.items() else { return Vec::new() };
    let list = context.without_duplicates(list, String::clone);
    list.value.into_iter().filter_map(|item| selection(key, &item, places, context)).collect()
}

fn selection(key: &str, item: &Placed<String>, places: &Places, context: &Context<'_>) -> Option<Selection> {
    let (name, client_id) = match item.value.split_once(':') {
        Some((name, client_id)) => (name, Some(ClientId::new(client_id))),
        None => (item.value.as_str(), None),
    };
    let refuse = |message: String, hint: String| {
        context.reject(Problem::error("unknown-value", message).at(item.span.clone()).hint(hint))
    };
    let Ok(rule) = name.parse() else {
        let hint = match closest(name, Rule::ALL.iter().map(|rule| rule.id())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "docs/lint.md lists the rules".to_owned(),
        };
        return refuse(format!("`{key}` names no rule: {}", quoted(name)), hint);
    };
    if let Some(unknown) = client_id.as_ref().filter(|id| !places.applications.contains_key(*id)) {
        let message = format!("application {} is not declared here", quoted(unknown.as_str()));
        return refuse(message, "write RULE:CLIENT_ID, or the rule alone for all applications".to_owned());
    }
    Some(Selection { rule, client_id })
}

fn problem(advice: Advice, severity: Severity) -> Problem {
    let Advice { rule, field: _, index: _, message, hint } = advice;
    Problem::new(severity, rule.id(), message).hint(match hint {
        Some(hint) => format!("{hint} ({})", rule.source()),
        None => format!("see {}", rule.source()),
    })
}
