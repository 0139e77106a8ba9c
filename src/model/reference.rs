//! What is done with rows of the project's own that refer to rows that go. Django's `on_delete` is Python; the database
//! knows only what it does by itself, so the rest is recognised or declared. Knows no SQL.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use strum::EnumString;

use super::on_delete::OnDelete;

/// What a file says about a reference.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ReferenceRule {
    /// The column becomes NULL: Django's `SET_NULL`.
    Null,
    /// The rows are deleted, and what refers to them is dealt with in the same way: Django's `CASCADE`.
    Delete,
    /// The rows prevent the deletion: Django's `PROTECT`.
    Refuse,
}

/// A referring column by its names in the catalogue: `table.column` or `schema.table.column`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReferenceName(String);

impl ReferenceName {
    /// `None`: there are not two or three names in it.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let is_name = (2..=3).contains(&parts.len()) && parts.iter().all(|part| !part.trim().is_empty());
        is_name.then(|| Self(text.to_owned()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The table and the column as they are written. Names with dots in them are compared as a whole, see
    /// [`ReferenceName::means`].
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('.').unwrap_or((&self.0, ""))
    }

    /// Whether it is the name of this column. `home`: the schema of tables without one.
    #[must_use]
    pub fn means(&self, schema: &str, table: &str, column: &str, home: &str) -> bool {
        let short = format!("{table}.{column}");
        schema == home && self.0 == short || self.0 == format!("{schema}.{short}")
    }
}

/// `[cleanup.references]`.
pub type References = BTreeMap<ReferenceName, ReferenceRule>;

/// What the catalogue says of a referring table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReferringTable {
    /// How many columns it has.
    pub columns: i64,
    /// How many foreign keys it has.
    pub foreign_keys: i64,
    /// Whether it has a primary key of one column, and a unique constraint over two others, each a foreign key.
    pub unique_pair: bool,
    /// Whether a foreign key refers to it.
    pub referred: bool,
}

impl ReferringTable {
    /// Whether it is what Django makes for a many-to-many field: a key, two foreign keys that are unique together, and
    /// nothing else. Django always deletes such rows with either side; there is no `on_delete` to choose.
    #[must_use]
    pub const fn is_link(self) -> bool {
        let Self { columns, foreign_keys, unique_pair, referred } = self;
        columns == 3 && foreign_keys == 2 && unique_pair && !referred
    }
}

/// What is done with the rows that refer to a row that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Treatment {
    /// They prevent it.
    Refuse,
    /// Their column is set to NULL first.
    Null,
    /// They are deleted first, by declaration.
    Delete,
    /// They are deleted first, as rows of a link table.
    Link,
    /// PostgreSQL deletes or changes them itself.
    OnDelete(OnDelete),
}

impl Treatment {
    /// What the file says comes first, then what PostgreSQL does, then what is recognised.
    #[must_use]
    pub const fn decide(
        declared: Option<ReferenceRule>,
        on_delete: OnDelete,
        not_null: bool,
        table: ReferringTable,
    ) -> Self {
        match declared {
            Some(ReferenceRule::Null) => Self::Null,
            Some(ReferenceRule::Delete) => Self::Delete,
            None if !on_delete.blocks(not_null) => Self::OnDelete(on_delete),
            None if table.is_link() => Self::Link,
            None | Some(ReferenceRule::Refuse) => Self::Refuse,
        }
    }

    /// Whether a referring row keeps the row that it refers to from being deleted.
    #[must_use]
    pub const fn blocks(self) -> bool {
        matches!(self, Self::Refuse)
    }

    /// Whether it is done here, and not by PostgreSQL.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        match self {
            Self::Null | Self::Delete | Self::Link => true,
            Self::Refuse | Self::OnDelete(_) => false,
        }
    }

    /// Whether the referring rows go, so that what refers to them matters too.
    #[must_use]
    pub const fn deletes(self) -> bool {
        match self {
            Self::Delete | Self::Link | Self::OnDelete(OnDelete::Cascade) => true,
            Self::Refuse
            | Self::Null
            | Self::OnDelete(
                OnDelete::NoAction | OnDelete::Restrict | OnDelete::SetNull | OnDelete::SetDefault,
            ) => false,
        }
    }

    /// What happens to the referring rows, in a sentence about them.
    #[must_use]
    pub const fn effect(self) -> &'static str {
        match self {
            Self::Refuse => "kept",
            Self::Null => "set to NULL",
            Self::Delete | Self::Link => "deleted",
            Self::OnDelete(on_delete) => on_delete.effect(),
        }
    }

    /// What the treatment follows from, in brackets.
    #[must_use]
    pub fn reason(self) -> String {
        match self {
            Self::Refuse => "refuse".to_owned(),
            Self::Null | Self::Delete => "declared".to_owned(),
            Self::Link => "link table".to_owned(),
            Self::OnDelete(on_delete) => format!("ON DELETE {}", on_delete.sql()),
        }
    }

    /// The word for scripts.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Null => "null",
            Self::Delete => "delete",
            Self::Link => "link",
            Self::OnDelete(_) => "on_delete",
        }
    }

    /// Reads the [`key`](Self::key). `on_delete`: what PostgreSQL does.
    #[must_use]
    pub fn parse(key: &str, on_delete: OnDelete) -> Option<Self> {
        [Self::Refuse, Self::Null, Self::Delete, Self::Link, Self::OnDelete(on_delete)]
            .into_iter()
            .find(|treatment| treatment.key() == key)
    }
}

