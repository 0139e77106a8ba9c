//! Who depends on applications: tokens, authorization codes and users, live or not. One query for each kind of rows,
//! for any number of applications. Writes nothing.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::db::error::DbError;
use crate::db::layout::Layout;
use crate::db::query::{self, unsigned};
use crate::model::{Dependents, Key, TableRole};

/// Counts the rows that refer to applications as of the start of the transaction, and returns that instant.
pub async fn dependents(
    client: &impl GenericClient,
    layout: &Layout,
    keys: &[&Key],
) -> Result<(OffsetDateTime, BTreeMap<Key, Dependents>), DbError> {
    let during = || DbError::during("counting what depends on the applications");
    let instant = query::value(client, "SELECT transaction_timestamp()", &[]).await.map_err(during())?;
    let texts: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    let mut found: BTreeMap<Key, Dependents> =
        keys.iter().map(|key| ((*key).clone(), Dependents::default())).collect();
    for (role, live, note) in KINDS {
        let Some(table) = layout.table(role) else { continue };
        let sql = format!(
            "SELECT d.application_id::text, count(*), count(*) FILTER (WHERE {live}) FROM {table} d \
             WHERE d.application_id = ANY($1::text[]::{key_type}[]) GROUP BY 1",
            table = table.sql(),
            key_type = layout.application().key_type(),
        );
        for row in client.query_typed(&sql, &[(&texts, Type::TEXT_ARRAY)]).await.map_err(during())? {
            if let Some(dependents) = found.get_mut(&Key::new(row.get::<_, String>(0))) {
                note(dependents, unsigned(row.get(1)), unsigned(row.get(2)));
            }
        }
    }
    if let Some(sql) = users(layout) {
        for row in client.query_typed(&sql, &[(&texts, Type::TEXT_ARRAY)]).await.map_err(during())? {
            if let Some(dependents) = found.get_mut(&Key::new(row.get::<_, String>(0))) {
                dependents.users = unsigned(row.get(1));
            }
        }
    }
    Ok((instant, found))
}

type Note = fn(&mut Dependents, u64, u64);

/// A kind of rows, which of them are live, and where their numbers go: all, and the live ones.
const KINDS: [(TableRole, &str, Note); 4] = [
    (TableRole::AccessToken, "d.expires > now()", |to, all, live| {
        (to.access_tokens, to.access_tokens_live) = (all, live);
    }),
    (TableRole::RefreshToken, "d.revoked IS NULL", |to, all, live| {
        (to.refresh_tokens, to.refresh_tokens_live) = (all, live);
    }),
    (TableRole::IdToken, "d.expires > now()", |to, all, _| to.id_tokens = all),
    (TableRole::Grant, "d.expires > now()", |to, all, live| (to.grants, to.grants_live) = (all, live)),
];

/// Distinct users among the live tokens.
fn users(layout: &Layout) -> Option<String> {
    let (access, refresh) = (layout.table(TableRole::AccessToken)?, layout.table(TableRole::RefreshToken)?);
    let key_type = layout.application().key_type();
    let of = |table: &str, live: &str| {
        format!(
            "SELECT d.application_id, d.user_id FROM {table} d \
             WHERE d.application_id = ANY($1::text[]::{key_type}[]) AND d.user_id IS NOT NULL AND {live}"
        )
    };
    Some(format!(
        "SELECT u.application_id::text, count(*) FROM ({} UNION {}) u GROUP BY 1",
        of(&access.sql(), "d.expires > now()"),
        of(&refresh.sql(), "d.revoked IS NULL")
    ))
}
