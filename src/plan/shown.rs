//! A plan against the one that people were shown before: what of it they have not seen. Pure.
//!
//! Fingerprints and the numbers of tokens are not compared: they change while the shown steps stay the same.

use std::collections::BTreeSet;

use super::{Plan, Step};
use crate::model::ClientId;

/// The applications of the steps that are not in the plan that was shown, as a whole or in part.
#[must_use]
pub fn not_shown(now: &Plan, shown: &Plan) -> BTreeSet<ClientId> {
    let unseen = now.steps.iter().filter(|step| !shown.steps.iter().any(|seen| covers(seen, step)));
    unseen.map(|step| step.client_id().clone()).collect()
}

/// Whether people would see the same steps.
#[must_use]
pub fn is_the_same(now: &Plan, shown: &Plan) -> bool {
    now.steps.len() == shown.steps.len()
        && not_shown(now, shown).is_empty()
        && not_shown(shown, now).is_empty()
}

/// Whether whoever agrees to `shown` has agreed to `now`: it does the same to the same row, or a part of it.
pub(super) fn covers(shown: &Step, now: &Step) -> bool {
    match (shown, now) {
        (
            Step::Create { client_id: shown, fields: fields_shown },
            Step::Create { client_id: now, fields: fields_now },
        ) => shown == now && fields_shown == fields_now,
        (
            Step::Update { row: shown, client_id: named, changes: seen, unchanged: _, dependents: _ },
            Step::Update { row: now, client_id, changes, unchanged: _, dependents: _ },
        ) => {
            // Another run may have done the rename already.
            let renames_no_further = now.client_id == shown.client_id || now.client_id == *client_id;
            let is_same_row = shown.key == now.key && named == client_id;
            is_same_row && renames_no_further && changes.iter().all(|change| seen.contains(change))
        }
        (Step::Adopt { row: shown }, Step::Adopt { row: now }) => {
            shown.key == now.key && shown.client_id == now.client_id
        }
        (
            Step::Delete { row: shown, name: _, reason: because, dependents: _, others: _ },
            Step::Delete { row: now, name: _, reason, dependents: _, others: _ },
        ) => shown.key == now.key && shown.client_id == now.client_id && because == reason,
        (
            Step::Create { .. } | Step::Update { .. } | Step::Adopt { .. } | Step::Delete { .. },
            Step::Create { .. } | Step::Update { .. } | Step::Adopt { .. } | Step::Delete { .. },
        ) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dependents, Field, Key};
    use crate::plan::{DeleteReason, FieldChange, RowRef, Value};

    fn row(client_id: &str, fingerprint: &str) -> RowRef {
        RowRef {
            key: Key::new("1"),
            client_id: ClientId::new(client_id),
            fingerprint: fingerprint.to_owned(),
        }
    }

    fn change(field: Field, after: &str) -> FieldChange {
        FieldChange {
            field: field.into(),
            before: Value::Text(String::new()),
            after: Value::Text(after.to_owned()),
        }
    }

    fn update(row: RowRef, client_id: &str, changes: &[FieldChange]) -> Plan {
        let step = Step::Update {
            row,
            client_id: ClientId::new(client_id),
            changes: changes.to_vec(),
            unchanged: 0,
            dependents: None,
        };
        Plan { steps: vec![step], ..Plan::default() }
    }

    fn delete(client_id: &str, tokens: u64, reason: DeleteReason) -> Plan {
        let dependents = Dependents { access_tokens: tokens, ..Dependents::default() };
        let row = row(client_id, "f");
        let step = Step::Delete { row, name: String::new(), reason, dependents, others: Vec::new() };
        Plan { steps: vec![step], ..Plan::default() }
    }

    #[test]
    fn a_part_of_what_was_shown_is_shown() {
        let (name, algorithm) = (change(Field::Name, "A"), change(Field::Algorithm, "RS256"));
        let shown = update(row("old", "1"), "web", &[name.clone(), algorithm.clone()]);
        let part = update(row("web", "2"), "web", std::slice::from_ref(&name));
        assert!(not_shown(&part, &shown).is_empty());
        assert!(!is_the_same(&part, &shown));
        assert_eq!(not_shown(&shown, &part), BTreeSet::from([ClientId::new("web")]));
        assert!(not_shown(&Plan::default(), &shown).is_empty());
        let touched = update(row("old", "2"), "web", &[name, algorithm]);
        assert!(is_the_same(&touched, &shown));
    }

    #[test]
    fn another_value_row_or_reason_is_not() {
        let shown = update(row("web", "1"), "web", &[change(Field::Name, "A")]);
        let other = update(row("web", "1"), "web", &[change(Field::Name, "B")]);
        assert_eq!(not_shown(&other, &shown).len(), 1);
        let removed = delete("web", 1, DeleteReason::Removed);
        assert_eq!(not_shown(&removed, &shown).len(), 1);
        assert!(is_the_same(&delete("web", 2, DeleteReason::Removed), &removed));
        assert_eq!(not_shown(&delete("web", 1, DeleteReason::Pruned), &removed).len(), 1);
    }
}
