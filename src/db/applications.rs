//! The application table: read, insert, update.
//!
//! Reading is a handful of queries whatever the number of applications; writing is one statement per thousand rows
//! or per changed row, and every write returns how many rows it touched. Statements are built from the [`Layout`],
//! values are always parameters, and everything travels as text that PostgreSQL casts to the column's own type, so
//! that swapped models with other key types work too. Knows no plan and no file.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row};

use super::layout::{Layout, Table, quote};
use crate::hasher::StoredSecret;
use crate::model::{
    Actual, ClientId, Dependents, Field, Key, Origin, Stored, StoredFields, TableRole, Unmanaged, UserRef,
};

/// Rows per INSERT.
const INSERT_ROWS: usize = 1_000;

/// What failed.
#[derive(Debug, thiserror::Error)]
#[error("{attempted} failed")]
pub struct ApplicationsError {
    /// What was attempted, on what.
    pub attempted: String,
    /// What the server or the connection said.
    #[source]
    pub source: tokio_postgres::Error,
}

fn attempt(what: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> ApplicationsError {
    let attempted = what.into();
    |source| ApplicationsError { attempted, source }
}

/// What the file mentions.
#[derive(Debug, Default)]
pub struct Mentioned {
    /// Declared, removed and renamed applications.
    pub client_ids: BTreeSet<ClientId>,
    /// Owners.
    pub users: BTreeSet<UserRef>,
}

/// A value of a column.
pub enum Cell<'a> {
    /// SQL NULL.
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
    /// Its identifier.
    pub client_id: &'a ClientId,
    /// Its managed fields.
    pub cells: Vec<(Field, Cell<'a>)>,
}

/// A row that is there, locked.
#[derive(Debug, PartialEq, Eq)]
pub struct Locked {
    /// Its key.
    pub key: Key,
    /// Its identifier now.
    pub client_id: ClientId,
    /// The digest of the whole row.
    pub fingerprint: String,
}

/// Reads all that a plan needs, in the snapshot of the caller's transaction. The ledger's part is the caller's.
pub async fn read(
    client: &impl GenericClient,
    layout: &Layout,
    mentioned: &Mentioned,
) -> Result<Actual, ApplicationsError> {
    let table = layout.application();
    let columns: BTreeMap<Field, Option<u32>> = Field::ALL
        .into_iter()
        .filter_map(|field| table.columns.get(field.column()).map(|column| (field, column.max_length)))
        .collect();
    let ids: Vec<&str> = mentioned.client_ids.iter().map(ClientId::as_str).collect();
    let applications = read_mentioned(client, table, &ids).await?;
    let (unmanaged, dynamic) = read_unmanaged(client, table, &ids).await?;
    let total = (applications.len() + unmanaged.len()) as u64 + dynamic;
    Ok(Actual {
        client_id_length: table.columns.get("client_id").and_then(|column| column.max_length),
        device_grants: layout.table(TableRole::DeviceGrant).is_some(),
        hashes_secrets: columns.contains_key(&Field::HashClientSecret)
            || hashes_secrets(client, table).await?,
        unfilled: unfilled(table),
        users: read_users(client, layout, &mentioned.users).await?,
        columns,
        applications,
        unmanaged,
        dynamic,
        total,
        owned: None,
    })
}

/// A digest that changes whenever the row does. The secret is left out, because plans are shown and kept, and a digest
/// over a weak secret could be guessed from; `xmin` changes with every write, so also with the secret.
const FINGERPRINT: &str =
    "encode(sha256(convert_to((to_jsonb(t) - 'client_secret')::text || t.xmin::text, 'UTF8')), 'hex')";

/// The column's text, or NULL where the schema lacks it.
fn select(table: &Table, column: &str) -> String {
    if table.has(column) { format!("t.{}::text", quote(column)) } else { "NULL::text".to_owned() }
}

async fn read_mentioned(
    client: &impl GenericClient,
    table: &Table,
    ids: &[&str],
) -> Result<BTreeMap<ClientId, Stored>, ApplicationsError> {
    let selected: Vec<String> = Field::ALL.iter().map(|field| select(table, field.column())).collect();
    let sql = format!(
        "SELECT t.{key}::text, t.client_id, {source}, {FINGERPRINT}, {fields} FROM {table} t \
         WHERE t.client_id = ANY($1)",
        key = table.key_sql(),
        source = select(table, "registration_source"),
        fields = selected.join(", "),
        table = table.sql(),
    );
    let rows = client.query(&sql, &[&ids]).await.map_err(attempt("reading the applications"))?;
    Ok(rows.into_iter().map(|row| stored(&row)).map(|stored| (stored.client_id.clone(), stored)).collect())
}

fn stored(row: &Row) -> Stored {
    let column = |field: Field| -> Option<String> {
        let position = Field::ALL.iter().position(|candidate| *candidate == field).unwrap_or_default();
        row.get(4 + position)
    };
    let text = |field| column(field).unwrap_or_default();
    let flag = |field| column(field).map(|value| value == "true");
    Stored {
        key: Key::new(row.get::<_, String>(0)),
        client_id: ClientId::new(row.get::<_, String>(1)),
        origin: Origin::parse(row.get::<_, Option<&str>>(2).unwrap_or_default()),
        fingerprint: row.get(3),
        fields: StoredFields {
            name: text(Field::Name),
            client_type: text(Field::ClientType),
            authorization_grant_type: text(Field::AuthorizationGrantType),
            redirect_uris: text(Field::RedirectUris),
            post_logout_redirect_uris: column(Field::PostLogoutRedirectUris),
            allowed_origins: column(Field::AllowedOrigins),
            algorithm: column(Field::Algorithm),
            skip_authorization: flag(Field::SkipAuthorization).unwrap_or_default(),
            hash_client_secret: flag(Field::HashClientSecret),
            client_secret: StoredSecret::new(text(Field::ClientSecret)),
            user: column(Field::User).map(Key::new),
        },
    }
}

async fn read_unmanaged(
    client: &impl GenericClient,
    table: &Table,
    ids: &[&str],
) -> Result<(Vec<Unmanaged>, u64), ApplicationsError> {
    let others =
        "NOT EXISTS (SELECT FROM unnest($1::text[]) AS m(client_id) WHERE m.client_id = t.client_id)";
    // The same rule as `Origin::is_manual`.
    let manual =
        if table.has("registration_source") { "t.registration_source IN ('manual', '')" } else { "true" };
    let sql = format!(
        "SELECT t.{key}::text, t.client_id, t.name, {FINGERPRINT} FROM {table} t \
         WHERE {others} AND {manual} ORDER BY t.client_id COLLATE \"C\"",
        key = table.key_sql(),
        table = table.sql(),
    );
    let attempted = "reading the other applications";
    let rows = client.query(&sql, &[&ids]).await.map_err(attempt(attempted))?;
    let unmanaged = rows
        .into_iter()
        .map(|row| Unmanaged {
            key: Key::new(row.get::<_, String>(0)),
            client_id: ClientId::new(row.get::<_, String>(1)),
            name: row.get(2),
            fingerprint: row.get(3),
        })
        .collect();
    let sql =
        format!("SELECT count(*) FROM {table} t WHERE {others} AND NOT ({manual})", table = table.sql());
    let row = client.query_one(&sql, &[&ids]).await.map_err(attempt(attempted))?;
    Ok((unmanaged, u64::try_from(row.get::<_, i64>(0)).unwrap_or_default()))
}

/// Schemas before DOT 2.4 do not say whether secrets are hashed; DOT 2.0's data migration does.
async fn hashes_secrets(client: &impl GenericClient, table: &Table) -> Result<bool, ApplicationsError> {
    let attempted = "finding out whether this DOT hashes secrets";
    let migrations = format!("{}.{}", quote(&table.schema), quote("django_migrations"));
    let row = client
        .query_one("SELECT to_regclass($1) IS NOT NULL", &[&migrations])
        .await
        .map_err(attempt(attempted))?;
    if !row.get::<_, bool>(0) {
        return Ok(true);
    }
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {migrations} \
         WHERE app = 'oauth2_provider' AND name = '0006_alter_application_client_secret')"
    );
    let row = client.query_one(&sql, &[]).await.map_err(attempt(attempted))?;
    Ok(row.get(0))
}

