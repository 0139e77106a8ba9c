//! Secrets that the project encrypts before Django stores them: no verb compares or overwrites one.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::support::rows::{APPLICATIONS, application, everything};
use super::support::{Database, Sandbox, Template};

const AWX: &str =
    "$encrypted$UTF8$AESCBC$Z0FBQUFBQm9xbTNwWWI0cjBuU2w3ckU0Y1M0bTNyV2NWWXc5bjVKYzBvM1Q5YTJvTjBu";
const FERNET: &str =
    "gAAAAABoqm3pYb4r0nSl7rE4cS4m3rWcVYw9n5Jc0o3T9a2oN0n9PB9S0vT3k2p1vZy8w4bYtq3bq2gJ7z5d1b8uVqkqg0sO1Q==";
const VAULT: &str = "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w==";
const HASH: &str =
    "pbkdf2_sha256$1000000$bmSd1G7Umut1CxwyomteEt$CdOfZWCzO2reYG2T3XpboqZn+ZGyRxQKF3SmNDgSOzI=";

const FILE: &str = r#"
[provider]
client_secret_iterations = 1
client_secret_hasher = "pbkdf2_sha256"

[applications.awx]
name = "AWX"
client_secret = { env = "S" }

[applications.fernet]
hash_client_secret = true

[applications.vault]
client_secret = { hash = "HASH" }

[applications.generated]
client_secret = { generate = true }

[applications.new]
client_id = "renamed"
client_secret = { env = "S" }

[[renamed]]
from = "former"
to = "renamed"
"#;

fn world(template: Template) -> (Database, Sandbox) {
    let database = Database::create(template);
    for (id, client_id, stored) in [
        (101, "awx", AWX),
        (102, "fernet", FERNET),
        (103, "vault", VAULT),
        (104, "generated", AWX),
        (105, "former", FERNET),
    ] {
        application(
            &database,
            id,
            client_id,
            &json!({ "client_secret": stored, "hash_client_secret": false }),
        );
    }
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("S", "the-secret-that-the-ciphertext-holds");
    sandbox.write("oauth.toml", FILE.replace("HASH", HASH));
    (database, sandbox)
}

fn secrets(database: &Database) -> String {
    database.table(format!("SELECT client_secret FROM {APPLICATIONS} ORDER BY id"))
}

#[test]
fn apply_leaves_them_alone_and_says_so_at_their_lines() {
    let (database, sandbox) = world(Template::Dot341);
    let before = secrets(&database);
    assert_snapshot!("foreign_plan", sandbox.oauthctl(&["plan"]).exits(0));
    let plan: Value =
        serde_json::from_str(&sandbox.oauthctl(&["plan", "--format", "json"]).exits(0).stdout).unwrap();
    assert_eq!(plan["foreign"], json!(["awx", "fernet", "renamed", "vault"]));
    assert_eq!(plan["unverified"], json!([]));
    let markdown = sandbox.oauthctl(&["plan", "--format", "markdown"]).exits(0).stdout;
    assert!(
        markdown.contains("is foreign (the project has encrypted it) and is left alone: awx, fernet"),
        "{markdown}"
    );
    let page = sandbox.oauthctl(&["plan", "--format", "html"]).exits(0).stdout;
    assert!(page.contains("is foreign (the project has encrypted it) and is left alone</h3>"), "{page}");
    assert!(page.contains("<li><code>awx</code></li><li><code>fernet</code></li>"), "{page}");
    let output = sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert!(output.stdout.contains("Applied: 1 updated, 1 renamed.\n"), "{output}");
    assert_eq!(secrets(&database), before);
    assert_eq!(
        database.value(format!("SELECT count(*) FROM {APPLICATIONS} WHERE NOT hash_client_secret")),
        "5"
    );
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
}

/// AWX is on DOT 1.7: no hashes, and no `hash_client_secret`.
#[test]
fn dot_1_keeps_them_too() {
    let (database, sandbox) = world(Template::Dot150);
    let before = secrets(&database);
    sandbox.write("oauth.toml", "[applications.awx]\nname = \"AWX\"\nclient_secret = { env = \"S\" }\n");
    let output = sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert!(output.stderr.contains("warning[foreign-secret]"), "{output}");
    assert!(output.stdout.contains("Applied: 1 updated.\n"), "{output}");
    assert_eq!(secrets(&database), before);
    assert_snapshot!("foreign_rotate", sandbox.oauthctl(&["rotate-secret", "awx", "--yes"]).exits(3));
    assert_eq!(secrets(&database), before);
}

#[test]
fn rotate_secret_refuses_whatever_the_form() {
    let (database, sandbox) = world(Template::Dot341);
    let before = everything(&database, "public");
    for client_id in ["awx", "fernet", "vault", "generated", "former"] {
        for format in ["text", "json"] {
            let arguments =
                ["rotate-secret", client_id, "--yes", "--secrets-out", "new.json", "--format", format];
            let output = sandbox.oauthctl(&arguments).exits(3);
            assert!(output.stderr.contains("is foreign: the project has encrypted it"), "{output}");
            assert!(!output.to_string().contains("Rotated"), "{output}");
        }
    }
    assert_eq!(everything(&database, "public"), before);
    assert!(!sandbox.path().join("new.json").exists());
}

#[test]
fn readers_call_them_foreign_and_show_nothing_of_them() {
    let (_database, sandbox) = world(Template::Dot341);
    let show = sandbox.oauthctl(&["show", "fernet"]).exits(0);
    let said = show.stdout.lines().find(|line| line.trim_start().starts_with("client_secret ")).unwrap();
    assert_snapshot!("foreign_show", said);
    let list = sandbox.oauthctl(&["list"]).exits(0);
    assert!(
        list.stderr
            .contains("Foreign secrets, encrypted by the project: awx, fernet, former, generated, vault.\n"),
        "{list}"
    );
    let json: Value =
        serde_json::from_str(&sandbox.oauthctl(&["list", "--format", "json"]).exits(0).stdout).unwrap();
    for application in json["applications"].as_array().unwrap() {
        assert_eq!(application["client_secret"]["storage"], "foreign", "{application}");
    }
    sandbox.write("empty.toml", "");
    let imported = sandbox.oauthctl(&["-f", "empty.toml", "import", "--all", "--with-hashes"]);
    let imported = format!("{imported}{}", sandbox.read("empty.toml"));
    for secret in [AWX, FERNET, VAULT] {
        for output in [show.to_string(), list.to_string(), json.to_string(), imported.clone()] {
            assert!(!output.contains(secret), "{output}");
        }
    }
}

#[test]
fn a_new_application_is_not_affected() {
    let (database, sandbox) = world(Template::Dot341);
    sandbox
        .oauthctl(&["createapplication", "confidential", "client-credentials", "--client-id", "fresh"])
        .exits(0);
    let stored =
        database.value(format!("SELECT client_secret FROM {APPLICATIONS} WHERE client_id = 'fresh'"));
    assert!(stored.starts_with("pbkdf2_sha256$1$"), "{stored}");
}
