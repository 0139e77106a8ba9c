//! What VACUUM will have to work with: the tables, their indexes, and the memory for dead rows. Reads no row.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use super::statistics::statistics;
use super::{PARTS, oids};
use crate::db::Parameter;
use crate::db::layout::Layout;
use crate::db::query::{self, unsigned};
use crate::model::TableRole;
use crate::model::health::{Vacuumed, Vacuuming};

/// Looks at the catalogue and the settings.
pub async fn vacuuming(client: &impl GenericClient, layout: &Layout) -> Result<Vacuuming, Error> {
    let indexes = indexes(client, layout).await?;
    let known = statistics(client, layout).await?;
    let tables = known.into_iter().map(|(role, table)| Vacuumed {
        role,
        blocks: table.blocks,
        rows: table.rows.map(|rows| rows.value),
        indexes: indexes.get(&role).copied().unwrap_or_default(),
    });
    let sql = "SELECT pg_size_bytes(CASE current_setting('autovacuum_work_mem') WHEN '-1' \
                      THEN current_setting('maintenance_work_mem') ELSE current_setting('autovacuum_work_mem') END), \
               current_setting('server_version_num')::int >= 170000";
    let row = client.query_typed_one(sql, &[]).await?;
    Ok(Vacuuming { tables: tables.collect(), memory: unsigned(row.get(0)), compact: row.get(1) })
}

/// The number of indexes of each table, or of the partition that has most.
async fn indexes(client: &impl GenericClient, layout: &Layout) -> Result<BTreeMap<TableRole, u32>, Error> {
    let sql = format!(
        "WITH RECURSIVE {PARTS}, each AS ( \
           SELECT p.root, count(i.indexrelid) AS indexes FROM part p \
           LEFT JOIN pg_index i ON i.indrelid = p.oid GROUP BY p.root, p.oid) \
         SELECT root, max(indexes) FROM each GROUP BY root"
    );
    let oids = oids(layout);
    let parameters: [Parameter<'_>; 1] = [(&oids, Type::OID_ARRAY)];
    let rows = query::rows(client, &sql, &parameters, |row| {
        Some((layout.role_of(row.get(0))?, u32::try_from(row.get::<_, i64>(1)).unwrap_or(u32::MAX)))
    });
    Ok(rows.await?.into_iter().flatten().collect())
}
