//! The lock that keeps two runs of `apply` apart.

use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{Error, GenericClient};

use super::query;

/// First half of the lock's key, the same for every oauthctl; the second is the application table's oid.
const CLASS: i32 = 0x6f61_7574;

/// The session that holds the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The backend's process id.
    pub pid: i32,
    /// Its `application_name`; empty if there is none.
    pub application_name: String,
    /// When its transaction began, in RFC 3339; `?` if it may not be seen.
    pub since: String,
}

impl Holder {
    /// The statement that ends this session, and with it the lock.
    #[must_use]
    pub fn statement_to_end_it(&self) -> String {
        format!("SELECT pg_terminate_backend({})", self.pid)
    }
}

/// Takes the lock until the transaction ends, unless another session has it: whether it was taken.
pub async fn take(client: &impl GenericClient, table: Oid) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.pg_try_advisory_xact_lock($1, $2)";
    query::value(client, sql, &[(&CLASS, Type::INT4), (&half(table), Type::INT4)]).await
}

/// Who has the lock; `None`: it is free.
pub async fn holder(client: &impl GenericClient, table: Oid) -> Result<Option<Holder>, Error> {
    let sql = "SELECT l.pid, coalesce(a.application_name, ''), \
                      coalesce(to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '?') \
               FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
               WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 \
                 AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
                 AND l.classid = $1::int::bit(32)::bigint::oid AND l.objid = $2::int::bit(32)::bigint::oid LIMIT 1";
    let row = client.query_typed_opt(sql, &[(&CLASS, Type::INT4), (&half(table), Type::INT4)]).await?;
    Ok(row.map(|row| Holder { pid: row.get(0), application_name: row.get(1), since: row.get(2) }))
}

/// The oid as the same 32 bits, which is what the lock's functions take.
fn half(table: Oid) -> i32 {
    i32::from_ne_bytes(table.to_ne_bytes())
}
