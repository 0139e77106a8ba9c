//! Rows of the project's own that refer to rows that go: counted, and what is done with them.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;

use serde::{Serialize, Serializer};

use super::on_delete::OnDelete;
use super::reference::Treatment;
use super::release::Release;
use super::tables::is_of_newer_dot;
use super::visible::visible;

/// Rows of a table that is not DOT's and that refer to rows to delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForeignRows {
    /// The referring table, as SQL writes it.
    pub table: String,
    /// The referring column.
    pub column: String,
    /// The foreign key.
    pub constraint: String,
    /// What PostgreSQL does with them.
    pub on_delete: OnDelete,
    /// What is done with them.
    pub treatment: Treatment,
    /// How many; `None`: this role may not read the table.
    pub rows: Option<u64>,
    /// How a file names the column.
    #[serde(skip)]
    pub name: String,
    /// Whether the column takes no NULL.
    #[serde(skip)]
    pub not_null: bool,
}

impl ForeignRows {
    /// Whether they prevent the deletion.
    #[must_use]
    pub const fn blocks(&self) -> bool {
        self.treatment.blocks()
    }
}

/// Rows of other tables that went, or were changed, by foreign key. As JSON, a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignTally(BTreeMap<(String, String), ForeignRows>);

impl ForeignTally {
    /// Adds rows to those of the same foreign key.
    pub fn add(&mut self, rows: &ForeignRows) {
        if rows.rows == Some(0) {
            return;
        }
        self.0
            .entry((rows.table.clone(), rows.constraint.clone()))
            .and_modify(|sum| sum.rows = sum.rows.zip(rows.rows).map(|(one, other)| one + other))
            .or_insert_with(|| rows.clone());
    }

    /// Adds those of another tally.
    pub fn extend(&mut self, other: &Self) {
        other.iter().for_each(|rows| self.add(rows));
    }

    /// In the order of the tables.
    pub fn iter(&self) -> impl Iterator<Item = &ForeignRows> {
        self.0.values()
    }

    /// All rows that are known.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().filter_map(|rows| rows.rows).sum()
    }
}

impl Serialize for ForeignTally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// Foreign rows that prevent a cleanup: PostgreSQL would refuse to delete the rows that they refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockingRows {
    /// The referring table, as SQL writes it.
    pub table: String,
    /// The referring column.
    pub column: String,
    /// The foreign key.
    pub constraint: String,
    /// The table referred to, as SQL writes it.
    pub to: String,
    pub rows: u64,
    /// The statement that selects exactly these, with all values in it.
    pub select: String,
    /// How a file names the column.
    pub name: String,
    /// Whether the column takes no NULL.
    pub not_null: bool,
}

impl BlockingRows {
    /// What to do about all of these.
    #[must_use]
    pub fn way_out(all: &[Self]) -> String {
        const OWN: &str = "say in [cleanup.references] what Django's on_delete does with those rows, or delete or detach them first";
        let is_newer = |rows: &&Self| is_of_newer_dot(&rows.table);
        match all.iter().filter(is_newer).count() {
            0 => OWN.to_owned(),
            newer if newer == all.len() => Release::UPDATE.to_owned(),
            _ => format!("{}; for the other rows, {OWN}", Release::UPDATE),
        }
    }

    /// The lines of a file that say what is done with such rows; `None`: no file can.
    #[must_use]
    pub fn block(all: &[Self]) -> Option<String> {
        references_block(all.iter().filter_map(|rows| suggestion(&rows.table, &rows.name, rows.not_null)))
    }
}

/// `[cleanup.references]` with these lines; `None`: there are none.
#[must_use]
pub fn references_block(lines: impl Iterator<Item = String>) -> Option<String> {
    let lines: BTreeSet<String> = lines.collect();
    (!lines.is_empty())
        .then(|| once("[cleanup.references]".to_owned()).chain(lines).collect::<Vec<_>>().join("\n"))
}

/// The line that suggests what a file can say of a column. Only Django's model knows. `None`: the table is of a newer
/// DOT, which deletes its rows in a way that is not known here.
#[must_use]
pub fn suggestion(table: &str, name: &str, not_null: bool) -> Option<String> {
    if is_of_newer_dot(table) {
        return None;
    }
    let name = visible(&name.replace('\\', "\\\\").replace('"', "\\\""));
    Some(if not_null {
        format!("\"{name}\" = \"refuse\"   # or \"delete\", if on_delete is CASCADE")
    } else {
        format!("\"{name}\" = \"null\"   # if on_delete is SET_NULL; \"delete\" if it is CASCADE")
    })
}
