//! New rows whose keys are taken.

use super::error::ApplyError;
use crate::db::error::{Constraint, Meaning};
use crate::db::layout::Table;

/// A key that the database itself made is taken: its sequence is behind.
pub(super) fn insertion(table: &Table, error: ApplyError) -> ApplyError {
    let made = table.columns.get(&table.key).is_some_and(|key| key.filled && key.sql_type != "uuid");
    match error {
        ApplyError::Refused { client_id, failed } => match failed.meaning() {
            Meaning::UniqueViolation(Constraint { name, .. }) if made && name.ends_with("_pkey") => {
                ApplyError::SequenceBehind { cure: table.next_key_past_all(), failed }
            }
            _ => ApplyError::Refused { client_id, failed },
        },
        other => other,
    }
}
