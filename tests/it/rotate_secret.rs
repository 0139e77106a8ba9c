//! `rotate-secret` and `hash-secret`: the new secret reaches people once, and verifies.

use insta::assert_snapshot;
use oauthctl::hasher::{StoredSecret, Verdict};
use oauthctl::secret::Secret;
use serde_json::{Value, json};

use super::support::database::Template;
use super::support::rows::{APPLICATIONS, application, everything, session, user};
use super::support::{Database, Sandbox};

const QUICK: &str = "[provider]\nclient_secret_iterations = 1\n";

fn world(template: Template, toml: &str) -> (Database, Sandbox) {
    let database = Database::create(template);
    user(&database, 1, "alice");
    application(&database, 1, "web", &json!({ "client_secret": "old", "name": "Web shop" }));
    application(&database, 2, "signer", &json!({ "client_secret": "old", "hash_client_secret": false }));
    session(&database, 1, 1, "2999-01-01T00:00:00Z");
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", format!("{QUICK}{toml}"));
    (database, sandbox)
}

fn stored(database: &Database, client_id: &str) -> StoredSecret {
    let sql = format!("SELECT client_secret FROM {APPLICATIONS} WHERE client_id = '{client_id}'");
    StoredSecret::new(database.value(sql))
}

#[test]
fn the_new_secret_is_delivered_and_verifies() {
    for template in [Template::Dot240, Template::Dot341, Template::Main] {
        let (database, sandbox) = world(template, "");
        let output =
            sandbox.oauthctl(&["rotate-secret", "web", "--yes", "--secrets-out", "new.json"]).exits(0);
        insta::with_settings!({ filters => [(r"20\S+Z", "[instant]")] }, {
            assert_snapshot!(format!("rotated_{template:?}"), output);
        });
        let delivered: Value = serde_json::from_str(&sandbox.read("new.json")).unwrap();
        let secret = delivered["web"].as_str().unwrap().to_owned();
        assert!(!output.to_string().contains(&secret));
        let stored = stored(&database, "web");
        assert!(stored.expose().starts_with("pbkdf2_sha256$1$"));
        assert_eq!(stored.verify(&Secret::new(secret)), Verdict::Matches);
        assert_eq!(self::stored(&database, "signer").expose(), "old");
    }
}

#[test]
fn a_secret_that_is_stored_in_clear_stays_so() {
    let (database, sandbox) = world(Template::Dot341, "");
    let arguments = ["rotate-secret", "signer", "--yes", "--secrets-out", "new.json", "--format", "json"];
    let report: Value = serde_json::from_str(&sandbox.oauthctl(&arguments).exits(0).stdout).unwrap();
    assert_eq!(report["outcome"]["applied"]["update"], json!(1), "{report}");
    let delivered: Value = serde_json::from_str(&sandbox.read("new.json")).unwrap();
    assert_eq!(stored(&database, "signer").expose(), delivered["signer"].as_str().unwrap());
}

#[test]
fn nothing_is_rotated_where_nobody_can_be_asked_or_told() {
    let (database, sandbox) = world(Template::Dot341, "");
    let before = everything(&database, "public");
    for (name, arguments, code) in [
        ("nowhere_to_show_the_secret", &["rotate-secret", "web", "--yes"][..], 64),
        ("nobody_to_ask", &["rotate-secret", "web", "--secrets-out", "new.json"], 3),
        ("no_such_application", &["rotate-secret", "wbe", "--yes", "--secrets-out", "new.json"], 1),
    ] {
        let output = sandbox.oauthctl(arguments).exits(code);
        insta::with_settings!({ filters => [(r"20\S+Z", "[instant]")] }, { assert_snapshot!(name, output); });
    }
    assert_eq!(before, everything(&database, "public"));
    assert!(!sandbox.path().join("new.json").exists());
}

#[test]
fn a_declared_secret_would_come_back() {
    let (_database, mut sandbox) =
        world(Template::Dot341, "[applications.web]\nclient_secret = { env = \"WEB\" }\n");
    sandbox.set("WEB", "old");
    let output = sandbox.oauthctl(&["rotate-secret", "web", "--yes", "--secrets-out", "new.json"]).exits(0);
    assert!(output.stderr.contains("the next apply puts the old one back"), "{output}");
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(2);
}

#[test]
fn a_hash_is_what_the_file_takes() {
    let (database, sandbox) = world(Template::Dot341, "");
    let hashed = sandbox.command(&["hash-secret"]).input("hunter2\n").run().exits(0);
    let hash = hashed.stdout.trim_end();
    assert_eq!(
        StoredSecret::new(hash.to_owned()).verify(&Secret::new("hunter2".to_owned())),
        Verdict::Matches
    );
    sandbox
        .write("oauth.toml", format!("{QUICK}[applications.web]\nclient_secret = {{ hash = \"{hash}\" }}\n"));
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert_eq!(stored(&database, "web").expose(), hash);
    for (input, why) in
        [("", "is empty"), ("argon2", "password hasher"), ("a\0b", "NUL"), (&"x".repeat(300), "255")]
    {
        let refused = sandbox.command(&["hash-secret"]).input(input).run().exits(64);
        assert!(refused.stderr.contains(why) && refused.stdout.is_empty(), "{refused}");
    }
}
