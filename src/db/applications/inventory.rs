//! Reads applications by what they are, and how they are used: one query for the rows and one for each kind of token.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use tokio_postgres::GenericClient;
use tokio_postgres::types::{ToSql, Type};

use super::owners::OwnerSql;
use super::read::{stored, stored_columns};
use crate::db::Parameter;
use crate::db::error::DbError;
use crate::db::layout::{Layout, Table};
use crate::db::query::{self, instant_if_any, unsigned};
use crate::db::source::{manual, source};
use crate::model::printable::quote;
use crate::model::{
    Field, Kept, Key, Listed, Named, Owner, RecentToken, Selection, TableRole, Tokens, Usage,
};

/// Columns of a selected row that are the managed ones and those before them.
const OWN_COLUMNS: usize = 6 + Field::ALL.len();

/// The rows that the selection means, in the order of their client ids' bytes.
pub async fn list<R: Kept>(
    client: &impl GenericClient,
    layout: &Layout,
    selection: &Selection,
) -> Result<Vec<R>, DbError> {
    let table = layout.application();
    let instant = |column: &str| {
        if table.has(column) {
            format!("t.{}::timestamptz", quote(column))
        } else {
            "NULL::timestamptz".to_owned()
        }
    };
    let owner = OwnerSql::of(client, layout).await?;
    let sql = format!(
        "SELECT {stored}, {created}, {updated}, {exists}, {name}, {unique} \
         FROM {table} t {join} \
         WHERE (cardinality($1::text[]) = 0 OR t.client_id = ANY($1)) \
           AND (cardinality($2::text[]) = 0 OR t.client_id::text COLLATE \"C\" LIKE ANY($2)) \
           AND (cardinality($3::text[]) = 0 OR t.user_id::text = ANY($3) OR {name} = ANY($3)) \
           AND (cardinality($4::text[]) = 0 OR t.client_type = ANY($4)) \
           AND (cardinality($5::text[]) = 0 OR t.authorization_grant_type = ANY($5)) \
           AND (cardinality($6::text[]) = 0 OR {source} = ANY($6)) \
         ORDER BY t.client_id::text COLLATE \"C\"",
        stored = stored_columns(layout),
        created = instant("created"),
        updated = instant("updated"),
        exists = owner.exists,
        name = owner.name,
        unique = owner.unique,
        join = owner.join,
        source = source(layout),
        table = table.sql(),
    );
    let patterns: Vec<String> = selection.globs.iter().map(|glob| like(glob)).collect();
    let Selection { client_ids, globs: _, users, client_types, grant_types, sources } = selection;
    let lists = [client_ids, &patterns, users, client_types, grant_types, sources]
        .map(|list| (list as &(dyn ToSql + Sync), Type::TEXT_ARRAY));
    query::rows(client, &sql, &lists, |row| {
        let stored = stored(row, table);
        let owner = stored.fields.user.clone().map(|key| Owner {
            key,
            exists: row.get(OWN_COLUMNS + 2),
            name: row
                .get::<_, Option<String>>(OWN_COLUMNS + 3)
                .zip(owner.column)
                .map(|(value, column)| Named::new(column, value)),
            is_unique: row.get(OWN_COLUMNS + 4),
        });
        let (created, updated) = (OWN_COLUMNS, OWN_COLUMNS + 1);
        R::keep(Listed {
            stored,
            created: instant_if_any(row, created),
            updated: instant_if_any(row, updated),
            owner,
        })
    })
    .await
    .map_err(DbError::during("reading the applications"))
}

/// The instant of the caller's transaction.
pub async fn instant(client: &impl GenericClient) -> Result<OffsetDateTime, DbError> {
    let instant = query::value(client, "SELECT now()", &[]).await;
    instant.map_err(DbError::during("reading the database's clock"))
}

/// A glob as LIKE has it.
fn like(glob: &str) -> String {
    let mut pattern = String::with_capacity(glob.len());
    for c in glob.chars() {
        match c {
            '*' => pattern.push('%'),
            '?' => pattern.push('_'),
            '%' | '_' | '\\' => pattern.extend(['\\', c]),
            c => pattern.push(c),
        }
    }
    pattern
}

/// Counts the tokens of these applications: one query for each kind.
pub async fn usage(
    client: &impl GenericClient,
    layout: &Layout,
    keys: &[&Key],
) -> Result<BTreeMap<Key, Usage>, DbError> {
    let mut usage: BTreeMap<Key, Usage> = BTreeMap::new();
    if keys.is_empty() {
        return Ok(usage);
    }
    for role in [TableRole::AccessToken, TableRole::RefreshToken] {
        let Some(table) = layout.table(role) else { continue };
        for (key, tokens) in count(client, layout, table, role, keys).await? {
            let usage = usage.entry(key).or_default();
            match role {
                TableRole::AccessToken => usage.access = tokens,
                _ => usage.refresh = tokens,
            }
        }
    }
    Ok(usage)
}

