//! What answers: PostgreSQL itself, or something that speaks its protocol and differs underneath.
//!
//! The cleaner's safety rests on row locks, snapshots and deferred foreign keys that behave as PostgreSQL's do;
//! docs/engines.md goes through them statement by statement. Recognises by name only; decides nothing about plans.

use std::fmt;

use tokio_postgres::{Error, GenericClient};

use super::layout::{Layout, Table};
use crate::model::TableRole;

/// The engine behind a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL, or a service that runs it unchanged.
    PostgreSql,
    /// Amazon Aurora: PostgreSQL on shared storage.
    Aurora,
    /// PostgreSQL with the Citus extension, and those of DOT's tables that Citus manages, as SQL writes them.
    Citus {
        /// Empty: all are ordinary tables of this node.
        managed: Vec<String>,
    },
    /// `YugabyteDB`.
    Yugabyte,
    /// `CockroachDB`.
    Cockroach,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PostgreSql => "PostgreSQL",
            Self::Aurora => "Amazon Aurora",
            Self::Citus { .. } => "Citus",
            Self::Yugabyte => "YugabyteDB",
            Self::Cockroach => "CockroachDB",
        })
    }
}

impl Engine {
    /// Why nothing is deleted here; `None`: the statements hold.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::PostgreSql | Self::Aurora => None,
            Self::Citus { managed } if managed.is_empty() => None,
            Self::Citus { managed } => Some(format!(
                "Citus distributes {}: rows cannot be locked and looked at again across shards",
                managed.join(", ")
            )),
            Self::Yugabyte | Self::Cockroach => Some(format!(
                "this is {self}, not PostgreSQL: its locks and snapshots differ from those that the cleanup relies on"
            )),
        }
    }

    /// Whether `pg_stat_replication` tells of its replicas.
    #[must_use]
    pub const fn shows_replicas(&self) -> bool {
        !matches!(self, Self::Aurora)
    }

    /// The engine that a `version()` names; `None`: it says PostgreSQL, which says little.
    fn named(version: &str) -> Option<Self> {
        if version.contains("CockroachDB") {
            Some(Self::Cockroach)
        } else if version.contains("-YB-") || version.contains("YugabyteDB") {
            Some(Self::Yugabyte)
        } else {
            None
        }
    }
}

/// Finds out what answers.
pub async fn recognise(client: &impl GenericClient, layout: &Layout) -> Result<Engine, Error> {
    // On its own: what comes after it may not exist elsewhere.
    let version: String = client.query_one("SELECT version()", &[]).await?.get(0);
    if let Some(engine) = Engine::named(&version) {
        return Ok(engine);
    }
    let row = client
        .query_one(
            "SELECT to_regproc('aurora_version') IS NOT NULL, \
                    EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'citus') \
                    AND to_regclass('pg_dist_partition') IS NOT NULL",
            &[],
        )
        .await?;
    match (row.get(0), row.get(1)) {
        (true, _) => Ok(Engine::Aurora),
        (false, true) => Ok(Engine::Citus { managed: distributed(client, layout).await? }),
        (false, false) => Ok(Engine::PostgreSql),
    }
}

async fn distributed(client: &impl GenericClient, layout: &Layout) -> Result<Vec<String>, Error> {
    let tables: Vec<_> = TableRole::ALL.into_iter().filter_map(|role| layout.table(role)).collect();
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let sql = "SELECT logicalrelid::oid FROM pg_dist_partition WHERE logicalrelid::oid = ANY($1)";
    let rows = client.query(sql, &[&oids]).await?;
    let managed: Vec<u32> = rows.into_iter().map(|row| row.get(0)).collect();
    Ok(tables.into_iter().filter(|table| managed.contains(&table.oid)).map(Table::sql).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_name_themselves() {
        let named = |version| Engine::named(version).map(|engine| engine.to_string());
        assert_eq!(named("PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, 64-bit"), None);
        assert_eq!(
            named("CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27 01:53:43, go1.19.10)"),
            Some("CockroachDB".to_owned())
        );
        assert_eq!(
            named("PostgreSQL 11.2-YB-2.19.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang, 64-bit"),
            Some("YugabyteDB".to_owned())
        );
    }

    #[test]
    fn what_is_not_postgresql_is_refused_by_name() {
        for engine in [Engine::PostgreSql, Engine::Aurora, Engine::Citus { managed: Vec::new() }] {
            assert_eq!(engine.refusal(), None, "{engine}");
        }
        for engine in [
            Engine::Yugabyte,
            Engine::Cockroach,
            Engine::Citus { managed: vec!["\"public\".\"x\"".to_owned()] },
        ] {
            assert!(engine.refusal().unwrap().contains(&engine.to_string()), "{engine}");
        }
    }
}
