//! What the catalogue says of the application table's constraints, in the form in which they can be asked.
//!
//! Expressions are PostgreSQL's own text, with schemas, because the search path has PostgreSQL's own only. Which columns
//! and functions an expression uses, its stored tree says: dependencies on PostgreSQL's own functions are not recorded.

use std::collections::BTreeSet;

use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{Error, GenericClient};

use crate::db::query;

/// A column, with all that it takes to know its value in a row that is not there yet.
pub(super) struct Column {
    pub name: String,
    /// The type below all domains, with precision, for casts.
    pub base: String,
    /// Its collation, where that is not the type's.
    pub collation: Option<String>,
    pub not_null: bool,
    /// The expression of its default, or of a generated column.
    pub expression: Option<String>,
    /// Whether the value of a new row is not known beforehand: an identity, or a default with a volatile function.
    pub made: bool,
    pub generated: bool,
    /// What a generated column is computed from.
    pub from: BTreeSet<String>,
}

/// A CHECK of the table or of a column's domain.
pub(super) struct Check {
    pub name: String,
    /// The condition; of a domain over `VALUE`.
    pub condition: String,
    /// The whole of it, for people.
    pub definition: String,
    pub columns: Vec<String>,
    /// Whether it is a domain's, of that one column.
    pub domain: bool,
    /// Whether it calls a volatile function.
    pub volatile: bool,
}

/// A unique index, whether or not a constraint owns it.
pub(super) struct Unique {
    pub name: String,
    /// The columns of the key, then those that only its expressions and its condition use.
    pub columns: Vec<String>,
    /// The key's expressions with their collations.
    pub keys: Vec<String>,
    /// Their operators of equality.
    pub equal: Vec<String>,
    /// Of a partial index.
    pub condition: Option<String>,
    pub nulls_equal: bool,
    /// Whether it is looked at when all is written, and not at each statement.
    pub deferred: bool,
}

/// A foreign key of the table.
pub(super) struct Foreign {
    pub name: String,
    pub columns: Vec<String>,
    /// The table that it refers to, as SQL writes it.
    pub table: String,
    pub to: Vec<String>,
    /// Whether that is the application table itself.
    pub own: bool,
    pub equal: Vec<String>,
    /// `MATCH FULL`.
    pub full: bool,
}

/// A trigger of the project's.
pub(super) struct Trigger {
    pub name: String,
    pub on_insert: bool,
    pub on_update: bool,
    /// Whether it sees each row before the constraints do.
    pub before_row: bool,
}

/// Whether a tree calls a volatile function.
fn volatile(tree: &str) -> String {
    format!(
        "coalesce({tree}::text ~ 'NEXTVALUEEXPR' OR EXISTS (SELECT FROM regexp_matches({tree}::text, \
         ':(?:op)?funcid (\\d+)', 'g') m JOIN pg_catalog.pg_proc p ON p.oid = m[1]::oid \
         WHERE p.provolatile = 'v'), false)"
    )
}

/// The columns of the table `$1` that a tree uses; all where it uses the row as a whole.
fn used(tree: &str) -> String {
    format!(
        "coalesce((SELECT array_agg(DISTINCT ua.attname::text) FROM regexp_matches({tree}::text, ':varattno (\\d+)', 'g') m \
         JOIN pg_catalog.pg_attribute ua ON ua.attrelid = $1 AND ua.attnum > 0 AND NOT ua.attisdropped \
         AND m[1]::int IN (0, ua.attnum)), '{{}}')"
    )
}

/// The type below all domains, as SQL writes it.
const BASE: &str = "CASE WHEN b.oid = 'bpchar'::regtype THEN 'bpchar' \
    WHEN b.typnamespace <> 'pg_catalog'::regnamespace THEN \
      (SELECT pg_catalog.format('%I.%I', n.nspname, b.typname) FROM pg_catalog.pg_namespace n WHERE n.oid = b.typnamespace) \
    WHEN b.typcategory IN ('N', 'D', 'T', 'V') THEN pg_catalog.format_type(b.oid, c.typmod) \
    ELSE pg_catalog.format_type(b.oid, NULL) END";

/// Each column's type and the domains above it, outermost first.
const CHAIN: &str = "WITH RECURSIVE chain(attnum, oid, typmod) AS ( \
      SELECT a.attnum, a.atttypid, a.atttypmod FROM pg_catalog.pg_attribute a \
      WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped \
      UNION ALL SELECT c.attnum, y.typbasetype, y.typtypmod FROM chain c \
      JOIN pg_catalog.pg_type y ON y.oid = c.oid AND y.typtype = 'd')";