async fn read_users(
    client: &impl GenericClient,
    layout: &Layout,
    users: &BTreeSet<UserRef>,
) -> Result<BTreeMap<UserRef, Key>, ApplicationsError> {
    let (Some(table), false) = (&layout.users, users.is_empty()) else { return Ok(BTreeMap::new()) };
    let keys: Vec<&str> = users
        .iter()
        .filter_map(|user| match user {
            UserRef::Key(key) if could_be(table.key_type(), key) => Some(key.as_str()),
            _ => None,
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
    let rows = client.query(&sql, &[&keys, &names]).await.map_err(attempt("looking up the users"))?;
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

/// Whether PostgreSQL would take the text for a key of the type; asking it would be an error, not an answer.
fn could_be(key_type: &str, text: &str) -> bool {
    canonical(key_type, text).is_some()
}

/// PostgreSQL's text form of a key, for the types that Django uses.
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

/// DOT's own value of a column that no file manages, as SQL; `None`: not a DOT column.
fn dot_default(column: &str) -> Option<&'static str> {
    match column {
        "created" | "updated" => Some("now()"),
        "registration_source" => Some("'manual'"),
        "client_jwks" | "client_jwks_uri" | "token_endpoint_auth_method" => Some("''"),
        _ => None,
    }
}

/// The columns of a new row that nobody fills.
fn unfilled(table: &Table) -> Vec<String> {
    table
        .columns
        .values()
        .filter(|column| column.not_null && !column.filled && column.name != "client_id")
        .filter(|column| !Field::ALL.iter().any(|field| field.column() == column.name))
        .filter(|column| dot_default(&column.name).is_none())
        .filter(|column| column.name != table.key || column.sql_type != "uuid")
        .map(|column| column.name.clone())
        .collect()
}

/// Locks rows and reads what they are now, in key order.
pub async fn lock(
    client: &impl GenericClient,
    layout: &Layout,
    keys: &[&Key],
) -> Result<Vec<Locked>, ApplicationsError> {
    let table = layout.application();
    let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    let sql = format!(
        "SELECT t.{key}::text, t.client_id, {FINGERPRINT} FROM {table} t \
         WHERE t.{key} = ANY($1::text[]::{key_type}[]) ORDER BY t.{key} FOR UPDATE",
        key = table.key_sql(),
        key_type = table.key_type(),
        table = table.sql(),
    );
    let rows = client.query(&sql, &[&keys]).await.map_err(attempt("locking the applications"))?;
    Ok(rows
        .into_iter()
        .map(|row| Locked {
            key: Key::new(row.get::<_, String>(0)),
            client_id: ClientId::new(row.get::<_, String>(1)),
            fingerprint: row.get(2),
        })
        .collect())
}

/// Inserts rows, a thousand a statement; returns how many.
pub async fn insert(
    client: &impl GenericClient,
    layout: &Layout,
    applications: &[NewApplication<'_>],
) -> Result<u64, ApplicationsError> {
    let mut inserted = 0;
    for chunk in applications.chunks(INSERT_ROWS) {
        inserted += insert_chunk(client, layout.application(), chunk).await?;
    }
    Ok(inserted)
}

async fn insert_chunk(
    client: &impl GenericClient,
    table: &Table,
    applications: &[NewApplication<'_>],
) -> Result<u64, ApplicationsError> {
    let Some(first) = applications.first() else { return Ok(0) };
    let fields: Vec<Field> = first.cells.iter().map(|(field, _)| *field).collect();
    let mut columns = vec![quote("client_id")];
    let mut values = vec!["x.c0".to_owned()];
    let mut arrays: Vec<Vec<Option<&str>>> =
        vec![applications.iter().map(|application| Some(application.client_id.as_str())).collect()];
    for (position, field) in fields.iter().enumerate() {
        let Some(column) = table.columns.get(field.column()) else { continue };
        columns.push(quote(&column.name));
        values.push(format!("x.c{}::{}", arrays.len(), column.sql_type));
        arrays.push(
            applications
                .iter()
                .map(|application| application.cells.get(position).and_then(|(_, cell)| cell.as_text()))
                .collect(),
        );
    }
    for column in table.columns.values() {
        if let Some(default) = dot_default(&column.name) {
            columns.push(quote(&column.name));
            values.push(default.to_owned());
        } else if column.name == table.key && !column.filled && column.sql_type == "uuid" {
            columns.push(quote(&column.name));
            values.push("gen_random_uuid()".to_owned());
        }
    }
    let names: Vec<String> = (0..arrays.len()).map(|n| format!("c{n}")).collect();
    let unnest: Vec<String> = (1..=arrays.len()).map(|n| format!("${n}::text[]")).collect();
    let sql = format!(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM unnest({unnest}) AS x({names})",
        table = table.sql(),
        columns = columns.join(", "),
        values = values.join(", "),
        unnest = unnest.join(", "),
        names = names.join(", "),
    );
    let parameters: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|a| a as &(dyn ToSql + Sync)).collect();
    let what = match applications {
        [only] => format!("creating application \"{}\"", only.client_id),
        many => format!("creating {} applications", many.len()),
    };
    client.execute(&sql, &parameters).await.map_err(attempt(what))
}

/// Changes fields of one row, its client id perhaps, and `updated`; returns how many rows it touched: one.
pub async fn update(
    client: &impl GenericClient,
    layout: &Layout,
    key: &Key,
    client_id: &ClientId,
    cells: &[(Field, Cell<'_>)],
) -> Result<u64, ApplicationsError> {
    let table = layout.application();
    let mut assignments = vec!["client_id = $2".to_owned()];
    if table.has("updated") {
        // Django's auto_now.
        assignments.push("updated = now()".to_owned());
    }
    let key_text = key.as_str();
    let id_text = client_id.as_str();
    let texts: Vec<Option<&str>> = cells.iter().map(|(_, cell)| cell.as_text()).collect();
    let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&key_text, &id_text];
    for ((field, _), text) in cells.iter().zip(&texts) {
        let Some(column) = table.columns.get(field.column()) else { continue };
        parameters.push(text);
        assignments.push(format!(
            "{} = ${}::text::{}",
            quote(&column.name),
            parameters.len(),
            column.sql_type
        ));
    }
    let sql = format!(
        "UPDATE {table} SET {assignments} WHERE {key} = $1::text::{key_type}",
        table = table.sql(),
        assignments = assignments.join(", "),
        key = table.key_sql(),
        key_type = table.key_type(),
    );
    client.execute(&sql, &parameters).await.map_err(attempt(format!("updating application \"{client_id}\"")))
}

/// Deletes application rows; returns how many. What hangs on them must be gone, or COMMIT fails.
pub async fn delete(
    client: &impl GenericClient,
    layout: &Layout,
    keys: &[&Key],
) -> Result<u64, ApplicationsError> {
    let table = layout.application();
    let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    let sql = format!(
        "DELETE FROM {table} WHERE {key} = ANY($1::text[]::{key_type}[])",
        table = table.sql(),
        key = table.key_sql(),
        key_type = table.key_type(),
    );
    client.execute(&sql, &[&keys]).await.map_err(attempt("deleting applications"))
}

/// Counts what hangs on applications, in one query.
pub async fn dependents(
    client: &impl GenericClient,
    layout: &Layout,
    keys: &[&Key],
) -> Result<BTreeMap<Key, Dependents>, ApplicationsError> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let application = layout.application();
    let texts: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    let count = |role, live: &str| {
        layout.table(role).map_or_else(
            || "0::bigint, 0::bigint".to_owned(),
            |table| {
                format!(
                    "(SELECT count(*) FROM {0} d WHERE d.application_id = k.key), \
                     (SELECT count(*) FROM {0} d WHERE d.application_id = k.key AND {live})",
                    table.sql()
                )
            },
        )
    };
    let users = match (layout.table(TableRole::AccessToken), layout.table(TableRole::RefreshToken)) {
        (Some(access), Some(refresh)) => format!(
            "(SELECT count(*) FROM ( \
               SELECT d.user_id FROM {} d WHERE d.application_id = k.key AND d.expires > now() AND d.user_id IS NOT NULL \
               UNION SELECT d.user_id FROM {} d WHERE d.application_id = k.key AND d.revoked IS NULL) u)",
            access.sql(),
            refresh.sql()
        ),
        _ => "0::bigint".to_owned(),
    };
    let sql = format!(
        "SELECT k.key::text, {access}, {refresh}, {id}, {grants}, {users} \
         FROM unnest($1::text[]::{key_type}[]) AS k(key)",
        access = count(TableRole::AccessToken, "d.expires > now()"),
        refresh = count(TableRole::RefreshToken, "d.revoked IS NULL"),
        id = count(TableRole::IdToken, "d.expires > now()"),
        grants = count(TableRole::Grant, "d.expires > now()"),
        key_type = application.key_type(),
    );
    let rows = client.query(&sql, &[&texts]).await.map_err(attempt("counting what would be deleted"))?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let number = |column: usize| u64::try_from(row.get::<_, i64>(column)).unwrap_or_default();
            let dependents = Dependents {
                access_tokens: number(1),
                access_tokens_live: number(2),
                refresh_tokens: number(3),
                refresh_tokens_live: number(4),
                id_tokens: number(5),
                grants: number(7),
                users: number(9),
            };
            (Key::new(row.get::<_, String>(0)), dependents)
        })
        .collect())
}
