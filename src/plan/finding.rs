//! What the file asks for and this database cannot give.
//!
//! Knows neither files nor places: `command` finds the line that asked for it.

use crate::model::{ClientId, Field, UserRef};
use crate::rules::Violation;

/// Something that the file asks for and this database cannot give. Nothing is planned then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which application.
    pub client_id: ClientId,
    /// Which field of it; `None`: the block as a whole.
    pub field: Option<Field>,
    /// What is wrong.
    pub cause: FindingCause,
}

/// See [`Finding`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindingCause {
    /// The column came with a later DOT.
    #[error("this database has no column `{column}` (it came with DOT {since})", column = .0.column(), since = .0.since())]
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
    /// The grant type came with a later DOT.
    #[error("this database does not know the grant type (it came with DOT {since})")]
    UnknownGrantType {
        /// The release.
        since: &'static str,
    },
    /// A custom column of a swapped model would stay empty.
    #[error("cannot be created: NOT NULL columns without a value: {}", .0.join(", "))]
    UnfilledColumns(Vec<String>),
    /// The ledger says that another file answers for it.
    #[error("is managed by another file: {owner}")]
    OwnedByAnother {
        /// Its name in the ledger.
        owner: String,
    },
    /// Both names of a `[[renamed]]` application exist.
    #[error("cannot be renamed to {to}: both applications exist")]
    RenameCollision {
        /// The new name.
        to: ClientId,
    },
}
