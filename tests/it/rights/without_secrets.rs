//! `plan --without-secrets`: what a job plans that has no client secrets, as a role that may not read them.

use serde_json::{Value, json};

use super::super::support::rows::{application, session, user};
use super::super::support::tap::Tap;
use super::super::support::{Database, Sandbox, Template};
use super::{World, grants};

/// Each form of a secret, for an application that is there and for one that is not.
const SECRETS: &str = r#"
[applications.web]
name = "renamed"
client_secret = { env = "NOT_SET" }
[applications.old]
client_secret = { file = "not-there" }
[applications.hashed]
client_secret = { hash = "pbkdf2_sha256$600000$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=" }
[applications.made]
client_secret = { generate = true }
[applications.silent]
name = ""
[applications.new]
client_type = "confidential"
authorization_grant_type = "client-credentials"
client_secret = { env = "NOT_SET" }
[cleanup]
refresh_token_expire = "1h"
"#;

fn world() -> World {
    let world = World::new(Template::Dot341, false);
    for (id, client_id) in [(3, "hashed"), (4, "made"), (5, "silent")] {
        application(&world.database, id, client_id, &json!({}));
    }
    world.sandbox.write("oauth.toml", SECRETS);
    world
}

/// The column that a job of a fork must not see.
fn sees_secrets(world: &World) -> String {
    let sql = format!(
        "SELECT has_column_privilege('{0}', 'oauth2_provider_application', 'client_secret', 'SELECT') \
             OR has_any_column_privilege('{0}', 'oauth2_provider_application', 'UPDATE') \
             OR has_column_privilege('{0}', 'oauth2_provider_accesstoken', 'token', 'SELECT')",
        world.role
    );
    world.database.value(sql)
}

/// What is named is enough, and does not show a secret; `doctor` agrees, and both name the way out.
#[test]
fn a_role_that_may_not_read_secrets_plans_without_them() {
    let world = world();
    let plan = world.run(&["plan", "--without-secrets"]).exits(1);
    assert!(world.type_grants(&plan) > 0, "{plan}");
    assert_eq!(sees_secrets(&world), "f");
    let plan = world.run(&["plan", "--without-secrets", "-q"]).exits(0);
    insta::assert_snapshot!("without_secrets", super::steady(&world, &plan));
    let full = world.run(&["plan"]).exits(64);
    assert!(full.stderr.contains("NOT_SET"), "{full}");
    world.sandbox.write("oauth.toml", "[applications.web]\nname = \"renamed\"\n");
    let full = world.run(&["plan"]).exits(1);
    let way_out = "`oauthctl plan --without-secrets` needs no privilege on client_secret";
    assert!(full.stderr.contains(way_out), "{full}");
    assert!(world.doctor("plan").contains("oauthctl plan --without-secrets"), "{}", world.doctor("plan"));
    let able = "has the privileges for plan --without-secrets";
    assert!(world.doctor("plan-without-secrets").contains(able));
    // With the secrets nothing is missing, and nothing is advised.
    world.type_grants(&full);
    let full = world.run(&["plan"]).exits(0);
    assert!(!full.stderr.contains("without-secrets"), "{full}");
}

/// A forecast samples pages, which needs no more.
#[test]
fn it_estimates_what_cleanup_would_delete() {
    let world = world();
    world.sandbox.write("oauth.toml", SECRETS);
    let refused = world.run(&["plan", "--without-secrets"]).exits(1);
    world.type_grants(&refused);
    world.database.execute("ANALYZE");
    world.run(&["plan", "--without-secrets", "--count", "forecast"]).exits(0);
    assert_eq!(sees_secrets(&world), "f");
}

/// In JSON and in a comment.
#[test]
fn scripts_and_reviewers_see_what_is_unverified() {
    let world = world();
    let json = world.sandbox.oauthctl(&["plan", "--without-secrets", "--format", "json"]).exits(0);
    let plan: Value = serde_json::from_slice(&json.raw_stdout).unwrap();
    assert_eq!(plan["without_secrets"], json!(true));
    assert_eq!(plan["unverified"], json!(["hashed", "made", "old", "web"]));
    assert_eq!(plan["unchanged"], json!(["hashed", "made", "old", "silent"]));
    assert_eq!(plan["summary"]["create"], json!(1));
    assert_eq!(plan["summary"]["update"], json!(1));
    let comment =
        world.sandbox.oauthctl(&["plan", "--without-secrets", "--format", "markdown", "-q"]).exits(0);
    assert!(comment.stdout.contains("secrets unverified"), "{comment}");
    assert!(comment.stdout.contains("these are unverified: hashed, made, old, web."), "{comment}");
    world.sandbox.write("oauth.toml", "[applications.web]\nclient_secret = { env = \"NOT_SET\" }\n");
    let nothing = world.sandbox.oauthctl(&["plan", "--without-secrets", "--detailed-exitcode"]).exits(0);
    assert!(
        nothing.stdout.contains("No changes. Apart from unverified secrets, the database matches the file"),
        "{nothing}"
    );
}

