//! Looks up the owners that the file names. The user table is the project's own: its key may be of any type, and users may
//! have names in any column.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::db::error::DbError;
use crate::db::layout::{Column, Layout, Table};
use crate::db::query;
use crate::model::printable::quote;
use crate::model::{Key, Named, UserRef, UserTable, announces_secret};

/// The users that there are, by what the file calls them.
#[derive(Default)]
pub(super) struct Found {
    pub users: BTreeMap<UserRef, Key>,
    /// What is several users, and how many.
    pub ambiguous: BTreeMap<UserRef, u64>,
}

const ATTEMPTED: &str = "looking up the users";

pub(super) async fn read_users(
    client: &impl GenericClient,
    layout: &Layout,
    users: &BTreeSet<UserRef>,
) -> Result<Found, DbError> {
    let mut found = Found::default();
    let Some(table) = &layout.users else { return Ok(found) };
    let (mut keys, mut named): (Vec<&str>, BTreeMap<&str, Vec<&str>>) = Default::default();
    for user in users {
        match user {
            UserRef::Key(key) => keys.push(key),
            UserRef::Named(Named { column, value }) => named.entry(column).or_default().push(value),
        }
    }
    for (value, key, _) in by_column(client, table, &table.key, &keys).await? {
        found.users.insert(UserRef::Key(value), key);
    }
    for (name, values) in named {
        for (value, key, count) in by_column(client, table, name, &values).await? {
            let user = UserRef::Named(Named::new(name, value));
            if count == 1 {
                found.users.insert(user, key);
            } else {
                found.ambiguous.insert(user, count);
            }
        }
    }
    Ok(found)
}

/// What a message can say of the table.
pub(super) fn described(table: &Table) -> UserTable {
    let columns = table.columns.keys().filter(|name| !announces_secret(name)).cloned().collect();
    UserTable { name: table.qualified_name(), columns }
}

/// The users that have one of these values in a column: the value as it was given, the smallest key, and how many there are.
async fn by_column(
    client: &impl GenericClient,
    table: &Table,
    name: &str,
    values: &[&str],
) -> Result<Vec<(String, Key, u64)>, DbError> {
    let Some(column) = table.columns.get(name).filter(|_| !announces_secret(name)) else {
        return Ok(Vec::new());
    };
    // Asking PostgreSQL about a text that is no value of the type would be an error, not an answer.
    let values: Vec<&str> = values.iter().copied().filter(|value| is_of_type(column, value)).collect();
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let (of_user, given) = (format!("u.{}", quote(name)), "x.value");
    let same = match column.base_type.as_str() {
        "smallint" | "integer" | "bigint" | "uuid" => format!("{of_user} = {given}::{}", column.sql_type),
        "citext" => format!("lower({of_user}::text) = lower({given})"),
        _ => format!("{of_user}::text = {given}"),
    };
    let sql = format!(
        "SELECT {given}, min(u.{key}::text), count(*) FROM unnest($1::text[]) AS x(value) JOIN {table} u ON {same} \
         GROUP BY {given}",
        key = table.key_sql(),
        table = table.sql(),
    );
    query::rows(client, &sql, &[(&values, Type::TEXT_ARRAY)], |row| {
        (row.get(0), Key::new(row.get::<_, String>(1)), query::unsigned(row.get(2)))
    })
    .await
    .map_err(DbError::during(ATTEMPTED))
}

/// Whether PostgreSQL takes the text for a value of the type, for the types that Django uses as keys.
fn is_of_type(column: &Column, text: &str) -> bool {
    match column.base_type.as_str() {
        "smallint" => text.parse::<i16>().is_ok(),
        "integer" => text.parse::<i32>().is_ok(),
        "bigint" => text.parse::<i64>().is_ok(),
        "uuid" => {
            let hex = text.chars().filter(|c| *c != '-');
            let (all, good) =
                hex.fold((0, 0), |(all, good), c| (all + 1, good + u32::from(c.is_ascii_hexdigit())));
            (all, good) == (32, 32)
        }
        _ => !text.contains('\0'),
    }
}
