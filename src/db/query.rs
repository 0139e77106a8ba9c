//! Runs one statement and reads what it returns.

use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{Error, GenericClient, Row, SimpleQueryMessage, SimpleQueryRow};

use super::Parameter;

/// Makes a value of each row.
pub(super) async fn rows<T>(
    client: &impl GenericClient,
    sql: &str,
    parameters: &[Parameter<'_>],
    read: impl FnMut(&Row) -> T,
) -> Result<Vec<T>, Error> {
    Ok(client.query_typed(sql, parameters).await?.iter().map(read).collect())
}

/// The first column of the only row.
pub(super) async fn value<T: FromSqlOwned>(
    client: &impl GenericClient,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<T, Error> {
    Ok(client.query_typed_one(sql, parameters).await?.get(0))
}

/// The first column of the row; `None`: there is no row.
pub(super) async fn value_if_any<T: FromSqlOwned>(
    client: &impl GenericClient,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Option<T>, Error> {
    Ok(client.query_typed_opt(sql, parameters).await?.map(|row| row.get(0)))
}

/// The first row, in the simple protocol, in which all values are text.
pub(super) async fn simple_row(
    client: &impl GenericClient,
    sql: &str,
) -> Result<Option<SimpleQueryRow>, Error> {
    Ok(client.simple_query(sql).await?.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    }))
}

/// A count, which PostgreSQL has as a signed number.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// The catalogue's estimate of a number of rows; `None`: it has none.
pub(super) fn estimate(rows: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a row count is far below 2^53, and negative ones are none"
    )]
    (rows >= 0.0).then_some(rows as u64)
}

/// An array as PostgreSQL writes it.
pub(super) fn array<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    format!("{{{}}}", texts.into_iter().map(quoted).collect::<Vec<_>>().join(","))
}
