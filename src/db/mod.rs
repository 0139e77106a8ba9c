//! SQL, and nothing but SQL. Knows tables, rows and SQLSTATEs; knows no plan, no file and no flag.
pub mod applications;
pub mod connect;
pub mod dependents;
pub mod engine;
pub mod error;
pub mod health;
pub mod layout;
pub mod ledger;
pub mod migrations;
pub mod replication;
pub mod tls;
pub mod tokens;
