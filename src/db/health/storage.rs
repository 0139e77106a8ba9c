//! Sizes, statistics, indexes, triggers and references of the DOT tables, partitions included.

use std::collections::BTreeMap;

use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{Error, GenericClient, Row};

use super::{PARTS, oids};
use crate::db::layout::{Layout, Reference};
use crate::db::query::{self, estimate, unsigned};
use crate::model::health::{Autovacuum, Index, Part, Referrer, Storage, Trigger};

/// What a row takes beside its columns, in bytes: its header, its entry in the block, and what alignment costs.
const ROW: u32 = 24 + 4 + 4;

/// Every DOT table with its parts; without indexes, which [`add_indexes`] adds. Takes a reader's lock on each part for
/// its size. `role`: whom row-level security may hide rows from; `None`: from the one that asks.
pub async fn storage(
    client: &impl GenericClient,
    layout: &Layout,
    role: Option<&str>,
) -> Result<Vec<Storage>, Error> {
    let sql = "SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.relkind = 'p', c.relrowsecurity, \
                      c.relrowsecurity AND NOT (r.rolsuper OR r.rolbypassrls) \
                        AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE')) \
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               JOIN pg_roles r ON r.rolname = coalesce($2::text::name, current_user) WHERE c.oid = ANY($1)";
    let mut parts = parts(client, layout, role).await?;
    let found = query::rows(client, sql, &[(&oids(layout), Type::OID_ARRAY), (&role, Type::TEXT)], |row| {
        let oid: Oid = row.get(0);
        Some(Storage {
            role: layout.role_of(oid)?,
            name: row.get(1),
            partitioned: row.get(2),
            row_security: row.get(3),
            hides_rows: row.get(4),
            parts: parts.remove(&oid).unwrap_or_default(),
        })
    })
    .await?;
    let mut tables: Vec<Storage> = found.into_iter().flatten().collect();
    tables.sort_by_key(|table| table.role);
    Ok(tables)
}

async fn parts(
    client: &impl GenericClient,
    layout: &Layout,
    role: Option<&str>,
) -> Result<BTreeMap<Oid, Vec<Part>>, Error> {
    let option = |name: &str| {
        format!(
            "(SELECT o.option_value FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = '{name}')"
        )
    };
    let sql = format!(
        "WITH RECURSIVE {PARTS} \
         SELECT p.root, format('%I.%I', n.nspname, c.relname), pg_table_size(c.oid), pg_indexes_size(c.oid), \
                c.reltuples::float8, coalesce(s.n_dead_tup, 0), coalesce(s.n_tup_ins, 0), \
                s.last_vacuum, s.last_autovacuum, \
                NOT coalesce({off}::bool, true), \
                coalesce({threshold}, current_setting('autovacuum_vacuum_threshold'))::float8 \
                  + coalesce({scale}, current_setting('autovacuum_vacuum_scale_factor'))::float8 * greatest(c.reltuples, 0), \
                greatest(age(c.relfrozenxid), age(t.relfrozenxid))::bigint, \
                pg_relation_size(c.oid), c.reltuples * ({ROW} + {width}) / {fill} * 100, \
                pg_has_role(r.oid, c.relowner, 'USAGE') OR CASE WHEN current_setting('server_version_num')::int >= 170000 \
                  THEN has_table_privilege(r.oid, c.oid, 'MAINTAIN') ELSE false END \
         FROM part p JOIN pg_roles r ON r.rolname = coalesce($2::text::name, current_user) \
         JOIN pg_class c ON c.oid = p.oid AND c.relkind = 'r' \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_class t ON t.oid = c.reltoastrelid \
         LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid \
         ORDER BY 1, 2",
        off = option("autovacuum_enabled"),
        threshold = option("autovacuum_vacuum_threshold"),
        scale = option("autovacuum_vacuum_scale_factor"),
        fill = format_args!("coalesce({}, '100')::float8", option("fillfactor")),
        // Without the statistics of each column, as where the role may not read them, nothing is known.
        width = "(SELECT sum(w.avg_width * (1 - w.null_frac)) FROM pg_stats w \
                  WHERE w.schemaname = n.nspname AND w.tablename = c.relname AND NOT w.inherited \
                  HAVING count(*) = (SELECT count(*) FROM pg_attribute a \
                                     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))",
    );
    let mut parts: BTreeMap<Oid, Vec<Part>> = BTreeMap::new();
    for row in client.query_typed(&sql, &[(&oids(layout), Type::OID_ARRAY), (&role, Type::TEXT)]).await? {
        parts.entry(row.get(0)).or_default().push(part(&row));
    }
    Ok(parts)
}

fn part(row: &Row) -> Part {
    Part {
        name: row.get(1),
        table_bytes: unsigned(row.get(2)),
        index_bytes: unsigned(row.get(3)),
        rows: estimate(row.get(4)),
        dead_rows: unsigned(row.get(5)),
        inserted: unsigned(row.get(6)),
        vacuumed: query::instant_if_any(row, 7),
        autovacuumed: query::instant_if_any(row, 8),
        autovacuum_off: row.get(9),
        dead_limit: estimate(row.get(10)).unwrap_or_default(),
        xid_age: unsigned(row.get(11)),
        heap_bytes: unsigned(row.get(12)),
        needed_bytes: row.get::<_, Option<f64>>(13).and_then(estimate),
        maintained: row.get(14),
        indexes: Vec::new(),
    }
}

