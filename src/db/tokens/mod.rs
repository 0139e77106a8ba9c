//! Token rows: exact counts, forecasts, and the deletion of one batch.
//!
//! A [`Sweep`] says which rows are doomed; this module says it in SQL, with the keys and table names that the
//! [`Layout`] found. Two ways to delete the same rows: [`Cleaner::delete_window`] is one statement per table and relies
//! on the rows not being changed by others (if they are, the transaction fails and nothing is changed);
//! [`Cleaner::delete_some`] locks row by row, looks again under the lock and leaves locked rows alone. Begins and ends
//! no transaction, retries nothing, knows no pace.

// A variant that is added has to be decided about: what is deleted depends on these enums.
#![deny(clippy::wildcard_enum_match_arm)]

mod applications;
mod bulk;
mod cleaner;
mod count;
pub mod definer;
mod disk;
mod effort;
mod excluded;
mod forecast;
mod outlook;
mod passes;
mod predicate;
mod rewritable;
mod rewrite;
mod sample;
pub mod settings;
mod statement;
mod steps;
mod taken;
mod triggers;
mod verified;
mod walk;

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

pub use bulk::Checks;
pub use cleaner::Cleaner;
pub use count::{blocking_rows, cost, count, foreign_rows, spared_by_age, uncounted_foreign_rows};
pub use effort::{Budget, Effort};
pub use excluded::{Excluded, unknown_clients};
pub use forecast::{Place, forecast};
pub use rewrite::{Phase, Rewrite, Rewritten, is_in_the_way};
pub use steps::Pointers;
pub use taken::{Deleted, Taken};
pub use triggers::{Silent, UnmetCondition, has_vetoes};
pub use walk::{Walk, Window};

use super::error::DbError;
use super::layout::{Layout, Table};
use super::query;
use crate::model::{Category, Sweep};

/// Why token rows could not be counted or deleted.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    #[error(transparent)]
    Database(#[from] DbError),
    /// Rows that were locked and doomed are still there after their deletion.
    #[error("deleting {subject}: a trigger or a rule keeps {rows} rows from being deleted")]
    Vetoed {
        /// What was deleted, in which table.
        subject: String,
        /// How many stayed.
        rows: u64,
    },
    /// Rows refer to deleted ones; the triggers that would have said so are silent.
    #[error("deleting {subject}: other rows refer to them")]
    Referenced {
        /// What was deleted, in which table.
        subject: String,
    },
    /// The check of a foreign key waits for a row that goes: the transaction that it belongs to would fail.
    #[error("deleting {subject}: another session is about to commit rows that refer to them")]
    Awaited {
        /// What was deleted, in which table.
        subject: String,
    },
    /// While triggers were disabled, one was created, dropped, enabled or disabled.
    #[error("the triggers, rules, columns or foreign keys of the token tables changed during the run")]
    Altered,
    /// The connection was lost at the COMMIT of a rewrite, and it is not known whether it was committed.
    #[error(
        "the connection was lost while a rewrite was committed, and the server does not know whether it was committed"
    )]
    Lost,
}

impl TokensError {
    /// What the server or the connection said.
    #[must_use]
    pub const fn database(&self) -> Option<&DbError> {
        match self {
            Self::Database(error) => Some(error),
            Self::Vetoed { .. }
            | Self::Referenced { .. }
            | Self::Awaited { .. }
            | Self::Altered
            | Self::Lost => None,
        }
    }
}

/// Whether the tables have the columns that a sweep needs: applications only say since DOT 3.4.0 how they came to be.
#[must_use]
pub fn supports(layout: &Layout, sweep: &Sweep) -> bool {
    sweep.categories().into_iter().all(|category| lacking(layout, category).is_empty())
}

/// The columns that a category needs and that this DOT does not have. A table that is not there lacks none.
#[must_use]
pub fn lacking(layout: &Layout, category: Category) -> Vec<&'static str> {
    let columns: &[&str] = match category {
        Category::Cimd => &["registration_source", "cimd_expires_at"],
        Category::Dcr if !layout.marks.is_empty() => &["created", "skip_authorization"],
        Category::Dcr => &["registration_source", "created", "skip_authorization"],
        Category::Revoked
        | Category::Orphaned
        | Category::Expired
        | Category::Access
        | Category::Id
        | Category::Grants
        | Category::Par
        | Category::Device => &[],
    };
    let table = layout.table(category.role());
    columns.iter().copied().filter(|column| table.is_some_and(|table| !table.has(column))).collect()
}

/// For `map_err`; `attempted` reads well in front of "failed".
fn attempt(attempted: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> TokensError {
    let attempted = attempted.into();
    |source| TokensError::Database(DbError::new(attempted, source))
}

/// About how many rows a table has, from its statistics; `None`: it was never analysed.
pub async fn estimate(client: &impl GenericClient, table: &Table) -> Result<Option<u64>, TokensError> {
    let sql = "SELECT reltuples::float8 FROM pg_catalog.pg_class WHERE oid = $1";
    let rows = query::value_if_any(client, sql, &[(&table.oid, Type::OID)])
        .await
        .map_err(attempt(format!("looking at the statistics of {}", table.sql())))?;
    Ok(rows.and_then(query::estimate))
}
