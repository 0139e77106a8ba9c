//! Finds out what answers: PostgreSQL itself, or something that speaks its protocol and differs underneath.
//!
//! The cleaner's safety rests on row locks, snapshots and deferred foreign keys that behave as PostgreSQL's do;
//! docs/design/engines.md goes through them statement by statement. Recognises by name only; decides nothing.

use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{Error, GenericClient};

use super::layout::{Layout, Table};
use super::query;
use crate::model::Engine;

/// The engine that a `version()` names; `None`: it says PostgreSQL, which says little.
fn named(version: &str) -> Option<Engine> {
    if version.contains("CockroachDB") {
        Some(Engine::Cockroach)
    } else if version.contains("-YB-") || version.contains("YugabyteDB") {
        Some(Engine::Yugabyte)
    } else if version.starts_with("PostgreSQL ") {
        None
    } else {
        Some(Engine::Unknown)
    }
}

/// Finds out what answers. Without a layout no table counts as distributed.
pub async fn recognise(client: &impl GenericClient, layout: Option<&Layout>) -> Result<Engine, Error> {
    // On its own: what comes after it may not exist elsewhere.
    let version: String = query::value(client, "SELECT version()", &[]).await?;
    if let Some(engine) = named(&version) {
        return Ok(engine);
    }
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'citus') \
                          AND to_regclass('pg_dist_partition') IS NOT NULL, \
                      EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = 'aurora_version'), \
                      EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name LIKE 'rds.%')";
    let row = client.query_typed_one(sql, &[]).await?;
    match (row.get(0), row.get(1), row.get(2)) {
        (true, _, _) => Ok(Engine::Citus { managed: distributed(client, layout).await? }),
        (false, true, _) => Ok(Engine::Aurora),
        (false, false, true) => Ok(Engine::Rds),
        (false, false, false) => Ok(Engine::PostgreSql),
    }
}

async fn distributed(client: &impl GenericClient, layout: Option<&Layout>) -> Result<Vec<String>, Error> {
    let Some(layout) = layout else { return Ok(Vec::new()) };
    let oids: Vec<Oid> = layout.tables().map(|(_, table)| table.oid).collect();
    let sql = "SELECT logicalrelid::oid FROM pg_dist_partition WHERE logicalrelid::oid = ANY($1)";
    let managed: Vec<Oid> = query::rows(client, sql, &[(&oids, Type::OID_ARRAY)], |row| row.get(0)).await?;
    let tables = layout.tables().map(|(_, table)| table);
    Ok(tables.filter(|table| managed.contains(&table.oid)).map(Table::sql).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_name_themselves() {
        assert_eq!(named("PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, 64-bit"), None);
        assert_eq!(
            named("CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27 01:53:43, go1.19.10)"),
            Some(Engine::Cockroach)
        );
        assert_eq!(
            named("PostgreSQL 11.2-YB-2.19.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang, 64-bit"),
            Some(Engine::Yugabyte)
        );
        assert_eq!(named("Materialize v0.1"), Some(Engine::Unknown));
    }
}
