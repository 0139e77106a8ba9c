//! `plan --format markdown` on real rows: what a pull request gets to see.

use insta::assert_snapshot;
use serde_json::json;

use super::support::rows::{application, session, user};
use super::support::{Database, Sandbox, Template};

const FILE: &str = r#"
[applications.web]
name = "Web | shop @ops"
client_secret = { env = "WEB_SECRET" }
protect = true

[applications.batch]
client_type = "confidential"
authorization_grant_type = "client-credentials"

[[removed]]
client_id = "legacy"

[cleanup]
"#;

#[test]
fn a_pull_request_sees_what_changes_and_what_is_refused() {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "alice");
    application(
        &database,
        1,
        "web",
        &json!({ "name": "Shop", "client_secret": "old", "hash_client_secret": false }),
    );
    application(&database, 2, "legacy", &json!({ "name": "<b>Legacy</b>" }));
    session(&database, 1, 1, "2999-01-01T00:00:00Z");
    session(&database, 2, 2, "2020-01-01T00:00:00Z");
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("WEB_SECRET", "hunter2");
    sandbox.write("deploy/oauth.toml", FILE);
    let plan = ["-f", "deploy/oauth.toml", "plan", "--format", "markdown", "--as-of", "2026-01-02T03:04:05Z"];
    let output = sandbox.oauthctl(&plan).exits(3);
    assert!(!output.to_string().contains("hunter2"));
    insta::with_settings!({ filters => [(r"20\d\d-\S+&#58;\S+Z", "[instant]")] }, { assert_snapshot!(output); });
}

#[test]
fn other_verbs_make_no_comments() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.oauthctl(&["apply", "--format", "markdown"]).exits(64));
}