/// A secret that is there is not looked at either: the plan is the same wherever it is made.
#[test]
fn secrets_that_are_there_make_no_difference() {
    let world = world();
    let arguments = ["plan", "--without-secrets", "--no-cleanup"];
    let without = world.sandbox.oauthctl(&arguments).exits(0);
    world.sandbox.write("not-there", "secret");
    let with = world.sandbox.command(&arguments).env("NOT_SET", "short").run().exits(0);
    assert_eq!(without.to_string(), with.to_string());
}

/// It cannot be saved: `apply` would not know what it promises.
#[test]
fn such_a_plan_is_not_saved() {
    let world = world();
    let refused = world.sandbox.oauthctl(&["plan", "--without-secrets", "--out", "o.plan"]).exits(64);
    assert!(refused.stderr.contains("--without-secrets and --out exclude each other"), "{refused}");
    assert!(!world.sandbox.path().join("o.plan").exists());
    // A file that is wrong is wrong without its secrets too.
    for wrong in ["\"hunter2\"", "{ env = \"$X\" }", "{ hash = \"x\" }", "{ env = \"X\", file = \"y\" }"] {
        world.sandbox.write("oauth.toml", format!("[applications.web]\nclient_secret = {wrong}\n"));
        world.sandbox.oauthctl(&["plan", "--without-secrets"]).exits(64);
    }
}

/// No statement names the column, in any version of DOT; a project's own columns of that kind are left alone too.
#[test]
fn no_statement_reads_a_secret() {
    for template in Template::VERSIONS {
        let database = Database::create(template);
        user(&database, 1, "ada");
        for (id, client_id) in [(1, "web"), (2, "old")] {
            application(&database, id, client_id, &json!({}));
            session(&database, id, id, "2024-01-02T00:00:00Z");
        }
        database.execute(
            "ALTER TABLE oauth2_provider_application ADD app_secret text NOT NULL DEFAULT 'x', \
             ADD organization int NOT NULL DEFAULT 1, ADD UNIQUE (app_secret, client_id), \
             ADD CHECK (client_secret <> 'guess'), ADD CHECK (organization > 0)",
        );
        database.execute("ALTER TABLE oauth2_provider_application ALTER organization DROP DEFAULT");
        let role = format!("reader_{}", database.name());
        database.execute(format!("CREATE ROLE {role} LOGIN"));
        let mut sandbox = Sandbox::with(&database);
        sandbox.set("PGUSER", role.as_str());
        sandbox.write("oauth.toml", EVERYWHERE);
        let refused = sandbox.oauthctl(&["plan", "--without-secrets"]).exits(1);
        for grant in grants(&refused) {
            let columns = grant.replace("hash_client_secret", "");
            assert!(!columns.contains("client_secret") && !columns.contains("app_secret"), "{grant}");
            database.execute(grant);
        }
        sandbox.oauthctl(&["plan", "--without-secrets"]).exits(0);
        let tap = Tap::on(&database);
        let mut tapped = tap.sandbox(&database);
        tapped.set("PGUSER", role.as_str());
        tapped.write("oauth.toml", EVERYWHERE);
        tapped.oauthctl(&["plan", "--without-secrets"]).exits(0);
        let reads: Vec<String> = tap
            .take()
            .into_iter()
            .map(|sent| sent.text.replace("'client_secret'", "").replace("hash_client_secret", ""))
            .filter(|text| {
                text.contains("t.client_secret") || text.contains("t.app_secret") || text.contains("t.*")
            })
            .collect();
        assert_eq!(reads, Vec::<String>::new(), "{template:?}");
        database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    }
}

/// A file that every version of DOT can follow.
const EVERYWHERE: &str = r#"
[defaults.columns]
organization = 3
[applications.web]
name = "renamed"
client_secret = { env = "NOT_SET" }
[applications.new]
client_type = "confidential"
authorization_grant_type = "client-credentials"
client_secret = { env = "NOT_SET" }
user = { username = "ada" }
[[removed]]
client_id = "old"
[cleanup]
refresh_token_expire = "1h"
"#;
