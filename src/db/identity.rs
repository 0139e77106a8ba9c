//! What tells one server and one database from every other: names and oids are the same wherever they were made in the
//! same way.

use tokio_postgres::{Client, Row};

use super::error::{DbError, Meaning};
use crate::model::Identity;

/// `system_identifier` is made by `initdb`, and every role may read it unless that was revoked.
const SYSTEM: &str = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";

/// Made by `migrate --ledger`.
const LEDGER: &str = "SELECT id FROM oauthctl.identity";

/// The server's side of this connection; a socket has no address.
const PLACE: &str = "SELECT coalesce(pg_catalog.host(pg_catalog.inet_server_addr()), 'socket') || ':' || \
                     pg_catalog.current_setting('port'), d.datname::text, d.oid \
                     FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/// The database's name, also behind a pooler that calls it otherwise.
///
/// # Errors
/// When the connection is lost.
pub async fn name(client: &Client) -> Result<String, DbError> {
    let row = client.query_typed_one("SELECT pg_catalog.current_database()::text", &[]).await;
    Ok(row.map_err(DbError::during("reading the name of the database"))?.get(0))
}

/// Reads what this role may see of it; outside of a transaction, which a refusal would end.
///
/// # Errors
/// When the connection is lost, or the server does not even say which database it is.
pub async fn read(client: &Client) -> Result<Identity, DbError> {
    let attempted = "reading the identity of the database";
    let system = if_allowed(client.query_typed_opt(SYSTEM, &[]).await.map_err(DbError::during(attempted)))?;
    let ledger = if_allowed(client.query_typed_opt(LEDGER, &[]).await.map_err(DbError::during(attempted)))?;
    let row = client.query_typed_one(PLACE, &[]).await.map_err(DbError::during(attempted))?;
    Ok(Identity { system, ledger, address: row.get(0), database: row.get(1), oid: row.get(2) })
}

/// The text, unless the server has no such function or table, or does not let this role look.
fn if_allowed(read: Result<Option<Row>, DbError>) -> Result<Option<String>, DbError> {
    match read {
        Ok(row) => Ok(row.map(|row| row.get(0))),
        Err(error) => match error.meaning() {
            Meaning::ConnectionLost | Meaning::AdminShutdown | Meaning::QueryCanceled => Err(error),
            _ => Ok(None),
        },
    }
}
