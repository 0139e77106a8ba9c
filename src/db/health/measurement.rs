//! What the ledger notes about the tables at the end of a run, so that a later `status` knows how much they grew.

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use super::PARTS;
use crate::db::Parameter;
use crate::db::layout::Layout;
use crate::db::query::{self, unsigned};
use crate::model::health::Measurement;

/// Whether the ledger has a place for it: one that an older oauthctl made has none until `migrate --ledger`.
pub async fn supported(client: &impl GenericClient) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = 'oauthctl' AND c.relname = 'table_measurement')";
    query::value(client, sql, &[]).await
}

/// Notes sizes and PostgreSQL's own counters. Reads no row of the tables.
pub async fn record(client: &impl GenericClient, layout: &Layout, run: i64) -> Result<(), Error> {
    let (oids, names): (Vec<_>, Vec<_>) =
        layout.tables().map(|(_, table)| (table.oid, table.qualified_name())).unzip();
    let sql = format!(
        "WITH RECURSIVE {PARTS} \
         INSERT INTO oauthctl.table_measurement \
           (run_id, table_name, live_rows, rows_inserted, table_bytes, index_bytes) \
         SELECT $3, w.name, coalesce(sum(s.n_live_tup), 0), coalesce(sum(s.n_tup_ins), 0), \
                sum(pg_catalog.pg_table_size(p.oid)), sum(pg_catalog.pg_indexes_size(p.oid)) \
         FROM unnest($1::oid[], $2::text[]) AS w(root, name) JOIN part p ON p.root = w.root \
         LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = p.oid \
         GROUP BY w.name ON CONFLICT DO NOTHING"
    );
    let parameters: [Parameter<'_>; 3] =
        [(&oids, Type::OID_ARRAY), (&names, Type::TEXT_ARRAY), (&run, Type::INT8)];
    client.execute_typed(&sql, &parameters).await.map(drop)
}

/// The last ones.
pub async fn latest(client: &impl GenericClient, layout: &Layout) -> Result<Vec<Measurement>, Error> {
    let (roles, names): (Vec<_>, Vec<_>) =
        layout.tables().map(|(role, table)| (role, table.qualified_name())).unzip();
    let sql = "SELECT DISTINCT ON (m.table_name) m.table_name, m.measured_at, r.verb, m.rows_inserted, m.table_bytes, \
                      m.index_bytes \
               FROM oauthctl.table_measurement m JOIN oauthctl.run r ON r.id = m.run_id \
               WHERE m.table_name = ANY($1) ORDER BY m.table_name, m.measured_at DESC";
    let rows = client.query_typed(sql, &[(&names, Type::TEXT_ARRAY)]).await?;
    let mut found: Vec<Measurement> = rows
        .into_iter()
        .filter_map(|row| {
            let position = names.iter().position(|name| name.as_str() == row.get::<_, &str>(0))?;
            Some(Measurement {
                role: roles[position],
                at: query::instant(&row, 1),
                verb: row.get(2),
                inserted: unsigned(row.get(3)),
                table_bytes: unsigned(row.get(4)),
                index_bytes: unsigned(row.get(5)),
            })
        })
        .collect();
    found.sort_by_key(|measurement| measurement.role);
    Ok(found)
}
