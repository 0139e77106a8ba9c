//! Whether this session may write at all: a standby may not, nor does a session that is read-only by default.

use tokio_postgres::{Error, GenericClient};

use super::error::DbError;
use super::query;
use crate::model::health::{ReadOnly, SetBy};

/// What keeps this session from writing; `None`: nothing.
pub async fn read_only(client: &impl GenericClient) -> Result<Option<ReadOnly>, Error> {
    // `source` says who has set it; the transaction that asks may be read-only by itself.
    const QUESTION: &str = "SELECT pg_catalog.pg_is_in_recovery(), s.setting = 'on', s.source, \
        pg_catalog.quote_ident(session_user), pg_catalog.quote_ident(pg_catalog.current_database()) \
        FROM pg_catalog.pg_settings s WHERE s.name = 'default_transaction_read_only'";
    let Some(row) = query::simple_row(client, QUESTION).await? else { return Ok(None) };
    let text = |column| row.get(column).unwrap_or_default();
    if text(0) == "t" {
        return Ok(Some(ReadOnly::Standby));
    }
    if text(1) != "t" {
        return Ok(None);
    }
    let (role, database) = (text(3).to_owned(), text(4).to_owned());
    Ok(Some(ReadOnly::ByDefault(match text(2) {
        "user" => SetBy::Role { role },
        "database" => SetBy::Database { database },
        "database user" => SetBy::RoleInDatabase { role, database },
        "client" | "session" => SetBy::Client,
        _ => SetBy::Server,
    })))
}

/// The same, outside of any transaction.
pub async fn look(client: &impl GenericClient) -> Result<Option<ReadOnly>, DbError> {
    read_only(client).await.map_err(DbError::during("asking whether the session may write"))
}
