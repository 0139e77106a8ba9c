//! Time-outs of the role that would end our own transactions, overridden for one transaction; and how soon the server
//! notices that we have gone.

/// `transaction_timeout` came with PostgreSQL 17; older servers do not know it, and would end the transaction over it.
/// (A macro, so that `concat!` can take it.)
macro_rules! no_transaction_timeout {
    () => {
        "SELECT CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL \
         THEN pg_catalog.set_config('transaction_timeout', '0', true) END"
    };
}

/// A statement whose client has gone is ended within a second, instead of holding its locks until it is done. PostgreSQL
/// 13 does not know the setting. PostgreSQL 14 can see that a client has gone on Linux only, 15 and newer also where there
/// is kqueue; elsewhere the server refuses every other value than 0. What a role has set stays.
macro_rules! dies_with_its_client {
    () => {
        "SELECT CASE WHEN pg_catalog.current_setting('client_connection_check_interval', true) = '0' \
         AND pg_catalog.version() LIKE 'PostgreSQL %' AND pg_catalog.version() NOT LIKE '%-YB-%' \
         AND (pg_catalog.version() LIKE '%linux%' \
              OR pg_catalog.version() ~ 'darwin|bsd' \
                 AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 150000) \
         THEN pg_catalog.set_config('client_connection_check_interval', '1s', true) END"
    };
}

/// A batch is short; one that is not is rolled back and made smaller. A client that stops answering holds no locks for
/// long.
pub const OF_A_BATCH: &str = concat!(
    "SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '60s'; ",
    no_transaction_timeout!(),
    "; ",
    dies_with_its_client!()
);

/// While it waits for the lock, all other sessions wait behind it. A rewrite takes as long as the tables are large.
pub const OF_A_REWRITE: &str = concat!(
    "SET LOCAL lock_timeout = '1s'; SET LOCAL idle_in_transaction_session_timeout = '60s'; ",
    no_transaction_timeout!(),
    "; ",
    dies_with_its_client!()
);

/// Waiting for a lock or for the drain must not look like an abandoned session.
pub const OF_AN_APPLY: &str = concat!(
    "SET LOCAL idle_in_transaction_session_timeout = 0; ",
    no_transaction_timeout!(),
    "; ",
    dies_with_its_client!()
);

/// A search is given up by its own `statement_timeout`.
pub const OF_A_SEARCH: &str = concat!(no_transaction_timeout!(), "; ", dies_with_its_client!());

/// A statement that only reads takes no lock that others wait for, but a count may take long.
pub const OF_A_SNAPSHOT: &str = dies_with_its_client!();

/// `doctor` reports what it could not look at.
pub const OF_A_DOCTOR: &str = "SET LOCAL statement_timeout = '15s'; SET LOCAL lock_timeout = '2s'";
