//! One thing to do, completely: what the executor does and what people are shown are the same values.
//!
//! Serialises into the JSON plan (`docs/plan-json.md`), so a renamed key is a new format version. Holds no secret.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Attribute, ClientId, Dependents, ForeignRows, Key, Named, Stored};

/// How a secret gets its new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretWrite {
    /// Made at apply and delivered once.
    Generated,
    /// Made at apply, because DOT stores one all the same, and not delivered: the client is public, or
    /// authenticates with a key of its own.
    Unneeded,
    /// Made at once in place of the stored one, and delivered once.
    Rotated,
    /// The declared plain text.
    Declared,
    /// The declared hash, as text.
    Hash,
    /// The same secret, stored the other way: hashed instead of plain, or plain instead of hashed.
    Restored,
}

impl SecretWrite {
    /// Whether the secret is made here.
    #[must_use]
    pub const fn is_made(self) -> bool {
        match self {
            Self::Generated | Self::Unneeded | Self::Rotated => true,
            Self::Declared | Self::Hash | Self::Restored => false,
        }
    }

    /// Whether it is to be delivered.
    #[must_use]
    pub const fn is_delivered(self) -> bool {
        self.is_made() && !matches!(self, Self::Unneeded)
    }
}

/// A value of a field, as people and scripts may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub enum Value {
    /// There is none: the row is new, or it has no owner.
    Absent,
    Text(String),
    Flag(bool),
    /// A number, a date or JSON, as PostgreSQL writes it: of a column of the project's own.
    Literal(String),
    /// URIs in the order in which they are written; a set when compared.
    Uris(Vec<String>),
    /// An owner: the primary key, and how the file names it.
    // Boxed, because few applications have one and a large plan has millions of values.
    User(Box<Owner>),
    /// A secret that is there already; never its text.
    StoredSecret,
    /// A secret that will be written.
    Secret {
        /// Where it comes from.
        source: SecretWrite,
        /// Whether the column will hold a hash of it.
        hashed: bool,
    },
}

impl Value {
    /// Whether a row that holds one holds the other. URI lists are sets: neither order nor repetition nor the kind of white
    /// space makes a difference. A user is its primary key.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Uris(one), Self::Uris(other)) => {
                one.iter().collect::<BTreeSet<_>>() == other.iter().collect::<BTreeSet<_>>()
            }
            (Self::User(one), Self::User(other)) => one.key == other.key,
            (one, other) => one == other,
        }
    }
}

/// A user who owns an application: the primary key, and how the file names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Owner {
    /// The primary key.
    pub key: Key,
    /// The username, where the file uses one.
    pub username: Option<String>,
    /// The value of another column, where the file uses that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Named>,
}

impl Owner {
    /// One that is known by its primary key alone.
    #[must_use]
    pub const fn of_key(key: Key) -> Self {
        Self { key, username: None, by: None }
    }
}

/// One field: before → after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldChange {
    pub field: Attribute,
    /// What the row holds.
    pub before: Value,
    /// What it will hold.
    pub after: Value,
}

impl FieldChange {
    /// Whether clients that rely on the value may not work afterwards. Of a list, only an element that goes matters.
    #[must_use]
    pub fn may_break_clients(&self) -> bool {
        let Self { field, before, after } = self;
        let Attribute::Field(field) = field else { return false };
        field.is_relied_on()
            && match (before, after) {
                (_, Value::Secret { source, .. }) => *source != SecretWrite::Restored,
                (Value::Uris(before), Value::Uris(after)) => before.iter().any(|uri| !after.contains(uri)),
                _ => true,
            }
    }
}

/// One field of a new row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldSetting {
    pub field: Attribute,
    /// What it will hold.
    pub value: Value,
    /// Whether the file says so, or DOT's default does.
    pub declared: bool,
}

/// Why an application goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeleteReason {
    /// `[[removed]]` names it.
    Removed,
    /// Its block says `enabled = false`.
    Disabled,
    /// The file does not mention it, and `prune` asks.
    Pruned,
}

/// An existing row, as the plan saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RowRef {
    /// The primary key.
    pub key: Key,
    /// The client id that the row has now.
    pub client_id: ClientId,
    /// The digest of the whole row; apply refuses when it has changed.
    pub fingerprint: String,
}

impl RowRef {
    /// The part of a row that a step keeps.
    #[must_use]
    pub fn of(stored: &Stored) -> Self {
        let Stored { key, client_id, fingerprint, origin: _, fields: _ } = stored;
        Self { key: key.clone(), client_id: client_id.clone(), fingerprint: fingerprint.clone() }
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Step {
    /// Change fields of a row, and perhaps its client id.
    Update {
        row: RowRef,
        /// Its client id afterwards; differs from `row.client_id` for a `[[renamed]]` application.
        client_id: ClientId,
        /// The fields that change; empty for a mere rename.
        changes: Vec<FieldChange>,
        /// How many managed fields stay as they are.
        unchanged: usize,
        /// How many tokens and users depend on what changes; `None`: clients cannot notice. Filled in by
        /// [`Plan::with_dependents`](super::Plan::with_dependents).
        dependents: Option<Dependents>,
    },
    /// Insert a row.
    Create {
        /// Its client id.
        client_id: ClientId,
        fields: Vec<FieldSetting>,
    },
    /// Record in the ledger that the file manages a row that is there already.
    Adopt { row: RowRef },
    /// Delete a row and the rows that refer to it.
    Delete {
        row: RowRef,
        /// Its display name.
        name: String,
        reason: DeleteReason,
        /// What dies with it; filled in by [`Plan::with_dependents`](super::Plan::with_dependents).
        dependents: Dependents,
        /// Rows of tables that are none of DOT's and that PostgreSQL deletes or changes with it. Filled in by
        /// [`Plan::with_foreign_rows`](super::Plan::with_foreign_rows).
        others: Vec<ForeignRows>,
    },
}

impl Step {
    /// Whether clients that work now may not work afterwards: the row goes, or its client id, its secret, a redirect
    /// URI or its grant type does.
    #[must_use]
    pub fn may_break_clients(&self) -> bool {
        match self {
            Self::Create { .. } | Self::Adopt { .. } => false,
            Self::Delete { .. } => true,
            Self::Update { row, client_id, changes, .. } => {
                row.client_id != *client_id || changes.iter().any(FieldChange::may_break_clients)
            }
        }
    }

    /// The application, by the name that the file uses.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        match self {
            Self::Update { client_id, .. } | Self::Create { client_id, .. } => client_id,
            Self::Adopt { row } | Self::Delete { row, .. } => &row.client_id,
        }
    }

    /// The row it works on, if there is one already.
    #[must_use]
    pub fn row(&self) -> Option<&RowRef> {
        match self {
            Self::Update { row, .. } | Self::Adopt { row } | Self::Delete { row, .. } => Some(row),
            Self::Create { .. } => None,
        }
    }
}
