//! What a database error means, in words that hold no value of any row.
//!
//! The driver's errors carry whole rows (`Failing row contains (…)`) and keys (`Key (token)=(…)`), also in their
//! `Debug`. So nothing of them is kept but SQLSTATE, message, names, and the details that cannot hold values. The
//! meanings follow PostgreSQL's appendix "Error Codes". Knows no exit code and no hint of ours.

mod last_words;
mod words;

use std::time::Duration;

use tokio_postgres::error::{DbError as ServerError, Severity, SqlState};

use super::connect::ConnectError;
use super::lock::Blocked;
use last_words::LastWords;
pub(super) use words::tidy;
use words::{detail, hashes_left_out, message};

/// A database error with what was attempted. Its `Display` is one sentence, and the server's detail where there is
/// one.
#[derive(Debug)]
pub struct DbError(Box<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// `None` where the message is a whole sentence already.
    attempted: Option<String>,
    meaning: Meaning,
    sqlstate: Option<String>,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    transient: bool,
    /// What refused a row, and the column where there is only one.
    violated: Option<(Constraint, Option<String>)>,
    /// A function was running: what it says may quote rows.
    in_function: bool,
}

/// What an error means, by its SQLSTATE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Meaning {
    /// No server answered, or not in a way that one can trust: refused, unknown host, time-out, TLS, still starting,
    /// too many connections.
    Unreachable,
    /// The server refused user, password or database.
    LoginRefused,
    /// A table or schema does not exist.
    MissingTable,
    /// The role lacks a right.
    PermissionDenied,
    /// The session or the server is read-only: a standby?
    ReadOnly,
    /// `lock_timeout` ran out, or `NOWAIT` found a lock.
    LockNotAvailable,
    /// The statement was cancelled, by a cancel request or by `statement_timeout`.
    QueryCanceled,
    /// Concurrent transactions got in each other's way.
    Serialization,
    /// Concurrent transactions waited for each other.
    Deadlock,
    /// A row refers to one that does not exist (any more).
    ForeignKeyViolation(Constraint),
    /// There is such a row already.
    UniqueViolation(Constraint),
    /// The server is shutting down, or the session was terminated.
    AdminShutdown,
    /// The connection broke.
    ConnectionLost,
    /// A pooler gives every statement a session of its own, so there are no transactions.
    StatementPooling,
    #[default]
    Other,
}

impl Meaning {
    /// Whether there is no session any more, or none that could be used.
    const fn ends_session(&self) -> bool {
        matches!(self, Self::ConnectionLost | Self::AdminShutdown | Self::Unreachable | Self::LoginRefused)
    }
}

/// What servers said when they closed a connection between two statements.
static LAST_WORDS: LastWords<DbError> = LastWords::new();

/// Keeps what the server said when the connection broke, if it said anything.
pub(super) fn hear(error: &tokio_postgres::Error) {
    if let Some(server) = error.as_db_error() {
        LAST_WORDS.keep(DbError::from_server(None, server));
    }
}

/// A session begins: what was heard of older ones explains nothing any more.
pub(super) fn forget_old_words() {
    LAST_WORDS.forget_old();
}

/// A violated constraint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraint {
    pub name: String,
    /// The table that has it, without a schema.
    pub table: String,
}

impl DbError {
    /// Says what was attempted; reads well in front of "failed".
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the error goes in here and does not come out again")]
    pub fn new(attempted: impl Into<String>, error: tokio_postgres::Error) -> Self {
        let attempted = Some(attempted.into());
        if let Some(error) = carried(&error) {
            return Self(Box::new(Inner { attempted, ..*Self::from(error).0 }));
        }
        if let Some(server) = error.as_db_error() {
            return Self::from_server(attempted, server);
        }
        let text = error.to_string();
        let lost = error.is_closed() || text == IO_ERROR;
        if lost && let Some(last) = LAST_WORDS.recall() {
            return Self(Box::new(Inner { attempted, ..*last.0 }));
        }
        let source = std::error::Error::source(&error);
        let message = source.map_or(text, |source| tidy(&source.to_string()));
        let meaning = if lost { Meaning::ConnectionLost } else { Meaning::Other };
        Self(Box::new(Inner { attempted, meaning, message, transient: lost, ..Inner::default() }))
    }

