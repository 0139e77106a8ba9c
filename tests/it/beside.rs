//! Two of everything: what comes of two programs that work on the same tables at once.
//!
//! Two applies are in `two_applies`, cleaners on several hosts in `cleanup::hosts`, applications that use their tokens in
//! `cleanup::locks` and `cleanup::rewrite_beside`. Here: `manage.py cleartokens` beside ours, `apply` beside a cleanup, and
//! a migration between a plan and its apply.

use std::collections::BTreeSet;
use std::time::Duration;

use oauthctl::model::CleanupPolicy;
use serde_json::json;

use super::cleanup::draft::Draft;
use super::cleanup::graph::Graph;
use super::cleanup::runner::now;
use super::support::dot::Release;
use super::support::rows::application;
use super::support::{Database, Sandbox, Template, eventually};

const INSTANT: &str = "2026-01-02T03:04:05.600000Z";

const TABLES: [&str; 3] = ["refreshtoken", "accesstoken", "idtoken"];

fn policy() -> CleanupPolicy {
    CleanupPolicy { refresh_token_expire: Some(Duration::from_hours(1)), ..CleanupPolicy::default() }
}

/// Has every deleted token take some time, so that the two meet.
fn slowly(database: &Database) {
    let triggers: String = TABLES
        .iter()
        .map(|table| {
            format!(
                "CREATE TRIGGER slowly AFTER DELETE ON oauth2_provider_{table} FOR EACH ROW EXECUTE FUNCTION slowly();"
            )
        })
        .collect();
    database.execute(format!(
        "CREATE SEQUENCE deleted; \
         CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS \
         $$BEGIN PERFORM nextval('deleted'), pg_sleep(0.002); RETURN NULL; END$$; {triggers}"
    ));
}

fn has_begun(database: &Database) {
    eventually("nothing is deleted", || database.value("SELECT is_called::text FROM deleted") == "true");
}

#[test]
fn djangos_command_beside_ours() {
    let (database, template) = (Release::Newest.migrated(), Template::Empty);
    Draft::random(3, 400, &policy(), now()).insert(&database, template);
    let before = Graph::read(&database, template);
    let after = before.cleared(&policy(), now(), &BTreeSet::new());
    slowly(&database);
    let sandbox = Sandbox::with(&database);
    let arguments = ["cleartokens", "--as-of", INSTANT, "--refresh-token-expire", "1h", "--batch-size", "10"];
    let ours = sandbox.command(&arguments).spawn();
    has_begun(&database);
    let environment = [
        ("OAUTH2_PROVIDER", json!({ "REFRESH_TOKEN_EXPIRE_SECONDS": 3600 }).to_string()),
        ("OAUTHCTL_NOW", INSTANT.replace('Z', "+00:00")),
    ];
    // It ends well, or with a deadlock that PostgreSQL has ended: then nothing of its batch is done.
    Release::Newest.manage(&database, &["cleartokens"], &environment);
    let output = ours.wait().exits(0);
    assert!(Graph::read(&database, template) == after, "{output}");
}

#[test]
fn an_apply_beside_a_cleanup() {
    let database = Database::create(Template::Dot341);
    Draft::random(4, 400, &policy(), now()).insert(&database, Template::Dot341);
    application(&database, 900, "gone", &json!({ "name": "Before", "user_id": null }));
    database.execute(
        "SELECT setval(pg_get_serial_sequence('oauth2_provider_accesstoken', 'id'), 10000); \
         INSERT INTO oauth2_provider_accesstoken \
         (token, token_checksum, expires, scope, created, updated, resource, application_id) \
         SELECT '', 'gone-' || n, '2020-01-01Z', '', now(), now(), '[]', 900 FROM generate_series(1, 300) n",
    );
    slowly(&database);
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", "[policy]\nmax_deletes = 5\n[[removed]]\nclient_id = \"gone\"\n");
    let clean = ["cleartokens", "--as-of", INSTANT, "--refresh-token-expire", "1h", "--batch-size", "10"];
    let cleaner = sandbox.command(&clean).spawn();
    has_begun(&database);
    // It waits for the batch that has a row of its, and goes on.
    let applied = sandbox.oauthctl(&["apply", "--yes", "--allow", "delete:gone"]).exits(0);
    let cleaned = cleaner.wait().exits(0);
    let left = "SELECT count(*) FROM oauth2_provider_accesstoken WHERE token_checksum LIKE 'gone-%'";
    assert_eq!(database.value(left), "0", "{applied}\n{cleaned}");
    let there = "SELECT count(*) FROM oauth2_provider_application WHERE client_id = 'gone'";
    assert_eq!(database.value(there), "0");
    sandbox.oauthctl(&[&clean[..], &["--quiet"]].concat()).exits(0);
    let counted = sandbox.oauthctl(&[&clean[..], &["--dry-run", "--format", "json"]].concat()).exits(0);
    let counted: serde_json::Value = serde_json::from_str(&counted.stdout).unwrap();
    let to_delete = counted["to_delete"].as_object().unwrap().values();
    assert_eq!(to_delete.map(|rows| rows.as_u64().unwrap()).sum::<u64>(), 0);
}

/// A migration adds a column to the tables: a saved plan is of another table, and a new plan is made of the new one.
#[test]
fn a_migration_between_a_plan_and_its_apply() {
    let database = Database::create(Template::Dot341);
    application(&database, 1, "web", &json!({ "name": "Before", "user_id": null }));
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", "[applications.web]\nname = \"After\"\n");
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    database.execute("ALTER TABLE oauth2_provider_application ADD COLUMN tier text NOT NULL DEFAULT 'free'");
    let stale = sandbox.oauthctl(&["apply", "saved.plan", "--yes"]).exits(4);
    assert!(stale.stderr.contains("nothing was changed"), "{stale}");
    assert_eq!(database.value("SELECT name FROM oauth2_provider_application"), "Before");
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    let row = database.value("SELECT name || ' ' || tier FROM oauth2_provider_application");
    assert_eq!(row, "After free");
}

/// The same in the middle of a cleanup: `ALTER TABLE` waits for the batch, the next batch sees the new table.
#[test]
fn a_migration_beside_a_cleanup() {
    let database = Database::create(Template::Dot341);
    Draft::random(6, 300, &policy(), now()).insert(&database, Template::Dot341);
    let before = Graph::read(&database, Template::Dot341);
    let after = before.cleared(&policy(), now(), &BTreeSet::new());
    slowly(&database);
    let sandbox = Sandbox::with(&database);
    let clean = ["cleartokens", "--as-of", INSTANT, "--refresh-token-expire", "1h", "--batch-size", "10"];
    let cleaner = sandbox.command(&clean).spawn();
    has_begun(&database);
    for table in TABLES {
        database.execute(format!("ALTER TABLE oauth2_provider_{table} ADD COLUMN region text DEFAULT 'eu'"));
    }
    let output = cleaner.wait().exits(0);
    for table in TABLES {
        database.execute(format!("ALTER TABLE oauth2_provider_{table} DROP COLUMN region"));
    }
    assert!(Graph::read(&database, Template::Dot341) == after, "{output}");
}