pub(super) async fn columns(client: &impl GenericClient, table: Oid) -> Result<Vec<Column>, Error> {
    let sql = format!(
        "{CHAIN} SELECT a.attname::text, {BASE}, \
           CASE WHEN a.attcollation <> b.typcollation THEN (SELECT pg_catalog.format('%I.%I', n.nspname, l.collname) \
             FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace \
             WHERE l.oid = a.attcollation) END, \
           a.attnotnull OR {above} y.typnotnull), pg_catalog.pg_get_expr(d.adbin, d.adrelid), \
           a.attidentity <> '' OR {volatile} OR (d.oid IS NULL AND {above} y.typdefault IS NOT NULL)), \
           a.attgenerated <> '', CASE WHEN a.attgenerated <> '' THEN {used} ELSE '{{}}' END \
         FROM chain c JOIN pg_catalog.pg_type b ON b.oid = c.oid AND b.typtype <> 'd' \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attnum = c.attnum \
         LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum ORDER BY a.attnum",
        above = "EXISTS (SELECT FROM chain o JOIN pg_catalog.pg_type y ON y.oid = o.oid WHERE o.attnum = a.attnum AND",
        volatile = volatile("d.adbin"),
        used = used("d.adbin"),
    );
    query::rows(client, &sql, &[(&table, Type::OID)], |row| Column {
        name: row.get(0),
        base: row.get(1),
        collation: row.get(2),
        not_null: row.get(3),
        expression: row.get(4),
        made: row.get(5),
        generated: row.get(6),
        from: row.get::<_, Vec<String>>(7).into_iter().collect(),
    })
    .await
}

/// The CHECKs of the table and of its columns' domains. One that is `NOT VALID` holds for what is written; one that is
/// `NOT ENFORCED` (PostgreSQL 18) does not.
pub(super) async fn checks(client: &impl GenericClient, table: Oid) -> Result<Vec<Check>, Error> {
    let sql = format!(
        "{CHAIN}, found AS ( \
           SELECT k.*, {used} AS names, false AS domain FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1 \
           UNION ALL SELECT k.*, ARRAY[a.attname::text], true FROM chain c \
           JOIN pg_catalog.pg_constraint k ON k.contypid = c.oid \
           JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attnum = c.attnum) \
         SELECT f.conname::text, pg_catalog.pg_get_expr(f.conbin, f.conrelid), \
           pg_catalog.pg_get_constraintdef(f.oid, true), f.names, f.domain, {volatile} \
         FROM found f WHERE f.contype = 'c' AND coalesce(to_jsonb(f) ->> 'conenforced', 'true') = 'true' ORDER BY 1",
        used = used("k.conbin"),
        volatile = volatile("f.conbin"),
    );
    query::rows(client, &sql, &[(&table, Type::OID)], |row| Check {
        name: row.get(0),
        condition: row.get(1),
        definition: row.get(2),
        columns: row.get(3),
        domain: row.get(4),
        volatile: row.get(5),
    })
    .await
}

