//! Why a plan was not executed, in a sentence.

use std::collections::BTreeMap;

use super::commit::Written;
use crate::db::advisory::Holder;
use crate::db::error::DbError;
use crate::hasher::StoredSecret;
use crate::model::ClientId;

/// Why nothing, or nothing but [drained](super::DRAIN_ABOVE) tokens, happened.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The advisory lock was not free in time.
    #[error("another oauthctl is applying to this database{}", holder_text(.0.as_ref()))]
    Locked(Option<Holder>),
    /// Rows changed since the plan was made.
    #[error("the plan is stale: {} changed since it was made", list(.0))]
    Stale(Vec<ClientId>),
    /// A write touched another number of rows than it should have.
    #[error("{attempted} touched {actual} rows instead of {expected}; everything was rolled back")]
    Affected {
        /// What was attempted.
        attempted: String,
        /// How many rows it had to touch.
        expected: u64,
        /// How many it touched.
        actual: u64,
    },
    /// A step cannot be noted in the ledger; everything was rolled back.
    #[error("what this run changes cannot be written as JSON; everything was rolled back")]
    NotJson(#[source] serde_json::Error),
    /// The user asked to stop; everything was rolled back.
    #[error("interrupted; everything was rolled back")]
    Interrupted,
    /// The plan and the secrets do not belong together.
    #[error("no secret was made for application \"{0}\"")]
    Unsealed(ClientId),
    /// A statement failed; everything was rolled back.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A constraint of the table has refused a row; everything was rolled back.
    #[error("{failed}")]
    Refused {
        /// Whose row it was; `None`: not known.
        client_id: Option<ClientId>,
        failed: DbError,
    },
    /// New rows get keys that are taken; everything was rolled back.
    #[error("{failed}")]
    SequenceBehind {
        failed: DbError,
        /// The statement that moves the sequence on.
        cure: String,
    },
    /// The connection broke while COMMIT was under way, and it did not happen.
    #[error("the connection was lost at COMMIT, and the server has rolled everything back")]
    LostAtCommit(#[source] DbError),
    /// The connection broke while COMMIT was under way: it may or may not have happened.
    #[error("the connection was lost at COMMIT, so the changes may or may not have been made")]
    Unknown {
        /// How it broke.
        #[source]
        lost: DbError,
        /// What would be there.
        written: Box<Written>,
    },
}

impl ApplyError {
    /// For `map_err`: a constraint's refusal as one.
    pub(super) fn refused(client_id: Option<&ClientId>) -> impl FnOnce(DbError) -> Self {
        let client_id = client_id.cloned();
        move |failed| match failed.violated() {
            Some(_) => Self::Refused { client_id, failed },
            None => Self::Database(failed),
        }
    }

    /// A constraint's refusal of the row of an application.
    pub(super) fn of(self, client_id: &ClientId) -> Self {
        match self {
            Self::Database(failed) => Self::refused(Some(client_id))(failed),
            other => other,
        }
    }

    /// The same without the values that were written: a trigger of the project's may quote its row.
    pub(super) fn without(self, secrets: &BTreeMap<ClientId, StoredSecret>) -> Self {
        let hide =
            |error: DbError| secrets.values().fold(error, |error, secret| error.without(secret.expose()));
        match self {
            Self::Database(error) => Self::Database(hide(error)),
            Self::Refused { client_id, failed } => Self::Refused { client_id, failed: hide(failed) },
            Self::SequenceBehind { failed, cure } => Self::SequenceBehind { failed: hide(failed), cure },
            Self::LostAtCommit(error) => Self::LostAtCommit(hide(error)),
            Self::Unknown { lost, written } => Self::Unknown { lost: hide(lost), written },
            Self::Locked(_)
            | Self::Stale(_)
            | Self::Affected { .. }
            | Self::Interrupted
            | Self::NotJson(_)
            | Self::Unsealed(_) => self,
        }
    }
}

/// Refuses another number of rows than expected.
pub(super) fn affected(attempted: &str, expected: u64, actual: u64) -> Result<(), ApplyError> {
    if expected == actual {
        return Ok(());
    }
    Err(ApplyError::Affected { attempted: attempted.to_owned(), expected, actual })
}

fn holder_text(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |Holder { pid, application_name, since }| {
        format!(": pid {pid} ({application_name}), since {since}")
    })
}

fn list(client_ids: &[ClientId]) -> String {
    client_ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ")
}
