//! The connection is cut at every message of the verbs that write applications.
//!
//! Whatever message it is: all rows are as before or all are as they should be, what the program says of that is true, a
//! file with secrets holds those that are stored, and the next run ends where an undisturbed one does.

use std::fmt::Write as _;
use std::path::Path;

use super::support::cutter::{Cutter, Network, cut_at_places};
use super::support::database::Template;
use super::support::rows::application;
use super::support::sandbox::Output;
use super::support::{Database, Sandbox};

const FILE: &str = r#"
[policy]
max_deletes = 5
[provider]
client_secret_iterations = 1

[applications.changed]
name = "After"
[applications.moved]
name = "After"
[applications.new]
name = "After"
client_type = "confidential"
authorization_grant_type = "client-credentials"
hash_client_secret = false
client_secret = { generate = true }

[[renamed]]
from = "before"
to = "moved"
[[removed]]
client_id = "gone"
"#;

const SECRETS: &str = "secrets.json";

/// What a verb does to the applications.
struct Verb {
    arguments: &'static [&'static str],
    /// Tokens of the application that goes.
    tokens: u32,
    /// What is there before and after it.
    before: &'static str,
    after: &'static str,
    /// The application whose secret is delivered.
    delivered: &'static str,
    /// Whether it can be run again: a second `createapplication` finds what the first one made.
    repeats: bool,
}

const APPLY: Verb = Verb {
    arguments: &["apply", "--yes", "--allow", "delete:gone", "--secrets-out", SECRETS],
    tokens: 3,
    before: "before=Before changed=Before gone=Before",
    after: "changed=After moved=After new=After",
    delivered: "new",
    repeats: true,
};

/// More tokens than one transaction deletes.
const DRAIN: Verb = Verb { tokens: 10_001, ..APPLY };

const CREATE: Verb = Verb {
    arguments: &[
        "createapplication",
        "confidential",
        "client-credentials",
        "--client-id",
        "made",
        "--name",
        "After",
        "--no-hash-client-secret",
        "--client-secret",
        "a-long-secret-of-the-test",
    ],
    tokens: 3,
    before: "before=Before changed=Before gone=Before",
    after: "before=Before changed=Before gone=Before made=After",
    delivered: "made",
    repeats: false,
};

const ROTATE: Verb = Verb {
    arguments: &["rotate-secret", "changed", "--yes", "--secrets-out", SECRETS],
    tokens: 3,
    before: "before=Before changed=Before gone=Before",
    after: "before=Before changed=Before gone=Before",
    delivered: "changed",
    repeats: true,
};

/// A database with the rows before, of which each run gets a copy.
fn world(verb: &Verb) -> Database {
    let database = Database::create(Template::Dot341);
    for (id, client_id) in [(101, "before"), (102, "changed"), (103, "gone")] {
        let with = serde_json::json!({
            "name": "Before", "hash_client_secret": false, "client_secret": "the-stored-secret", "user_id": null,
        });
        application(&database, id, client_id, &with);
    }
    database.execute(format!(
        "INSERT INTO oauth2_provider_accesstoken \
         (token, token_checksum, expires, scope, created, updated, resource, application_id) \
         SELECT '', n, now() + interval '1 day', '', now(), now(), '[]', 103 FROM generate_series(1, {}) n",
        verb.tokens
    ));
    database
}

fn names(database: &Database) -> String {
    database.value(
        "SELECT string_agg(client_id || '=' || name, ' ' ORDER BY client_id) FROM oauth2_provider_application",
    )
}

fn stored(database: &Database, client_id: &str) -> String {
    database.value(format!(
        "SELECT coalesce(max(client_secret), '') FROM oauth2_provider_application WHERE client_id = '{client_id}'"
    ))
}

/// The secret in the file; `None`: there is no file.
fn delivered(directory: &Path, client_id: &str) -> Option<String> {
    let text = std::fs::read_to_string(directory.join(SECRETS)).ok()?;
    let secrets: serde_json::Value = serde_json::from_str(&text).unwrap();
    Some(secrets[client_id].as_str().unwrap().to_owned())
}

