//! Functions that delete a batch with the triggers of foreign keys switched off, and verify its references themselves:
//! installed once by a superuser, from the file that `migrate --definer` prints.
//!
//! Two functions for each kind of sweep. The outer one is a superuser's, and does one thing: with
//! `session_replication_role = replica` it calls the inner one. The inner one belongs to a role without login that may
//! only read and delete these rows, so that nothing which the owner of a table attaches to it (an expression of an index,
//! a trigger that is always on) runs with more rights than that. `docs/design/cleanup.md` has the argument.

mod body;
mod bounds;
mod call;
mod file;
mod installed;
mod kind;
mod print;

pub use bounds::{Bounds, Terms};
pub(super) use call::Call;
pub use file::write;
pub use installed::{Definer, Found};

/// The schema of the functions. Nobody but a superuser may create anything there.
pub const SCHEMA: &str = "oauthctl_definer";

/// The role without login that the inner functions belong to.
const OWNER: &str = "oauthctl_definer";

/// What the functions raise when the tables are not those that they were printed for.
const ALTERED: &str = "OC001";
