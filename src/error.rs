//! Every error once, at the top: what kind it is, what it says, what to type next, and the exit code.
//!
//! Lower modules have typed errors that say what was attempted, on what, and why it failed; they know neither hints
//! nor exit codes. Both are added here. Knows no terminal.

mod advice;

use std::error::Error as StdError;
use std::fmt;
use std::process::ExitCode;

use crate::apply::ApplyError;
use crate::conninfo::ConninfoError;
use crate::db::connect::ConnectError;
use crate::db::error::{DbError, Meaning};
use crate::db::layout::LayoutError;
use crate::db::migrations::MigrateError;
use crate::db::tokens::TokensError;
use crate::embedded::{BINDIR_VARIABLE, DIRECTORY_VARIABLE, EmbeddedError, NotFound};
use crate::model::BlockingRows;
use crate::model::printable::printable;
use crate::plan::saved::SavedError;
use crate::sweep::SweepError;

/// The exit codes, in one place. `docs/exit-status.md` lists the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed: also where a server answers and DOT's tables are not there.
    Failed = 1,
    /// `plan --detailed-exitcode`: there are changes.
    Changes = 2,
    /// Refused by a safety rail, or because the session may not write; nothing was changed.
    Refused = 3,
    /// The saved plan is stale, was edited, or is in the format of another version.
    Stale = 4,
    /// The database cannot be reached, or refuses the login.
    Unreachable = 5,
    /// A lock was not free in `--lock-timeout`: that of another `oauthctl`, or one of another session on the tables.
    Locked = 6,
    /// Usage, or an invalid `oauth.toml`.
    Usage = 64,
    /// Interrupted by SIGHUP: the terminal is gone.
    HungUp = 129,
    /// Interrupted by SIGINT.
    Interrupted = 130,
    /// Interrupted by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// Whether a signal ended the run.
    #[must_use]
    pub const fn is_interruption(self) -> bool {
        matches!(self, Self::HungUp | Self::Interrupted | Self::Terminated)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What the user sees when it did not work.
#[derive(Debug)]
pub struct Error {
    exit: Exit,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    unknown_outcome: bool,
}

impl Error {
    /// An error with its own text.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hints: Vec::new(), unknown_outcome: false }
    }

    /// A usage error.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// An error from below, with its sources as causes.
    pub fn from_source(exit: Exit, error: &(dyn StdError + 'static)) -> Self {
        let mut causes = Vec::new();
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Some libraries repeat their source in their own text.
            if !message.contains(&text) {
                causes.push(text.clone());
            }
            message.push_str(&text);
            source = cause.source();
        }
        Self { exit, message: error.to_string(), causes, hints: Vec::new(), unknown_outcome: false }
    }

    /// Whether the changes may have been made all the same: the connection was lost at COMMIT.
    #[must_use]
    pub const fn outcome_is_unknown(&self) -> bool {
        self.unknown_outcome
    }

    /// Adds what to type where the outcome of a COMMIT is not known.
    #[must_use]
    pub fn hint_if_unknown(self, hint: &str) -> Self {
        if self.unknown_outcome { self.hint(hint) } else { self }
    }

    /// A failure after something was committed: no exit code that says "nothing was changed" fits any more.
    #[must_use]
    pub fn after_commit(self) -> Self {
        // 6 says that it may be tried again, which is so.
        let keeps = self.exit.is_interruption() || self.exit == Exit::Locked;
        let exit = if keeps { self.exit } else { Exit::Failed };
        Self { exit, ..self }
    }

    /// Adds what happened before.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let cause = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, cause);
        self
    }

    /// Adds what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// The errors below, outermost first.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// What to type next.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {}

impl From<LayoutError> for Error {
    fn from(error: LayoutError) -> Self {
        let told = Self::from_source(Exit::Failed, &error);
        match error {
            LayoutError::Missing { missing, searched: _, candidates, application } => {
                advice::missing(&missing, &candidates, application).into_iter().fold(told, Self::hint)
            }
            LayoutError::BeforeIdTokens { .. } => told.hint(advice::BEFORE_ID_TOKENS),
            LayoutError::NotDot { .. } | LayoutError::NoKey { .. } => {
                told.hint("check [database] schema and [database.tables] in oauth.toml")
            }
            LayoutError::Database(error) => error.into(),
        }
    }
}

