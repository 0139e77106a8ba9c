//! Reads what a plan needs: the rows that the file mentions, the others, and the rows that refer to them. Writes
//! nothing.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use super::users::{Found, described, read_users};
use super::{Mentioned, columns, fingerprint, secrets, unfilled_key};
use crate::db::error::DbError;
use crate::db::layout::{Layout, Table};
use crate::db::query;
use crate::db::source::{manual, registered_elsewhere};
use crate::model::printable::quote;
use crate::model::{Actual, ClientId, Field, Key, Origin, Stored, StoredFields, TableRole, Unmanaged};

/// How much is read of the rows that the file does not mention. There may be very many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Who they are: only a plan may delete them.
    Named,
    /// Their number; [`Actual::unmanaged`] stays empty.
    Counted,
}

/// Reads all that a plan needs, in the snapshot of the caller's transaction. The ledger's part is the caller's.
pub async fn read(
    client: &impl GenericClient,
    layout: &Layout,
    mentioned: &Mentioned,
    others: Others,
) -> Result<Actual, DbError> {
    let table = layout.application();
    let managed: BTreeMap<Field, Option<u32>> = Field::ALL
        .iter()
        .copied()
        .filter_map(|field| table.columns.get(field.column()).map(|column| (field, column.max_length)))
        .collect();
    let ids: Vec<&str> = mentioned.client_ids.iter().map(ClientId::as_str).collect();
    let applications = read_mentioned(client, layout, &ids).await?;
    let unmanaged = match others {
        Others::Named => read_unmanaged(client, layout, &ids).await?,
        Others::Counted => Vec::new(),
    };
    let (manual_rows, dynamic) = count_unmanaged(client, layout, &ids).await?;
    let (mut custom, renderings) = columns::read(client, layout, mentioned).await?;
    if mentioned.client_ids.iter().any(|client_id| !applications.contains_key(client_id)) {
        // Only a new row needs examples.
        columns::read_usual(client, table, &manual(layout), &mut custom).await?;
    }
    let Found { users, ambiguous } = read_users(client, layout, &mentioned.users).await?;
    let total = applications.len() as u64 + manual_rows + dynamic;
    Ok(Actual {
        client_id_length: table.columns.get("client_id").and_then(|column| column.max_length),
        device_grants: layout.table(TableRole::DeviceGrant).is_some(),
        hashes_secrets: managed.contains_key(&Field::HashClientSecret)
            || secrets::are_hashed(client, table).await?,
        unfilled_key: unfilled_key(table),
        custom,
        renderings,
        users,
        ambiguous_users: ambiguous,
        user_table: layout.users.as_ref().map(described),
        columns: managed,
        applications,
        unmanaged,
        dynamic,
        total,
        ownership: None,
        withholds_secrets: !table.withheld.is_empty(),
    })
}

/// The columns that [`stored`] reads of the row `t`, in its order.
pub(super) fn stored_columns(layout: &Layout) -> String {
    let table = layout.application();
    let selected: Vec<String> = Field::ALL.iter().map(|field| select(table, field.column())).collect();
    format!(
        "t.{key}::text, t.client_id::text, {source}, {fingerprint}, {fields}, {custom}, {elsewhere}",
        key = table.key_sql(),
        source = select(table, "registration_source"),
        fingerprint = fingerprint(table),
        fields = selected.join(", "),
        custom = columns::select(table),
        elsewhere = registered_elsewhere(layout),
    )
}

/// The column's text, or NULL where the schema lacks it or it is withheld.
fn select(table: &Table, column: &str) -> String {
    if table.reads(column) { format!("t.{}::text", quote(column)) } else { "NULL::text".to_owned() }
}

async fn read_mentioned(
    client: &impl GenericClient,
    layout: &Layout,
    ids: &[&str],
) -> Result<BTreeMap<ClientId, Box<Stored>>, DbError> {
    let table = layout.application();
    let (columns, table_sql) = (stored_columns(layout), table.sql());
    let sql = format!("SELECT {columns} FROM {table_sql} t WHERE t.client_id = ANY($1)");
    let mut found = BTreeMap::new();
    let keep = |row: &Row| {
        let stored = stored(row, table);
        found.insert(stored.client_id.clone(), Box::new(stored));
    };
    let read = query::each(client, &sql, &[(&ids, Type::TEXT_ARRAY)], keep).await;
    read.map_err(DbError::during("reading the applications"))?;
    Ok(found)
}

