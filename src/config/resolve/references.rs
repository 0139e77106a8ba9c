//! `[[removed]]` and `[[renamed]]`: client ids that must go or change, and must agree with what is declared.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use crate::config::document::{Removed, Renamed};
use crate::config::places::Places;
use crate::config::problem::{Problem, Span};
use crate::config::slot::{List, Placed, Slot};
use crate::config::suggest::quoted;
use crate::model::{ClientId, Declared, Desired};

/// Takes out the applications with `enabled = false`: they must not exist, as if `[[removed]]` named them. Those of them with
/// `protect = true` stay protected.
pub(super) fn split(
    declared: BTreeMap<ClientId, Box<Declared>>,
    disabled: BTreeMap<ClientId, Span>,
    places: &mut Places,
) -> (BTreeMap<ClientId, Box<Declared>>, BTreeSet<ClientId>) {
    let (gone, declared): (BTreeMap<_, _>, _) =
        declared.into_iter().partition(|(client_id, _)| disabled.contains_key(client_id));
    places.removed.extend(disabled);
    let protected = gone.into_iter().filter(|(_, declared)| declared.protect);
    (declared, protected.map(|(client_id, _)| client_id).collect())
}

pub(super) fn resolve(
    applications: BTreeMap<ClientId, Box<Declared>>,
    removed: List<Removed>,
    renamed: List<Renamed>,
    context: &Context<'_>,
    places: &mut Places,
) -> Desired {
    let removed = removals(removed, context, places);
    let renamed = renames(renamed, context, places);
    let has_block = |client_id: &&ClientId| places.applications.contains_key(*client_id);
    let disabled = removed.iter().filter(has_block).cloned().collect();
    Desired { applications, removed, disabled, renamed }
}

impl Context<'_> {
    /// A client id that a table must have.
    fn client_id(&self, key: &str, slot: Slot<String>, table: &Span) -> Option<Placed<ClientId>> {
        if slot.is_absent() {
            self.push(Problem::error("missing-key", format!("`{key}` is missing")).at(table.clone()));
        }
        self.text(key, slot).map(|text| text.map(ClientId::new))
    }
}

fn removals(list: List<Removed>, context: &Context<'_>, places: &mut Places) -> BTreeSet<ClientId> {
    for entry in list.items().into_iter().flat_map(|list| list.value) {
        let Some(id) = context.client_id("client_id", entry.value.client_id, &entry.span) else { continue };
        let name = quoted(id.value.as_str());
        if let Some(declared) = places.applications.get(&id.value) {
            context.push(
                Problem::error("declared-and-removed", format!("{name} is both declared and removed"))
                    .at(id.span)
                    .related(declared.header(), "declared here"),
            );
        } else if let Some(first) = places.removed.get(&id.value) {
            let problem = Problem::warning("duplicate-item", format!("{name} is removed twice")).at(id.span);
            context.push(problem.related(first.clone(), "first here"));
        } else {
            places.removed.insert(id.value, id.span);
        }
    }
    places.removed.keys().cloned().collect()
}

struct Rename {
    from: Placed<ClientId>,
    to: Placed<ClientId>,
}

fn renames(list: List<Renamed>, context: &Context<'_>, places: &mut Places) -> BTreeMap<ClientId, ClientId> {
    let entries = list.items().into_iter().flat_map(|list| list.value);
    let renames: Vec<_> = entries
        .filter_map(|entry| {
            let from = context.client_id("from", entry.value.from, &entry.span);
            let to = context.client_id("to", entry.value.to, &entry.span);
            Some(Rename { from: from?, to: to? })
        })
        .collect();
    let sources: BTreeSet<_> = renames.iter().map(|rename| rename.from.value.clone()).collect();
    let mut targets: BTreeMap<ClientId, Span> = BTreeMap::new();
    let mut accepted = BTreeMap::new();
    for rename in renames {
        if let Some(problem) = objection(&rename, &sources, &targets, places) {
            context.push(problem);
            continue;
        }
        let Rename { from, to } = rename;
        places.renamed.insert(from.value.clone(), from.span);
        targets.insert(to.value.clone(), to.span);
        accepted.insert(from.value, to.value);
    }
    accepted
}

/// Why a rename cannot be, given the ones before it.
fn objection(
    Rename { from, to }: &Rename,
    sources: &BTreeSet<ClientId>,
    targets: &BTreeMap<ClientId, Span>,
    places: &Places,
) -> Option<Problem> {
    let (old, new) = (quoted(from.value.as_str()), quoted(to.value.as_str()));
    if from.value == to.value {
        return Some(
            Problem::error("rename-conflict", format!("{old} is renamed to itself")).at(to.span.clone()),
        );
    }
    if sources.contains(&to.value) {
        let message = format!("{old} is renamed to {new}, which is renamed itself");
        let problem = Problem::error("rename-conflict", message).at(to.span.clone());
        return Some(problem.hint("write one rename from the first client id to the last"));
    }
    if let Some(first) = places.renamed.get(&from.value) {
        let problem =
            Problem::error("rename-conflict", format!("{old} is renamed twice")).at(from.span.clone());
        return Some(problem.related(first.clone(), "first here"));
    }
    if let Some(first) = targets.get(&to.value) {
        let message = format!("two applications are renamed to {new}");
        return Some(
            Problem::error("rename-conflict", message)
                .at(to.span.clone())
                .related(first.clone(), "first here"),
        );
    }
    if let Some(declared) = places.applications.get(&from.value) {
        let message = format!("{old} is renamed, but still declared under its old client id");
        let problem = Problem::error("rename-conflict", message).at(from.span.clone());
        return Some(
            problem.related(declared.header(), "declared here").hint(format!("declare it as {new}")),
        );
    }
    if let Some(removed) = places.removed.get(&from.value) {
        let message = format!("{old} is both renamed and removed");
        return Some(
            Problem::error("rename-conflict", message)
                .at(from.span.clone())
                .related(removed.clone(), "removed here"),
        );
    }
    if let Some(disabled) =
        places.removed.get(&to.value).filter(|_| places.applications.contains_key(&to.value))
    {
        let message = format!("{old} is renamed to {new}, which has `enabled = false`");
        let problem = Problem::error("rename-conflict", message).at(to.span.clone());
        return Some(
            problem
                .related(disabled.clone(), "not enabled here")
                .hint(format!("to delete it, declare it as {old}, without the rename")),
        );
    }
    if !places.applications.contains_key(&to.value) {
        let message = format!("{old} is renamed to {new}, which is not declared");
        let problem = Problem::error("rename-conflict", message).at(to.span.clone());
        return Some(problem.hint(format!("declare it in `[applications.{}]`", new.trim_matches('`'))));
    }
    None
}
