//! The application table: read, insert, update.
//!
//! Reading takes the same few queries for any number of applications; writing is one statement per thousand rows that are
//! alike, and every write returns how many rows it touched. Statements are built from the layout,
//! values are always parameters, and everything travels as text that PostgreSQL casts to the column's own type, so
//! that swapped models with other key types work too. Knows no plan and no file.

mod columns;
mod inventory;
mod marks;
mod owners;
mod reach;
mod read;
mod secrets;
mod users;
mod write;

pub use columns::kind_of;
pub use inventory::{client_ids, instant, list, recent_tokens, usage};
pub use marks::{MarkError, mark};
pub use owners::nameless;
pub use reach::dependents;
pub use read::{Others, read, read_rows};
pub use secrets::withhold_secrets;
pub(in crate::db) use secrets::{secret_columns, stored as stored_hashes};
pub(super) use write::filled_here;
pub use write::{
    Cell, ChangedApplication, NewApplication, SET, Seen, delete, existing, insert, inserted_columns, lock,
    stored_secrets, update, updated_columns, versions,
};

use std::collections::{BTreeMap, BTreeSet};

use super::layout::Table;
use crate::model::printable::{literal, quote};
use crate::model::{ClientId, ColumnValue, UserRef, announces_secret};

/// What the file mentions.
#[derive(Debug, Default)]
pub struct Mentioned {
    /// Declared, removed and renamed applications.
    pub client_ids: BTreeSet<ClientId>,
    pub users: BTreeSet<UserRef>,
    /// What the file says of columns of the project's own.
    pub columns: BTreeMap<String, Vec<ColumnValue>>,
}

/// A digest that changes whenever the row does. The secret is left out, because plans are shown and kept, and a digest
/// over a weak secret could be guessed from, and so are columns of the project's own that seem to hold one; `xmin`
/// changes with every write, so also with those. Where columns are withheld, the digest is of the others only: a whole row
/// and `xmin` need a privilege on the whole table.
fn fingerprint(table: &Table) -> String {
    if !table.withheld.is_empty() {
        let shown = table.columns.keys().filter(|name| table.reads(name) && !announces_secret(name));
        let shown: Vec<String> = shown.map(|name| format!("t.{}", quote(name))).collect();
        return format!(
            "(SELECT encode(sha256(convert_to(to_jsonb(r)::text, 'UTF8')), 'hex') FROM (SELECT {}) r)",
            shown.join(", ")
        );
    }
    let own = table.columns.keys().filter(|name| announces_secret(name)).map(String::as_str);
    let hidden: Vec<String> = std::iter::once("client_secret")
        .chain(own.filter(|name| *name != "client_secret"))
        .map(literal)
        .collect();
    format!(
        "encode(sha256(convert_to((to_jsonb(t.*) - ARRAY[{}]::text[])::text || t.xmin::text, 'UTF8')), 'hex')",
        hidden.join(", ")
    )
}

/// DOT's own value of a column that no file manages, as SQL; `None`: not a DOT column.
fn dot_default(column: &str) -> Option<&'static str> {
    match column {
        "created" | "updated" => Some("now()"),
        "registration_source" => Some("'manual'"),
        _ => None,
    }
}

/// The primary key, if neither PostgreSQL nor we make one for a new row.
fn unfilled_key(table: &Table) -> Option<String> {
    let key = table.columns.get(&table.key)?;
    (!key.filled && key.sql_type != "uuid").then(|| key.name.clone())
}
