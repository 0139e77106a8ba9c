//! Writes rows: the only statements of the crate that change the application table.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::GenericClient;
use tokio_postgres::types::{ToSql, Type};

use super::{columns, dot_default, fingerprint};
use crate::db::error::DbError;
use crate::db::layout::{Column, Layout, Table};
use crate::db::{Parameter, query};
use crate::hasher::StoredSecret;
use crate::model::printable::quote;
use crate::model::{Attribute, ClientId, Field, Key, Maintained};

/// Rows per statement.
pub const SET: usize = 1_000;

/// A value of a column.
pub enum Cell<'a> {
    Null,
    /// Text that PostgreSQL casts.
    Text(String),
    /// The value of `client_secret`.
    Secret(&'a StoredSecret),
}

impl Cell<'_> {
    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text),
            Self::Secret(secret) => Some(secret.expose()),
        }
    }
}

/// A row to insert: its managed fields; the rest is filled in here.
pub struct NewApplication<'a> {
    pub client_id: &'a ClientId,
    /// Its managed fields.
    pub cells: Vec<(Attribute, Cell<'a>)>,
}

/// A row to change: its managed fields that are going to differ.
pub struct ChangedApplication<'a> {
    pub key: &'a Key,
    /// What it is going to be called.
    pub client_id: &'a ClientId,
    pub cells: Vec<(&'a Attribute, Cell<'a>)>,
}

/// A row as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub key: Key,
    /// Its identifier at that moment.
    pub client_id: ClientId,
    /// The digest of the whole row.
    pub fingerprint: String,
}

/// The columns that an INSERT of these fields names.
#[must_use]
pub fn inserted_columns<'a>(table: &'a Table, fields: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let own = table.columns.values().filter(|column| filled_here(table, column).is_some());
    let own = own.map(|column| column.name.as_str()).chain(columns::left_empty(table));
    let fields = fields.into_iter().chain(["client_id"]).filter(|name| table.has(name));
    fields.chain(own).map(str::to_owned).collect()
}

/// The columns that an UPDATE of these fields names.
#[must_use]
pub fn updated_columns<'a>(table: &'a Table, fields: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let fields = fields.into_iter().chain(["client_id"]).filter(|name| table.has(name));
    fields.chain(saved(table)).map(str::to_owned).collect()
}

/// The columns of Django's `auto_now`: DOT's, and those that look like it.
fn saved(table: &Table) -> impl Iterator<Item = &str> {
    let is_saved = |column: &&Column| {
        column.name == "updated" || columns::maintained(table, column) == Some(Maintained::OnSave)
    };
    table.columns.values().filter(is_saved).map(|column| column.name.as_str())
}

/// What a new row gets in a column that no file manages; `None`: PostgreSQL fills it.
pub(in crate::db) fn filled_here(table: &Table, column: &Column) -> Option<&'static str> {
    // A field of the plan has its value there; PostgreSQL refuses a column that is named twice.
    if Field::ALL.iter().any(|field| field.column() == column.name) {
        return None;
    }
    let key = column.name == table.key && !column.filled && column.sql_type == "uuid";
    let maintained = columns::maintained(table, column).is_some();
    dot_default(&column.name).or(key.then_some("gen_random_uuid()")).or(maintained.then_some("now()"))
}

/// Locks rows and reads what they are now, in key order.
pub async fn lock(client: &impl GenericClient, layout: &Layout, keys: &[&Key]) -> Result<Vec<Seen>, DbError> {
    if keys.is_empty() {
        // A lock needs UPDATE, which creating alone does not.
        return Ok(Vec::new());
    }
    let table = layout.application();
    let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    let (key, key_type) = (table.key_sql(), table.key_type());
    let sql = format!(
        "SELECT t.{key}::text, t.client_id::text, {} FROM {} t \
         WHERE t.{key} = ANY($1::text[]::{key_type}[]) ORDER BY t.{key} FOR UPDATE",
        fingerprint(table),
        table.sql()
    );
    query::rows(client, &sql, &[(&keys, Type::TEXT_ARRAY)], |row| Seen {
        key: Key::new(row.get::<_, String>(0)),
        client_id: ClientId::new(row.get::<_, String>(1)),
        fingerprint: row.get(2),
    })
    .await
    .map_err(DbError::during("locking the applications"))
}

