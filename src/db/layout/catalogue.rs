//! The queries of a probe: tables, columns, keys and references, from `pg_catalog` by oid. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{GenericClient, Row};

use super::table::{Candidate, Column, Reference, Table};
use crate::db::query;
use crate::model::printable::quote;
use crate::model::{OnDelete, ReferringTable, TableNames, TableRole, Treatment};

pub(super) async fn find_tables(
    client: &impl GenericClient,
    names: &TableNames,
) -> Result<BTreeMap<TableRole, Oid>, tokio_postgres::Error> {
    let qualified: Vec<String> = TableRole::ALL
        .iter()
        .map(|role| match &names.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(names.name(*role))),
            None => quote(names.name(*role)),
        })
        .collect();
    let sql = "SELECT n::int, c.oid FROM unnest($1::text[]) WITH ORDINALITY AS want(name, n) \
               JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(want.name) AND c.relkind IN ('r', 'p')";
    let found = query::rows(client, sql, &[(&qualified, Type::TEXT_ARRAY)], |row| {
        let position = usize::try_from(row.get::<_, i32>(0) - 1).unwrap_or_default();
        TableRole::ALL.get(position).map(|role| (*role, row.get(1)))
    })
    .await?;
    Ok(found.into_iter().flatten().collect())
}

pub(super) async fn describe(
    client: &impl GenericClient,
    oids: &[Oid],
) -> Result<BTreeMap<Oid, Table>, tokio_postgres::Error> {
    let sql = "SELECT c.oid, n.nspname, c.relname, c.relkind = 'p', \
                      c.relrowsecurity AND pg_catalog.row_security_active(c.oid), \
                      a.attname, \
                      CASE WHEN y.oid = 'bpchar'::regtype THEN 'bpchar' WHEN y.typnamespace = 'pg_catalog'::regnamespace \
                        THEN pg_catalog.format_type(y.oid, NULL) ELSE pg_catalog.format('%I.%I', yn.nspname, y.typname) END, \
                      CASE WHEN b.oid IN ('varchar'::regtype, 'bpchar'::regtype) AND m.typmod > 4 THEN m.typmod - 4 END, \
                      a.attnotnull, a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '', \
                      coalesce(i.indnkeyatts = 1 AND a.attnum = i.indkey[0], false), \
                      CASE WHEN y.typnamespace = 'pg_catalog'::regnamespace AND y.typcategory IN ('N', 'D', 'T', 'V') \
                        THEN pg_catalog.format_type(y.oid, a.atttypmod) END, \
                      CASE WHEN b.typname IN ('citext', 'bpchar') THEN b.typname::text \
                        ELSE pg_catalog.format_type(b.oid, NULL) END, \
                      a.attgenerated <> '' OR a.attidentity = 'a', \
                      CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END \
               FROM pg_catalog.pg_class c \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
               JOIN pg_catalog.pg_type y ON y.oid = a.atttypid \
               JOIN pg_catalog.pg_namespace yn ON yn.oid = y.typnamespace \
               JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN y.typtype = 'd' THEN y.typbasetype ELSE y.oid END \
               CROSS JOIN LATERAL (SELECT CASE WHEN y.typtype = 'd' THEN y.typtypmod ELSE a.atttypmod END) m(typmod) \
               LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
               LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary \
               WHERE c.oid = ANY($1) ORDER BY c.oid, a.attnum";
    let rows = client.query_typed(sql, &[(&oids, Type::OID_ARRAY)]).await?;
    let mut tables: BTreeMap<Oid, Table> = BTreeMap::new();
    for row in rows {
        let table = tables.entry(row.get(0)).or_insert_with(|| Table {
            oid: row.get(0),
            schema: row.get(1),
            name: row.get(2),
            columns: BTreeMap::new(),
            key: String::new(),
            partitioned: row.get(3),
            row_security: row.get(4),
            withheld: BTreeSet::new(),
        });
        let column = Column {
            name: row.get(5),
            sql_type: row.get(6),
            max_length: row.get::<_, Option<i32>>(7).and_then(|length| u32::try_from(length).ok()),
            not_null: row.get(8),
            filled: row.get(9),
            full_type: row.get::<_, Option<String>>(11).unwrap_or_else(|| row.get(6)),
            base_type: row.get(12),
            generated: row.get(13),
            default: row.get(14),
        };
        if row.get(10) {
            table.key.clone_from(&column.name);
        }
        table.columns.insert(column.name.clone(), column);
    }
    Ok(tables)
}

