//! What PostgreSQL says that a role may do. Reads the catalogue only.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{Error, GenericClient};

use super::columns::Columns;
use crate::db::layout::Table;
use crate::db::{ON_PRIMARY, Parameter, query};
use crate::model::health::{Lack, Lacks, Privilege};

/// A table by its names; unlike `to_regclass()` this raises nothing where the role may not use the schema.
pub(in crate::db) async fn table_of(
    client: &impl GenericClient,
    schema: &str,
    name: &str,
) -> Result<Option<Oid>, Error> {
    let sql = format!(
        "{ON_PRIMARY} SELECT c.oid FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    );
    query::value_if_any(client, &sql, &[(&schema, Type::TEXT), (&name, Type::TEXT)]).await
}

/// Asks PostgreSQL which of the needs are not met. `narrow`: where columns are enough to ask for.
pub(in crate::db) async fn check(
    client: &impl GenericClient,
    role: Option<&str>,
    needs: &BTreeMap<(Oid, Privilege), Columns>,
    narrow: &BTreeSet<Oid>,
) -> Result<Lacks, Error> {
    let oids: Vec<Oid> = needs.keys().map(|(oid, _)| *oid).collect();
    let privileges: Vec<&str> = needs.keys().map(|(_, privilege)| privilege.sql()).collect();
    let columns: Vec<Option<String>> = needs.values().map(Columns::argument).collect();
    let parameters: [Parameter<'_>; 4] = [
        (&role, Type::TEXT),
        (&oids, Type::OID_ARRAY),
        (&privileges, Type::TEXT_ARRAY),
        (&columns, Type::TEXT_ARRAY),
    ];
    let rows = client.query_typed(CHECK, &parameters).await?;
    let mut lacks = Lacks { role: self::role(client, role).await?, all: Vec::new() };
    let mut schemas = BTreeSet::new();
    let mut by_table: BTreeMap<(String, Vec<String>), Vec<Privilege>> = BTreeMap::new();
    for (row, ((oid, privilege), columns)) in rows.iter().zip(needs) {
        if !row.get::<_, bool>(2) {
            schemas.insert(row.get::<_, String>(1));
        }
        if !row.get::<_, bool>(3) {
            let names = match columns {
                Columns::These(_) if narrow.contains(oid) => row.get(4),
                Columns::These(_) | Columns::Any | Columns::Whole => Vec::new(),
            };
            by_table.entry((row.get(0), names)).or_default().push(*privilege);
        }
    }
    // Tables that lack the same have one GRANT.
    let mut alike: BTreeMap<(Vec<Privilege>, Vec<String>), Vec<String>> = BTreeMap::new();
    for ((table, columns), privileges) in by_table {
        alike.entry((privileges, columns)).or_default().push(table);
    }
    lacks.all.extend(schemas.into_iter().map(Lack::Schema));
    let tables = alike.into_iter();
    lacks.all.extend(tables.map(|((privileges, columns), tables)| Lack::Tables {
        privileges,
        columns,
        tables,
    }));
    Ok(lacks)
}

/// A row for each need, in their order: the table, its schema, whether the role may use that, whether the need is met, and
/// its columns as SQL writes them.
const CHECK: &str = "\
    SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.quote_ident(n.nspname), \
           pg_catalog.has_schema_privilege(u.name, n.oid, 'USAGE'), \
           CASE WHEN w.columns IS NULL THEN pg_catalog.has_table_privilege(u.name, c.oid, w.privilege) \
                WHEN w.columns = '{}' THEN pg_catalog.has_any_column_privilege(u.name, c.oid, w.privilege) \
                ELSE pg_catalog.has_table_privilege(u.name, c.oid, w.privilege) \
                  OR (SELECT pg_catalog.bool_and(pg_catalog.has_column_privilege(u.name, c.oid, name, w.privilege)) \
                      FROM pg_catalog.unnest(w.columns::text[]) AS name) END, \
           ARRAY(SELECT pg_catalog.quote_ident(name) FROM pg_catalog.unnest(coalesce(w.columns, '{}')::text[]) AS name) \
    FROM (SELECT coalesce($1::text::name, current_user) AS name) u \
    CROSS JOIN ROWS FROM (pg_catalog.unnest($2::oid[]), pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[])) \
         WITH ORDINALITY AS w(oid, privilege, columns, position) \
    JOIN pg_catalog.pg_class c ON c.oid = w.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    ORDER BY w.position";

/// The role as SQL writes it.
async fn role(client: &impl GenericClient, role: Option<&str>) -> Result<String, Error> {
    let sql = "SELECT pg_catalog.quote_ident(coalesce($1::text::name, current_user))";
    query::value(client, sql, &[(&role, Type::TEXT)]).await
}

/// Sequences that the defaults of columns take numbers from, where an INSERT leaves these columns out.
pub(super) async fn sequences(
    client: &impl GenericClient,
    table: &Table,
    role: Option<&str>,
    written: &Columns,
) -> Result<Vec<Lack>, Error> {
    let written: Vec<&str> = match written {
        Columns::These(names) => names.iter().map(String::as_str).collect(),
        Columns::Any | Columns::Whole => Vec::new(),
    };
    // CASE: the planner must not ask for the privilege of what is no sequence.
    let sql = "SELECT DISTINCT pg_catalog.format('%I.%I', n.nspname, s.relname) FROM pg_catalog.pg_attrdef d \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
               JOIN pg_catalog.pg_depend p ON p.classid = 'pg_catalog.pg_attrdef'::regclass AND p.objid = d.oid \
                 AND p.refclassid = 'pg_catalog.pg_class'::regclass \
               JOIN pg_catalog.pg_class s ON s.oid = p.refobjid AND s.relkind = 'S' \
               JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace \
               WHERE d.adrelid = $2 AND a.attname <> ALL($3::text[]) \
                 AND CASE WHEN s.relkind = 'S' THEN NOT pg_catalog.has_sequence_privilege( \
                       coalesce($1::text::name, current_user), s.oid, 'USAGE, UPDATE') END ORDER BY 1";
    let parameters: [Parameter<'_>; 3] =
        [(&role, Type::TEXT), (&table.oid, Type::OID), (&written, Type::TEXT_ARRAY)];
    query::rows(client, sql, &parameters, |row| Lack::Sequence(row.get(0))).await
}

pub(super) async fn temporary(
    client: &impl GenericClient,
    role: Option<&str>,
) -> Result<Option<Lack>, Error> {
    let sql = "SELECT pg_catalog.quote_ident(current_database()) WHERE NOT pg_catalog.has_database_privilege( \
                 coalesce($1::text::name, current_user), current_database(), 'TEMPORARY')";
    let database = query::value_if_any(client, sql, &[(&role, Type::TEXT)]).await?;
    Ok(database.map(Lack::Temporary))
}
