//! The JSON plan: whole rows before and after each step, and the schema that describes it.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::support::rows::{application, user};
use super::support::{Database, Sandbox, Template};

const FILE: &str = r#"
[applications.web]
name = "Web shop"
redirect_uris = ["https://shop.example.com/callback"]
client_secret = { hash = "pbkdf2_sha256$600000$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=" }
[applications.new]
client_type = "confidential"
authorization_grant_type = "client-credentials"
[[removed]]
client_id = "old"
[[renamed]]
from = "reporting"
to = "reports"
[applications.reports]
[policy]
prune = "all"
"#;

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "ada");
    let uris = "https://shop.example.com/callback https://old.example.com/callback";
    let held = json!({ "name": "Shop", "redirect_uris": uris, "client_secret": "hunter2-hunter2-hunter2", "user_id": 1,
        "authorization_grant_type": "authorization-code" });
    for (id, client_id) in (1..).zip(["web", "old", "pruned"]) {
        application(&database, id, client_id, &held);
    }
    application(&database, 4, "reporting", &json!({}));
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

fn step<'a>(plan: &'a Value, client_id: &str) -> &'a Value {
    let is = |step: &&Value| step["client_id"] == client_id || step["row"]["client_id"] == client_id;
    plan["steps"].as_array().unwrap().iter().find(is).unwrap()
}

/// Every step has the whole row, the fields too that the file does not manage; of a secret only whether there is one.
#[test]
fn steps_have_the_row_before_and_after() {
    let (_database, world) = world();
    let output = world.oauthctl(&["plan", "--format", "json"]).exits(0);
    assert!(!output.stdout.contains("hunter2") && !output.stdout.contains("fUeF88U6"), "{output}");
    let plan: Value = serde_json::from_slice(&output.raw_stdout).unwrap();
    let web = step(&plan, "web");
    assert_eq!(web["before"]["name"], "Shop");
    assert_eq!(web["after"]["name"], "Web shop");
    assert_eq!(web["before"]["user"], "1");
    assert_eq!(web["after"]["redirect_uris"], json!(["https://shop.example.com/callback"]));
    assert_eq!(web["after"]["authorization_grant_type"], "authorization-code");
    assert_eq!(
        (&web["before"]["client_secret"], &web["after"]["client_secret"]),
        (&json!("present"), &json!("present"))
    );
    let new = step(&plan, "new");
    assert_eq!(new["before"], Value::Null);
    assert_eq!((&new["after"]["client_id"], &new["after"]["user"]), (&json!("new"), &Value::Null));
    let reports = step(&plan, "reports");
    assert_eq!(
        (&reports["before"]["client_id"], &reports["after"]["client_id"]),
        (&json!("reporting"), &json!("reports"))
    );
    assert_eq!(reports["before"]["client_secret"], "absent");
    // Also of a row that the file does not mention.
    for client_id in ["old", "pruned"] {
        let gone = step(&plan, client_id);
        assert_eq!((&gone["after"], &gone["before"]["name"]), (&Value::Null, &json!("Shop")), "{client_id}");
    }
    let without = world.oauthctl(&["plan", "--format", "json", "--without-secrets"]).exits(0);
    let plan: Value = serde_json::from_slice(&without.raw_stdout).unwrap();
    assert_eq!(step(&plan, "pruned")["before"]["client_secret"], "unread");
}

/// What a line loses.
#[test]
fn a_full_plan_shows_what_goes() {
    let (_database, world) = world();
    assert_snapshot!("what_goes", world.oauthctl(&["plan", "--full", "-q"]).exits(0));
    let short = world.oauthctl(&["plan", "-q"]).exits(0);
    assert!(!short.stdout.contains("authorization-code"), "{short}");
}

/// A change here is a new version of the format.
#[test]
fn the_schema_of_the_plan() {
    let schema = Sandbox::new().oauthctl(&["schema", "--plan"]).exits(0);
    assert_snapshot!("schema", schema.stdout);
}
