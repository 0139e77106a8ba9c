//! The command line: the global options, and one verb with its own.

use clap::{Parser, Subcommand};

use super::global::GlobalArgs;
use super::verb_name::VerbName;
use super::{
    apply, cleartokens, completions, createapplication, doctor, hash_secret, history, import, init, list,
    man, migrate, plan, rotate_secret, schema, show, show_plan, status, undo, validate, version,
};

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

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write a starter file with comments, and its JSON Schema. It never overwrites a file.
    Init(init::InitArgs),
    /// Find all problems of the file at once, without a database.
    Validate(validate::ValidateArgs),
    /// Show what apply would do. It changes nothing.
    Plan(plan::PlanArgs),
    /// Show a saved plan, without a database.
    ShowPlan(show_plan::ShowPlanArgs),
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
    /// List the runs that the ledger has noted, or show one with what it changed.
    History(history::HistoryArgs),
    /// Show what would undo a run, as a plan and as changes of the file. It changes nothing.
    Undo(undo::UndoArgs),
    /// Find problems, present and coming, and print the commands that fix them. It changes nothing.
    Doctor(doctor::DoctorArgs),
    /// Create oauthctl's own tables, or DOT's in an empty database.
    Migrate(migrate::MigrateArgs),
    /// Print the JSON Schema of the file, of the JSON plan, or of the history.
    Schema(schema::SchemaArgs),
    /// Print shell completions.
    Completions(completions::CompletionsArgs),
    /// Print the manual page.
    Man(man::ManArgs),
    /// Print the version, and the DOT and PostgreSQL that it works with.
    Version(version::VersionArgs),
}

impl Verb {
    /// Which verb it is, without its arguments.
    #[must_use]
    pub const fn name(&self) -> VerbName {
        match self {
            Self::Init(_) => VerbName::Init,
            Self::Validate(_) => VerbName::Validate,
            Self::Plan(_) => VerbName::Plan,
            Self::ShowPlan(_) => VerbName::ShowPlan,
            Self::Apply(_) => VerbName::Apply,
            Self::Import(_) => VerbName::Import,
            Self::List(_) => VerbName::List,
            Self::Show(_) => VerbName::Show,
            Self::Cleartokens(_) => VerbName::Cleartokens,
            Self::Createapplication(_) => VerbName::Createapplication,
            Self::RotateSecret(_) => VerbName::RotateSecret,
            Self::HashSecret(_) => VerbName::HashSecret,
            Self::Status(_) => VerbName::Status,
            Self::History(_) => VerbName::History,
            Self::Undo(_) => VerbName::Undo,
            Self::Doctor(_) => VerbName::Doctor,
            Self::Migrate(_) => VerbName::Migrate,
            Self::Schema(_) => VerbName::Schema,
            Self::Completions(_) => VerbName::Completions,
            Self::Man(_) => VerbName::Man,
            Self::Version(_) => VerbName::Version,
        }
    }
}
