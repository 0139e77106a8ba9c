//! The integration suite: one binary, one module per subject, real PostgreSQL throughout.
//!
//! Every module is `#[cfg(test)]`, which is always true here, so that clippy takes its helper functions for what they
//! are: tests, which may panic.

#[cfg(test)]
mod apply_failures;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod benches;
#[cfg(test)]
mod cleanup;
#[cfg(test)]
mod cleartokens;
#[cfg(test)]
mod closed_readers;
#[cfg(test)]
mod columns;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod conninfo;
#[cfg(test)]
mod content;
#[cfg(test)]
mod createapplication;
#[cfg(test)]
mod db_errors;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod embedded;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod foreign_secrets;
#[cfg(test)]
mod hashing;
#[cfg(test)]
mod import;
#[cfg(test)]
mod interoperability;
#[cfg(test)]
mod inventory;
#[cfg(test)]
mod layering;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod lost_answers;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod names;
#[cfg(test)]
mod poolers;
#[cfg(test)]
mod pull_requests;
#[cfg(test)]
mod read_only;
#[cfg(test)]
mod recipes;
mod reconcile;
#[cfg(test)]
mod references;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod rotate_secret;
#[cfg(test)]
mod saved_plans;
#[cfg(test)]
mod session;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod sqlstates;
#[cfg(test)]
mod status;
#[cfg(test)]
mod stored_secrets;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tls_messages;
#[cfg(test)]
mod unfinished;
#[cfg(test)]
mod unsendable_secrets;
#[cfg(test)]
mod uri_fuzz;
#[cfg(test)]
mod validate;
#[cfg(test)]
mod validate_rules;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod ways_out;