impl JsonSchema for Treatment {
    fn schema_name() -> Cow<'static, str> {
        "Treatment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": ["refuse", "null", "delete", "link", "on_delete"] })
    }
}

impl Serialize for Treatment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

/// Why a declaration does not fit this database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceFault {
    #[error("there is no table `{table}`")]
    NoSuchTable {
        table: String,
        /// Tables that there are, as one would write them.
        known: Vec<String>,
    },
    #[error("{table} has no column `{column}`")]
    NoSuchColumn {
        table: String,
        column: String,
        /// Its columns that are foreign keys, else all of them.
        known: Vec<String>,
    },
    #[error("{table} is a table of DOT's; its references are handled as DOT does")]
    Own { table: String },
    #[error("it does not refer to a table from which rows are deleted")]
    Elsewhere {
        /// Columns of the table that do.
        known: Vec<String>,
    },
    #[error("it is the same column as `{first}`")]
    Twice { first: String },
    #[error("the column takes no NULL")]
    NotNull,
    #[error("the foreign key {constraint} has several columns")]
    Composite { constraint: String },
    #[error("the deletions would go in a circle: {}", .tables.join(" → "))]
    Circle { tables: Vec<String> },
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: ReferringTable =
        ReferringTable { columns: 3, foreign_keys: 2, unique_pair: true, referred: false };

    #[test]
    fn a_link_table_is_what_django_makes_and_nothing_else() {
        for (table, expected) in [
            (LINK, true),
            (ReferringTable { columns: 4, ..LINK }, false),
            (ReferringTable { columns: 2, ..LINK }, false),
            (ReferringTable { foreign_keys: 3, ..LINK }, false),
            (ReferringTable { unique_pair: false, ..LINK }, false),
            (ReferringTable { referred: true, ..LINK }, false),
        ] {
            assert_eq!(table.is_link(), expected, "{table:?}");
        }
    }

    #[test]
    fn the_file_comes_first_then_postgresql_then_the_link_table() {
        use OnDelete::{Cascade, NoAction, Restrict, SetDefault, SetNull};
        let other = ReferringTable::default();
        for (declared, on_delete, not_null, table, expected) in [
            (None, NoAction, false, other, Treatment::Refuse),
            (None, Restrict, false, other, Treatment::Refuse),
            (None, NoAction, true, LINK, Treatment::Link),
            (None, Restrict, true, LINK, Treatment::Link),
            (None, Cascade, true, LINK, Treatment::OnDelete(Cascade)),
            (None, Cascade, false, other, Treatment::OnDelete(Cascade)),
            (None, SetNull, false, other, Treatment::OnDelete(SetNull)),
            (None, SetNull, true, other, Treatment::Refuse),
            (None, SetNull, true, LINK, Treatment::Link),
            (None, SetDefault, true, other, Treatment::OnDelete(SetDefault)),
            (Some(ReferenceRule::Refuse), NoAction, true, LINK, Treatment::Refuse),
            (Some(ReferenceRule::Refuse), Cascade, true, other, Treatment::Refuse),
            (Some(ReferenceRule::Null), NoAction, false, other, Treatment::Null),
            (Some(ReferenceRule::Null), Cascade, false, LINK, Treatment::Null),
            (Some(ReferenceRule::Delete), NoAction, true, LINK, Treatment::Delete),
            (Some(ReferenceRule::Delete), Restrict, true, other, Treatment::Delete),
        ] {
            let decided = Treatment::decide(declared, on_delete, not_null, table);
            assert_eq!(decided, expected, "{declared:?} {on_delete:?} {not_null} {table:?}");
        }
    }

    #[test]
    fn names_have_two_or_three_parts_and_an_unqualified_one_is_at_home() {
        for text in ["", "column", ".", "a.", ".a", "a..b", " .b", "a. ", "a.b.c.d"] {
            assert_eq!(ReferenceName::new(text), None, "{text:?}");
        }
        let means = |name: &str, schema: &str| {
            ReferenceName::new(name).unwrap().means(schema, "device", "token_id", "public")
        };
        assert!(means("device.token_id", "public") && means("public.device.token_id", "public"));
        assert!(means("site.device.token_id", "site"));
        assert!(!means("device.token_id", "site") && !means("Device.token_id", "public"));
        // A name may have a dot in it.
        assert!(ReferenceName::new("a.b.c").unwrap().means("public", "a.b", "c", "public"));
    }
}
