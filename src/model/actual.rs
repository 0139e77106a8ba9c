//! Applications as the database holds them.
//!
//! Invariant: rows are complete enough to decide every step without another query. Primary keys are carried as
//! text, because swapped models use bigint, UUID or varchar keys; SQL casts them back to the column's own type.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::application::{ClientId, StoredFields, UserRef};
use super::custom_column::CustomColumns;
use super::field::Field;
use super::key::Key;

/// How an application came to be (DOT 3.4.0: `registration_source`). Rows of older schemas are all manual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// By an administrator or a file.
    Manual,
    /// RFC 7591 dynamic client registration.
    Dcr,
    /// A client id metadata document.
    Cimd,
    /// By itself, as a column of `[policy] dynamic` says; DOT has noted nothing.
    Marked,
    /// A value this version does not know; treated as dynamic, so never pruned.
    Other(String),
}

impl Origin {
    /// Reads the column.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "manual" | "" => Self::Manual,
            "dcr" => Self::Dcr,
            "cimd" => Self::Cimd,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether the row belongs to people rather than to a registration protocol. Only these may be pruned.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        matches!(self, Self::Manual)
    }
}

/// One row of the application table.
#[derive(Debug)]
pub struct Stored {
    /// The primary key.
    pub key: Key,
    pub client_id: ClientId,
    /// Who made it.
    pub origin: Origin,
    /// The managed columns.
    pub fields: StoredFields,
    /// PostgreSQL's digest of the row; changes with every write to it. Says nothing about the secret.
    pub fingerprint: String,
}

/// An application that the file does not mention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmanaged {
    /// The primary key.
    pub key: Key,
    pub client_id: ClientId,
    /// The display name.
    pub name: String,
    pub fingerprint: String,
}

/// The rows that are deleted with an application, and how many of them are in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dependents {
    pub access_tokens: u64,
    /// Access tokens that have not expired.
    pub access_tokens_live: u64,
    pub refresh_tokens: u64,
    /// Refresh tokens that are not revoked.
    pub refresh_tokens_live: u64,
    pub id_tokens: u64,
    pub grants: u64,
    /// Authorization codes that have not expired.
    pub grants_live: u64,
    /// Distinct users among the live tokens.
    pub users: u64,
}

impl Dependents {
    /// The rows of all tables together.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        let of_tokens = self.access_tokens.saturating_add(self.refresh_tokens);
        of_tokens.saturating_add(self.id_tokens).saturating_add(self.grants)
    }
}

/// What the plan needs to know of the database, read in one snapshot.
#[derive(Debug, Default)]
pub struct Actual {
    /// The managed columns that this schema has, with the longest text that each takes.
    pub columns: BTreeMap<Field, Option<u32>>,
    /// The longest client id that the schema takes, in code points.
    pub client_id_length: Option<u32>,
    /// Whether the schema knows device grants (DOT 3.2).
    pub device_grants: bool,
    /// Whether DOT hashes secrets where the row does not say: true from DOT 2.0, which rewrote all of them in its
    /// migration 0006; DOT 1.x compares plain text.
    pub hashes_secrets: bool,
    /// The columns of a swapped model that are the project's own.
    pub custom: CustomColumns,
    /// What PostgreSQL makes of the declared values of these: by column and given text, its own form of the text or why
    /// it refuses it.
    pub renderings: BTreeMap<(String, String), Result<String, String>>,
    /// The primary key, if neither PostgreSQL nor we fill it for a new row.
    pub unfilled_key: Option<String>,
    /// The rows that the file mentions: declared, removed or renamed.
    pub applications: BTreeMap<ClientId, Box<Stored>>,
    /// The manual rows that it does not mention, by client id.
    pub unmanaged: Vec<Unmanaged>,
    /// How many rows were registered dynamically and are not mentioned by the file.
    pub dynamic: u64,
    /// How many rows the table has.
    pub total: u64,
    /// The users that the file refers to; absent: no such user.
    pub users: BTreeMap<UserRef, Key>,
    /// Those that are several users, and how many.
    pub ambiguous_users: BTreeMap<UserRef, u64>,
    /// The table of the users; `None`: the owner refers to none.
    pub user_table: Option<UserTable>,
    /// What the ledger says; `None` without a ledger.
    pub ownership: Option<Ownership>,
    /// Whether the stored secrets were not read: `client_secret` of every row is then empty and says nothing.
    pub withholds_secrets: bool,
}

/// The table of the project's own in which the users are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserTable {
    /// With its schema.
    pub name: String,
    /// The columns by which a user can be found: none that seems to hold a secret.
    pub columns: BTreeSet<String>,
}

/// Who answers for which application, as the ledger has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// Those that this file created: `prune = "owned"` may delete them.
    pub created: BTreeSet<ClientId>,
    /// Those that were there before this file declared them.
    pub adopted: BTreeSet<ClientId>,
    /// Those that another file answers for, and its name.
    pub others: BTreeMap<ClientId, String>,
    /// What the ledger calls the table of the applications: `schema.table`. One ledger may serve several providers.
    pub table: String,
}
