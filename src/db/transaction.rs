//! The number of a transaction, and whether it was committed.

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use super::error::DbError;
use super::{ON_PRIMARY, query};

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was committed.
    Committed,
    /// It was rolled back.
    Aborted,
    /// The server is still busy with it.
    Running,
    /// The server does not know any more.
    Unknown,
}

/// The number of this transaction; `None`: it has written nothing so far.
pub async fn assigned(client: &impl GenericClient) -> Result<Option<i64>, Error> {
    query::value(client, "SELECT pg_catalog.txid_current_if_assigned()", &[]).await
}

/// The number of this transaction, which has one from now on.
pub async fn current(client: &impl GenericClient) -> Result<i64, Error> {
    query::value(client, "SELECT pg_catalog.txid_current()", &[]).await
}

/// Whether the check of a foreign key, of another session, waits until this transaction ends: a row is about to refer to
/// one that goes here. While it waits for the transaction, it holds the weakest of the locks on the row itself.
pub async fn is_awaited_by_a_reference(client: &impl GenericClient) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l GROUP BY l.pid \
               HAVING bool_or(l.locktype = 'tuple' AND l.mode = 'AccessShareLock') \
                  AND bool_or(l.locktype = 'transactionid' AND NOT l.granted \
                              AND l.transactionid::text::bigint = pg_catalog.txid_current_if_assigned() % 4294967296))";
    query::value(client, sql, &[]).await
}

/// How it ended.
///
/// # Errors
/// When the connection is lost. Another server may answer, which has not come as far as the one that was lost: it knows
/// nothing.
pub async fn fate(client: &impl GenericClient, xid: i64) -> Result<Verdict, DbError> {
    let sql = format!("{ON_PRIMARY} SELECT pg_catalog.txid_status($1)");
    let status = query::value::<Option<String>>(client, &sql, &[(&xid, Type::INT8)]).await;
    match status.map_err(DbError::during("asking whether a transaction was committed")) {
        Ok(status) => Ok(match status.as_deref() {
            Some("committed") => Verdict::Committed,
            Some("aborted") => Verdict::Aborted,
            Some(_) => Verdict::Running,
            None => Verdict::Unknown,
        }),
        Err(error) if error.is_connection_lost() => Err(error),
        Err(_) => Ok(Verdict::Unknown),
    }
}
