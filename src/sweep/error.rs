//! Why a run cannot start or go on, in a sentence, and what to do about it.

use crate::db::tokens::{Hindrance, Obstacle, TokensError};

/// Why a run cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Rows of tables that are none of DOT's refer to rows that would go: deleting those would fail at COMMIT.
    #[error("{}", obstacles(.0))]
    Obstacles(Vec<Obstacle>),
    /// Row-level security hides rows from this role, so a run would leave them.
    #[error("row-level security hides rows of {} from this role", .0.join(", "))]
    RowSecurity(Vec<String>),
    /// The server is no PostgreSQL, or one whose statements mean something else.
    #[error("{0}")]
    Engine(String),
    /// References cannot be checked set by set here, for these reasons.
    #[error("triggers cannot be switched off here: {}", hindrances(.0))]
    FkChecks(Vec<Hindrance>),
    /// The tables cannot be rewritten, for these reasons.
    #[error("the token tables cannot be rewritten: {}", hindrances(.0))]
    Rewrite(Vec<Hindrance>),
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
            Self::FkChecks(hindrances) | Self::Rewrite(hindrances) => {
                hindrances.iter().all(|hindrance| hindrance.role)
            }
            Self::Obstacles(_) | Self::Engine(_) | Self::Tokens(_) => false,
        }
    }

    /// What to do about a refusal; `None`: it is none.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::Tokens(_) => return None,
            Self::Obstacles(_) => "delete or detach those rows first",
            Self::Engine(_) => "docs/engines.md says why, and what to do instead",
            Self::RowSecurity(_) => "run as the owner of the tables, or as a role with BYPASSRLS",
            Self::Rewrite(_) => "use strategy = \"batches\"",
            Self::FkChecks(hindrances) if hindrances.iter().any(|hindrance| hindrance.role) => {
                "use fk_checks = \"triggers\"; a role may set session_replication_role if it is a superuser or, since \
                 PostgreSQL 15, after GRANT SET ON PARAMETER session_replication_role"
            }
            Self::FkChecks(_) => "use fk_checks = \"triggers\"",
        })
    }

    /// The server's own words, where there are any.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Tokens(error) => match error.database() {
                Some(database) => database.message().to_owned(),
                None => error.to_string(),
            },
            Self::Obstacles(_)
            | Self::RowSecurity(_)
            | Self::Engine(_)
            | Self::FkChecks(_)
            | Self::Rewrite(_) => self.to_string(),
        }
    }
}

fn hindrances(all: &[Hindrance]) -> String {
    all.iter().map(|hindrance| hindrance.what.as_str()).collect::<Vec<_>>().join("; ")
}

fn obstacles(all: &[Obstacle]) -> String {
    let each: Vec<String> = all
        .iter()
        .map(|Obstacle { reference, table, rows, select: _ }| {
            let (from, column) = (&reference.from_table, &reference.from_column);
            let (noun, verb) = if *rows == 1 { ("row", "refers") } else { ("rows", "refer") };
            format!(
                "{rows} {noun} of {from} {verb} to rows of {table} that would be deleted (column {column}, constraint {})",
                reference.constraint
            )
        })
        .collect();
    each.join("; ")
}
