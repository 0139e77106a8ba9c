//! What the file asks for and this database cannot give.
//!
//! Knows neither files nor places: `command` finds the line that asked for it.

use std::collections::BTreeSet;

use crate::model::{Attribute, Breach, ClientId, Field, Misfit, Release, Unfilled, UserRef};
use crate::rules::Violation;

/// Something that the file asks for and this database cannot give. Nothing is planned then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub client_id: ClientId,
    /// Which field of it; `None`: the block as a whole.
    pub field: Option<Attribute>,
    /// What is wrong.
    pub cause: FindingCause,
}

/// Why the database cannot have what the file asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindingCause {
    /// The column came with a later DOT.
    #[error("this database has no column `{column}` (it came with {since})", column = .0.column(), since = .0.since())]
    NoSuchColumn(Field),
    /// DOT has no default for the field, and the application has to be created.
    #[error("`{0}` is missing, and the application does not exist yet")]
    Required(Field),
    /// The text does not fit the column.
    #[error("has {length} characters; the column takes {max}")]
    TooLong {
        /// In code points.
        length: usize,
        /// The column's limit.
        max: u32,
    },
    /// DOT would refuse the row that this would leave.
    #[error("{0}")]
    Rule(Violation),
    /// There is no such user.
    #[error("user {0} does not exist")]
    NoSuchUser(UserRef),
    /// Several users are meant.
    #[error("there are {count} users {user}")]
    AmbiguousUser { user: UserRef, count: u64 },
    /// The users have no such column.
    #[error("{table} has no column `{column}`, so no user can be found by it")]
    NoUserColumn {
        /// The table of the users.
        table: String,
        column: String,
        /// The columns that it has.
        known: BTreeSet<String>,
    },
    /// There is no such user, and users have no names here.
    #[error("user {key} does not exist")]
    NoSuchKey {
        /// What was taken for a primary key.
        key: String,
        /// The table of the users.
        table: String,
    },
    /// The grant type came with a later DOT.
    #[error("this database does not know the grant type (it came with {since})")]
    UnknownGrantType { since: Release },
    /// Columns of a swapped model would stay empty, and may not.
    #[error("cannot be created: NOT NULL columns without a value: {}", names(.columns, .undeclarable))]
    UnfilledColumns {
        /// Those that the file can give a value.
        columns: Vec<Unfilled>,
        /// Those that it cannot: what is for a secret, and the primary key if neither PostgreSQL nor we make one.
        undeclarable: Vec<String>,
    },
    /// The model has no such column.
    #[error("the table has no such column")]
    NoSuchCustomColumn {
        /// Those of the project's own that it has.
        known: Vec<String>,
    },
    /// PostgreSQL computes it.
    #[error("PostgreSQL computes this column, so nothing can be written to it")]
    GeneratedColumn,
    /// Plans and diffs would show a secret.
    #[error("its name suggests a secret; the file and the plan would show it")]
    ConfidentialColumn,
    /// The value is of another kind than the column.
    #[error("the column is of type {sql_type} and {why}")]
    Misfit {
        /// The column's type.
        sql_type: String,
        /// What it takes.
        why: Misfit,
    },
    /// PostgreSQL does not take the value.
    #[error("the column is of type {sql_type}, and PostgreSQL refuses the value: {why}")]
    ColumnRefuses {
        /// The column's type.
        sql_type: String,
        why: String,
    },
    /// PostgreSQL would store another text.
    #[error("the column is of type {sql_type}, which would store another text than this one")]
    ColumnAlters {
        /// The column's type.
        sql_type: String,
    },
    /// A constraint of the table would refuse the row.
    #[error("{0}")]
    Breaks(Box<Breach>),
    /// A constraint of the table has refused the row, in PostgreSQL's words.
    #[error("{0}")]
    Refused(String),
    /// The ledger says that another file answers for it.
    #[error("is managed by another file: {owner}")]
    OwnedByAnother {
        /// Its name in the ledger.
        owner: String,
        /// What the ledger calls the table of the applications.
        table: String,
    },
    /// Both names of a `[[renamed]]` application exist.
    #[error("cannot be renamed to {to}: both applications exist")]
    RenameCollision {
        /// The new name.
        to: ClientId,
    },
}

fn names(columns: &[Unfilled], undeclarable: &[String]) -> String {
    let names: Vec<&str> =
        columns.iter().map(|column| &column.name).chain(undeclarable).map(String::as_str).collect();
    names.join(", ")
}
