//! `history` and `undo`: what the ledger has noted of runs, and what would undo one.

use insta::assert_snapshot;
use oauthctl::ui::{history_json, undo_json};
use serde_json::{Value, json};

use super::support::rows::{APPLICATIONS, application, everything, session, user};
use super::support::sandbox::Output;
use super::support::schema::check_document;
use super::support::{Database, Sandbox, Template};

const BEFORE: &str = r#"
[provider]
client_secret_iterations = 1

[applications.web]
name = "Shop"
client_type = "confidential"
redirect_uris = ["https://shop.example.com/callback", "https://old.example.com/callback"]
user = { username = "ada" }

[applications.reporting]
skip_authorization = true

[applications.legacy]
name = "Legacy"
"#;

const AFTER: &str = r#"
[provider]
client_secret_iterations = 1

[applications.web]
name = "Web shop"
client_type = "confidential"
redirect_uris = ["https://shop.example.com/callback", "https://new.example.com/callback"]
client_secret = { env = "WEB_SECRET" }
user = { username = "ada" }

[applications.reports]
skip_authorization = true

[applications.batch]
client_type = "confidential"
authorization_grant_type = "client-credentials"

[[renamed]]
from = "reporting"
to = "reports"

[[removed]]
client_id = "legacy"

[cleanup]
refresh_token_expire = "1h"
"#;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const OLD: &str = "the-old-secret-of-web-and-legacy";
const NEW: &str = "the-new-one-of-27-letters-x";

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "ada");
    let web = json!({
        "name": "Shop", "client_type": "confidential", "authorization_grant_type": "authorization-code",
        "redirect_uris": "https://shop.example.com/callback https://old.example.com/callback",
        "client_secret": OLD, "user_id": 1,
    });
    application(&database, 11, "web", &web);
    let legacy = json!({
        "name": "Legacy", "client_type": "confidential", "authorization_grant_type": "client-credentials",
        "client_secret": OLD,
    });
    application(&database, 12, "legacy", &legacy);
    application(&database, 13, "reporting", &json!({ "skip_authorization": true }));
    session(&database, 1, 12, "2999-01-01T00:00:00Z");
    session(&database, 2, 11, "2020-01-01T00:00:00Z");
    database.execute("SELECT setval(pg_get_serial_sequence('oauth2_provider_application', 'id'), 100)");
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("WEB_SECRET", NEW);
    sandbox.write("oauth.toml", AFTER);
    (database, sandbox)
}

/// Applies the file; with the ledger of before, if that is asked for.
fn apply(sandbox: &Sandbox) -> Output {
    let arguments = ["apply", "--yes", "--secrets-out", "secrets.json", "--allow", "max-updates=9"];
    let output = sandbox.command(&arguments).env("GITHUB_SHA", COMMIT).run().exits(0);
    let _ = std::fs::remove_file(sandbox.path().join("secrets.json"));
    output
}

/// Without what differs from run to run.
fn settled(database: &Database, output: &Output) -> String {
    database.execute("UPDATE oauthctl.run SET who = 'ci@runner'");
    let instant = regex::Regex::new(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z").unwrap();
    let after = regex::Regex::new(r"\(after [^)]*\)").unwrap();
    let text = instant.replace_all(&output.to_string(), "[instant]").into_owned();
    after.replace_all(&text, "[duration]").into_owned()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.raw_stdout).unwrap()
}

/// The document, which is as its schema says.
fn json(output: &Output) -> Value {
    let document = json_of(output);
    let schema =
        if document["undoes"].is_null() { history_json::json_schema() } else { undo_json::json_schema() };
    check_document(&schema, &document).unwrap();
    document
}

#[test]
fn without_a_ledger_it_says_how_to_make_one() {
    let (_database, sandbox) = world();
    assert_snapshot!("no_ledger", sandbox.oauthctl(&["history"]).exits(1));
    for arguments in [&["history", "show", "1"][..], &["undo", "1"]] {
        let output = sandbox.oauthctl(arguments).exits(1);
        assert!(output.stderr.contains("oauthctl migrate --ledger"), "{output}");
    }
}

