//! `plan --format html` and `status --format html` on real rows. `tests/reports-in-a-browser` opens such pages in a browser.

use serde_json::{Value, json};

use super::support::rows::{application, session, user};
use super::support::{Database, Sandbox, Template};

const FILE: &str = r#"
[applications.web]
name = "<script>alert(1)</script>"
client_secret = { env = "WEB_SECRET" }
protect = true

[[removed]]
client_id = "legacy"

[cleanup]
"#;

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "alice");
    let web = json!({ "name": "Shop", "client_secret": "stored-secret", "hash_client_secret": false });
    application(&database, 1, "web", &web);
    application(&database, 2, "legacy", &json!({ "name": "<b>Legacy</b>" }));
    session(&database, 1, 1, "2999-01-01T00:00:00Z");
    session(&database, 2, 2, "2020-01-01T00:00:00Z");
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("WEB_SECRET", "hunter2");
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

/// What is refused is a page all the same, with the exit status of any other format.
#[test]
fn a_plan_is_a_page_without_secrets() {
    let (_database, sandbox) = world();
    let output = sandbox.oauthctl(&["plan", "--format", "html", "--label", "staging"]).exits(3);
    let page = &output.stdout;
    for secret in ["hunter2", "stored-secret"] {
        assert!(!output.to_string().contains(secret));
    }
    for part in [
        "<!DOCTYPE html>\n",
        "<title>Plan of oauth.toml (staging)</title>",
        "apply will refuse this",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&lt;b&gt;Legacy&lt;/b&gt;",
        "data-action=\"delete\" data-breaks",
        "What depends on what",
        "2 applications in the database [database] (staging), 1 in the file.",
        "id=\"cleanup-heading\"",
        "</html>\n",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(page.matches("<script>").count(), 1);
    let seen = sandbox.oauthctl(&["plan", "--without-secrets", "--format", "html"]).exits(0).stdout;
    assert!(seen.contains("Made without secrets"), "{seen}");
}

#[test]
fn a_saved_plan_is_a_page_without_a_database() {
    let (_database, sandbox) = world();
    sandbox.write("oauth.toml", "[[removed]]\nclient_id = \"legacy\"\n");
    let plan = sandbox.oauthctl(&["plan", "--format", "html", "--out", "saved.plan"]).exits(0);
    let shown = Sandbox::new();
    shown.write("saved.plan", sandbox.read("saved.plan"));
    assert_eq!(
        shown.oauthctl(&["show-plan", "saved.plan", "--format", "html"]).exits(0).raw_stdout,
        plan.raw_stdout
    );
}

/// No older page looks current, and the new one does not name the server.
#[test]
fn a_plan_that_fails_is_a_page() {
    let (_database, sandbox) = world();
    let nowhere = "postgres://somebody@127.0.0.1:1/shop";
    let output = sandbox.oauthctl(&["plan", "--format", "html", "--database-url", nowhere]).exits(5);
    assert!(output.stdout.contains("The plan failed") && output.stdout.ends_with("</html>\n"), "{output}");
    for part in ["127.0.0.1", "somebody"] {
        assert!(!output.stdout.contains(part), "{output}");
    }
}

/// Each number of the JSON is on the page.
#[test]
fn status_is_a_page() {
    let (_database, sandbox) = world();
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    let at = ["--as-of", "2026-01-02T03:04:05Z"];
    let page = sandbox.oauthctl(&[&["status", "--format", "html"], &at[..]].concat()).exits(0).stdout;
    let json = sandbox.oauthctl(&[&["status", "--format", "json"], &at[..]].concat()).exits(0).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    for table in json["tables"].as_array().unwrap() {
        let name = table["table"].as_str().unwrap();
        assert!(page.contains(&format!("<code>{name}</code>")), "{name}: {page}");
    }
    for part in [
        "How long ago they expired",
        "Reclaimable now: ",
        "The ledger knows of no run.",
        "<svg class=\"bar\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<script"), "{page}");
}
