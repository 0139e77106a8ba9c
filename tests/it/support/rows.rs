//! Rows in the tables of any DOT: columns that a schema lacks are left out, columns that it has beyond are filled.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Database;

/// Where the application model lives.
pub const APPLICATIONS: &str = "oauth2_provider_application";

/// Inserts a row as a JSON object; keys without a column are ignored.
pub fn insert(database: &Database, table: &str, row: &Value) {
    database.execute(statement(table, row));
}

/// The same as a statement.
pub fn statement(table: &str, row: &Value) -> String {
    let literal = row.to_string().replace('\'', "''");
    format!("INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, '{literal}'::jsonb)).*")
}

/// An application with DOT's defaults, changed as `with` says.
pub fn application(database: &Database, id: i64, client_id: &str, with: &Value) {
    let mut row = json!({
        "id": id, "client_id": client_id, "redirect_uris": "", "client_type": "confidential",
        "authorization_grant_type": "client-credentials", "client_secret": "", "name": "",
        "skip_authorization": false, "created": "2024-01-01T00:00:00Z", "updated": "2024-01-01T00:00:00Z",
        "algorithm": "", "post_logout_redirect_uris": "", "hash_client_secret": true, "allowed_origins": "",
        "registration_source": "manual", "client_jwks": "", "client_jwks_uri": "",
        "token_endpoint_auth_method": "",
    });
    merge(&mut row, with);
    insert(database, APPLICATIONS, &row);
}

/// A user, so that tokens have one.
pub fn user(database: &Database, id: i64, username: &str) {
    let row = json!({
        "id": id, "username": username, "password": "!", "is_superuser": false, "first_name": "", "last_name": "",
        "email": "", "is_staff": false, "is_active": true, "date_joined": "2024-01-01T00:00:00Z",
    });
    insert(database, "auth_user", &row);
}

/// A session of user 1: an access token, its refresh token and its ID token, all with the same id.
pub fn session(database: &Database, id: i64, application: i64, expires: &str) {
    let times =
        json!({ "created": "2024-01-01T00:00:00Z", "updated": "2024-01-01T00:00:00Z", "expires": expires });
    let mut id_token = json!({
        "id": id, "jti": format!("00000000-0000-0000-0000-{id:012}"), "scope": "openid", "application_id": application,
        "user_id": 1,
    });
    merge(&mut id_token, &times);
    insert(database, "oauth2_provider_idtoken", &id_token);
    let mut access = json!({
        "id": id, "token": format!("access-{id}"), "token_checksum": format!("{id:064}"), "scope": "openid",
        "application_id": application, "user_id": 1, "id_token_id": id, "resource": [],
    });
    merge(&mut access, &times);
    insert(database, "oauth2_provider_accesstoken", &access);
    let mut refresh = json!({
        "id": id, "token": format!("refresh-{id}"), "token_checksum": format!("{id:064}"),
        "application_id": application, "user_id": 1, "access_token_id": id, "resource": [],
    });
    merge(&mut refresh, &times);
    insert(database, "oauth2_provider_refreshtoken", &refresh);
}

fn merge(row: &mut Value, with: &Value) {
    for (key, value) in with.as_object().unwrap() {
        row[key] = value.clone();
    }
}

/// Every row of every table of a schema, in a stable order: equal texts are equal databases.
pub fn everything(database: &Database, schema: &str) -> String {
    let tables = database.rows(format!(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = '{schema}' ORDER BY 1"
    ));
    let mut out = String::new();
    for table in tables.into_iter().flatten().flatten() {
        let rows = database.table(format!("SELECT to_jsonb(t)::text FROM {table} t ORDER BY 1"));
        writeln!(out, "# {table}\n{rows}").unwrap();
    }
    out
}
