//! What the server is told at the beginning of the cleanup's transactions.

use std::time::Duration;

use tokio_postgres::{Error, Transaction};

use super::triggers::SILENCE;
use crate::db::{UNIFORM, timeouts};

/// How a batch's statements find the rows that refer to its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joins {
    /// One look-up for each key.
    Keys,
    /// Two ranges, read side by side.
    Ranges,
}

/// Uses indexes even if the statistics speak against them: they are stale after the first batches, and a hash join
/// reads whole tables. With generic plans the plan of the last batch is that of the first.
const PLANNING: &str = "SET LOCAL jit = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_seqscan = off; \
    SET LOCAL plan_cache_mode = force_generic_plan";

/// A search may take 60 s. A longer one costs more than it saves, so the table is walked instead.
const SEARCHING: &str = "SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; \
    SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL statement_timeout = '60s'; \
    SET LOCAL lock_timeout = '500ms'";

/// Like [`PLANNING`], but with the cutoffs known to the planner.
const LOOKING_UP: &str = "SET LOCAL jit = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; \
    SET LOCAL enable_seqscan = off; SET LOCAL max_parallel_workers_per_gather = 0";

/// Well under PostgreSQL's `deadlock_timeout`: if this run is part of a cycle, it is the one that gives way.
const BULK_LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '100ms'";

/// Row locks are skipped, so this is for locks on tables.
const CAREFUL_LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '500ms'";

/// Begins a batch. `careful`: row by row. `silent`: with the triggers of foreign keys switched off.
///
/// # Errors
/// The server's: `silent` needs a privilege.
pub async fn of_a_batch(
    transaction: &Transaction<'_>,
    joins: Joins,
    careful: bool,
    silent: bool,
) -> Result<(), Error> {
    let joins = match joins {
        Joins::Keys => "SET LOCAL enable_mergejoin = off",
        Joins::Ranges => "SET LOCAL enable_nestloop = off",
    };
    let lock_timeout = if careful { CAREFUL_LOCK_TIMEOUT } else { BULK_LOCK_TIMEOUT };
    let silence = if silent { SILENCE } else { "" };
    let settings = format!("{PLANNING}; {joins}; {}; {lock_timeout}; {silence}", timeouts::OF_A_BATCH);
    transaction.batch_execute(&settings).await
}

/// Begins a search for doomed keys.
///
/// # Errors
/// The server's.
pub async fn of_a_search(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute(&format!("{SEARCHING}; {}", timeouts::OF_A_SEARCH)).await
}

/// Begins a rewrite.
///
/// # Errors
/// The server's.
pub async fn of_a_rewrite(transaction: &Transaction<'_>, silent: bool) -> Result<(), Error> {
    let (limits, silence) = (timeouts::OF_A_REWRITE, if silent { SILENCE } else { "" });
    transaction.batch_execute(&format!("{limits}; {silence}")).await
}

/// Begins a look at the walked table. In a transaction, because without one the time-out would stay with the session.
///
/// # Errors
/// The server's.
pub async fn of_a_look(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute(CAREFUL_LOCK_TIMEOUT).await
}

/// Begins the checks before the first batch. The caller has waited for the tables.
///
/// # Errors
/// The server's.
pub async fn of_an_admission(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute(&format!("{UNIFORM}; SET LOCAL lock_timeout = '10s'")).await
}

/// Begins a count that may take this long.
///
/// # Errors
/// The server's.
pub async fn of_a_count(transaction: &Transaction<'_>, limit: Duration) -> Result<(), Error> {
    transaction.batch_execute(&statement_timeout(limit)).await
}

/// Begins a round of a forecast, which may take this long. It has few rows, so that look-ups by index are always right.
///
/// # Errors
/// The server's.
pub async fn of_a_round(transaction: &Transaction<'_>, limit: Duration) -> Result<(), Error> {
    let limit = statement_timeout(limit);
    transaction.batch_execute(&format!("{LOOKING_UP}; {limit}")).await
}

/// Zero would mean no limit.
fn statement_timeout(limit: Duration) -> String {
    format!("SET LOCAL statement_timeout = {}", limit.as_millis().clamp(1, 0x7fff_ffff))
}

/// Switches the triggers of foreign keys off until the transaction ends.
///
/// # Errors
/// The server's: it needs a privilege.
pub async fn silence(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute(SILENCE).await
}
