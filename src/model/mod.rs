//! What the world is made of: the nouns of the file, of the database and of OAuth.
//!
//! Plain values without behaviour beyond parsing and naming. Knows no TOML, no SQL and no terminal.

// A variant that is added has to be decided about: what is deleted depends on these enums.
#![deny(clippy::wildcard_enum_match_arm)]

mod actual;
mod application;
mod cleanup;
mod column;
mod confidential;
mod engine;
mod field;
mod foreign_rows;
pub mod health;
mod identity;
mod inventory;
pub mod json;
mod key;
mod on_delete;
mod pace;
mod policy;
pub mod printable;
mod provider;
mod reference;
mod sweep;
mod tables;
pub mod visible;
pub mod words;

pub use actual::{Actual, Dependents, Origin, Ownership, Stored, Unmanaged};
pub use application::{
    Application, ClientId, Declaration, Declared, Desired, Held, SecretDeclaration, StoredFields, UserRef,
};
pub use cleanup::{Category, CleanupPolicy};
pub use column::{
    Attribute, ColumnKind, ColumnOwner, ColumnValue, CustomColumn, CustomColumns, Misfit, Moment,
    column_owner,
};
pub use confidential::announces_secret;
pub use engine::Engine;
pub use field::{Field, Kind};
pub use foreign_rows::{BlockingRows, ForeignRows, ForeignTally, suggestion};
pub use identity::{Identity, Sameness};
pub use inventory::{Listed, Owner, RecentToken, Selection, Tokens, Usage};
pub use key::Key;
pub use on_delete::OnDelete;
pub use pace::{FkChecks, Pace, Strategy};
pub use policy::{Allow, Limit, Policy, Prune};
pub use provider::Provider;
pub use reference::{ReferenceFault, ReferenceName, ReferenceRule, References, ReferringTable, Treatment};
pub use sweep::{Doomed, REGISTRATION_SCOPE, Sweep, Tally, Unit};
pub use tables::{TableNames, TableRole};
