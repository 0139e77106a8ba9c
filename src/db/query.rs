//! Runs one statement and reads what it returns.

use std::error::Error as AnyError;
use std::pin::pin;

use futures_util::StreamExt as _;
use time::OffsetDateTime;
use tokio_postgres::types::{FromSql, FromSqlOwned, Type, accepts};
use tokio_postgres::{Error, GenericClient, Row, SimpleQueryMessage, SimpleQueryRow};

use super::Parameter;

/// Makes a value of each row.
pub(super) async fn rows<T>(
    client: &impl GenericClient,
    sql: &str,
    parameters: &[Parameter<'_>],
    mut read: impl FnMut(&Row) -> T,
) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    each(client, sql, parameters, |row| values.push(read(row))).await?;
    Ok(values)
}

/// Looks at each row as it comes, so that no more than a few are in memory.
pub(super) async fn each(
    client: &impl GenericClient,
    sql: &str,
    parameters: &[Parameter<'_>],
    mut look: impl FnMut(&Row),
) -> Result<(), Error> {
    let parameters = parameters.iter().map(|(value, kind)| (*value, kind.clone()));
    let mut rows = pin!(client.query_typed_raw(sql, parameters).await?);
    while let Some(row) = rows.as_mut().next().await {
        look(&row?);
    }
    Ok(())
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

/// What the planner expects of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// In the planner's units.
    pub cost: f64,
    /// The rows that it returns.
    pub rows: f64,
}

/// Asks the planner about a statement, which is not run.
pub(super) async fn expected(
    client: &impl GenericClient,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Expected, Error> {
    let plan: serde_json::Value = value(client, &format!("EXPLAIN (FORMAT JSON) {sql}"), parameters).await?;
    let number = |key: &str| plan[0]["Plan"][key].as_f64().unwrap_or_default();
    Ok(Expected { cost: number("Total Cost"), rows: number("Plan Rows") })
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

/// An instant of a row. PostgreSQL has `infinity` and years that RFC 3339 and DOT do not have: those become the first or
/// the last instant of the years 1 to 9999.
pub(super) struct Instant(pub OffsetDateTime);

impl Instant {
    /// 2000-01-01, from where PostgreSQL counts, in microseconds since 1970.
    const ORIGIN: i128 = 946_684_800_000_000;
    /// 0001-01-01, in the same way.
    const FIRST: i128 = -62_135_596_800_000_000;
    /// The last microsecond of the year 9999, in the same way.
    const LAST: i128 = 253_402_300_799_999_999;

    fn after(microseconds: i64) -> Self {
        let instant = (Self::ORIGIN + i128::from(microseconds)).clamp(Self::FIRST, Self::LAST);
        let instant = OffsetDateTime::from_unix_timestamp_nanos(instant * 1_000);
        // All instants of these years are in range.
        Self(instant.unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }
}

impl FromSql<'_> for Instant {
    accepts!(TIMESTAMPTZ);

    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Box<dyn AnyError + Sync + Send>> {
        Ok(Self::after(i64::from_be_bytes(raw.try_into()?)))
    }
}

/// The instant in a column.
pub(super) fn instant(row: &Row, column: usize) -> OffsetDateTime {
    row.get::<_, Instant>(column).0
}

/// The instant in a column; `None`: NULL.
pub(super) fn instant_if_any(row: &Row, column: usize) -> Option<OffsetDateTime> {
    row.get::<_, Option<Instant>>(column).map(|Instant(instant)| instant)
}

/// A count, which PostgreSQL has as a signed number.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// The catalogue's estimate of a number of rows; `None`: it has none. Of a table that was never analysed it says -1, and
/// before PostgreSQL 14 it says 0.
pub(super) fn estimate(rows: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a row count is far below 2^53, and negative ones are none"
    )]
    (rows > 0.0).then_some(rows as u64)
}

/// An array as PostgreSQL writes it.
pub(super) fn array<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    format!("{{{}}}", texts.into_iter().map(quoted).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::words::rfc3339;

    #[test]
    fn an_instant_that_is_none_is_the_nearest_one() {
        let (first, last) = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z");
        for (microseconds, instant) in [
            (i64::MIN, first),
            (-400_000_000_000_000_000, first),
            (0, "2000-01-01T00:00:00Z"),
            (1_000_001, "2000-01-01T00:00:01.000001Z"),
            (400_000_000_000_000_000, last),
            (i64::MAX, last),
        ] {
            assert_eq!(rfc3339(Instant::after(microseconds).0), instant, "{microseconds}");
        }
    }
}