/// The unique keys that equality decides, and the names of the others: exclusion constraints, and keys over periods
/// (PostgreSQL 18).
pub(super) async fn uniques(
    client: &impl GenericClient,
    table: Oid,
) -> Result<(Vec<Unique>, Vec<String>), Error> {
    let sql = format!(
        "SELECT n.relname::text, coalesce(k.contype = 'x' OR (to_jsonb(k) ->> 'conperiod')::bool, i.indisexclusion), \
           ARRAY(SELECT a.attname::text FROM generate_subscripts(i.indkey, 1) p \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attnum = i.indkey[p] \
             WHERE p < i.indnkeyatts ORDER BY p), \
           {of_keys} || {of_condition}, \
           ARRAY(SELECT '(' || pg_catalog.pg_get_indexdef(i.indexrelid, p + 1, false) || ')' || CASE WHEN l.oid IS NULL \
               THEN '' ELSE pg_catalog.format(' COLLATE %I.%I', ln.nspname, l.collname) END \
             FROM generate_series(0, i.indnkeyatts - 1) p \
             LEFT JOIN pg_catalog.pg_collation l ON l.oid = i.indcollation[p] \
             LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace ORDER BY p), \
           ARRAY(SELECT pg_catalog.format('OPERATOR(%I.%s)', sn.nspname, o.oprname) \
             FROM generate_series(0, i.indnkeyatts - 1) p \
             JOIN pg_catalog.pg_opclass q ON q.oid = i.indclass[p] \
             JOIN pg_catalog.pg_amop m ON m.amopfamily = q.opcfamily AND m.amopstrategy = 3 \
               AND m.amoplefttype = q.opcintype AND m.amoprighttype = q.opcintype \
             JOIN pg_catalog.pg_operator o ON o.oid = m.amopopr \
             JOIN pg_catalog.pg_namespace sn ON sn.oid = o.oprnamespace ORDER BY p), \
           pg_catalog.pg_get_expr(i.indpred, i.indrelid), \
           coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false), coalesce(k.condeferred, false) \
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class n ON n.oid = i.indexrelid \
         LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid \
           AND k.contype IN ('p', 'u', 'x') \
         WHERE i.indrelid = $1 AND (i.indisunique OR i.indisexclusion) AND i.indislive AND i.indisready ORDER BY 1",
        of_keys = used("i.indexprs"),
        of_condition = used("i.indpred"),
    );
    let (mut uniques, mut others) = (Vec::new(), Vec::new());
    for row in client.query_typed(&sql, &[(&table, Type::OID)]).await? {
        let name: String = row.get(0);
        if row.get(1) {
            others.push(name);
            continue;
        }
        let mut columns: Vec<String> = row.get(2);
        for used in row.get::<_, Vec<String>>(3) {
            if !columns.contains(&used) {
                columns.push(used);
            }
        }
        uniques.push(Unique {
            name,
            columns,
            keys: row.get(4),
            equal: row.get(5),
            condition: row.get(6),
            nulls_equal: row.get(7),
            deferred: row.get(8),
        });
    }
    Ok((uniques, others))
}

/// The foreign keys that equality decides, and the names of the others.
pub(super) async fn foreign(
    client: &impl GenericClient,
    table: Oid,
) -> Result<(Vec<Foreign>, Vec<String>), Error> {
    let names = |relation: &str, key: &str| {
        format!(
            "ARRAY(SELECT a.attname::text FROM unnest({key}) WITH ORDINALITY u(n, o) \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = {relation} AND a.attnum = u.n ORDER BY u.o)"
        )
    };
    let sql = format!(
        "SELECT k.conname::text, {columns}, pg_catalog.format('%I.%I', n.nspname, c.relname), {to}, \
           k.confrelid = k.conrelid, \
           ARRAY(SELECT pg_catalog.format('OPERATOR(%I.%s)', sn.nspname, o.oprname) \
             FROM unnest(k.conpfeqop) WITH ORDINALITY u(op, o2) JOIN pg_catalog.pg_operator o ON o.oid = u.op \
             JOIN pg_catalog.pg_namespace sn ON sn.oid = o.oprnamespace ORDER BY u.o2), \
           k.confmatchtype = 'f', coalesce((to_jsonb(k) ->> 'conperiod')::bool, false) \
         FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.confrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE k.conrelid = $1 AND k.contype = 'f' AND coalesce(to_jsonb(k) ->> 'conenforced', 'true') = 'true' \
           AND k.conparentid = 0 ORDER BY 1",
        columns = names("k.conrelid", "k.conkey"),
        to = names("k.confrelid", "k.confkey"),
    );
    let (mut keys, mut others) = (Vec::new(), Vec::new());
    for row in client.query_typed(&sql, &[(&table, Type::OID)]).await? {
        let name: String = row.get(0);
        if row.get(7) {
            others.push(name);
            continue;
        }
        keys.push(Foreign {
            name,
            columns: row.get(1),
            table: row.get(2),
            to: row.get(3),
            own: row.get(4),
            equal: row.get(5),
            full: row.get(6),
        });
    }
    Ok((keys, others))
}

/// The triggers that are switched on, constraints' own ones left out.
pub(super) async fn triggers(client: &impl GenericClient, table: Oid) -> Result<Vec<Trigger>, Error> {
    // pg_trigger.h: 1 = for each row, 2 = before, 4 = insert, 16 = update.
    let sql = "SELECT g.tgname::text, g.tgtype & 4 <> 0, g.tgtype & 16 <> 0, g.tgtype & 3 = 3 FROM pg_catalog.pg_trigger g \
               WHERE g.tgrelid = $1 AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') ORDER BY 1";
    query::rows(client, sql, &[(&table, Type::OID)], |row| Trigger {
        name: row.get(0),
        on_insert: row.get(1),
        on_update: row.get(2),
        before_row: row.get(3),
    })
    .await
}
