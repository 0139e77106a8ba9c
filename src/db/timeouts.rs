//! Time-outs of the role that would end our own transactions, overridden for one transaction.

/// `transaction_timeout` came with PostgreSQL 17; older servers do not know it, and would end the transaction over it.
/// (A macro, so that `concat!` can take it.)
macro_rules! no_transaction_timeout {
    () => {
        "SELECT CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL \
         THEN pg_catalog.set_config('transaction_timeout', '0', true) END"
    };
}

/// A batch is short; one that is not is rolled back and made smaller. A client that stops answering holds no locks for
/// long.
pub const OF_A_BATCH: &str = concat!(
    "SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '60s'; ",
    no_transaction_timeout!()
);

/// While it waits for the lock, all other sessions wait behind it. A rewrite takes as long as the tables are large.
pub const OF_A_REWRITE: &str = concat!(
    "SET LOCAL lock_timeout = '1s'; SET LOCAL idle_in_transaction_session_timeout = '60s'; ",
    no_transaction_timeout!()
);

/// Waiting for a lock or for the drain must not look like an abandoned session.
pub const OF_AN_APPLY: &str =
    concat!("SET LOCAL idle_in_transaction_session_timeout = 0; ", no_transaction_timeout!());

/// A search is given up by its own `statement_timeout`.
pub const OF_A_SEARCH: &str = no_transaction_timeout!();

/// `doctor` reports what it could not look at.
pub const OF_A_DOCTOR: &str = "SET LOCAL statement_timeout = '15s'; SET LOCAL lock_timeout = '2s'";