/// One run of which a message is lost; `None`: none is.
fn run(verb: &Verb, template: &Database, cut: Option<(usize, Network)>) -> usize {
    let database = template.copy();
    let mut sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    let (at, network) = cut.unwrap_or((usize::MAX, Network::ComesBack));
    let cutter = Cutter::on(&database, at, network);
    cutter.lead(&mut sandbox);
    let output = sandbox.oauthctl(verb.arguments);
    let mut what = String::new();
    write!(what, "{} cut at {cut:?}\n{output}", verb.arguments[0]).unwrap();
    check(verb, &database, &sandbox, &output, &what);
    let direct = Sandbox::with(&database);
    direct.write("oauth.toml", FILE);
    let is_done = names(&database) == verb.after;
    let again = direct.oauthctl(verb.arguments);
    let expected = i32::from(is_done && !verb.repeats);
    assert_eq!(again.code, Some(expected), "{what}\nagain: {again}");
    assert_eq!(names(&database), verb.after, "{what}\nagain: {again}");
    assert_eq!(dangling(&database), "0", "{what}");
    cutter.messages()
}

/// Whether what is there is what was said.
fn check(verb: &Verb, database: &Database, sandbox: &Sandbox, output: &Output, what: &str) {
    let (now, secret) = (names(database), stored(database, verb.delivered));
    let is_rotation = verb.before == verb.after;
    let is_done = if is_rotation { secret != "the-stored-secret" } else { now == verb.after };
    assert!(is_done || now == verb.before, "half done: {now}\n{what}");
    assert!(is_done || verb.tokens > 10_000 || tokens(database) == verb.tokens.to_string(), "{what}");
    assert_eq!(dangling(database), "0", "{what}");
    let is_unknown = output.stderr.contains("may or may not");
    let is_said_to_be_done = output.code == Some(0) || output.stderr.contains("the changes are committed");
    assert!(is_unknown || is_done || !is_said_to_be_done, "it is not done\n{what}");
    let is_said_to_be_undone = ["nothing was changed", "rolled back", "nothing was created"]
        .iter()
        .any(|words| output.stderr.contains(words));
    assert!(!(is_done && is_said_to_be_undone), "it is done\n{what}");
    assert!(
        !is_done || is_said_to_be_done || is_unknown || output.stdout.contains("created"),
        "it is done\n{what}"
    );
    if let Some(in_file) = delivered(sandbox.path(), verb.delivered) {
        assert!(is_unknown || in_file == secret, "another secret than the stored one\n{what}");
    } else if verb.arguments.contains(&"--secrets-out") {
        assert!(!is_done, "the secret is lost\n{what}");
    }
}

fn tokens(database: &Database) -> String {
    database.value("SELECT count(*) FROM oauth2_provider_accesstoken")
}

fn dangling(database: &Database) -> String {
    database.value(
        "SELECT count(*) FROM oauth2_provider_accesstoken t LEFT JOIN oauth2_provider_application a \
         ON a.id = t.application_id WHERE t.application_id IS NOT NULL AND a.id IS NULL",
    )
}

fn cut_everywhere(verb: &Verb) {
    let template = world(verb);
    let messages = run(verb, &template, None);
    for network in [Network::ComesBack, Network::StaysAway] {
        let count = cut_at_places(messages, network, |place| {
            run(verb, &template, Some((place, network)));
        });
        println!("{}: {count} of {messages} messages cut, {network:?}", verb.arguments[0]);
    }
}

#[test]
fn apply() {
    cut_everywhere(&APPLY);
}

#[test]
fn apply_that_drains() {
    cut_everywhere(&DRAIN);
}

#[test]
fn createapplication() {
    cut_everywhere(&CREATE);
}

#[test]
fn rotate_secret() {
    cut_everywhere(&ROTATE);
}
