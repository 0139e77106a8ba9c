//! Looks up the owners that the file names. The user table is the project's own: its key may be of any type.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::db::error::DbError;
use crate::db::layout::Layout;
use crate::model::{Key, UserRef};

pub(super) async fn read_users(
    client: &impl GenericClient,
    layout: &Layout,
    users: &BTreeSet<UserRef>,
) -> Result<BTreeMap<UserRef, Key>, DbError> {
    let (Some(table), false) = (&layout.users, users.is_empty()) else { return Ok(BTreeMap::new()) };
    let keys: Vec<&str> = users
        .iter()
        .filter_map(|user| match user {
            // Asking PostgreSQL about a text that is no key of the type would be an error, not an answer.
            UserRef::Key(key) => canonical(table.key_type(), key).map(|_| key.as_str()),
            UserRef::Username(_) => None,
        })
        .collect();
    let names: Vec<&str> = users
        .iter()
        .filter_map(|user| match user {
            UserRef::Username(name) => Some(name.as_str()),
            UserRef::Key(_) => None,
        })
        .collect();
    let (username, by_name) = if table.has("username") {
        ("u.username::text", "u.username = ANY($2)")
    } else {
        ("NULL::text", "$2::text[] IS NULL")
    };
    let sql = format!(
        "SELECT u.{key}::text, {username} FROM {table} u \
         WHERE u.{key} = ANY($1::text[]::{key_type}[]) OR {by_name}",
        key = table.key_sql(),
        key_type = table.key_type(),
        table = table.sql(),
    );
    let rows = client.query_typed(&sql, &[(&keys, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)]).await;
    let rows = rows.map_err(DbError::during("looking up the users"))?;
    let mut found = BTreeMap::new();
    for row in rows {
        let key: String = row.get(0);
        if let Some(name) = row.get::<_, Option<String>>(1) {
            found.insert(UserRef::Username(name), Key::new(key.clone()));
        }
        found.insert(UserRef::Key(key.clone()), Key::new(key));
    }
    // `user = "007"` is the integer 7 for PostgreSQL, but not the text that the file has; and UUIDs have several forms.
    for user in users {
        if let UserRef::Key(written) = user
            && let Some(key) =
                canonical(table.key_type(), written).and_then(|key| found.get(&UserRef::Key(key)).cloned())
        {
            found.insert(user.clone(), key);
        }
    }
    found.retain(|user, _| users.contains(user));
    Ok(found)
}

/// PostgreSQL's text form of a key, for the types that Django uses; `None`: it takes the text for no key of the type.
fn canonical(key_type: &str, text: &str) -> Option<String> {
    match key_type {
        "smallint" => text.parse::<i16>().ok().map(|key| key.to_string()),
        "integer" => text.parse::<i32>().ok().map(|key| key.to_string()),
        "bigint" => text.parse::<i64>().ok().map(|key| key.to_string()),
        "uuid" => {
            let hex: String = text.chars().filter(|c| *c != '-').collect::<String>().to_lowercase();
            let valid = hex.len() == 32 && hex.chars().all(|c| c.is_ascii_hexdigit());
            valid.then(|| [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
        }
        _ => (!text.contains('\0')).then(|| text.to_owned()),
    }
}
