//! `plan --out FILE` and `apply FILE`: what was reviewed is done, or nothing.

use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::support::rows::{APPLICATIONS, application, everything, session, user};
use super::support::{Database, Sandbox, Template};

const FILE: &str = r#"
[provider]
client_secret_iterations = 1

[applications.web]
name = "Web shop"
client_secret = { env = "WEB_SECRET" }

[applications.batch]
client_type = "confidential"
authorization_grant_type = "client-credentials"

[[removed]]
client_id = "legacy"

[cleanup]
"#;

const APPLY: [&str; 5] = ["apply", "saved.plan", "--yes", "--secrets-out", "secrets.json"];

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "alice");
    application(&database, 11, "web", &json!({ "name": "Shop", "client_secret": "the old one" }));
    application(&database, 12, "legacy", &json!({}));
    application(&database, 13, "other", &json!({}));
    session(&database, 1, 12, "2999-01-01T00:00:00Z");
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("WEB_SECRET", "the-new-one-of-27-letters-x");
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

#[test]
fn what_was_saved_is_applied_once() {
    let (database, sandbox) = world();
    let before = everything(&database, "public");
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    assert_eq!(before, everything(&database, "public"));
    let saved: Value = serde_json::from_str(&sandbox.read("saved.plan")).unwrap();
    assert_eq!(saved["steps"].as_array().unwrap().len(), 3);
    for secret in ["the-new-one", "the old one"] {
        assert!(!saved.to_string().contains(secret), "{saved}");
    }
    // Tokens come and go; a row that the plan does not touch may change.
    session(&database, 2, 12, "2999-01-01T00:00:00Z");
    database.execute(format!("UPDATE {APPLICATIONS} SET name = 'x' WHERE client_id = 'other'"));
    let output = sandbox.oauthctl(&APPLY).exits(0);
    assert!(
        output.stdout.contains("Applied: 1 created, 1 updated, 1 deleted (with 6 dependent rows).\n"),
        "{output}"
    );
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
    assert_snapshot!(sandbox.oauthctl(&APPLY).exits(4));
}

#[test]
fn whatever_has_changed_meanwhile_stops_it() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    let saved = sandbox.read("saved.plan");
    let before = everything(&database, "public");
    let mut told = String::new();
    let mut refused = |what: &str, code: i32| {
        let output = sandbox.oauthctl(&APPLY).exits(code);
        let _ = writeln!(told, "{what}\n{output}");
    };
    sandbox.write("saved.plan", saved.replace("Web shop", "Evil shop"));
    refused("# the plan was edited", 4);
    sandbox.write("saved.plan", "{}");
    refused("# it is something else", 64);
    sandbox.write("saved.plan", &saved);
    sandbox.write("oauth.toml", FILE.replace("Web shop", "Shop"));
    refused("# the file was edited", 4);
    sandbox.write("oauth.toml", FILE);
    std::fs::remove_file(sandbox.path().join("saved.plan")).unwrap();
    refused("# it is not there", 64);
    sandbox.write("saved.plan", &saved);
    assert_eq!(before, everything(&database, "public"));
    // The same values, but written.
    database.execute(format!("UPDATE {APPLICATIONS} SET name = name WHERE client_id = 'web'"));
    refused("# a row was written", 4);
    database.execute(format!("UPDATE {APPLICATIONS} SET client_id = 'batch' WHERE client_id = 'other'"));
    refused("# what would be created is there", 4);
    assert_snapshot!(told);
    assert_eq!(database.value(format!("SELECT count(*) FROM {APPLICATIONS}")), "3");
    assert!(!sandbox.path().join("secrets.json").exists());
}

#[test]
fn another_database_is_another_plan() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    let other = database.copy();
    let output = sandbox.command(&APPLY).env("PGDATABASE", other.name()).run().exits(4);
    assert!(
        output.stderr.starts_with("error: the plan was made for another database: [database]\n"),
        "{output}"
    );
    assert_eq!(everything(&database, "public"), everything(&other, "public"));
}

#[test]
fn it_remembers_the_target_and_the_instant_and_rails_still_hold() {
    let (database, sandbox) = world();
    sandbox.write("oauth.toml", FILE.replace("[cleanup]", "[policy]\nprotect = [\"legacy\"]\n\n[cleanup]"));
    database.execute("UPDATE oauth2_provider_accesstoken SET expires = '2020-01-01'");
    database.execute("UPDATE oauth2_provider_refreshtoken SET revoked = '2020-01-01'");
    let plan = ["plan", "--target", "legacy", "--out", "saved.plan", "--as-of", "2019-01-01T00:00:00Z"];
    sandbox.oauthctl(&plan).exits(3);
    sandbox.oauthctl(&APPLY).exits(3);
    let output = sandbox.oauthctl(&[&APPLY[..], &["--allow", "delete:legacy"]].concat()).exits(0);
    assert!(output.stdout.contains("Applied: 1 deleted"), "{output}");
    assert!(output.stdout.contains("Cleanup: nothing to delete as of 2019-01-01T00:00:00Z."), "{output}");
    let left = database.table(format!("SELECT client_id, name FROM {APPLICATIONS} ORDER BY id"));
    assert_eq!(left, "web | Shop\nother | ");
    for flag in [&["--target", "web"][..], &["--no-cleanup"], &["--as-of", "2019-01-01T00:00:00Z"]] {
        sandbox.oauthctl(&[&APPLY[..], flag].concat()).exits(64);
    }
}