/// Reads rows that the file does not mention, in the snapshot of the caller's transaction.
pub async fn read_rows(
    client: &impl GenericClient,
    layout: &Layout,
    keys: &[&Key],
) -> Result<Vec<Stored>, DbError> {
    let table = layout.application();
    let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    let sql = format!(
        "SELECT {columns} FROM {table} t WHERE t.{key} = ANY($1::text[]::{key_type}[])",
        columns = stored_columns(layout),
        table = table.sql(),
        key = table.key_sql(),
        key_type = table.key_type(),
    );
    let read = query::rows(client, &sql, &[(&keys, Type::TEXT_ARRAY)], |row| stored(row, table)).await;
    read.map_err(DbError::during("reading the applications that would be deleted"))
}

/// A row that begins with the key, the client id, the source, the digest, the managed fields, the other columns, and whether it
/// registered itself elsewhere.
pub(super) fn stored(row: &Row, table: &Table) -> Stored {
    let column = |field: Field| -> Option<String> {
        let position = Field::ALL.iter().position(|candidate| *candidate == field).unwrap_or_default();
        row.get(4 + position)
    };
    let custom: Vec<Option<String>> =
        row.get::<_, Option<Vec<Option<String>>>>(4 + Field::ALL.len()).unwrap_or_default();
    let names = columns::readable(table).into_iter().map(|column| column.name.clone());
    Stored {
        key: Key::new(row.get::<_, String>(0)),
        client_id: ClientId::new(row.get::<_, String>(1)),
        origin: if row.get(5 + Field::ALL.len()) {
            Origin::Marked
        } else {
            Origin::parse(row.get::<_, Option<&str>>(2).unwrap_or_default())
        },
        fingerprint: row.get(3),
        fields: StoredFields::read(column, names.zip(custom).collect()),
    }
}

/// The rows `t` that the client ids in `$1` do not name.
const OTHERS: &str =
    "NOT EXISTS (SELECT FROM unnest($1::text[]) AS m(client_id) WHERE m.client_id = t.client_id)";

const READING_OTHERS: &str = "reading the other applications";

async fn read_unmanaged(
    client: &impl GenericClient,
    layout: &Layout,
    ids: &[&str],
) -> Result<Vec<Unmanaged>, DbError> {
    let table = layout.application();
    let sql = format!(
        "SELECT t.{key}::text, t.client_id::text, t.name::text, {fingerprint} FROM {table} t \
         WHERE {OTHERS} AND {manual} ORDER BY t.client_id COLLATE \"C\"",
        fingerprint = fingerprint(table),
        manual = manual(layout),
        key = table.key_sql(),
        table = table.sql(),
    );
    let unmanaged = query::rows(client, &sql, &[(&ids, Type::TEXT_ARRAY)], |row| Unmanaged {
        key: Key::new(row.get::<_, String>(0)),
        client_id: ClientId::new(row.get::<_, String>(1)),
        name: row.get::<_, Option<String>>(2).unwrap_or_default(),
        fingerprint: row.get(3),
    })
    .await;
    unmanaged.map_err(DbError::during(READING_OTHERS))
}

/// The numbers of the others: made by an administrator or a file, and registered dynamically.
async fn count_unmanaged(
    client: &impl GenericClient,
    layout: &Layout,
    ids: &[&str],
) -> Result<(u64, u64), DbError> {
    let (manual, table) = (manual(layout), layout.application().sql());
    let sql = format!(
        "SELECT count(*) FILTER (WHERE {manual}), count(*) FILTER (WHERE NOT ({manual})) FROM {table} t WHERE {OTHERS}"
    );
    let counts = query::rows(client, &sql, &[(&ids, Type::TEXT_ARRAY)], |row| {
        (query::unsigned(row.get(0)), query::unsigned(row.get(1)))
    })
    .await;
    let counts = counts.map_err(DbError::during(READING_OTHERS))?;
    Ok(counts.first().copied().unwrap_or_default())
}
