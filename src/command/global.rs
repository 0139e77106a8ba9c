//! The options that every verb takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::format::Format;
use super::values;
use crate::config::duration;
use crate::ui::Color;

/// What every verb takes, before or after it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// The file that declares the applications and the cleanup policy; `-`: stdin.
    #[arg(short, long, global = true, value_name = "FILE", default_value = "oauth.toml")]
    pub file: PathBuf,
    /// A value for ${var.NAME} in the file. It is printed in plans: no secret.
    #[arg(long = "var", global = true, value_name = "NAME=VALUE", value_parser = values::variable)]
    pub vars: Vec<(String, String)>,
    /// Read such values from a TOML file with a line NAME = "VALUE" for each. --var wins.
    #[arg(long = "var-file", global = true, value_name = "FILE")]
    pub var_files: Vec<PathBuf>,
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