/// Adds the indexes of every part.
pub async fn add_indexes(client: &impl GenericClient, tables: &mut [Storage]) -> Result<(), Error> {
    let names: Vec<String> =
        tables.iter().flat_map(|table| &table.parts).map(|part| part.name.clone()).collect();
    let sql = "SELECT w.name, format('%I.%I', n.nspname, c.relname), quote_ident(a.attname), \
                      pg_get_expr(i.indpred, i.indrelid), i.indisvalid AND i.indisready, \
                      EXISTS (SELECT FROM pg_stat_progress_create_index b WHERE b.index_relid = i.indexrelid), \
                      pg_relation_size(i.indexrelid), NOT i.indisexclusion \
               FROM unnest($1::text[]) AS w(name) JOIN pg_index i ON i.indrelid = w.name::regclass \
               JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
               LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attnum > 0 \
               ORDER BY 1, 2";
    let rows = client.query_typed(sql, &[(&names, Type::TEXT_ARRAY)]).await?;
    for row in rows {
        let on: String = row.get(0);
        let index = Index {
            name: row.get(1),
            leading: row.get(2),
            predicate: row.get(3),
            valid: row.get(4),
            concurrent: row.get(7),
            building: row.get(5),
            bytes: unsigned(row.get(6)),
        };
        let part = tables.iter_mut().flat_map(|table| &mut table.parts).find(|part| part.name == on);
        if let Some(part) = part {
            part.indexes.push(index);
        }
    }
    Ok(())
}

/// Every foreign key to a DOT table.
pub async fn referrers(client: &impl GenericClient, layout: &Layout) -> Result<Vec<Referrer>, Error> {
    let sql = "SELECT k.conname::text, format('%I.%I', n.nspname, c.relname), quote_ident(a.attname), k.confrelid, k.conrelid, \
                      EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid \
                                AND i.indkey[0] = k.conkey[1] \
                                AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname))), \
                      c.relkind = 'p', k.convalidated, c.reltuples::float8, \
                      (SELECT quote_ident(t.attname) FROM pg_attribute t WHERE t.attrelid = k.confrelid AND t.attnum = k.confkey[1]), \
                      pg_table_size(k.conrelid), a.attnotnull \
               FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
               JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] \
               WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY($1) ORDER BY 2, 3, 1";
    let home = &layout.application().schema;
    let referrers = query::rows(client, sql, &[(&oids(layout), Type::OID_ARRAY)], |row| {
        let (constraint, from): (String, Oid) = (row.get(0), row.get(4));
        let known = |known: &&Reference| known.from == from && known.constraint == constraint;
        let reference = layout.references.iter().find(known)?;
        Some(Referrer {
            treatment: reference.treatment,
            declared: reference.declared,
            name: reference.file_name(home),
            constraint,
            table: row.get(1),
            column: row.get(2),
            to: layout.role_of(row.get(3))?,
            own: layout.role_of(from).is_some(),
            indexed: row.get(5),
            partitioned: row.get(6),
            validated: row.get(7),
            not_null: row.get(11),
            rows: estimate(row.get(8)),
            to_column: row.get(9),
            bytes: unsigned(row.get(10)),
        })
    })
    .await?;
    Ok(referrers.into_iter().flatten().collect())
}

/// Triggers and rules that are not PostgreSQL's own, and those of its own that are switched off.
pub async fn triggers(client: &impl GenericClient, layout: &Layout) -> Result<Vec<Trigger>, Error> {
    // tgtype: 1 row, 2 before, 8 delete.
    let sql = "SELECT 'trigger', format('%I.%I', n.nspname, c.relname), quote_ident(t.tgname), t.tgtype & 11 = 11, '{}'::text[] \
               FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE t.tgrelid = ANY($1) AND NOT t.tgisinternal AND t.tgenabled <> 'D' \
               UNION ALL \
               SELECT 'rule', format('%I.%I', n.nspname, c.relname), quote_ident(r.rulename), false, '{}' \
               FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE r.ev_class = ANY($1) AND r.ev_type <> '1' AND r.ev_enabled <> 'D' \
               UNION ALL \
               SELECT 'unchecked', format('%I.%I', n.nspname, c.relname), quote_ident(k.conname), false, \
                      array_agg(quote_ident(t.tgname) ORDER BY t.tgname) \
               FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
               JOIN pg_constraint k ON k.oid = t.tgconstraint AND k.contype = 'f' \
               WHERE t.tgrelid = ANY($1) AND t.tgisinternal AND t.tgenabled = 'D' GROUP BY 2, 3 \
               ORDER BY 1, 2, 3";
    query::rows(client, sql, &[(&oids(layout), Type::OID_ARRAY)], |row| {
        let (table, name) = (row.get(1), row.get(2));
        match row.get(0) {
            "trigger" => Trigger::User { table, name, before_delete: row.get(3) },
            "rule" => Trigger::Rule { table, name },
            _ => Trigger::Unchecked { table, constraint: name, triggers: row.get(4) },
        }
    })
    .await
}

/// The server's settings for vacuuming.
pub async fn autovacuum(client: &impl GenericClient) -> Result<Autovacuum, Error> {
    let sql = "SELECT current_setting('autovacuum')::bool, current_setting('track_counts')::bool, \
                      current_setting('autovacuum_freeze_max_age')::bigint, clock_timestamp()";
    let row = client.query_typed_one(sql, &[]).await?;
    Ok(Autovacuum {
        on: row.get(0),
        counting: row.get(1),
        freeze_max_age: unsigned(row.get(2)),
        now: row.get(3),
    })
}