impl From<ApplyError> for Error {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Database(error) | ApplyError::Refused { client_id: _, failed: error } => {
                let below = Self::from(error);
                Self { message: format!("{below}; everything was rolled back"), ..below }
            }
            ApplyError::SequenceBehind { failed, cure } => {
                let message = format!("{failed}; everything was rolled back");
                Self::new(Exit::Failed, message)
                    .hint(
                        "the sequence that makes the keys is behind the table, because rows were put in with keys of their own; move it \
                         past them",
                    )
                    .hint(format!("in psql: {cure}"))
                    .hint("or for all tables: `python manage.py sqlsequencereset oauth2_provider | python manage.py dbshell`")
            }
            ApplyError::LostAtCommit(_) => Self::from_source(Exit::Failed, &error)
                .hint("nothing was changed; run it again when the server is there"),
            ApplyError::Locked(ref holder) => {
                let told = Self::from_source(Exit::Locked, &error)
                    .hint("wait for it, or give it more time with --lock-timeout");
                let Some(holder) = holder else { return told };
                told.hint(format!(
                    "if its program has ended: `{}` in psql ends its session, and what it has not committed is rolled \
                     back",
                    holder.statement_to_end_it()
                ))
            }
            ApplyError::Stale(_) => Self::from_source(Exit::Stale, &error)
                .hint("nothing was changed; run it again to see what is different"),
            ApplyError::Unknown { .. } => {
                Self { unknown_outcome: true, ..Self::from_source(Exit::Failed, &error) }
            }
            ApplyError::Affected { .. } => Self::from_source(Exit::Failed, &error)
                .hint("does a trigger or a row-level security policy on the table change what a write does?"),
            ApplyError::Interrupted => Self::from_source(Exit::Interrupted, &error),
            ApplyError::Unsealed(_) | ApplyError::NotJson(_) => Self::from_source(Exit::Failed, &error),
        }
    }
}

impl From<SavedError> for Error {
    fn from(error: SavedError) -> Self {
        Self::from_source(exit_of(&error), &error)
            .hint("nothing was changed; `oauthctl plan --out FILE` saves a new one")
    }
}

/// A saved plan that cannot be shown, for a verb that never changes anything.
#[must_use]
pub fn not_shown(error: &SavedError) -> Error {
    Error::from_source(exit_of(error), error).hint("`oauthctl plan --out FILE` saves a new one")
}

const fn exit_of(error: &SavedError) -> Exit {
    if matches!(error, SavedError::NotAPlan(_)) { Exit::Usage } else { Exit::Stale }
}

/// What is said of PgBouncer's `pool_mode = statement`, beside its own words.
const NEEDS_TRANSACTIONS: &str = "the pooler in front of this database is in statement mode, which has no transactions; nothing was changed";
const POOL_MODE: &str = "connect to the server itself, or give this database pool_mode = transaction in pgbouncer.ini: \
                         `app = host=… pool_mode=transaction`";

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        let exit = match error.meaning() {
            Meaning::Unreachable | Meaning::LoginRefused => Exit::Unreachable,
            Meaning::LockNotAvailable => Exit::Locked,
            Meaning::StatementPooling => Exit::Refused,
            _ => Exit::Failed,
        };
        let told = Self::from_source(exit, &error);
        match error.meaning() {
            Meaning::LockNotAvailable => told.hint(locked(&error)),
            Meaning::StatementPooling => told.context(NEEDS_TRANSACTIONS).hint(POOL_MODE),
            _ => advice::of(&error).into_iter().fold(told, Self::hint),
        }
    }
}

/// What to do about a lock of another session.
fn locked(error: &DbError) -> String {
    let end = error.server_hint().filter(|_| error.sqlstate().is_none()).map_or_else(
        || "`oauthctl doctor` names the sessions that hold locks".to_owned(),
        |statement| format!("`oauthctl doctor` says more about that session; {statement} ends it"),
    );
    format!("{end}; --lock-timeout 1m waits longer")
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        let hint = error.failures().last().and_then(|failure| advice::connecting(&failure.cause));
        hint.into_iter().fold(Self::from_source(Exit::Unreachable, &error), Self::hint)
    }
}

