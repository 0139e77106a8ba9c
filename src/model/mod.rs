//! What the world is made of: the nouns of the file, of the database and of OAuth.
//!
//! Plain values without behaviour beyond parsing and naming. Knows no file, no SQL and no terminal.

// A variant that is added has to be decided about: what is deleted depends on these enums.
#![deny(clippy::wildcard_enum_match_arm)]

mod actual;
mod application;
mod breach;
mod cleanup;
mod column;
mod confidential;
mod counting;
mod custom_column;
mod digest;
mod engine;
mod estimate;
mod field;
mod foreign_rows;
pub mod health;
mod hook;
mod identity;
mod inventory;
pub mod json;
mod key;
mod key_set;
mod noted_run;
mod on_delete;
mod pace;
mod policy;
mod position;
pub mod printable;
mod provider;
mod reference;
mod release;
pub mod sample;
mod shell_word;
mod sweep;
mod tables;
mod toml_string;
pub mod visible;
pub mod words;

pub use actual::{Actual, Dependents, Origin, Ownership, Stored, Unmanaged, UserTable};
pub use application::{
    Application, ClientId, Declaration, Declared, Desired, Held, Named, SecretDeclaration, StoredFields,
    UserRef,
};
pub use breach::{Breach, NotTried, Rule, Tried, Twin};
pub use cleanup::{Category, CleanupPolicy, DcrPolicy};
pub use column::{Attribute, ColumnKind, ColumnOwner, ColumnValue, Misfit, Moment, column_owner};
pub use confidential::announces_secret;
pub use counting::{CountMethod, Counting};
pub use custom_column::{CustomColumn, CustomColumns, Maintained, Unfilled};
pub use digest::digest;
pub use engine::Engine;
pub use estimate::{Counted, Estimate, Forecast, TableForecast};
pub use field::{Field, Kind};
pub use foreign_rows::{
    BlockingRows, ForeignRows, ForeignTally, only_way_out, references_block, suggestion, way_through,
};
pub use hook::Hook;
pub use identity::{Identity, Sameness};
pub use inventory::{Brief, Kept, Listed, Nameless, Owner, RecentToken, Selection, Tokens, Usage};
pub use key::Key;
pub use key_set::{PRIVATE as PRIVATE_MEMBERS, holds_private_key, without_private_key};
pub use noted_run::{Knowledge, NotedRun, positive_counts};
pub use on_delete::OnDelete;
pub use pace::{FkChecks, Pace, Strategy, Workers};
pub use policy::{Allow, Limit, Mark, Policy, Prune};
pub use position::{NotAPosition, Position};
pub use provider::{Provider, UriRules};
pub use reference::{ReferenceFault, ReferenceName, ReferenceRule, References, ReferringTable, Treatment};
pub use release::Release;
pub use shell_word::shell_word;
pub use sweep::{Doomed, REGISTRATION_SCOPE, Sweep, Tally, Unit};
pub use tables::{TableNames, TableRole, is_of_newer_dot};
pub use toml_string::{toml_key, toml_number, toml_string, toml_value};
