//! SQL, and nothing but SQL. Knows tables, rows and SQLSTATEs; knows no plan, no file and no flag.
//!
//! Statements have no names: `query_typed`, `query_typed_one`, `query_typed_opt` and `execute_typed` send a text with the
//! types of its parameters in one round trip. A prepared statement belongs to a session of the server, which a pooler may
//! give to another client between two transactions; so do settings and session locks, of which there are none either
//! (`SET LOCAL`, `pg_advisory_xact_lock`). Columns of the result are of PostgreSQL's own types, by a cast where they could
//! be others: the driver asks for the rest with a statement that has a name. docs/connection.md says what works behind
//! which pooler; `clippy.toml` forbids the driver's functions that prepare.

use tokio_postgres::types::{ToSql, Type};

pub mod advisory;
pub mod along;
pub mod applications;
pub mod connect;
pub mod constraints;
pub mod dependents;
pub mod engine;
pub mod error;
pub mod health;
pub mod identity;
pub mod layout;
pub mod ledger;
pub mod lock;
pub mod migrations;
pub mod notices;
pub mod patience;
pub mod pressure;
mod query;
pub mod reclaim;
pub mod replication;
pub mod rights;
mod savepoint;
pub mod session;
mod source;
pub mod timeouts;
pub mod tls;
pub mod tokens;
pub mod transaction;
pub mod writable;

/// Begins a transaction that reads or writes dates and times as text: they must not depend on the role's or the
/// database's settings.
pub const UNIFORM: &str = "SET LOCAL DateStyle TO 'ISO, YMD'; SET LOCAL TimeZone TO 'UTC'";

/// Begins a statement outside of a transaction that must not be answered by a standby, which may be behind: Pgpool-II
/// balances the load of such a `SELECT` otherwise. A transaction that begins with [`UNIFORM`] or another `SET LOCAL` is the
/// primary's throughout.
pub const ON_PRIMARY: &str = "/*NO LOAD BALANCE*/";

/// A value, and the type that it is sent as.
type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);
