//! Sequences that are behind the keys of their tables: rows were put in with keys of their own.

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use super::oids;
use crate::db::layout::Layout;
use crate::model::health::LaggingSequence;

/// Those that give out keys which are taken. Looked at by index, and only where the role may read the sequence.
pub async fn behind(client: &impl GenericClient, layout: &Layout) -> Result<Vec<LaggingSequence>, Error> {
    let sql = "SELECT c.oid, format('%I.%I', n.nspname, c.relname), quote_ident(a.attname), format('%I.%I', sn.nspname, s.relname), \
                      p.seqincrement \
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1 \
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
               JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass \
                               AND d.refobjid = c.oid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i') \
               JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace \
               JOIN pg_sequence p ON p.seqrelid = s.oid \
               WHERE c.oid = ANY($1) AND p.seqincrement > 0 \
                 AND CASE WHEN s.relkind = 'S' THEN has_sequence_privilege(s.oid, 'SELECT') END \
                 AND has_schema_privilege(sn.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')";
    let rows = client.query_typed(sql, &[(&oids(layout), Type::OID_ARRAY)]).await?;
    let mut behind = Vec::new();
    for row in rows {
        let Some(role) = layout.role_of(row.get(0)) else { continue };
        let (table, key, sequence): (String, String, String) = (row.get(1), row.get(2), row.get(3));
        let increment: i64 = row.get(4);
        let sql = format!(
            "SELECT last_value + CASE WHEN is_called THEN {increment} ELSE 0 END, (SELECT max({key})::bigint FROM {table}) \
             FROM {sequence}"
        );
        let row = client.query_typed_one(&sql, &[]).await?;
        let (next, highest): (i64, Option<i64>) = (row.get(0), row.get(1));
        if let Some(highest) = highest.filter(|highest| *highest >= next) {
            behind.push(LaggingSequence { role, table, key, sequence, next, highest });
        }
    }
    behind.sort_by_key(|sequence| sequence.role);
    Ok(behind)
}
