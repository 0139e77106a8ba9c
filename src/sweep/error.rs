//! Why a run cannot start or go on, in a sentence, and what to do about it.

use std::borrow::Cow;

use crate::db::tokens::{TokensError, UnmetCondition};
use crate::model::BlockingRows;

/// Why a run cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Rows of tables that are none of DOT's refer to rows that would go: deleting those would fail at COMMIT.
    #[error("{}", blocking_texts(.0))]
    BlockingRows(Vec<BlockingRows>),
    /// Row-level security hides rows from this role, so a run would leave them.
    #[error("row-level security hides rows of {} from this role", .0.join(", "))]
    RowSecurity(Vec<String>),
    /// The server is no PostgreSQL, or one whose statements mean something else.
    #[error("{0}")]
    Engine(String),
    /// References cannot be checked set by set here, for these reasons.
    #[error("triggers cannot be switched off here: {}", unmet_texts(.0))]
    FkChecks(Vec<UnmetCondition>),
    /// The tables cannot be rewritten, for these reasons.
    #[error("the token tables cannot be rewritten: {}", unmet_texts(.0))]
    Rewrite(Vec<UnmetCondition>),
    /// A connection, a statement or a commit failed for good; the batch was rolled back.
    #[error(transparent)]
    Tokens(#[from] TokensError),
}

impl SweepError {
    /// Whether another role might not meet it: what `plan` runs as need not be what `apply` runs as.
    #[must_use]
    pub fn concerns_role(&self) -> bool {
        match self {
            Self::RowSecurity(_) => true,
            Self::FkChecks(unmet) | Self::Rewrite(unmet) => unmet.iter().all(|condition| condition.role),
            Self::BlockingRows(_) | Self::Engine(_) | Self::Tokens(_) => false,
        }
    }

    /// What to do about a refusal; `None`: it is none.
    #[must_use]
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::Tokens(_) => return None,
            Self::BlockingRows(all) => return Some(Cow::Owned(BlockingRows::way_out(all))),
            Self::Engine(_) => "docs/engines.md says why, and what to do instead",
            Self::RowSecurity(_) => "run as the owner of the tables, or as a role with BYPASSRLS",
            Self::Rewrite(_) => "use strategy = \"batches\"",
            Self::FkChecks(unmet) if unmet.iter().any(|condition| condition.role) => {
                "use fk_checks = \"triggers\"; a role may set session_replication_role if it is a superuser or, since \
                 PostgreSQL 15, after GRANT SET ON PARAMETER session_replication_role; less than that is what \
                 `oauthctl migrate --definer --for ROLE` prints"
            }
            Self::FkChecks(_) => "use fk_checks = \"triggers\"",
        }))
    }

    /// Lines for the file that say what is done with the rows that prevent the deletion.
    #[must_use]
    pub fn block(&self) -> Option<String> {
        if let Self::BlockingRows(rows) = self { BlockingRows::block(rows) } else { None }
    }

    /// The server's own words, where there are any.
    pub(super) fn detail(&self) -> String {
        let database = if let Self::Tokens(error) = self { error.database() } else { None };
        database.map_or_else(|| self.to_string(), |database| database.message().to_owned())
    }
}

pub(super) fn unmet_texts(all: &[UnmetCondition]) -> String {
    all.iter().map(|condition| condition.what.as_str()).collect::<Vec<_>>().join("; ")
}

fn blocking_texts(all: &[BlockingRows]) -> String {
    let text = |blocking: &BlockingRows| {
        let BlockingRows {
            table,
            column,
            constraint,
            to,
            rows,
            select: _,
            name: _,
            not_null: _,
            declared: _,
        } = blocking;
        let (noun, verb) = if *rows == 1 { ("row", "refers") } else { ("rows", "refer") };
        format!(
            "{rows} {noun} of {table} {verb} to rows of {to} that would be deleted (column {column}, constraint {constraint})"
        )
    };
    all.iter().map(text).collect::<Vec<_>>().join("; ")
}
