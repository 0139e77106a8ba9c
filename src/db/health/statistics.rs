//! What PostgreSQL's statistics say about the number of rows of each table, and how old they are. Reads no row.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use super::{PARTS, oids};
use crate::db::Parameter;
use crate::db::layout::Layout;
use crate::db::query;
use crate::model::TableRole;
use crate::model::sample::Rough;

/// ANALYZE looks at 30,000 blocks at most, so the number of rows that it finds is not exact.
const DEVIATION_OF_ROWS: f64 = 0.01;

/// The statistics of one table, partitions included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Its size now.
    pub blocks: f64,
    /// Its rows: the density that the last VACUUM or ANALYZE found, in as many blocks as there are now. `None`: neither
    /// was here, or what is known since then was lost in a crash.
    pub rows: Option<Rough>,
    /// The time since the last ANALYZE, or VACUUM; of the part where that is longest.
    pub age: Option<Duration>,
}

/// Looks at the catalogue for all tables.
pub async fn statistics(
    client: &impl GenericClient,
    layout: &Layout,
) -> Result<BTreeMap<TableRole, Statistics>, Error> {
    let sql = format!(
        "WITH RECURSIVE {PARTS}, leaf AS ( \
           SELECT p.root, c.reltuples::float8 AS tuples, c.relpages::float8 AS pages, \
                  pg_relation_size(c.oid)::float8 / current_setting('block_size')::float8 AS blocks, \
                  coalesce(s.n_mod_since_analyze, 0)::float8 AS modified, \
                  coalesce(greatest(s.last_analyze, s.last_autoanalyze), greatest(s.last_vacuum, s.last_autovacuum)) AS at \
           FROM part p JOIN pg_class c ON c.oid = p.oid AND c.relkind = 'r' \
           LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid) \
         SELECT root, sum(blocks), \
                bool_and(blocks = 0 OR (pages > 0 AND tuples >= 0 AND at IS NOT NULL)), \
                coalesce(sum(CASE WHEN pages > 0 AND tuples >= 0 THEN tuples / pages * blocks END), 0)::float8, \
                sum(modified), \
                extract(epoch FROM clock_timestamp() - min(at) FILTER (WHERE blocks > 0))::float8 \
         FROM leaf GROUP BY root"
    );
    let oids = oids(layout);
    let parameters: [Parameter<'_>; 1] = [(&oids, Type::OID_ARRAY)];
    let rows = query::rows(client, &sql, &parameters, |row| {
        let (known, rows, modified): (bool, f64, f64) = (row.get(2), row.get(3), row.get(4));
        let seconds: Option<f64> = row.get(5);
        let rough = Rough { value: rows, deviation: rows * DEVIATION_OF_ROWS, slack: modified };
        let age = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
        let statistics = Statistics { blocks: row.get(1), rows: known.then_some(rough), age };
        Some((layout.role_of(row.get(0))?, statistics))
    });
    Ok(rows.await?.into_iter().flatten().collect())
}
