//! Sequences that are behind their tables: the next row gets a key that is taken.

use super::{Check, Finding, literal};
use crate::model::TableRole;
use crate::model::health::LaggingSequence;
use crate::model::words::grouped;

/// A problem where oauthctl itself inserts rows, a note where Django does.
pub(super) fn check(behind: &[LaggingSequence]) -> Vec<Finding> {
    behind.iter().map(finding).collect()
}

fn finding(lagging: &LaggingSequence) -> Finding {
    let LaggingSequence { role, table, key, sequence, next, highest } = lagging;
    let number = |key: &i64| u64::try_from(*key).map_or_else(|_| key.to_string(), grouped);
    let found = format!(
        "{sequence} is behind {table}: its next value is {}, and the highest {key} is {}.",
        number(next),
        number(highest)
    );
    let (finding, who) = if *role == TableRole::Application {
        (Check::Sequences.problem(found), "`apply` and `createapplication` fail")
    } else {
        (Check::Sequences.note(found), "Django fails to insert rows")
    };
    finding
        .meaning(format!(
            "Rows were put in with keys of their own. Until the sequence has passed them, {who} with a duplicate key; \
             `python manage.py sqlsequencereset oauth2_provider` prints the same for all tables."
        ))
        .sql(format!("SELECT setval({}, (SELECT max({key}) FROM {table}));", literal(sequence)))
}
