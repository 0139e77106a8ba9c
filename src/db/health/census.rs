//! Exact counts of all rows, by how long ago they expired or were revoked: one statement, one pass over each table.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::db::Parameter;
use crate::db::error::DbError;
use crate::db::layout::{Layout, Table};
use crate::db::query;
use crate::model::TableRole;
use crate::model::health::{AgeBand, Ages, TableRows};

/// The bucket of rows that have not expired: the one behind all bands.
const LIVE: i32 = 7;
/// Neither revoked nor with an access token.
const ORPHANED: i32 = 8;

/// Counts the rows of every token table as of an instant.
pub async fn census(
    client: &impl GenericClient,
    layout: &Layout,
    as_of: OffsetDateTime,
) -> Result<Vec<TableRows>, DbError> {
    let thresholds = thresholds(as_of);
    let rows = client.query_typed(&statement(layout), &[(&thresholds, Type::TIMESTAMPTZ_ARRAY)]).await;
    let rows = rows.map_err(DbError::during("counting the rows of the token tables"))?;
    let roles = layout.tables().map(|(role, _)| role).filter(|role| *role != TableRole::Application);
    let mut counted: BTreeMap<TableRole, TableRows> = roles
        .map(|role| (role, TableRows { role, live: 0, idle: 0, orphaned: 0, ages: Ages::default() }))
        .collect();
    for row in rows {
        let role = usize::try_from(row.get::<_, i32>(0)).ok().and_then(|at| TableRole::ALL.get(at));
        let Some(table) = role.and_then(|role| counted.get_mut(role)) else { continue };
        let rows = query::unsigned(row.get(2));
        match row.get::<_, i32>(1) {
            LIVE => table.live += rows,
            ORPHANED => table.orphaned += rows,
            bucket => {
                let from_the_end = usize::try_from(LIVE - 1 - bucket).unwrap_or_default();
                table.ages.add(AgeBand::ALL[from_the_end.min(AgeBand::ALL.len() - 1)], rows);
            }
        }
    }
    Ok(counted.into_values().collect())
}

/// What the census would cost, in the planner's units, without counting.
pub async fn cost(
    client: &impl GenericClient,
    layout: &Layout,
    as_of: OffsetDateTime,
) -> Result<f64, DbError> {
    let parameters: [Parameter<'_>; 1] = [(&thresholds(as_of), Type::TIMESTAMPTZ_ARRAY)];
    let expected = query::expected(client, &statement(layout), &parameters).await;
    Ok(expected.map_err(DbError::during("asking what counting the rows would cost"))?.cost)
}

fn statement(layout: &Layout) -> String {
    let selects: Vec<String> = layout.tables().filter_map(|(role, table)| select(role, table)).collect();
    selects.join(" UNION ALL ")
}

/// `width_bucket` numbers from 0, below the first threshold, to 7, at or above the last: oldest first.
fn thresholds(as_of: OffsetDateTime) -> Vec<OffsetDateTime> {
    let bands = AgeBand::ALL.iter().copied().rev();
    bands.map(|band| as_of - time::Duration::seconds(i64::from(band.begins()))).collect()
}

fn select(role: TableRole, table: &Table) -> Option<String> {
    let bucket = match role {
        TableRole::Application => return None,
        // Revoked in the future is revoked all the same.
        TableRole::RefreshToken => format!(
            "CASE WHEN revoked IS NOT NULL THEN least(width_bucket(revoked, $1::timestamptz[]), {youngest}) \
                  WHEN access_token_id IS NULL THEN {ORPHANED} ELSE {LIVE} END",
            youngest = LIVE - 1
        ),
        _ => "width_bucket(expires, $1::timestamptz[])".to_owned(),
    };
    let position = TableRole::ALL.iter().copied().position(|other| other == role)?;
    Some(format!("SELECT {position}::int, {bucket}, count(*) FROM {} GROUP BY 2", table.sql()))
}
