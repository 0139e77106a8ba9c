//! What the file asks for and this database cannot give.
//!
//! Knows neither files nor places: `command` finds the line that asked for it.

use crate::model::{Attribute, ClientId, ColumnKind, Field, Misfit, Release, UserRef};
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
    /// Users have no names here, so none can be found by name.
    #[error("{table} has no column `username`, so no user can be found by name")]
    NoUsernames {
        /// The table of the users.
        table: String,
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
    #[error("cannot be created: NOT NULL columns without a value: {}", names(.columns, .key.as_deref()))]
    UnfilledColumns {
        /// Those that the file can give a value.
        columns: Vec<(String, ColumnKind)>,
        /// The primary key, if neither PostgreSQL nor we make one.
        key: Option<String>,
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
    #[error("its name announces a secret, which a file and its plans would show")]
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

fn names(columns: &[(String, ColumnKind)], key: Option<&str>) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).chain(key).collect();
    names.join(", ")
}