async fn count(
    client: &impl GenericClient,
    layout: &Layout,
    table: &Table,
    role: TableRole,
    keys: &[&Key],
) -> Result<Vec<(Key, Tokens)>, DbError> {
    let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    let sql = format!(
        "SELECT d.application_id::text, count(*), count(*) FILTER (WHERE {live}), {last} FROM {table} d \
         WHERE d.application_id = ANY($1::text[]::{key_type}[]) GROUP BY d.application_id",
        live = live(role),
        last = last_use(table),
        table = table.sql(),
        key_type = layout.application().key_type(),
    );
    let counted = query::rows(client, &sql, &[(&keys, Type::TEXT_ARRAY)], |row| {
        let tokens =
            Tokens { total: unsigned(row.get(1)), live: unsigned(row.get(2)), last: instant_if_any(row, 3) };
        (Key::new(row.get::<_, String>(0)), tokens)
    })
    .await;
    counted.map_err(DbError::during("counting the tokens"))
}

/// The columns that tell when a token was made or used. Models of the project's own may lack DOT's, and have others.
const TOUCHED: [&str; 3] = ["created", "updated", "modified"];

/// When one of the tokens `d` was last made or used. Without such a column, the end of the newest one: it was made before
/// that, and not after now.
fn last_use(table: &Table) -> String {
    let is_instant =
        |name: &&str| table.columns.get(*name).is_some_and(|it| it.base_type.starts_with("timestamp"));
    let instants: Vec<String> = TOUCHED
        .into_iter()
        .filter(is_instant)
        .map(|name| format!("d.{}::timestamptz", quote(name)))
        .collect();
    match instants.as_slice() {
        [] if table.has("expires") => {
            "max(least(d.expires::timestamptz, now())) FILTER (WHERE d.expires IS NOT NULL)".to_owned()
        }
        [] => "NULL::timestamptz".to_owned(),
        instants => format!("max(greatest({}))", instants.join(", ")),
    }
}

/// What a server still accepts, without what cleanup knows of grace periods and lifetimes.
const fn live(role: TableRole) -> &'static str {
    match role {
        TableRole::RefreshToken => "d.revoked IS NULL",
        _ => "d.expires > now()",
    }
}

/// The newest tokens of an application, access and refresh tokens together, newest first.
pub async fn recent_tokens(
    client: &impl GenericClient,
    layout: &Layout,
    application: &Key,
    limit: i64,
) -> Result<Vec<RecentToken>, DbError> {
    let mut recent = Vec::new();
    for role in [TableRole::AccessToken, TableRole::RefreshToken] {
        let Some(table) = layout.table(role).filter(|table| table.has("created")) else { continue };
        let is_refresh = role == TableRole::RefreshToken;
        let sql = format!(
            "SELECT d.created::timestamptz, {end}::timestamptz FROM {table} d WHERE d.application_id = $1::text::{key_type} \
             ORDER BY d.created DESC LIMIT $2",
            end = if is_refresh { "d.revoked" } else { "d.expires" },
            table = table.sql(),
            key_type = layout.application().key_type(),
        );
        let parameters: [Parameter<'_>; 2] = [(&application.as_str(), Type::TEXT), (&limit, Type::INT8)];
        let read = query::rows(client, &sql, &parameters, |row| {
            let end = instant_if_any(row, 1);
            let (expires, revoked) = if is_refresh { (None, end) } else { (end, None) };
            RecentToken { is_refresh, created: query::instant(row, 0), expires, revoked }
        });
        recent.extend(read.await.map_err(DbError::during("reading the newest tokens"))?);
    }
    recent.sort_by_key(|token| std::cmp::Reverse(token.created));
    recent.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(recent)
}

/// The client ids of the manual applications, for "did you mean"; at most `limit`.
pub async fn client_ids(
    client: &impl GenericClient,
    layout: &Layout,
    limit: i64,
) -> Result<Vec<String>, DbError> {
    let (manual, table) = (manual(layout), layout.application().sql());
    let sql = format!("SELECT t.client_id::text FROM {table} t WHERE {manual} LIMIT $1");
    query::rows(client, &sql, &[(&limit, Type::INT8)], |row| row.get(0))
        .await
        .map_err(DbError::during("reading the applications"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_become_patterns() {
        assert_eq!(like("web-*"), "web-%");
        assert_eq!(like("a?b"), "a_b");
        assert_eq!(like("100%_\\"), "100\\%\\_\\\\");
    }
}