/// The foreign keys to some tables, those to the tables that have these, and so on.
pub(super) async fn references(
    client: &impl GenericClient,
    own: &[Oid],
) -> Result<Vec<Reference>, tokio_postgres::Error> {
    let sql = "WITH RECURSIVE along(oid) AS (SELECT unnest($1::oid[]) \
                   UNION SELECT k.conrelid FROM pg_catalog.pg_constraint k JOIN along a ON a.oid = k.confrelid \
                   WHERE k.contype = 'f' AND k.conparentid = 0), \
               shape AS (SELECT c.oid, \
                   (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) \
                       AS columns, \
                   (SELECT count(*) FROM pg_catalog.pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f') AS foreign_keys, \
                   EXISTS (SELECT FROM pg_catalog.pg_index p \
                       JOIN pg_catalog.pg_index u ON u.indrelid = p.indrelid AND u.indisunique AND u.indisvalid \
                           AND u.indpred IS NULL AND u.indnkeyatts = 2 AND u.indexprs IS NULL \
                       WHERE p.indrelid = c.oid AND p.indisprimary AND p.indnkeyatts = 1 \
                         AND p.indkey[0] <> u.indkey[0] AND p.indkey[0] <> u.indkey[1] AND u.indkey[0] <> u.indkey[1] \
                         AND 2 = (SELECT count(DISTINCT f.conkey[1]) FROM pg_catalog.pg_constraint f \
                             WHERE f.conrelid = c.oid AND f.contype = 'f' AND cardinality(f.conkey) = 1 \
                               AND f.conkey[1] IN (u.indkey[0], u.indkey[1]))) AS unique_pair, \
                   EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.confrelid = c.oid AND f.contype = 'f') AS referred \
                   FROM pg_catalog.pg_class c WHERE c.oid IN (SELECT oid FROM along)) \
               SELECT k.conname, k.conrelid, pg_catalog.format('%I.%I', n.nspname, c.relname), f.attname, k.confrelid, t.attname, \
                      k.confdeltype::text, f.attnotnull, n.nspname, c.relname, cardinality(k.conkey) > 1, \
                      c.relrowsecurity AND pg_catalog.row_security_active(c.oid), \
                      has_column_privilege(c.oid, f.attnum, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') \
                        AND has_column_privilege(tc.oid, t.attnum, 'SELECT') AND has_schema_privilege(tn.oid, 'USAGE'), \
                      s.columns, s.foreign_keys, s.unique_pair, s.referred, c.relkind = 'p', \
                      pg_catalog.format('%I.%I', tn.nspname, tc.relname) \
               FROM pg_catalog.pg_constraint k \
               JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
               JOIN shape s ON s.oid = c.oid \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               JOIN pg_catalog.pg_class tc ON tc.oid = k.confrelid \
               JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace \
               JOIN pg_catalog.pg_attribute f ON f.attrelid = k.conrelid AND f.attnum = k.conkey[1] \
               JOIN pg_catalog.pg_attribute t ON t.attrelid = k.confrelid AND t.attnum = k.confkey[1] \
               WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid IN (SELECT oid FROM along) ORDER BY 3, 4, 1";
    let reference = |row: &Row| {
        let (on_delete, not_null) = (OnDelete::parse(row.get(6)), row.get(7));
        let table = ReferringTable {
            columns: row.get(13),
            foreign_keys: row.get(14),
            unique_pair: row.get(15),
            referred: row.get(16),
        };
        Reference {
            constraint: row.get(0),
            from: row.get(1),
            from_table: row.get(2),
            from_column: row.get(3),
            to: row.get(4),
            to_column: row.get(5),
            to_table: row.get(18),
            on_delete,
            not_null,
            schema: row.get(8),
            name: row.get(9),
            composite: row.get(10),
            row_security: row.get(11),
            readable: row.get(12),
            partitioned: row.get(17),
            table,
            declared: false,
            treatment: Treatment::decide(None, on_delete, not_null, table),
        }
    };
    query::rows(client, sql, &[(&own, Type::OID_ARRAY)], reference).await
}

pub(super) async fn user_table(
    client: &impl GenericClient,
    tables: &BTreeMap<TableRole, Table>,
) -> Result<Option<Oid>, tokio_postgres::Error> {
    let Some(application) = tables.get(&TableRole::Application) else { return Ok(None) };
    let sql = "SELECT k.confrelid FROM pg_catalog.pg_constraint k \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] \
               WHERE k.contype = 'f' AND k.conrelid = $1 AND a.attname = 'user_id' LIMIT 1";
    query::value_if_any(client, sql, &[(&application.oid, Type::OID)]).await
}

/// Tables that have an application's columns: what a swapped model is probably called. The most probable comes first.
pub(super) async fn application_candidates(
    client: &impl GenericClient,
) -> Result<Vec<Candidate>, tokio_postgres::Error> {
    let sql = "SELECT c.oid, s.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
               JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped \
               WHERE c.relkind IN ('r', 'p') \
                 AND a.attname IN ('client_id', 'client_secret', 'client_type', 'authorization_grant_type') \
               GROUP BY 1, 2, 3 HAVING count(*) = 4 ORDER BY 2, 3 LIMIT 100";
    let mut candidates = query::rows(client, sql, &[], |row| Candidate {
        oid: row.get(0),
        schema: row.get(1),
        name: row.get(2),
        tables: BTreeMap::new(),
    })
    .await?;
    let sql = "SELECT k.confrelid, c.relname::text, array_agg(a.attname::text) FROM pg_catalog.pg_constraint k \
               JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
               JOIN pg_catalog.pg_class t ON t.oid = k.confrelid AND t.relnamespace = c.relnamespace \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
               WHERE k.contype = 'f' AND k.confrelid = ANY($1) GROUP BY k.oid, 1, 2 ORDER BY 1, 2";
    let oids: Vec<Oid> = candidates.iter().map(|candidate| candidate.oid).collect();
    let referring = |row: &Row| -> (Oid, String, Vec<String>) { (row.get(0), row.get(1), row.get(2)) };
    for (oid, name, columns) in query::rows(client, sql, &[(&oids, Type::OID_ARRAY)], referring).await? {
        for candidate in candidates.iter_mut().filter(|candidate| candidate.oid == oid) {
            candidate.referred_by(&name, &columns);
        }
    }
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.tables.len()));
    Ok(candidates)
}
