//! A fingerprint of the tables that a function changes: it differs once anything has changed that the function relies on.
//!
//! Names and no oids, so that it is the same after `pg_upgrade` and in a restored dump.

use std::collections::BTreeSet;

use super::SCHEMA;
use super::kind::Kind;
use crate::db::layout::Layout;
use crate::db::tokens::triggers::{referring, touched};
use crate::model::printable::literal;

/// The name of the function that computes it.
pub(super) const FUNCTION: &str = "fingerprint";

/// Kind, row-level security, inheritance, the columns that statements name, foreign keys with what they do, and every
/// trigger and rule of the user's own. Of the triggers of foreign keys only those that are switched off, or
/// always on. `p_tables`: the names of the tables, as SQL writes them.
const QUERY: &str = r#"SELECT pg_catalog.md5(pg_catalog.string_agg(f.line, E'\n' ORDER BY f.line COLLATE "C"))
    FROM (
        WITH n AS NOT MATERIALIZED (
            SELECT c.oid, pg_catalog.format('%I.%I', s.nspname, c.relname) AS name, c.relkind AS kind,
                   c.relrowsecurity AS secured, c.relispartition AS part
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
        ), t AS MATERIALIZED (
            SELECT n.* FROM pg_catalog.unnest(p_tables) u (name) JOIN n ON n.oid = pg_catalog.to_regclass(u.name)
        )
        SELECT pg_catalog.format('table %s %s %s %s', t.name, t.kind, t.secured, t.part) AS line FROM t
        UNION ALL
        SELECT pg_catalog.format('column %s.%I %I.%I', t.name, a.attname, s.nspname, y.typname)
        FROM t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_catalog.pg_type y ON y.oid = a.atttypid JOIN pg_catalog.pg_namespace s ON s.oid = y.typnamespace
        WHERE a.attname IN ('expires', 'revoked', 'client_id') OR EXISTS (
            SELECT FROM pg_catalog.pg_constraint k
            WHERE k.conrelid = a.attrelid AND k.contype IN ('p', 'f') AND a.attnum = ANY (k.conkey))
        UNION ALL
        SELECT pg_catalog.format('reference %s %s to %s %s %s %s %s', n.name, pg_catalog.array_agg(a.attname ORDER BY u.o),
                                 t.name, pg_catalog.array_agg(b.attname ORDER BY u.o), k.confdeltype, n.kind, n.secured)
        FROM t JOIN pg_catalog.pg_constraint k ON k.confrelid = t.oid AND k.contype = 'f' JOIN n ON n.oid = k.conrelid
        CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)) WITH ORDINALITY u (c, d, o)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.c
        JOIN pg_catalog.pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = u.d
        GROUP BY k.oid, n.name, t.name, k.confdeltype, n.kind, n.secured
        UNION ALL
        SELECT pg_catalog.format('trigger %I on %s %s', CASE WHEN g.tgisinternal THEN 'internal' ELSE g.tgname END, t.name,
                                 g.tgenabled)
        FROM t JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid AND (NOT g.tgisinternal OR g.tgenabled <> 'O')
        UNION ALL
        SELECT pg_catalog.format('rule %I on %s', w.rulename, t.name)
        FROM t JOIN pg_catalog.pg_rewrite w ON w.ev_class = t.oid
        UNION ALL
        SELECT pg_catalog.format('%s inherits from %s', i.name, o.name)
        FROM t JOIN pg_catalog.pg_inherits h ON t.oid IN (h.inhrelid, h.inhparent)
        JOIN n i ON i.oid = h.inhrelid JOIN n o ON o.oid = h.inhparent
    ) f"#;

/// The tables that are looked at, as SQL writes them: those that a function changes.
fn tables(layout: &Layout, kind: Kind) -> String {
    let tables = touched(layout, &[kind.sweep()]);
    let ours = referring(layout, &tables).filter(|reference| reference.treatment.is_ours());
    let ours = ours.map(|reference| reference.from_table.clone()).collect::<Vec<_>>();
    let names: BTreeSet<String> = tables.iter().map(|table| table.sql()).chain(ours).collect();
    let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
    format!("ARRAY[{}]::text[]", names.join(", "))
}

/// The text of the function.
pub(super) fn source() -> String {
    format!("\nBEGIN\n    RETURN ({QUERY});\nEND\n")
}

/// A call of that function for the tables of a kind.
pub(super) fn called(layout: &Layout, kind: Kind) -> String {
    format!("{SCHEMA}.{FUNCTION}({})", tables(layout, kind))
}

/// The same as a query, where the function need not be there.
pub(super) fn query(layout: &Layout, kind: Kind) -> String {
    QUERY.replace("p_tables", &tables(layout, kind))
}