#[test]
fn runs_are_listed_shown_and_turned_round() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    let empty = sandbox.oauthctl(&["history"]).exits(0);
    assert_eq!(empty.stdout, "The ledger knows of no run.\n");
    apply(&sandbox);
    sandbox.oauthctl(&["cleartokens", "--refresh-token-expire", "1h"]).exits(0);
    sandbox
        .oauthctl(&[
            "createapplication",
            "public",
            "implicit",
            "--client-id",
            "made",
            "--redirect-uris",
            "https://a.example/",
        ])
        .exits(0);
    sandbox.oauthctl(&["rotate-secret", "batch", "--yes", "--secrets-out", "rotated.json"]).exits(0);
    database.execute("UPDATE oauthctl.run SET who = 'ci@runner'");
    let before = everything(&database, "public");
    assert_snapshot!("runs", settled(&database, &sandbox.oauthctl(&["history"]).exits(0)));
    let last = json(&sandbox.oauthctl(&["history", "--limit", "2", "--format", "json"]).exits(0));
    let numbers: Vec<&Value> = last["runs"].as_array().unwrap().iter().map(|run| &run["run"]).collect();
    assert_eq!(numbers, [&json!(4), &json!(3)]);
    assert_snapshot!("shown", settled(&database, &sandbox.oauthctl(&["history", "show", "1"]).exits(0)));
    assert_snapshot!("undone", settled(&database, &sandbox.oauthctl(&["undo", "1"]).exits(0)));
    assert_snapshot!("undone_rotation", settled(&database, &sandbox.oauthctl(&["undo", "4"]).exits(0)));
    assert_snapshot!("undone_cleanup", settled(&database, &sandbox.oauthctl(&["undo", "2"]).exits(0)));
    let made = json(&sandbox.oauthctl(&["undo", "3", "--format", "json"]).exits(0));
    assert_eq!(made["summary"]["delete"], 1);
    assert_eq!(made["file"], "# in place of its [applications] table\n[[removed]]\nclient_id = \"made\"\n");
    let shown = json(&sandbox.oauthctl(&["history", "show", "1", "--format", "json"]).exits(0));
    let step = |client_id: &str| {
        let steps = shown["steps"].as_array().unwrap();
        let is = |step: &&Value| step["client_id"] == client_id || step["row"]["client_id"] == client_id;
        steps.iter().find(is).unwrap().clone()
    };
    assert_eq!(
        (&step("web")["before"]["name"], &step("web")["after"]["name"]),
        (&json!("Shop"), &json!("Web shop"))
    );
    assert_eq!(step("legacy")["before"]["client_secret"], "present");
    assert_eq!((&step("legacy")["after"], &step("batch")["before"]), (&Value::Null, &Value::Null));
    // Nothing of it writes, and nothing of it is a secret.
    assert_eq!(everything(&database, "public"), before);
    let noted = database.table("SELECT r::text FROM oauthctl.run_step r ORDER BY run_id, ordinal");
    for secret in [OLD, NEW, "pbkdf2"] {
        assert!(!noted.contains(secret), "{noted}");
    }
    let keys = "SELECT string_agg(client_id || ' ' || (step->>'action') || ' ' || (application_id = (SELECT id::text FROM \
                oauth2_provider_application a WHERE a.client_id = s.client_id))::text, ', ' ORDER BY run_id, ordinal) \
                FROM oauthctl.run_step s WHERE step->>'action' <> 'delete'";
    assert_eq!(
        database.value(keys),
        "reports update true, web update true, batch create true, made create true, batch update true"
    );
    for (flag, schema) in [("--history", history_json::json_schema()), ("--undo", undo_json::json_schema())] {
        assert_eq!(json_of(&sandbox.oauthctl(&["schema", flag]).exits(0)), schema);
    }
    let missing = sandbox.oauthctl(&["history", "show", "99"]).exits(1);
    assert_snapshot!("no_such_run", missing);
}

