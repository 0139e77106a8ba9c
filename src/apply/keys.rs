//! New rows whose keys are taken.

use super::error::ApplyError;
use crate::db::error::{Constraint, DbError, Meaning};
use crate::db::layout::Table;

/// A key that the database itself made is taken: its sequence is behind.
pub(super) fn insertion(table: &Table) -> impl FnOnce(DbError) -> ApplyError {
    let made = table.columns.get(&table.key).is_some_and(|key| key.filled && key.sql_type != "uuid");
    let cure = table.next_key_past_all();
    move |failed| match failed.meaning() {
        Meaning::UniqueViolation(Constraint { name, .. }) if made && name.ends_with("_pkey") => {
            ApplyError::SequenceBehind { cure, failed }
        }
        _ => ApplyError::Database(failed),
    }
}
