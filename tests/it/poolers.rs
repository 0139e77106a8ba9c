//! Behind a pooler: what is sent is nothing that belongs to a session, every verb works as it does without one, and where
//! nothing can work that is said by name.

mod connections;
mod standbys;
mod wire;

use super::support::pooler::{Pooler, Traffic};
use super::support::rows::{application, session, user};
use super::support::{Database, Sandbox, Template};

const FILE: &str = r#"
[provider]
client_secret_iterations = 1

[cleanup]
refresh_token_expire = "1h"

[applications.web]
name = "Web"
client_type = "confidential"
authorization_grant_type = "authorization-code"
redirect_uris = ["https://web.example/cb"]

[applications.api]
client_type = "confidential"
authorization_grant_type = "client-credentials"
client_secret = { generate = true }

[applications.after]
client_type = "confidential"
authorization_grant_type = "client-credentials"

[[renamed]]
from = "before"
to = "after"

[[removed]]
client_id = "gone"
"#;

/// Four applications with ten sessions each, of which half have expired.
fn seed(database: &Database) {
    user(database, 1, "ops");
    for (id, name) in (101..).zip(["web", "before", "gone", "other"]) {
        application(
            database,
            id,
            name,
            &serde_json::json!({ "authorization_grant_type": "authorization-code" }),
        );
        for n in 0..10 {
            let expires = if n < 5 { "2024-06-01T00:00:00Z" } else { "2031-01-01T00:00:00Z" };
            session(database, id * 10 + n, id, expires);
        }
    }
}

/// Every verb that reaches the database, in an order in which each has something to do.
const VERBS: &[(i32, &[&str])] = &[
    (0, &["migrate", "--ledger"]),
    (1, &["doctor"]),
    (0, &["status"]),
    (0, &["list"]),
    (0, &["show", "web"]),
    (0, &["cleartokens", "--dry-run", "--refresh-token-expire", "1h"]),
    (2, &["plan", "--detailed-exitcode", "--as-of", "2026-01-01T00:00:00Z", "--out", "saved.json"]),
    (0, &["apply", "saved.json", "--yes", "--secrets-out", "made.json"]),
    (0, &["plan", "--detailed-exitcode"]),
    (0, &["createapplication", "--client-id", "new", "--name", "New", "confidential", "client-credentials"]),
    (0, &["rotate-secret", "new", "--yes", "--secrets-out", "rotated.json"]),
    (0, &["import", "other"]),
    (
        0,
        &[
            "cleartokens",
            "--refresh-token-expire",
            "1s",
            "--as-of",
            "2026-02-01T00:00:00Z",
            "--batch-size",
            "2",
        ],
    ),
    (0, &["cleartokens", "--refresh-token-expire", "1s", "--allow", "rewrite", "--strategy", "rewrite"]),
    (0, &["status"]),
];

/// Runs every verb.
fn work(sandbox: &Sandbox) {
    work_after(sandbox, || ());
}

/// The same; `ready` waits for what has to be there before each of them.
fn work_after(sandbox: &Sandbox, ready: impl Fn()) {
    sandbox.write("oauth.toml", FILE);
    for (code, verb) in VERBS {
        ready();
        let output = sandbox.oauthctl(verb);
        assert_eq!(output.code, Some(*code), "{verb:?}\n{output}");
    }
}

/// What is left, without what differs between two runs.
fn state(database: &Database) -> String {
    let volatile = "'{created,updated,client_secret,last_applied_at,managed_at,first_applied_at}'::text[]";
    ["application", "accesstoken", "refreshtoken", "idtoken", "grant"]
        .map(|table| {
            database.table(format!(
                "SELECT (to_jsonb(t) - {volatile})::text FROM oauth2_provider_{table} t ORDER BY 1"
            ))
        })
        .join("\n\n")
}

/// What a run without a pooler leaves.
fn without_a_pooler() -> String {
    let database = Database::create(Template::Dot341);
    seed(&database);
    work(&Sandbox::with(&database));
    state(&database)
}

fn through(mode: &str, size: u32) {
    let database = Database::create(Template::Dot341);
    seed(&database);
    let bouncer = Pooler::bouncer(&database.home(), mode, size);
    let traffic = Traffic::start(&bouncer, &database);
    work(&bouncer.sandbox(&database));
    drop(traffic);
    assert_eq!(state(&database), without_a_pooler());
}

#[test]
fn every_verb_works_behind_a_pool_of_sessions() {
    through("session", 4);
}

#[test]
fn every_verb_works_behind_a_pool_of_transactions() {
    through("transaction", 3);
}

#[test]
fn every_verb_works_behind_a_pool_of_transactions_with_one_connection() {
    through("transaction", 1);
}

#[test]
fn a_pool_of_statements_is_refused_by_name() {
    let database = Database::create(Template::Dot341);
    let bouncer = Pooler::bouncer(&database.home(), "statement", 2);
    let sandbox = bouncer.sandbox(&database);
    sandbox.write("oauth.toml", FILE);
    for (_, verb) in VERBS.iter().filter(|(_, verb)| verb[0] != "apply") {
        let refused = sandbox.oauthctl(verb).exits(3);
        assert!(refused.stderr.contains("is in statement mode"), "{refused}");
    }
    insta::assert_snapshot!("a_pool_of_statements", sandbox.oauthctl(&["plan"]));
    assert_eq!(database.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'oauthctl'"), "0");
}

#[test]
fn migrations_at_once_through_a_pool_of_transactions_do_the_work_once() {
    let database = Database::create(Template::Empty);
    let bouncer = Pooler::bouncer(&database.home(), "transaction", 2);
    let sandbox = bouncer.sandbox(&database);
    let runs: Vec<_> =
        (0..4).map(|_| sandbox.command(&["migrate", "--provider", "--ledger"]).spawn()).collect();
    let outputs: Vec<_> = runs.into_iter().map(|run| run.wait().exits(0).stdout).collect();
    let made =
        outputs.iter().filter(|output| output.contains("The provider schema of DOT 3.4.1 is in place"));
    assert_eq!(made.count(), 1, "{outputs:?}");
    assert_eq!(database.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"), "0");
}