    /// For `map_err`.
    pub fn during(attempted: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let attempted = attempted.into();
        |error| Self::new(attempted, error)
    }

    /// An error that the driver knows nothing of.
    pub(super) fn other(attempted: impl Into<String>, message: impl Into<String>) -> Self {
        let (attempted, message) = (Some(attempted.into()), message.into());
        Self(Box::new(Inner { attempted, message, ..Inner::default() }))
    }

    /// A lock was not free in time.
    pub(super) fn locked(attempted: &str, blocked: &Blocked, limit: Duration) -> Self {
        let limit = humantime::format_duration(limit);
        let mut error =
            Self::other(attempted, format!("{blocked}, was not free within {limit} (--lock-timeout)"));
        error.0.meaning = Meaning::LockNotAvailable;
        error.0.transient = true;
        error.0.hint = blocked.statement_to_end_it();
        error
    }

    fn from_server(attempted: Option<String>, server: &ServerError) -> Self {
        let sqlstate = server.code().code();
        let ends_session = matches!(server.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        let meaning = match meaning(sqlstate, server) {
            // A recovery conflict, a pooler's refusal: in every case the session is over.
            meaning if ends_session && !meaning.ends_session() => Meaning::ConnectionLost,
            meaning => meaning,
        };
        Self(Box::new(Inner {
            attempted,
            transient: is_transient(&meaning),
            violated: violated(sqlstate, server),
            in_function: server.where_().is_some(),
            message: message(server),
            detail: detail(server).map(str::to_owned),
            hint: server.hint().map(hashes_left_out),
            sqlstate: Some(sqlstate.to_owned()),
            meaning,
        }))
    }

    /// The same with every occurrence of a secret left out.
    #[must_use]
    pub fn without(mut self, secret: &str) -> Self {
        let Inner { message, detail, hint, .. } = &mut *self.0;
        for text in [Some(message), detail.as_mut(), hint.as_mut()].into_iter().flatten() {
            if !secret.is_empty() && text.contains(secret) {
                *text = text.replace(secret, "…");
            }
        }
        self
    }

    /// Whether a function of the database was running, so that the message may quote rows.
    #[must_use]
    pub const fn is_of_a_function(&self) -> bool {
        self.0.in_function
    }

    /// The same without the server's words.
    #[must_use]
    pub fn without_words(mut self) -> Self {
        "a function of the database refused, in words that may quote a secret"
            .clone_into(&mut self.0.message);
        (self.0.detail, self.0.hint) = (None, None);
        self
    }

    /// The constraint that refused a row, and its column where it is of one only: NOT NULL has no other name.
    #[must_use]
    pub const fn violated(&self) -> Option<&(Constraint, Option<String>)> {
        self.0.violated.as_ref()
    }

    /// What the error means.
    #[must_use]
    pub const fn meaning(&self) -> &Meaning {
        &self.0.meaning
    }

    /// The server's code, where the server said anything.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_deref()
    }

    /// What the server or the connection said, without what was attempted.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The server's own hint.
    #[must_use]
    pub fn server_hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether a value is at fault: data exceptions (class 22) and integrity constraints (class 23).
    #[must_use]
    pub fn is_about_a_value(&self) -> bool {
        self.sqlstate().is_some_and(|code| is_about_a_value(&SqlState::from_code(code)))
    }

    /// Whether a function of the database said no by itself (`RAISE EXCEPTION`).
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.sqlstate() == Some("P0001")
    }

    /// Whether the same work may succeed if all of it is done again.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        self.0.transient
    }

    /// Whether the session is gone, and with it its transaction. A COMMIT that was under way may have happened.
    #[must_use]
    pub const fn is_connection_lost(&self) -> bool {
        matches!(self.0.meaning, Meaning::ConnectionLost | Meaning::AdminShutdown)
    }
}

