//! The integration suite: one binary, one module per subject, real PostgreSQL throughout.

#![expect(
    clippy::expect_used,
    clippy::explicit_write,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a helper of the tests is a test too: it may panic, and print what it saw"
)]

mod apply_failures;
mod asking;
mod bad_input;
mod benches;
mod beside;
mod cleanup;
mod cleartokens;
mod closed_readers;
mod columns;
mod completions;
mod conformance;
mod connect;
mod conninfo;
mod constraints;
mod content;
mod counting;
mod createapplication;
mod cuts;
mod db_errors;
mod disabled;
mod docs;
mod doctor;
mod embedded;
mod examples;
mod foreign_secrets;
mod forges;
mod habits;
mod hashing;
mod history;
mod hooks;
mod import;
mod interoperability;
mod inventory;
mod layering;
mod ledger;
mod lint;
mod lost_answers;
mod many_changes;
mod migrations;
mod names;
mod new_variants;
mod newer_dot;
mod own_columns;
mod owners;
mod packages;
mod packaging;
mod pages;
mod picking;
mod pipelines;
mod plan_json;
mod poolers;
mod pull_requests;
mod read_only;
mod recipes;
mod reclaim;
mod reconcile;
mod references;
mod refusals;
mod registrations;
mod reports;
mod rights;
mod rotate_secret;
mod saved_plans;
mod secrets;
mod session;
mod show_plan;
mod signals;
mod sqlstates;
mod status;
mod stored_secrets;
mod support;
mod tls;
mod tls_messages;
mod two_applies;
mod unfinished;
mod unsendable_secrets;
mod uri_fuzz;
mod validate;
mod validate_rules;
mod variables;
mod version;
mod waiting;
mod ways_out;
