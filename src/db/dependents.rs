//! The rows that refer to applications: counted elsewhere, deleted here, as Django's ORM cascades.
//!
//! Django's constraints have no ON DELETE; the ORM deletes grants, tokens and ID tokens of an application, the access
//! tokens bound to those ID tokens, and sets the two pointers between access and refresh tokens to NULL (dot-reference
//! section 3.3). Each batch here leaves no pointer dangling, so it may be its own transaction. Knows no plan.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use super::layout::{Layout, Reference, Table};
use super::{Parameter, query};
use crate::model::printable::quote;
use crate::model::{ForeignRows, Key, TableRole};

/// Deletes up to `limit` dependent rows of one application; returns how many. Fewer than `limit`: none are left.
pub async fn drain(
    client: &impl GenericClient,
    layout: &Layout,
    application: &Key,
    limit: u32,
) -> Result<u64, Error> {
    let limit = i64::from(limit);
    let application = query::array([application.as_str()]);
    let mut deleted = 0;
    for sql in drain_statements(layout) {
        let left = limit - i64::try_from(deleted).unwrap_or(limit);
        if left <= 0 {
            break;
        }
        deleted += client.execute_typed(&sql, &[(&application, Type::TEXT), (&left, Type::INT8)]).await?;
    }
    Ok(deleted)
}

/// What [`drain`] runs, in order: `$1` are the keys of applications as PostgreSQL writes an array, `$2` is the most rows
/// to delete.
#[must_use]
pub fn drain_statements(layout: &Layout) -> Vec<String> {
    [TableRole::RefreshToken, TableRole::AccessToken, TableRole::IdToken, TableRole::Grant]
        .into_iter()
        .filter_map(|role| drain_sql(layout, role))
        .collect()
}

/// One statement: lock the rows, clear the pointers to them, delete them.
fn drain_sql(layout: &Layout, role: TableRole) -> Option<String> {
    let table = layout.table(role)?;
    let access = layout.table(TableRole::AccessToken);
    let refresh = layout.table(TableRole::RefreshToken);
    let side_effects = match (role, access, refresh) {
        (TableRole::RefreshToken, Some(access), _) => format!(
            ", cleared AS (UPDATE {} SET source_refresh_token_id = NULL \
               WHERE source_refresh_token_id IN (SELECT key FROM doomed))",
            access.sql()
        ),
        (TableRole::AccessToken, _, Some(refresh)) => clear_refresh(refresh, "doomed"),
        (TableRole::IdToken, Some(access), Some(refresh)) => format!(
            ", bound AS (DELETE FROM {access} WHERE id_token_id IN (SELECT key FROM doomed) RETURNING {key} AS key){cleared}",
            access = access.sql(),
            key = access.key_sql(),
            cleared = clear_refresh(refresh, "bound"),
        ),
        _ => String::new(),
    };
    Some(format!(
        "WITH doomed AS MATERIALIZED (SELECT {key} AS key FROM {table} \
           WHERE application_id = ANY($1::text::{application_key}[]) LIMIT $2 FOR UPDATE){side_effects} \
         DELETE FROM {table} WHERE {key} IN (SELECT key FROM doomed)",
        key = table.key_sql(),
        table = table.sql(),
        application_key = layout.application().key_type(),
    ))
}

fn clear_refresh(refresh: &Table, doomed: &str) -> String {
    format!(
        ", cleared AS (UPDATE {} SET access_token_id = NULL WHERE access_token_id IN (SELECT key FROM {doomed}))",
        refresh.sql()
    )
}

/// Counts the rows of foreign tables that refer to the applications or to their dependent rows. PostgreSQL would refuse to
/// delete what some of them refer to; others it deletes or changes by itself.
pub async fn foreign_rows(
    client: &impl GenericClient,
    layout: &Layout,
    applications: &[&Key],
) -> Result<BTreeMap<Key, Vec<ForeignRows>>, Error> {
    let keys: Vec<&str> = applications.iter().map(|key| key.as_str()).collect();
    let mut found: BTreeMap<Key, Vec<ForeignRows>> = BTreeMap::new();
    for (role, table) in layout.tables() {
        let application = if role == TableRole::Application { table.key.as_str() } else { "application_id" };
        if !table.has(application) {
            continue;
        }
        for reference in layout.foreign_references(role) {
            if !readable(client, reference).await? {
                for key in applications {
                    found.entry((*key).clone()).or_default().push(rows_of(reference, None));
                }
                continue;
            }
            let sql = format!(
                "SELECT t.{application}::text, count(*) FROM {from} f JOIN {table} t ON f.{column} = t.{to} \
                 WHERE t.{application} = ANY($1::text[]::{key_type}[]) GROUP BY 1",
                application = quote(application),
                from = reference.from_table,
                table = table.sql(),
                column = quote(&reference.from_column),
                to = quote(&reference.to_column),
                key_type = layout.application().key_type(),
            );
            for row in client.query_typed(&sql, &[(&keys, Type::TEXT_ARRAY)]).await? {
                let key = Key::new(row.get::<_, String>(0));
                let rows = query::unsigned(row.get(1));
                found.entry(key).or_default().push(rows_of(reference, Some(rows)));
            }
        }
    }
    Ok(found)
}

/// Whether this role may count the referring rows. What PostgreSQL does with them needs no right of the role's.
async fn readable(client: &impl GenericClient, reference: &Reference) -> Result<bool, Error> {
    let sql = "SELECT has_column_privilege(c.oid, $2, 'SELECT') AND has_schema_privilege(c.relnamespace, 'USAGE') \
               FROM pg_catalog.pg_class c WHERE c.oid = $1";
    let parameters: [Parameter<'_>; 2] = [(&reference.from, Type::OID), (&reference.from_column, Type::TEXT)];
    Ok(query::value_if_any(client, sql, &parameters).await?.unwrap_or_default())
}

fn rows_of(reference: &Reference, rows: Option<u64>) -> ForeignRows {
    ForeignRows {
        table: reference.from_table.clone(),
        column: reference.from_column.clone(),
        constraint: reference.constraint.clone(),
        on_delete: reference.on_delete,
        blocks: reference.blocks(),
        rows,
    }
}
