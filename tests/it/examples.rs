//! Every file in `examples/` does what a reader expects of it: it is applied to an empty database, and then there is
//! nothing left to do. What becomes of a database that has drifted is in `session`.

use std::collections::BTreeSet;
use std::fs;

use oauthctl::config;
use serde_json::Value;

use crate::support::database::Template;
use crate::support::{Database, Sandbox};

const DJANGO_HASH: &str = "pbkdf2_sha256$";

fn applied_to_an_empty_database(path: &str) -> Database {
    let database = Database::create(Template::Dot341);
    database.execute(
        "INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, \
         is_active, date_joined) VALUES (1, '!', false, 'ops', '', '', '', false, true, now())",
    );
    let mut sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", fs::read(path).unwrap());
    sandbox.write("partner-secret.txt", "a partner's secret\n");
    for name in ["WEB_CLIENT_SECRET", "BILLING_CLIENT_SECRET", "PARTNER_API_CLIENT_SECRET"] {
        sandbox.set(name, "a secret of the environment");
    }
    sandbox.set("DATABASE_URL", database.url());
    sandbox.oauthctl(&["validate"]).exits(0);
    sandbox.oauthctl(&["apply", "--yes", "--secrets-out", "secrets.json"]).exits(0);
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
    database
}

#[test]
fn minimal() {
    let database = applied_to_an_empty_database("examples/minimal.toml");
    assert_eq!(
        database.table("SELECT client_id, name, redirect_uris FROM oauth2_provider_application"),
        "web | Web shop | https://shop.example.com/callback"
    );
}

#[test]
fn every_key() {
    let database = applied_to_an_empty_database("examples/every-key.toml");
    let rows = database.rows("SELECT client_id, client_secret FROM oauth2_provider_application ORDER BY 1");
    let hashed = rows.iter().filter(|row| row[1].as_ref().unwrap().starts_with(DJANGO_HASH)).count();
    let client_ids: Vec<&str> = rows.iter().map(|row| row[0].as_deref().unwrap()).collect();
    assert_eq!((client_ids, hashed), (vec!["nightly-export", "partner", "reports", "web-shop"], 4));
}

#[test]
fn every_key_is_in_every_key() {
    let text = fs::read_to_string("examples/every-key.toml").unwrap();
    let mut keys = BTreeSet::new();
    collect_keys(&config::json_schema(), &mut keys);
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let missing: Vec<_> = keys.iter().filter(|key| !words.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "not in examples/every-key.toml: {missing:?}");
}

#[test]
fn quickstart() {
    let database = applied_to_an_empty_database("examples/quickstart/oauth.toml");
    assert_eq!(database.value("SELECT count(*) FROM oauth2_provider_application"), "7");
}

/// The names of all properties, at every depth.
fn collect_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(entries) => {
            if let Some(Value::Object(properties)) = entries.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            entries.values().for_each(|value| collect_keys(value, keys));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}
