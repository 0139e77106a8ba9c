//! Runs sweeps: batch after batch, each its own short transaction, until nothing is left or something says stop.
//!
//! Invariant: at every moment the database is one that DOT could have left: no dangling pointer, no row gone whose
//! predicate does not hold under the row lock. Whatever ends a run, a second one goes on from there. Memory does not
//! grow with the tables. Makes no choice about what may go: that is `plan::retention`. Prints nothing.

mod account;
mod admission;
mod connection;
mod engine;
mod event;
mod job;
mod pace;
mod rewrite;
mod throttle;
mod worker;

use deadpool_postgres::Pool;
use futures_util::future::BoxFuture;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use account::Account;
pub use admission::refusals;
use engine::Engine;
pub use event::{Batch, Disk, Event, Failure, Outcome, Stop, Transient, Wait};

use crate::db::layout::Layout;
use crate::db::tokens::{Hindrance, Obstacle, TokensError};
use crate::model::{Pace, Sweep};

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
    fn detail(&self) -> String {
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

/// Makes of a connection a way to cancel what runs on it, as often as that is called.
pub type Cancel<'a> = &'a (dyn Fn(&Client) -> Canceller + Sync);

/// Asks the server to cancel the statement of one connection; it may have ended by then.
pub type Canceller = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Runs the sweeps in order.
///
/// Stops after the running batches once `stop` is cancelled; a rewrite is cancelled with `cancel` and rolled back.
/// Takes as many connections from the pool as there are workers and gives them back; a lost one is replaced.
///
/// # Errors
/// Before the first delete: [`SweepError::Obstacles`], [`SweepError::RowSecurity`], [`SweepError::Engine`],
/// [`SweepError::FkChecks`], [`SweepError::Rewrite`].
/// Later: whatever is not worth retrying, or a server that stays away.
pub async fn run(
    pool: &Pool,
    layout: &Layout,
    sweeps: &[Sweep],
    pace: &Pace,
    stop: &CancellationToken,
    cancel: Cancel<'_>,
    on: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<Outcome, Box<Failure>> {
    let account = Account::new(pace, stop, cancel, layout.oids(), on);
    let result = Engine::new(pool, &account).run(layout, sweeps).await;
    let outcome = account.outcome();
    match result {
        Ok(stop) => Ok(Outcome { stop, ..outcome }),
        Err(error) => {
            let stop = Stop::Failed { detail: error.detail() };
            Err(Box::new(Failure { error, outcome: Outcome { stop, ..outcome } }))
        }
    }
}
