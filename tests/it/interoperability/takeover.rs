//! A database that `oauthctl migrate --provider` made, and that Django takes over afterwards.

use std::collections::BTreeMap;

use serde_json::json;

use super::{delivered, file, judge};
use crate::support::dot::Release;
use crate::support::server::server_program;
use crate::support::{Database, Sandbox, Template};

/// The whole schema `public` as `pg_dump` sees it.
fn dump(database: &Database) -> String {
    let output = server_program("pg_dump")
        .args(["--schema-only", "--no-owner", "--schema", "public", "--dbname", database.name()])
        .output()
        .expect("pg_dump runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Newer ones begin and end with a random key.
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.starts_with('\\')).flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn django_takes_over_and_finds_nothing_to_do() {
    let newest = Release::Newest;
    let django = newest.migrated();

    let database = Database::create(Template::Empty);
    let mut sandbox = Sandbox::with(&database);
    sandbox.oauthctl(&["migrate", "--provider"]).exits(0);
    crate::support::rows::user(&database, 7, "öps \"7\"");
    sandbox.set("ODD", "odd");
    sandbox.write("oauth.toml", file(newest, "client_secret_iterations = 1000\n"));
    sandbox.oauthctl(&["apply", "--yes", "--secrets-out", "made.json"]).exits(0);

    // As docs/without-django.md says.
    for app in ["contenttypes", "auth", "oauth2_provider"] {
        let log = newest.manage(&database, &["migrate", "--fake", app], &[]);
        assert!(log.contains(&format!("Applying {app}.0001_initial... FAKED")), "{log}");
    }
    let log = newest.manage(&database, &["migrate"], &[]);
    assert_eq!(log.matches("  Applying ").count(), 1, "{log}");
    assert!(log.contains("  Applying sessions.0001_initial... OK"), "{log}");

    let log = newest.manage(&database, &["migrate"], &[]);
    assert!(log.contains("No migrations to apply."), "{log}");
    let log = newest.manage(&database, &["makemigrations", "--check"], &[]);
    assert_eq!(log.trim(), "No changes detected");
    assert_eq!(dump(&database), dump(&django));

    let secrets: BTreeMap<String, String> = delivered(&sandbox, "made.json");
    let verdicts = judge(newest, &database, &secrets, &json!({ "OIDC_RSA_PRIVATE_KEY": "a key" }));
    for (client_id, verdict) in &verdicts {
        assert_eq!(verdict.errors, None, "{client_id}");
        assert_eq!(verdict.accepted, secrets.contains_key(client_id).then_some(true), "{client_id}");
    }
    assert_eq!(verdicts.len(), 9);
    let refused = sandbox.oauthctl(&["migrate", "--provider"]).exits(3);
    assert!(refused.stderr.contains("django_migrations"), "{refused}");
    let planned = sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
    assert!(planned.stdout.contains("No changes."), "{planned}");
}
