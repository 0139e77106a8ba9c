//! Wiring only: arguments → load → decide → effect → report. No logic of its own.
//!
//! One file per verb; each has the verb's flags and a `run`, and imports no other verb. What verbs share is beside them:
//! [`parsing`] (the command line), [`session`] (what every verb has at hand), [`environment`], [`loading`] (the file),
//! [`reaching`] (the database), [`reconcile`] (from a file to a proposal), `executing` and `cleanup` (the effects),
//! `answering` and `reporting` (what is said). The only module that reads the clock and the environment, and the only one
//! that `main` calls.

mod answering;
pub mod apply;
mod cleanup;
pub mod cleartokens;
pub mod completions;
pub mod connected;
pub mod createapplication;
mod declaring;
mod delivering;
mod desired;
pub mod doctor;
pub mod environment;
mod executing;
mod findings;
mod flawed;
mod forecasting;
mod format;
mod given_secret;
pub mod hash_secret;
mod hashing;
pub mod history;
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
pub mod migrate;
mod names;
mod outputs;
pub mod parsing;
pub mod plan;
mod prepared;
pub mod reaching;
mod reading;
pub mod reconcile;
mod reporting;
mod rewriting;
pub mod rights;
mod rotate_secret;
mod saved;
pub mod schema;
pub mod scope;
pub mod session;
pub mod show;
pub mod status;
mod unanswered;
pub mod validate;
mod values;
mod writable;
mod writing;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use strum::{EnumDiscriminants, IntoStaticStr, VariantArray};

use crate::config::duration;
use crate::db::notices;
use crate::error::{Error, Exit};
use crate::ui::Color;
pub use format::Format;
use session::Session;

/// Plan and apply OAuth applications and token cleanup on Django OAuth Toolkit databases.
#[derive(Debug, Parser)]
#[command(name = "oauthctl", version, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    /// What every verb takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb takes, before or after it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// The file that declares the applications and the cleanup policy.
    #[arg(short, long, global = true, value_name = "FILE", default_value = "oauth.toml")]
    pub file: PathBuf,
    /// Where the database is: a postgres:// URL or libpq's "key=value" text. Without it, `DATABASE_URL`, `[database] url` in
    /// the file and libpq's variables are used, in this order.
    #[arg(long, global = true, value_name = "URL", value_parser = values::not_empty)]
    pub database_url: Option<String>,
    /// Use a PostgreSQL server of oauthctl's own. It is started from the installed programs, and stopped at the end.
    #[arg(long, global = true, conflicts_with = "database_url")]
    pub embedded: bool,
    /// Delete the data of the embedded server first.
    #[arg(long, global = true, requires = "embedded")]
    pub embedded_reset: bool,
    /// How long to wait for a lock that another session holds; after that, the exit status is 6. 0: do not wait.
    #[arg(long, global = true, value_name = "DURATION", default_value = "10s", value_parser = duration::parse,
          allow_negative_numbers = true)]
    pub lock_timeout: Duration,
    /// How the answer is written. `oauthctl VERB --help` shows the formats of a verb.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub color: Color,
    /// Print only the answer, warnings and errors.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Write a log to stderr. Repeat the flag for more: up to three times.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How the log is written.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// For programs: one JSON object per line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand, EnumDiscriminants)]
#[strum_discriminants(vis(pub(crate)), name(VerbName), derive(IntoStaticStr, VariantArray))]
#[strum_discriminants(strum(serialize_all = "kebab-case"))]
pub enum Verb {
    /// Write a starter file with comments, and its JSON Schema. It never overwrites a file.
    Init(init::InitArgs),
    /// Find all problems of the file at once, without a database.
    Validate(validate::ValidateArgs),
    /// Show what apply would do. It changes nothing.
    Plan(plan::PlanArgs),
    /// Show the plan, ask, make the database match the file, then delete expired tokens.
    Apply(apply::ApplyArgs),
    /// Write applications of the database into the file. The rest of the file does not change.
    Import(import::ImportArgs),
    /// List the applications, their live tokens, and how they differ from the file.
    List(list::ListArgs),
    /// Show one application with its tokens, but without its secret.
    Show(show::ShowArgs),
    /// Delete expired and revoked tokens, as DOT's command of the same name does.
    Cleartokens(cleartokens::CleartokensArgs),
    /// Create one application, as DOT's command of the same name does.
    Createapplication(createapplication::CreateArgs),
    /// Give an application a new secret, and show it once.
    RotateSecret(rotate_secret::RotateArgs),
    /// Read a secret from stdin and print its hash, for { hash = "…" } in the file.
    HashSecret(hash_secret::HashArgs),
    /// Show the state of the token tables: rows, ages, sizes, what cleanup would delete, the last runs.
    Status(status::StatusArgs),
    /// Find problems, present and coming, and print the commands that fix them. It changes nothing.
    Doctor(doctor::DoctorArgs),
    /// Create oauthctl's own tables, or DOT's in an empty database.
    Migrate(migrate::MigrateArgs),
    /// Print the JSON Schema of the file.
    Schema(schema::SchemaArgs),
    /// Print shell completions.
    Completions(completions::CompletionsArgs),
    /// Print the manual page.
    Man(man::ManArgs),
}

impl Verb {
    /// Its name, for `application_name`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        VerbName::from(self).name()
    }
}

impl VerbName {
    /// Whether it may change a database or a file that others read.
    pub(crate) const fn changes(self) -> bool {
        match self {
            Self::Init
            | Self::Apply
            | Self::Import
            | Self::Cleartokens
            | Self::Createapplication
            | Self::RotateSecret
            | Self::Migrate => true,
            Self::Validate
            | Self::Plan
            | Self::List
            | Self::Show
            | Self::HashSecret
            | Self::Status
            | Self::Doctor
            | Self::Schema
            | Self::Completions
            | Self::Man => false,
        }
    }

    /// As users type it.
    pub(crate) fn name(self) -> &'static str {
        self.into()
    }
}

/// Does what the command line asks for.
///
/// # Errors
/// Whatever the verb could not do, with its exit code and hints.
pub fn run(session: &mut Session, verb: &Verb) -> Result<Exit, Error> {
    format::check(verb, session.global.format)?;
    let result = start(session, verb);
    for warning in notices::take() {
        session.ui.warning(format_args!("{warning}."));
    }
    result
}

fn start(session: &mut Session, verb: &Verb) -> Result<Exit, Error> {
    match verb {
        Verb::Init(args) => init::run(session, args),
        Verb::Validate(args) => validate::run(session, args),
        Verb::Plan(args) => session.block_on(plan::run, args),
        Verb::Apply(args) => session.block_on(apply::run, args),
        Verb::Import(args) => session.block_on(import::run, args),
        Verb::List(args) => session.block_on(list::run, args),
        Verb::Show(args) => session.block_on(show::run, args),
        Verb::Cleartokens(args) => session.block_on(cleartokens::run, args),
        Verb::Createapplication(args) => session.block_on(createapplication::run, args),
        Verb::RotateSecret(args) => session.block_on(rotate_secret::run, args),
        Verb::HashSecret(args) => hash_secret::run(session, args),
        Verb::Status(args) => session.block_on(status::run, args),
        Verb::Doctor(args) => session.block_on(doctor::run, args),
        Verb::Migrate(args) => session.block_on(migrate::run, args),
        Verb::Schema(args) => schema::run(session, args),
        Verb::Completions(args) => completions::run(session, args),
        Verb::Man(args) => man::run(session, args),
    }
}
