//! What a session says of itself and of its server, and the search path of a transaction.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient, Transaction};

use super::{UNIFORM, patience, query, timeouts};

/// Only PostgreSQL's own functions and operators are found without their schema.
const OWN: &str = "pg_catalog, pg_temp";

/// A statement that every server answers, for a try with another client.
pub const TRIAL: &str = "SELECT version()";

/// The database's clock.
pub async fn now(client: &impl GenericClient) -> Result<OffsetDateTime, Error> {
    query::value(client, "SELECT pg_catalog.clock_timestamp()", &[]).await
}

/// The name of the database.
pub async fn database(client: &impl GenericClient) -> Result<String, Error> {
    query::value(client, "SELECT pg_catalog.current_database()::text", &[]).await
}

/// The session's search path.
pub async fn search_path(client: &impl GenericClient) -> Result<String, Error> {
    let sql = "SELECT pg_catalog.current_setting('search_path')";
    query::value(client, sql, &[]).await
}

/// Sets the search path until the transaction ends; `None`: PostgreSQL's own schemas only.
pub async fn set_search_path(transaction: &Transaction<'_>, path: Option<&str>) -> Result<(), Error> {
    let sql = "SELECT pg_catalog.set_config('search_path', $1, true)";
    transaction.execute_typed(sql, &[(&path.unwrap_or(OWN), Type::TEXT)]).await.map(drop)
}

/// Begins the transaction of `apply`.
pub async fn begin_apply(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute(&format!("{UNIFORM}; {}", timeouts::OF_AN_APPLY)).await
}

/// Begins the transaction of `doctor`, which reports a lock instead of waiting for it.
pub async fn begin_doctor(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute(&format!("{}; {UNIFORM}", timeouts::OF_A_DOCTOR)).await
}

/// Checks the deferred constraints now, and defers them again.
pub async fn check_constraints(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED").await
}

/// Begins an attempt that can be undone alone, with a `lock_timeout` of its own.
pub async fn begin_attempt(transaction: &Transaction<'_>, lock_timeout: &str) -> Result<(), Error> {
    transaction.batch_execute(&format!("SAVEPOINT attempt; {lock_timeout}")).await
}

/// Keeps what the attempt has done.
pub async fn keep_attempt(transaction: &Transaction<'_>, lock_timeout: Duration) -> Result<(), Error> {
    let limit = patience::lock_timeout(lock_timeout);
    transaction.batch_execute(&format!("RELEASE SAVEPOINT attempt; {limit}")).await
}

/// Undoes the attempt.
pub async fn undo_attempt(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt").await
}

/// Begins sets of writes that are all undone when one of them fails.
pub async fn begin_sets(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute("SAVEPOINT sets").await
}

/// Keeps what the sets have done.
pub async fn keep_sets(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute("RELEASE SAVEPOINT sets").await
}

/// Undoes all sets, and what was attempted last.
pub async fn undo_sets(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute("ROLLBACK TO SAVEPOINT sets; RELEASE SAVEPOINT sets").await
}

/// Limits each wait for a lock until the transaction ends.
pub async fn limit_waiting(transaction: &Transaction<'_>, lock_timeout: Duration) -> Result<(), Error> {
    transaction.batch_execute(&patience::lock_timeout(lock_timeout)).await
}
