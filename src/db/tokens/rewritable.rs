//! What the catalogue says about tables that are to be rewritten: what prevents it, and what must be created again.

use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{GenericClient, Row};

use super::triggers::UnmetCondition;
use super::{TokensError, attempt};
use crate::db::layout::Table;
use crate::db::query;
use crate::model::printable::quote;

/// What else prevents it: missing privileges, publications, child tables.
pub(super) async fn others(
    client: &impl GenericClient,
    oids: &[Oid],
) -> Result<Vec<UnmetCondition>, TokensError> {
    let sql = "SELECT 'the role may not ' || p || ' ' || oid::regclass::text, true FROM pg_catalog.pg_class, \
                   (VALUES ('truncate'), ('insert')) v (p) WHERE oid = ANY($1) AND NOT has_table_privilege(oid, p) \
               UNION ALL SELECT 'the role may not make temporary tables', true \
                   WHERE NOT has_database_privilege(current_database(), 'temporary') \
               UNION ALL SELECT format('publication %I has %s: subscribers would see it emptied and every row that stays \
                   inserted again', p.pubname, c.oid::regclass), false FROM pg_catalog.pg_publication_tables p \
                   JOIN pg_catalog.pg_namespace n ON n.nspname = p.schemaname \
                   JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename WHERE c.oid = ANY($1) \
               UNION ALL SELECT format('%s inherits from %s', inhrelid::regclass, inhparent::regclass), false \
                   FROM pg_catalog.pg_inherits WHERE inhparent = ANY($1) OR inhrelid = ANY($1) ORDER BY 1";
    query::rows(client, sql, &[(&oids, Type::OID_ARRAY)], |row| UnmetCondition {
        what: row.get(0),
        role: row.get(1),
    })
    .await
    .map_err(attempt("looking at what a rewrite would do"))
}

/// Whether policies hide rows of a table from the role: those would not be put aside, and `TRUNCATE` takes them.
pub(super) async fn has_row_security(client: &impl GenericClient, oids: &[Oid]) -> Result<bool, TokensError> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = ANY($1) AND c.relrowsecurity \
               AND pg_catalog.row_security_active(c.oid))";
    let failed = attempt("looking at row-level security");
    query::value(client, sql, &[(&oids, Type::OID_ARRAY)]).await.map_err(failed)
}

pub(super) async fn columns(client: &impl GenericClient, oid: Oid) -> Result<Vec<String>, TokensError> {
    let sql = "SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped \
               AND attgenerated = '' ORDER BY attnum";
    query::rows(client, sql, &[(&oid, Type::OID)], |row| quote(row.get(0)))
        .await
        .map_err(attempt("looking at the columns of the token tables"))
}

/// The indexes that can be dropped and made again exactly as they are. Building one from sorted rows takes a fraction
/// of filling it row by row. All others stay in place: primary keys, which foreign keys depend on, and all that have
/// properties that its definition does not repeat.
pub(super) async fn indexes(
    client: &impl GenericClient,
    table: &Table,
) -> Result<Vec<(String, String)>, TokensError> {
    let sql = "SELECT CASE WHEN k.oid IS NULL THEN format('DROP INDEX %s', i.indexrelid::regclass) \
                           ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', $2::text, k.conname) END, \
                      CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid) \
                           ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', $2::text, k.conname, \
                                       pg_get_constraintdef(k.oid)) END \
               FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
               JOIN pg_catalog.pg_class t ON t.oid = i.indrelid \
               LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype <> 'f' \
               WHERE i.indrelid = $1 AND i.indisvalid AND i.indisready AND NOT i.indisprimary AND NOT i.indisreplident \
                 AND NOT i.indisclustered AND i.indexprs IS NULL AND c.reltablespace = 0 AND c.reloptions IS NULL \
                 AND current_setting('default_tablespace') = '' AND pg_has_role(t.relowner, 'USAGE') \
                 AND has_schema_privilege(t.relnamespace, 'CREATE') AND (k.oid IS NULL OR k.contype = 'u') \
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.conindid = i.indexrelid AND f.contype = 'f') \
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_description d WHERE d.objoid IN (i.indexrelid, k.oid)) \
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refobjid = i.indexrelid OR d.refobjid = k.oid \
                                 AND d.deptype <> 'i') \
               ORDER BY c.relname";
    let (name, read) = (table.sql(), |row: &Row| (row.get(0), row.get(1)));
    query::rows(client, sql, &[(&table.oid, Type::OID), (&name, Type::TEXT)], read)
        .await
        .map_err(attempt(format!("looking at the indexes of {name}")))
}

/// Those that the role may not vacuum: PostgreSQL would pass over them with no more than a warning.
pub(super) async fn not_ours(client: &impl GenericClient, oids: &[Oid]) -> Result<Vec<String>, TokensError> {
    let sql = "SELECT c.oid::regclass::text FROM pg_catalog.pg_class c WHERE c.oid = ANY($1) \
               AND NOT pg_has_role(c.relowner, 'USAGE') \
               AND NOT (SELECT pg_has_role(datdba, 'USAGE') FROM pg_catalog.pg_database WHERE datname = current_database()) \
               AND NOT CASE WHEN current_setting('server_version_num')::int >= 170000 \
                            THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE false END ORDER BY 1";
    let failed = attempt("looking who owns the token tables");
    query::rows(client, sql, &[(&oids, Type::OID_ARRAY)], |row| row.get(0)).await.map_err(failed)
}
