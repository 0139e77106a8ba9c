//! Rows of the project's own that refer to rows that go: counted, and what is done with them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::on_delete::OnDelete;
use super::reference::Treatment;
use super::release::Release;
use super::tables::is_of_newer_dot;
use super::toml_string::toml_string;
use super::visible::visible;

/// Rows of a table that is not DOT's and that refer to rows to delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
    /// Whether a file or a flag says what is done with them.
    #[serde(skip)]
    pub declared: bool,
}

/// As it is written: what PostgreSQL does, and what is done, are two keys.
#[derive(Deserialize)]
struct Written {
    table: String,
    column: String,
    constraint: String,
    on_delete: OnDelete,
    treatment: String,
    rows: Option<u64>,
}

impl<'de> Deserialize<'de> for ForeignRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { table, column, constraint, on_delete, treatment, rows } =
            Written::deserialize(deserializer)?;
        let treatment = Treatment::parse(&treatment, on_delete)
            .ok_or_else(|| serde::de::Error::custom("no such treatment"))?;
        let (name, not_null, declared) = (String::new(), false, false);
        Ok(Self { table, column, constraint, on_delete, treatment, rows, name, not_null, declared })
    }
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

impl JsonSchema for ForeignTally {
    fn schema_name() -> Cow<'static, str> {
        "ForeignTally".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<ForeignRows>::json_schema(generator)
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
    /// Whether a file or a flag says "refuse".
    pub declared: bool,
}

impl BlockingRows {
    /// What to do about all of these.
    #[must_use]
    pub fn way_out(all: &[Self]) -> String {
        const OPEN: &str = "say in [cleanup.references] what Django's on_delete does with those rows, or delete or detach them first";
        let mut ways: Vec<String> = Vec::new();
        for Self { table, name, declared, .. } in all {
            let way = only_way_out(table, name, *declared).unwrap_or_else(|| OPEN.to_owned());
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        ways.join("; for the other rows, ")
    }

    /// The lines of a file that say what is done with such rows; `None`: no file can, or it says so already.
    #[must_use]
    pub fn block(all: &[Self]) -> Option<String> {
        let open = all.iter().filter(|rows| !rows.declared);
        references_block(open.filter_map(|rows| way_through(&rows.table, &rows.name, rows.not_null)))
    }
}

/// What to do about rows that prevent a deletion, where a line in the file is not what is missing; `None`: it is.
#[must_use]
pub fn only_way_out(table: &str, name: &str, declared: bool) -> Option<String> {
    if is_of_newer_dot(table) {
        return Some(Release::UPDATE.to_owned());
    }
    declared.then(|| {
        format!(
            "{} is declared as \"refuse\": delete or repoint those rows first, or declare \"null\" or \"delete\" if that is what \
             Django's on_delete does",
            visible(name)
        )
    })
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
    if not_null && !is_of_newer_dot(table) {
        return Some(format!(
            "{} = \"refuse\"   # or \"delete\", if on_delete is CASCADE",
            toml_string(name)
        ));
    }
    way_through(table, name, not_null)
}

/// The same, of those with which the rows prevent nothing any more.
#[must_use]
pub fn way_through(table: &str, name: &str, not_null: bool) -> Option<String> {
    if is_of_newer_dot(table) {
        return None;
    }
    let key = toml_string(name);
    Some(if not_null {
        format!("{key} = \"delete\"   # only if on_delete is CASCADE")
    } else {
        format!("{key} = \"null\"   # if on_delete is SET_NULL; \"delete\" if it is CASCADE")
    })
}
