//! A sequence that is behind its table.

use crate::model::TableRole;

/// A sequence that gives out keys which rows have already. Names are as SQL writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaggingSequence {
    /// Whose keys it makes.
    pub role: TableRole,
    pub table: String,
    /// The column of the key.
    pub key: String,
    pub sequence: String,
    /// The key that it gives out next.
    pub next: i64,
    /// The highest key in the table.
    pub highest: i64,
}