/// A digest of which version of the rows of these applications there is. A write makes another version.
pub async fn versions(
    client: &impl GenericClient,
    layout: &Layout,
    client_ids: &[ClientId],
) -> Result<String, DbError> {
    let table = layout.application();
    let client_ids: Vec<&str> = client_ids.iter().map(ClientId::as_str).collect();
    let sql = format!(
        "SELECT encode(sha256(convert_to(coalesce(string_agg(concat_ws(' ', t.{key}, t.client_id, t.xmin), ',' \
         ORDER BY t.{key}), ''), 'UTF8')), 'hex') FROM {table} t WHERE t.client_id = ANY($1::text[])",
        key = table.key_sql(),
        table = table.sql(),
    );
    let versions = query::value(client, &sql, &[(&client_ids, Type::TEXT_ARRAY)]).await;
    versions.map_err(DbError::during("looking at what was written"))
}

/// Those of the client ids that a row has.
///
/// # Errors
/// The server's.
pub async fn existing(
    client: &impl GenericClient,
    layout: &Layout,
    client_ids: &[&ClientId],
) -> Result<Vec<ClientId>, DbError> {
    if client_ids.is_empty() {
        return Ok(Vec::new());
    }
    let client_ids: Vec<&str> = client_ids.iter().map(|client_id| client_id.as_str()).collect();
    let table = layout.application().sql();
    let sql =
        format!("SELECT t.client_id::text FROM {table} t WHERE t.client_id = ANY($1::text[]) ORDER BY 1");
    let existing = query::rows(client, &sql, &[(&client_ids, Type::TEXT_ARRAY)], |row| row.get(0)).await;
    let existing: Vec<String> =
        existing.map_err(DbError::during("looking whether the new client ids are free"))?;
    Ok(existing.into_iter().map(ClientId::new).collect())
}

/// Reads rows `t`. `which`: the condition and the order, with the values as `$1`.
/// The `client_secret` of rows, so that it can be left out of a message.
pub async fn stored_secrets(
    client: &impl GenericClient,
    layout: &Layout,
    keys: &[&Key],
) -> Result<Vec<StoredSecret>, tokio_postgres::Error> {
    let table = layout.application();
    let (sql, keys) = (table.sql(), keys.iter().map(|key| key.as_str()).collect::<Vec<_>>());
    let sql = format!(
        "SELECT client_secret::text FROM {sql} WHERE {key}::text = ANY($1::text[]) AND client_secret IS NOT NULL",
        key = table.key_sql(),
    );
    query::rows(client, &sql, &[(&keys, Type::TEXT_ARRAY)], |row| StoredSecret::new(row.get(0))).await
}

