//! What the catalogue says of one table: its columns, its key, and what refers to it.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Oid;

use crate::model::printable::{literal, quote};
use crate::model::{OnDelete, ReferringTable, TableRole, Treatment};

/// A column as the catalogue describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, not quoted.
    pub name: String,
    /// Its type as SQL writes it, for casts, without a length: a cast to `varchar(9)` would truncate in silence.
    pub sql_type: String,
    /// The same with precision and the like; of a type that is not PostgreSQL's own, with its schema.
    pub full_type: String,
    /// What a domain is made of; of any other type, its name.
    pub base_type: String,
    /// The longest text that it takes, in code points; `None`: no limit.
    pub max_length: Option<u32>,
    pub not_null: bool,
    /// Whether PostgreSQL fills it when an INSERT leaves it out (default, identity or generated).
    pub filled: bool,
    /// Whether PostgreSQL alone writes it: generated, or an identity that is always its own.
    pub generated: bool,
    /// The expression of its default.
    pub default: Option<String>,
}

/// A table as the catalogue describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub oid: Oid,
    /// Its schema, not quoted.
    pub schema: String,
    /// Its name, not quoted.
    pub name: String,
    /// Its columns, by name.
    pub columns: BTreeMap<String, Column>,
    /// The name of the primary key's column (Django has single-column keys only).
    pub key: String,
    /// Whether it is partitioned: `ctid` is not unique there.
    pub partitioned: bool,
    /// Whether row-level security may hide rows from this role.
    pub row_security: bool,
    /// The columns that no statement may read: see [`Layout::withhold`](super::Layout::withhold).
    pub withheld: BTreeSet<String>,
}

impl Table {
    /// The quoted, qualified name.
    #[must_use]
    pub fn sql(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }

    /// The qualified name, not quoted.
    #[must_use]
    pub fn qualified_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The quoted name of the key column.
    #[must_use]
    pub fn key_sql(&self) -> String {
        quote(&self.key)
    }

    /// The type of the key, for casts.
    #[must_use]
    pub fn key_type(&self) -> &str {
        self.columns.get(&self.key).map_or("bigint", |column| column.sql_type.as_str())
    }

    /// The statement that moves the sequence of the key past every row.
    #[must_use]
    pub fn next_key_past_all(&self) -> String {
        let (table, key) = (self.sql(), self.key_sql());
        format!(
            "SELECT setval(pg_get_serial_sequence({}, {}), (SELECT max({key}) FROM {table}));",
            literal(&table),
            literal(&self.key)
        )
    }

    /// Whether there is such a column and statements may read it.
    #[must_use]
    pub fn reads(&self, column: &str) -> bool {
        self.has(column) && !self.withheld.contains(column)
    }

    /// Whether there is such a column.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }
}

/// A foreign key that points at one of the tables of a [`Layout`](super::Layout), or at one that has such a foreign key.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts of the catalogue, which do not depend on each other"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The constraint's name.
    pub constraint: String,
    /// The referring table's oid.
    pub from: Oid,
    /// The referring table, as SQL writes it.
    pub from_table: String,
    /// The referring column.
    pub from_column: String,
    /// The oid of the table referred to.
    pub to: Oid,
    /// The table referred to, as SQL writes it.
    pub to_table: String,
    /// The column referred to.
    pub to_column: String,
    pub on_delete: OnDelete,
    /// Whether the referring column takes no NULL.
    pub not_null: bool,
    /// The referring table's schema, not quoted.
    pub schema: String,
    /// The referring table's name, not quoted.
    pub name: String,
    /// Whether it has several columns.
    pub composite: bool,
    /// Whether row-level security may hide referring rows from this role.
    pub row_security: bool,
    /// Whether this role may read the two columns.
    pub readable: bool,
    /// Whether the referring table is partitioned.
    pub partitioned: bool,
    /// What else is known of the referring table.
    pub table: ReferringTable,
    /// Whether a file says what is done with referring rows.
    pub declared: bool,
    /// What is done with them.
    pub treatment: Treatment,
}

impl Reference {
    /// Whether a referring row keeps the row that it refers to from being deleted.
    #[must_use]
    pub const fn blocks(&self) -> bool {
        self.treatment.blocks()
    }

    /// How a file names it. `home`: the schema of tables without one.
    #[must_use]
    pub fn file_name(&self, home: &str) -> String {
        let Self { schema, name, from_column, .. } = self;
        if schema == home {
            format!("{name}.{from_column}")
        } else {
            format!("{schema}.{name}.{from_column}")
        }
    }
}

/// A column of the application table and the text that it has in rows which registered themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Its name, not quoted.
    pub column: String,
    /// PostgreSQL's text of the value.
    pub text: String,
}

/// A table that looks like DOT's application table, perhaps under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub oid: Oid,
    /// Its schema, not quoted.
    pub schema: String,
    /// Its name, not quoted.
    pub name: String,
    /// The tables of its schema that refer to it and look like a role's; the more, the more probably it is DOT's.
    pub tables: BTreeMap<TableRole, String>,
}

impl Candidate {
    /// Takes note of a table that refers to it.
    pub(super) fn referred_by(&mut self, name: &str, columns: &[String]) {
        let has = |column: &&str| columns.iter().any(|known| known == column);
        let role = TELLING.iter().find(|(_, telling)| telling.iter().all(has));
        if let Some((role, _)) = role {
            self.tables.entry(*role).or_insert_with(|| name.to_owned());
        }
    }
}

/// Columns by which a table that refers to applications is told from the others of DOT, in every version.
const TELLING: [(TableRole, &[&str]); 4] = [
    (TableRole::AccessToken, &["token", "expires", "source_refresh_token_id"]),
    (TableRole::RefreshToken, &["token", "revoked", "access_token_id"]),
    (TableRole::IdToken, &["jti", "expires", "scope"]),
    (TableRole::Grant, &["code", "expires", "redirect_uri"]),
];
