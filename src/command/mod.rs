//! Wiring only: arguments → load → decide → effect → report. No logic of its own.
//!
//! One file per verb; each has the verb's flags and a `run`, and imports no other verb. What verbs share is beside them:
//! [`parsing`] (the command line), [`session`] (what every verb starts with), [`environment`], [`loading`] (the file),
//! [`reaching`] (the database), [`reconcile`] (from a file to a proposal), `executing` and `cleanup` (the effects),
//! `answering` and `reporting` (what is said). The only module that reads the clock and the environment, and the only one
//! that `main` calls.

mod answering;
pub mod apply;
mod cleanup;
pub mod cleartokens;
mod cli;
pub mod completions;
pub mod connected;
mod consent;
mod costing;
mod counting;
pub mod createapplication;
mod declaring;
mod delivering;
mod desired;
mod dispatch;
pub mod doctor;
mod duties;
pub mod environment;
mod executing;
mod findings;
mod flawed;
mod forecasting;
mod format;
mod from_stdin;
mod github;
mod given_secret;
mod global;
pub mod hash_secret;
mod hashing;
mod history;
mod hooking;
pub mod import;
pub mod init;
pub mod intent;
pub mod interrupted;
mod inventory;
pub mod list;
mod listing;
pub mod loading;
pub mod logging;
pub mod look;
pub mod man;
mod marking;
pub mod migrate;
mod names;
pub mod noting;
mod outputs;
mod overwritten;
pub mod parsing;
mod picking;
pub mod plan;
mod prepared;
pub mod reaching;
mod reading;
mod recalling;
mod reclaiming;
pub mod reconcile;
mod references;
mod reporting;
mod repository;
mod resuming;
mod rewriting;
pub mod rights;
mod roles;
mod rotate_secret;
mod saved;
pub mod schema;
pub mod scope;
pub mod session;
pub mod show;
mod show_plan;
pub mod status;
mod subject;
mod trying;
mod unanswered;
mod undo;
pub mod validate;
mod values;
mod variables;
mod verb_name;
pub mod version;
mod writable;
mod writing;

pub use cli::{Cli, Verb};
pub use dispatch::run;
pub use format::Format;
pub use global::{GlobalArgs, LogFormat};
pub use verb_name::VerbName;