/// What `undo` says to write, written by hand, brings the rows back, all but what it said that it does not.
#[test]
fn what_it_says_to_write_brings_the_rows_back() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    let rows = format!(
        "SELECT client_id, name, client_type, authorization_grant_type, \
         array(SELECT unnest(string_to_array(redirect_uris, ' ')) ORDER BY 1), skip_authorization, user_id \
         FROM {APPLICATIONS} ORDER BY client_id"
    );
    let before = database.table(&rows);
    apply(&sandbox);
    assert_ne!(before, database.table(&rows));
    let undone = json(&sandbox.oauthctl(&["undo", "1", "--format", "json"]).exits(0));
    assert_eq!(undone["summary"], json!({ "create": 1, "update": 1, "rename": 1, "adopt": 0, "delete": 1 }));
    let kinds: Vec<&str> = undone["not_restored"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lost| lost["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["row", "secret", "dependents", "secret"]);
    let file = undone["file"].as_str().unwrap();
    sandbox.write("oauth.toml", format!("[provider]\nclient_secret_iterations = 1\n\n{file}"));
    apply(&sandbox);
    assert_eq!(before, database.table(&rows));
    let again = json(&sandbox.oauthctl(&["undo", "1", "--format", "json"]).exits(0));
    assert_eq!((&again["has_changes"], &again["file"]), (&json!(false), &json!("")));
    // The first file finds nothing to do but what was said: no secret is declared in it.
    sandbox.write("oauth.toml", BEFORE);
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn what_has_changed_since_is_said() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    apply(&sandbox);
    database.execute(format!(
        "UPDATE {APPLICATIONS} SET name = 'By hand' WHERE client_id = 'web'; \
         DELETE FROM {APPLICATIONS} WHERE client_id = 'batch'; \
         UPDATE {APPLICATIONS} SET client_id = 'legacy' WHERE client_id = 'reports'"
    ));
    assert_snapshot!("changed_since", settled(&database, &sandbox.oauthctl(&["undo", "1"]).exits(0)));
}

/// An older ledger has no place for steps; older runs are in one that has.
#[test]
fn runs_of_an_older_ledger_are_not_known() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    database.execute(
        "DROP TABLE oauthctl.run_step; ALTER TABLE oauthctl.run DROP COLUMN has_steps; \
         DELETE FROM oauthctl.ledger_migrations WHERE version = 5",
    );
    apply(&sandbox);
    let outdated = sandbox.oauthctl(&["doctor"]);
    assert!(outdated.stdout.contains("made by an older version"), "{outdated}");
    for migrated in [false, true] {
        if migrated {
            let output = sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
            assert_eq!(output.stdout, "The ledger is in place: V5__run_step.\n");
        }
        let listed = json(&sandbox.oauthctl(&["history", "--format", "json"]).exits(0));
        assert_eq!(listed["runs"][0]["steps_known"], false);
        let shown = sandbox.oauthctl(&["history", "show", "1"]).exits(0);
        assert!(shown.stdout.contains("What it changed is not known"), "{shown}");
        let shown = json(&sandbox.oauthctl(&["history", "show", "1", "--format", "json"]).exits(0));
        assert_eq!(shown["steps"], Value::Null);
        assert_snapshot!("unknown", sandbox.oauthctl(&["undo", "1"]).exits(1));
    }
}

/// The ledger of the other table of applications in the database is another's.
#[test]
fn a_run_on_another_table_is_refused() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    apply(&sandbox);
    database.execute("UPDATE oauthctl.run_step SET application_table = 'shop.oauth2_provider_application'");
    let output = sandbox.oauthctl(&["undo", "1"]).exits(64);
    assert!(output.stderr.contains("changed applications in shop.oauth2_provider_application"), "{output}");
}

/// A `${` of a row is text, and what the file says with a variable is not to be replaced by a value.
#[test]
fn dollars_of_rows_are_escaped_and_variables_of_the_file_are_named() {
    let (database, mut sandbox) = world();
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    let name = format!("SELECT name FROM {APPLICATIONS} WHERE client_id = 'web'");
    database.execute(format!("UPDATE {APPLICATIONS} SET name = '${{var.title}} $' WHERE client_id = 'web'"));
    sandbox.set("OAUTHCTL_VAR_title", "Web");
    sandbox.set("OAUTHCTL_VAR_kind", "shop");
    sandbox.write("oauth.toml", "[applications.web]\nname = \"${var.title} ${var.kind}\"\n");
    apply(&sandbox);
    assert_eq!(database.value(&name), "Web shop");
    let undone = sandbox.oauthctl(&["undo", "1"]).exits(0);
    assert_snapshot!("over_variables", settled(&database, &undone));
    let undone = json(&sandbox.oauthctl(&["undo", "1", "--format", "json"]).exits(0));
    sandbox.write("oauth.toml", undone["file"].as_str().unwrap());
    apply(&sandbox);
    assert_eq!(database.value(&name), "${var.title} $");
    let again = sandbox.oauthctl(&["undo", "1"]).exits(0);
    assert_snapshot!("undone_already", settled(&database, &again));
    // The run that undid it is undone as any other.
    let other = sandbox.oauthctl(&["undo", "2"]).exits(0);
    assert_snapshot!("undone_undo", settled(&database, &other));
}

/// What was created again has a row of its own.
#[test]
fn an_application_that_was_created_again_stays() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    apply(&sandbox);
    application(&database, 500, "legacy", &json!({}));
    let undone = json(&sandbox.oauthctl(&["undo", "1", "--format", "json"]).exits(0));
    let kinds: Vec<&Value> =
        undone["not_restored"].as_array().unwrap().iter().map(|lost| &lost["kind"]).collect();
    assert!(kinds.contains(&&json!("created_since")), "{undone}");
}