/// Inserts rows, a thousand a statement; returns how many.
pub async fn insert(
    client: &impl GenericClient,
    layout: &Layout,
    applications: &[NewApplication<'_>],
) -> Result<u64, DbError> {
    // One statement has the same columns for all its rows: a NULL would take the place of a default.
    let mut alike: BTreeMap<Vec<&Attribute>, Vec<&NewApplication<'_>>> = BTreeMap::new();
    for application in applications {
        let attributes = application.cells.iter().map(|(attribute, _)| attribute).collect();
        alike.entry(attributes).or_default().push(application);
    }
    let mut inserted = 0;
    for chunk in alike.values().flat_map(|applications| applications.chunks(SET)) {
        inserted += insert_chunk(client, layout.application(), chunk).await?;
    }
    Ok(inserted)
}

async fn insert_chunk(
    client: &impl GenericClient,
    table: &Table,
    applications: &[&NewApplication<'_>],
) -> Result<u64, DbError> {
    let Some(first) = applications.first() else { return Ok(0) };
    let mut columns = vec![quote("client_id")];
    let mut values = vec!["x.c0".to_owned()];
    let mut arrays: Vec<Vec<Option<&str>>> =
        vec![applications.iter().map(|application| Some(application.client_id.as_str())).collect()];
    for (position, (attribute, _)) in first.cells.iter().enumerate() {
        let Some(column) = table.columns.get(attribute.column()) else { continue };
        columns.push(quote(&column.name));
        values.push(format!("x.c{}::{}", arrays.len(), column.full_type));
        arrays.push(
            applications
                .iter()
                .map(|application| application.cells.get(position).and_then(|(_, cell)| cell.as_text()))
                .collect(),
        );
    }
    for column in table.columns.values() {
        let is_given = first.cells.iter().any(|(attribute, _)| attribute.column() == column.name);
        if let Some(value) = filled_here(table, column).filter(|_| !is_given) {
            columns.push(quote(&column.name));
            values.push(value.to_owned());
        }
    }
    let sql = format!(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM {rows}",
        table = table.sql(),
        columns = columns.join(", "),
        values = values.join(", "),
        rows = unnest(arrays.len()),
    );
    let what = match applications {
        [only] => format!("creating application \"{}\"", only.client_id),
        many => format!("creating {} applications", many.len()),
    };
    client.execute_typed(&sql, &arrays_of_text(&arrays)).await.map_err(DbError::during(what))
}

/// Changes fields of rows, their client ids perhaps, and what Django's `auto_now` would, in one statement; returns how many
/// rows it touched. All rows have the attributes of the first.
pub async fn update(
    client: &impl GenericClient,
    layout: &Layout,
    applications: &[&ChangedApplication<'_>],
) -> Result<u64, DbError> {
    let Some(first) = applications.first() else { return Ok(0) };
    let table = layout.application();
    let mut assignments = vec!["client_id = x.c1".to_owned()];
    assignments.extend(saved(table).map(|name| format!("{} = now()", quote(name))));
    let mut arrays: Vec<Vec<Option<&str>>> = vec![
        applications.iter().map(|application| Some(application.key.as_str())).collect(),
        applications.iter().map(|application| Some(application.client_id.as_str())).collect(),
    ];
    for (position, (attribute, _)) in first.cells.iter().enumerate() {
        let Some(column) = table.columns.get(attribute.column()) else { continue };
        assignments.push(format!("{} = x.c{}::{}", quote(&column.name), arrays.len(), column.full_type));
        arrays.push(
            applications
                .iter()
                .map(|application| application.cells.get(position).and_then(|(_, cell)| cell.as_text()))
                .collect(),
        );
    }
    let sql = format!(
        "UPDATE {table} t SET {assignments} FROM {rows} WHERE t.{key} = x.c0::{key_type}",
        table = table.sql(),
        assignments = assignments.join(", "),
        rows = unnest(arrays.len()),
        key = table.key_sql(),
        key_type = table.key_type(),
    );
    let what = match applications {
        [only] => format!("updating application \"{}\"", only.client_id),
        many => format!("updating {} applications", many.len()),
    };
    client.execute_typed(&sql, &arrays_of_text(&arrays)).await.map_err(DbError::during(what))
}

/// Rows `x` with the columns `c0`, `c1` and so on, each from an array.
fn unnest(columns: usize) -> String {
    let names: Vec<String> = (0..columns).map(|n| format!("c{n}")).collect();
    let arrays: Vec<String> = (1..=columns).map(|n| format!("${n}::text[]")).collect();
    format!("unnest({}) AS x({})", arrays.join(", "), names.join(", "))
}

fn arrays_of_text<'a>(arrays: &'a [Vec<Option<&'a str>>]) -> Vec<Parameter<'a>> {
    arrays.iter().map(|array| (array as &(dyn ToSql + Sync), Type::TEXT_ARRAY)).collect()
}

/// Deletes application rows; returns how many. The rows that refer to them must be deleted before, or COMMIT fails.
pub async fn delete(client: &impl GenericClient, layout: &Layout, keys: &[&Key]) -> Result<u64, DbError> {
    let table = layout.application();
    let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    let sql = format!(
        "DELETE FROM {table} WHERE {key} = ANY($1::text[]::{key_type}[])",
        table = table.sql(),
        key = table.key_sql(),
        key_type = table.key_type(),
    );
    let deleted = client.execute_typed(&sql, &[(&keys, Type::TEXT_ARRAY)]).await;
    deleted.map_err(DbError::during("deleting applications"))
}