impl From<ConninfoError> for Error {
    fn from(error: ConninfoError) -> Self {
        Self::from_source(Exit::Usage, &error)
    }
}

impl From<NotFound> for Error {
    fn from(error: NotFound) -> Self {
        let install = error.install.map_or_else(
            || "install the PostgreSQL server with the package manager of this system".to_owned(),
            |command| format!("install them with `{command}`"),
        );
        Self::from_source(Exit::Unreachable, &error)
            .hint(install)
            .hint(format!("or name the directory that they are in: {BINDIR_VARIABLE}=/path/to/bin"))
    }
}

impl From<EmbeddedError> for Error {
    fn from(error: EmbeddedError) -> Self {
        use EmbeddedError as E;
        let told = Self::from_source(Exit::Unreachable, &error);
        match &error {
            E::NoHome | E::Directory { .. } | E::Foreign { .. } | E::Unreachable { .. } => {
                told.hint(format!("name another place for the data: {DIRECTORY_VARIABLE}=/path/to/directory"))
            }
            E::Version { data, .. } => told
                .hint(format!(
                    "to keep the data, name the programs of PostgreSQL {data}: {BINDIR_VARIABLE}=/path/to/bin"
                ))
                .hint("to discard the data, add `--embedded-reset`"),
            E::InUse { .. } => told.hint("wait until the other one has ended"),
            E::NoAccount { uid } => {
                told.hint(format!("give uid {uid} a line in /etc/passwd, or run as another user"))
            }
            E::OnlyRoot => told.hint("create a user with `useradd --system postgres`"),
            E::Program { .. } | E::Failed { .. } | E::Timeout { .. } => told,
        }
    }
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        if let MigrateError::Database(error) = error {
            return error.into();
        }
        let (exit, hint) = match &error {
            MigrateError::Occupied { .. } => (
                Exit::Refused,
                "Django owns this schema: run `python manage.py migrate` there, and never `--provider`",
            ),
            MigrateError::Busy { .. } => {
                (Exit::Locked, "wait for it, or give it more time with --lock-timeout")
            }
            MigrateError::Locked { .. } => (
                Exit::Locked,
                "`oauthctl doctor` names the sessions that hold locks; --lock-timeout 1m waits longer",
            ),
            _ if advice::lacks_privilege(&error) => (Exit::Failed, advice::MIGRATOR),
            _ => return Self::from_source(Exit::Failed, &error),
        };
        Self::from_source(exit, &error).hint(hint)
    }
}

impl From<TokensError> for Error {
    fn from(error: TokensError) -> Self {
        match error {
            TokensError::Database(error) => error.into(),
            TokensError::Vetoed { .. } => Self::from_source(Exit::Failed, &error).hint(
                "look at the triggers and rules of that table; its rows of this batch are as they were",
            ),
            TokensError::Lost => Self::from_source(Exit::Failed, &error)
                .hint("it was committed whole or not at all: `oauthctl cleartokens --dry-run` tells which"),
            TokensError::Referenced { .. } | TokensError::Awaited { .. } | TokensError::Altered => {
                Self::from_source(Exit::Failed, &error).hint("run it again; this batch was rolled back")
            }
        }
    }
}

impl From<SweepError> for Error {
    fn from(error: SweepError) -> Self {
        let hint = error.hint().unwrap_or_default();
        let refused = Self::from_source(Exit::Refused, &error);
        match error {
            SweepError::Tokens(error) => error.into(),
            SweepError::BlockingRows(all) => {
                let instead = "or leave the tokens out with --skip or --exclude-client";
                let refused = refused.hint(format!("{hint}, {instead}; nothing was deleted"));
                let selects = all.iter().map(|blocking| blocking.select.clone());
                let more = BlockingRows::block(&all).into_iter().chain(selects);
                more.map(|text| printable(&text)).fold(refused, Self::hint)
            }
            _ => refused.hint(format!("{hint}; nothing was deleted")),
        }
    }
}
