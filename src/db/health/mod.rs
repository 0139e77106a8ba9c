//! What a database says about itself, read from its catalogue, its statistics and, for counts, its tables.
//!
//! Every function here is one statement that only reads; callers run it in a `READ ONLY` transaction and, where it may
//! fail for lack of a privilege or on another engine, under a savepoint. All names of functions and relations are
//! PostgreSQL's own, found in `pg_catalog`. Knows no verdict.

pub mod beside;
pub mod census;
pub mod measurement;
pub mod registrations;
pub mod sequences;
pub mod server;
pub mod statistics;
pub mod storage;
pub mod stored;
pub mod upgrade;
pub mod vacuuming;

use tokio_postgres::types::Oid;

use super::layout::Layout;

/// A table and everything below it, as a common table expression `part (root, oid)` over the roots in `$1`.
const PARTS: &str = "part(root, oid) AS ( \
     SELECT o, o FROM unnest($1::oid[]) AS o \
     UNION ALL SELECT p.root, i.inhrelid FROM part p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid)";

/// The oids of all tables.
fn oids(layout: &Layout) -> Vec<Oid> {
    layout.tables().map(|(_, table)| table.oid).collect()
}