impl From<&ConnectError> for DbError {
    fn from(error: &ConnectError) -> Self {
        Self(Box::new(Inner {
            meaning: if error.is_login_refused() { Meaning::LoginRefused } else { Meaning::Unreachable },
            sqlstate: error.sqlstate().map(str::to_owned),
            message: error.to_string(),
            transient: error.is_transient(),
            ..Inner::default()
        }))
    }
}

impl From<ConnectError> for DbError {
    fn from(error: ConnectError) -> Self {
        Self::from(&error)
    }
}

impl From<deadpool_postgres::PoolError> for DbError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => match carried(&error) {
                Some(error) => Self::from(error),
                None => Self::new("connecting to the database", error),
            },
            other => Self::other("taking a connection from the pool", other.to_string()),
        }
    }
}

impl std::fmt::Display for DbError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0.attempted {
            Some(attempted) => write!(f, "{attempted} failed: {}", self.0.message)?,
            None => f.write_str(&self.0.message)?,
        }
        match &self.0.detail {
            Some(detail) => write!(f, "\n{detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for DbError {}

/// Data exceptions, and integrity constraints, of which the ones of domains are.
#[must_use]
pub(super) fn is_about_a_value(code: &SqlState) -> bool {
    code.code().starts_with("22") || code.code().starts_with("23")
}

/// The error that the pool has passed on as the driver's.
fn carried(error: &tokio_postgres::Error) -> Option<&ConnectError> {
    std::error::Error::source(error)?.downcast_ref()
}

/// How the driver words what went wrong between it and the server.
const IO_ERROR: &str = "error communicating with the server";

fn constraint(server: &ServerError) -> Constraint {
    Constraint {
        name: server.constraint().unwrap_or_default().to_owned(),
        table: server.table().unwrap_or_default().to_owned(),
    }
}

/// Of a function's own error nothing is known but its words.
fn violated(sqlstate: &str, server: &ServerError) -> Option<(Constraint, Option<String>)> {
    let is_named = server.table().is_some() && server.where_().is_none();
    (sqlstate.starts_with("23") && is_named).then(|| (constraint(server), server.column().map(str::to_owned)))
}

fn meaning(sqlstate: &str, server: &ServerError) -> Meaning {
    match sqlstate {
        // PgBouncer has this one code for all that it says.
        "08P01" if server.message().contains("statement pooling mode") => Meaning::StatementPooling,
        "42P01" | "3F000" => Meaning::MissingTable,
        "42501" => Meaning::PermissionDenied,
        "25006" => Meaning::ReadOnly,
        "55P03" => Meaning::LockNotAvailable,
        "57014" => Meaning::QueryCanceled,
        "40001" => Meaning::Serialization,
        "40P01" => Meaning::Deadlock,
        "23503" => Meaning::ForeignKeyViolation(constraint(server)),
        "23505" => Meaning::UniqueViolation(constraint(server)),
        "57P01" => Meaning::AdminShutdown,
        // A crash of another backend, a dropped database, and the time-outs of sessions and transactions: the server
        // has closed the connection.
        "57P02" | "57P04" | "57P05" | "25P03" | "25P04" => Meaning::ConnectionLost,
        "57P03" | "53300" => Meaning::Unreachable,
        "3D000" => Meaning::LoginRefused,
        code if code.starts_with("08") => Meaning::ConnectionLost,
        code if code.starts_with("28") => Meaning::LoginRefused,
        _ => Meaning::Other,
    }
}

const fn is_transient(meaning: &Meaning) -> bool {
    matches!(
        meaning,
        Meaning::Unreachable
            | Meaning::LockNotAvailable
            | Meaning::Serialization
            | Meaning::Deadlock
            | Meaning::AdminShutdown
            | Meaning::ConnectionLost
    )
}
