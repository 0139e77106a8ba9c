//! `plan --format markdown` on real rows: what a pull request gets to see.

use insta::assert_snapshot;
use serde_json::{Value, json};

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
    let filters = [(r"20\d\d-\S+&#58;\S+Z", "[instant]"), (DATABASE, "[database]")];
    insta::with_settings!({ filters => filters }, { assert_snapshot!(output); });
}

/// The name of the test's database in a comment.
const DATABASE: &str = r"test&#95;\d+";

const SMALL: &str = "[applications.batch]\nclient_type = \"confidential\"\nauthorization_grant_type = \"client-credentials\"\n";

/// Each environment has its comment, and each comment says which database and which commit it is about.
#[test]
fn two_environments_have_two_comments() {
    let database = Database::create(Template::Dot341);
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567");
    sandbox.write("oauth.toml", SMALL);
    let comment =
        |label: &str| sandbox.oauthctl(&["plan", "--format", "markdown", "--label", label]).exits(0).stdout;
    let (staging, production) = (comment("staging"), comment("production"));
    assert!(staging.starts_with("<!-- oauthctl plan: oauth.toml (staging) -->\n"), "{staging}");
    assert!(production.starts_with("<!-- oauthctl plan: oauth.toml (production) -->\n"), "{production}");
    insta::with_settings!({ filters => [(DATABASE, "[database]")] }, {
        assert_snapshot!("of_an_environment", staging);
    });
    let text = sandbox.oauthctl(&["plan", "--label", "staging"]).exits(0).stdout;
    assert!(text.contains("in the database [database] (staging), 1 in the file"), "{text}");
    let json = sandbox.oauthctl(&["plan", "--label", "staging", "--format", "json"]).exits(0);
    let json: Value = serde_json::from_slice(&json.raw_stdout).unwrap();
    assert_eq!((&json["database"], &json["label"]), (&json!(database.name()), &json!("staging")));
    let other = comment("staging\n@team");
    assert!(!other.contains("@team"), "{other}");
}

/// No older comment looks current, and the new one does not name the server.
#[test]
fn a_plan_that_fails_leaves_a_comment() {
    let database = Database::create(Template::Dot341);
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", SMALL);
    let arguments = ["plan", "--format", "markdown"];
    let unreachable = sandbox.command(&arguments).env("PGHOST", "/nowhere").run().exits(5);
    assert!(!unreachable.stdout.contains("nowhere"), "{unreachable}");
    assert_snapshot!("of_a_database_that_is_not_there", unreachable.stdout);
    sandbox.write("oauth.toml", "[applications.batch]\nclient_typ = \"public\"\n");
    assert_snapshot!("of_a_file_with_errors", sandbox.oauthctl(&arguments).exits(64).stdout);
    let short = sandbox.oauthctl(&["plan", "--format", "markdown", "--max-length", "100"]);
    assert_snapshot!("too_short", short.exits(64));
}

/// `-f -`: the marker is stable, nothing can be written back, and the ledger needs a name.
#[test]
fn a_file_from_a_pipe() {
    let database = Database::create(Template::Dot341);
    let sandbox = Sandbox::with(&database);
    let piped = |arguments: &[&str], input: &str| sandbox.command(arguments).input(input).run();
    let comment = piped(&["-f", "-", "plan", "--format", "markdown"], SMALL).exits(0).stdout;
    assert!(comment.starts_with("<!-- oauthctl plan: stdin -->\n### stdin: 1 to create\n"), "{comment}");
    assert_eq!(comment, piped(&["-f", "/dev/stdin", "plan", "--format", "markdown"], SMALL).exits(0).stdout);
    assert_snapshot!("validated_from_a_pipe", piped(&["-f", "-", "validate"], SMALL).exits(0));
    assert_snapshot!("wrong_in_a_pipe", piped(&["-f", "-", "validate"], "[aplications]\n").exits(64));
    piped(&["-f", "-", "apply", "--yes", "--secrets-out", "secrets.json"], SMALL).exits(0);
    assert_eq!(database.value("SELECT count(*) FROM oauth2_provider_application"), "1");
    for verb in [&["import", "--all"][..], &["init"], &["createapplication", "public", "implicit", "--write"]]
    {
        let refused = piped(&[&["-f", "-"], verb].concat(), SMALL).exits(64);
        assert!(refused.stderr.contains("name a file with -f") && refused.stdout.is_empty(), "{refused}");
    }
    assert!(!sandbox.path().join("-").exists());
    sandbox.write("oauth.toml", "");
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    assert_snapshot!("the_ledger_needs_a_name", piped(&["-f", "-", "plan"], SMALL).exits(64));
    let named = format!("[policy]\nowner = \"shop\"\n{SMALL}");
    piped(&["-f", "-", "apply", "--yes"], &named).exits(0);
    assert_eq!(database.value("SELECT owner FROM oauthctl.managed_application"), "shop");
}

#[test]
fn other_verbs_make_no_comments() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.oauthctl(&["apply", "--format", "markdown"]).exits(64));
}
