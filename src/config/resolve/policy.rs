//! `[policy]`: what a plan may do.

use std::collections::BTreeSet;

use super::Context;
use crate::config::document::{Mark as MarkSection, Policy as Section};
use crate::config::places::Places;
use crate::config::problem::Problem;
use crate::config::slot::{List, Placed, Slot};
use crate::config::values::{self, NumberOrText, OrTable};
use crate::model::{ClientId, Limit, Mark, Policy, Prune};

const TABLE: &str = "policy";

const MARK: &str = "write { column = \"is_dcr_client\", value = true }";

pub(super) fn resolve(section: Slot<Section>, context: &Context<'_>, places: &mut Places) -> Policy {
    let Some(Section { prune, owner, protect, dynamic, max_deletes, max_updates }) = section.value() else {
        return Policy::default();
    };
    let prune = prune.present();
    let owner = owner
        .present()
        .and_then(|owner| context.owner(owner))
        .map(|owner| places.note(TABLE, "owner", owner));
    if let Some(prune) = prune.as_ref().filter(|prune| prune.value == Prune::Owned && owner.is_none()) {
        context.push(unnamed(prune));
    }
    Policy {
        prune: prune.map(|prune| places.note(TABLE, "prune", prune)).unwrap_or_default(),
        owner,
        protect: client_ids("protect", protect, context),
        dynamic: marks(dynamic, context, places),
        max_deletes: context
            .limit("max_deletes", max_deletes)
            .map(|limit| places.note(TABLE, "max_deletes", limit))
            .or(Some(Policy::DEFAULT_MAX_DELETES)),
        max_updates: context
            .limit("max_updates", max_updates)
            .map(|limit| places.note(TABLE, "max_updates", limit)),
    }
}

/// A list of client ids; they need not be declared.
pub(super) fn client_ids(key: &str, list: List<String>, context: &Context<'_>) -> BTreeSet<ClientId> {
    let Some(list) = list.items() else { return BTreeSet::new() };
    let list = context.without_duplicates(list, String::clone);
    let mut ids = BTreeSet::new();
    for item in list.value {
        if item.value.is_empty() {
            context.push(Problem::error("empty", format!("an item of `{key}` is empty")).at(item.span));
        } else {
            ids.insert(ClientId::new(item.value));
        }
    }
    ids
}

/// The columns that tell which applications registered themselves: one, or a list.
fn marks(
    slot: Slot<OrTable<Vec<Slot<MarkSection>>, MarkSection>>,
    context: &Context<'_>,
    places: &mut Places,
) -> Vec<Mark> {
    let Some(Placed { key, span, value }) = slot.present() else { return Vec::new() };
    let items = match value {
        OrTable::Table(value) => vec![Placed { key, span, value }],
        OrTable::Plain(items) if items.is_empty() => {
            context.push(Problem::error("empty", "`dynamic` is empty").at(span).hint(MARK));
            return Vec::new();
        }
        OrTable::Plain(items) => items.into_iter().filter_map(Slot::present).collect(),
    };
    let mut marks: Vec<Mark> = Vec::new();
    for Placed { span, value: MarkSection { column, value }, .. } in items {
        for (key, is_absent) in [("column", column.is_absent()), ("value", value.is_absent())] {
            if is_absent {
                let problem = Problem::error("missing-key", format!("an item of `dynamic` lacks `{key}`"));
                context.push(problem.at(span.clone()).hint(MARK));
            }
        }
        let (Some(column), Some(value)) = (context.text("column", column), value.present()) else { continue };
        let mark = Mark { column: column.value, value: value.value.0 };
        if let Some(first) = marks.iter().position(|known| *known == mark) {
            let problem = Problem::warning("duplicate-item", "`dynamic` has this item twice").at(span);
            let first = places.marks.get(first).map(|(column, _)| column.clone());
            context
                .push(first.into_iter().fold(problem, |problem, first| problem.related(first, "first here")));
            continue;
        }
        places.marks.push((column.span, value.span));
        marks.push(mark);
    }
    marks
}

/// A path is no name: other files may have the same, and this one another elsewhere.
fn unnamed(prune: &Placed<Prune>) -> Problem {
    Problem::warning("no-owner", "the ledger knows this file by its path only")
        .at(prune.span.clone())
        .label("deletes what a file of this path created")
        .hint("name it: write owner = \"github.com/example/infrastructure\", or so, in `[policy]`")
}

impl Context<'_> {
    /// A name that fits into one line of a table.
    fn owner(&self, owner: Placed<String>) -> Option<Placed<String>> {
        let length = owner.value.chars().count();
        if (1..=255).contains(&length) && !owner.value.chars().any(char::is_control) {
            return Some(owner);
        }
        self.reject(
            Problem::error("invalid-value", "`owner` is no name")
                .at(owner.span)
                .hint("write 1 to 255 characters without line breaks"),
        )
    }

    fn limit(&self, key: &str, slot: Slot<values::Limit>) -> Option<Placed<Limit>> {
        let written = slot.present()?;
        let read = match &written.value.0 {
            NumberOrText::Number(count) => u64::try_from(*count).ok().map(Limit::Count),
            NumberOrText::Text(text) => percentage(text),
        };
        if let Some(limit) = read {
            return Some(written.with(limit));
        }
        let problem = Problem::error("out-of-range", format!("`{key}` is no limit")).at(written.span.clone());
        self.reject(problem.hint("write a count such as 5, or a percentage from \"0%\" to \"100%\""))
    }
}

fn percentage(text: &str) -> Option<Limit> {
    let digits = text.strip_suffix('%')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let percent = digits.parse::<u8>().ok()?;
    (percent <= 100).then_some(Limit::Percent(percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages() {
        assert_eq!(percentage("0%"), Some(Limit::Percent(0)));
        assert_eq!(percentage("100%"), Some(Limit::Percent(100)));
        for text in ["101%", "-1%", "+1%", "30", "%", "3.5%", "30 %", "1000000000000%"] {
            assert_eq!(percentage(text), None, "{text}");
        }
    }
}
