//! DOT's main branch and what comes after it: the fields that it has, the rows that its migrations and defaults are
//! about, and the tables that are not known yet.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::support::dot::Release;
use super::support::rows::{APPLICATIONS, application, everything, session, user};
use super::support::sandbox::Output;
use super::support::{Database, Sandbox, Template};

const HASH: &str = "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=";

const KEYS: &str = r#"
[applications.signs]
client_type = "confidential"
authorization_grant_type = "client-credentials"
token_endpoint_auth_method = "private_key_jwt"
client_jwks = '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
require_pushed_authorization_requests = true

[applications.elsewhere]
client_type = "confidential"
authorization_grant_type = "client-credentials"
token_endpoint_auth_method = "private_key_jwt"
client_jwks_uri = "https://client.example.com/keys"
"#;

fn world(template: Template, file: &str) -> (Database, Sandbox) {
    let database = Database::create(template);
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", file);
    (database, sandbox)
}

fn findings(output: &Output, check: &str) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&output.raw_stdout).unwrap();
    let findings = document["findings"].as_array().unwrap();
    findings.iter().filter(|finding| finding["check"] == check).cloned().collect()
}

/// What is found, with the statement to type.
fn said(output: &Output, check: &str) -> Vec<String> {
    let text = |finding: &Value| {
        let remedies = finding["remedies"].as_array().unwrap().iter();
        let remedies = remedies.map(|remedy| format!("\n    {}", remedy["text"].as_str().unwrap()));
        let [verdict, found, meaning] =
            ["verdict", "found", "meaning"].map(|key| finding[key].as_str().unwrap());
        format!("{verdict}: {found} {meaning}{}", remedies.collect::<String>())
    };
    findings(output, check).iter().map(text).collect()
}

#[test]
fn how_clients_authenticate_is_created_changed_and_imported() {
    let (database, sandbox) = world(Template::Main, KEYS);
    assert_snapshot!("keys_planned", sandbox.oauthctl(&["plan"]).exits(0));
    // They sign with keys of their own: nobody is given the secret that DOT's column holds all the same.
    let applied = sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert!(!applied.to_string().contains("client_secret of"), "{applied}");
    let kept = format!("SELECT count(*) FROM {APPLICATIONS} WHERE client_secret LIKE 'pbkdf2%'");
    assert_eq!(database.value(kept), "2");
    let columns = "token_endpoint_auth_method, left(client_jwks, 20), client_jwks_uri, require_pushed_authorization_requests";
    let rows = format!("SELECT client_id, {columns} FROM {APPLICATIONS} ORDER BY 1");
    assert_snapshot!("keys_in_the_rows", database.table(&rows));
    let planned = sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
    assert!(planned.stdout.contains("No changes."), "{planned}");
    sandbox.oauthctl(&["import", "--all", "-f", "imported.toml"]).exits(0);
    assert_snapshot!("keys_imported", sandbox.read("imported.toml"));
    let shown = sandbox.oauthctl(&["show", "signs"]).exits(0).stdout;
    let shown = shown
        .lines()
        .filter(|line| line.contains("token_endpoint") || line.contains("_jwks") || line.contains("require"));
    assert_snapshot!("keys_shown", shown.collect::<Vec<_>>().join("\n"));

    // The other way to have keys.
    let moved =
        KEYS.replace(r#"client_jwks_uri = "https://client.example.com/keys""#, "client_jwks_uri = \"\"");
    sandbox.write("oauth.toml", &moved);
    assert_snapshot!("keys_taken_away", sandbox.oauthctl(&["apply", "--yes"]).exits(64));
}

#[test]
fn a_released_dot_has_none_of_it() {
    let (database, sandbox) = world(Template::Dot341, KEYS);
    let before = everything(&database, "public");
    assert_snapshot!("keys_of_a_released_dot", sandbox.oauthctl(&["apply", "--yes"]).exits(64));
    assert_eq!(before, everything(&database, "public"));
}

/// A key that signs is a secret: neither the file nor a row that holds one is shown.
#[test]
fn a_private_key_is_refused_and_never_shown() {
    let private =
        r#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "MKBC", "y": "4Etl", "d": "PRIVATE-PART"}]}"#;
    let file = format!("[applications.a]\nclient_jwks = '{private}'\nnmae = \"x\"\n");
    let (database, sandbox) = world(Template::Main, &file);
    let refused = sandbox.oauthctl(&["validate"]).exits(64);
    assert_snapshot!("private_key_in_the_file", refused);
    // Also where the file is no TOML.
    sandbox.write("oauth.toml", format!("{file}["));
    let broken = sandbox.oauthctl(&["validate"]).exits(64);
    assert!(!broken.to_string().contains("PRIVATE-PART"), "{broken}");

    application(&database, 1, "a", &json!({ "client_jwks": private }));
    sandbox.write("oauth.toml", "[applications.a]\nclient_jwks = \"\"\n");
    for arguments in [
        &["plan"][..],
        &["show", "a"],
        &["show", "a", "--format", "json"],
        &["import", "--all", "-f", "i.toml"],
    ] {
        let output = sandbox.oauthctl(arguments).exits(0);
        assert!(!output.to_string().contains("PRIVATE-PART"), "{output}");
    }
    assert!(!sandbox.read("i.toml").contains("PRIVATE-PART"));
}

#[test]
fn a_server_with_validators_of_its_own_decides_itself() {
    let file = "[applications.app]\nclient_type = \"public\"\nauthorization_grant_type = \"authorization-code\"\n\
                redirect_uris = [\"com.example.app:callback\"]\n";
    let (database, sandbox) = world(Template::Main, file);
    assert!(sandbox.oauthctl(&["plan"]).exits(64).stderr.contains("error[invalid-uri]"));
    sandbox.write("oauth.toml", format!("[provider]\nuri_rules = \"lint\"\n{file}"));
    assert_snapshot!("uri_rules_lint", sandbox.oauthctl(&["apply", "--yes"]).exits(0));
    assert_eq!(
        database.value(format!("SELECT redirect_uris FROM {APPLICATIONS}")),
        "com.example.app:callback"
    );
}

/// DOT's migration 0023 would delete exactly the rows that the statement selects.
#[test]
fn refresh_tokens_that_share_a_token_are_counted() {
    let (database, sandbox) = world(Template::Dot341, "");
    user(&database, 1, "ada");
    application(&database, 1, "web", &json!({}));
    for id in 1..=6 {
        session(&database, id, 1, "2124-01-02T00:00:00Z");
    }
    let doctor = || sandbox.oauthctl(&["doctor", "--format", "json"]);
    assert_eq!(said(&doctor(), "duplicates"), [""; 0]);
    // 1 to 3: a revoked one, the live one that stays, an older live one. 4 and 5: both revoked, the newer stays.
    database.execute(
        "UPDATE oauth2_provider_refreshtoken SET token_checksum = 'a' WHERE id <= 3;
         UPDATE oauth2_provider_refreshtoken SET token_checksum = 'b' WHERE id IN (4, 5);
         UPDATE oauth2_provider_refreshtoken SET revoked = now() WHERE id IN (1, 4);
         UPDATE oauth2_provider_refreshtoken SET revoked = now() - interval '1 day' WHERE id = 5;
         UPDATE oauth2_provider_refreshtoken SET created = now() WHERE id IN (2, 5)",
    );
    let output = doctor();
    assert_snapshot!("duplicates", said(&output, "duplicates").join("\n"));
    let select = findings(&output, "duplicates")[0]["remedies"][0]["text"].as_str().unwrap().to_owned();
    let keys =
        format!("SELECT string_agg(id::text, ',' ORDER BY id) FROM ({}) t", select.trim_end_matches(';'));
    assert_eq!(database.value(keys), "1,3,4");
    assert!(!output.stdout.contains("refresh-1"), "{output}");
    // Where it is unique there are none to count.
    let (_main, sandbox) = world(Template::Main, "");
    assert_eq!(said(&sandbox.oauthctl(&["doctor", "--format", "json"]), "duplicates"), [""; 0]);
}

/// What `loaddata` leaves; real Django hashes it with what is printed, and the client keeps its secret.
#[test]
fn secrets_in_clear_in_rows_that_say_hashed_are_counted_and_can_be_hashed() {
    let database = Release::Newest.migrated();
    let sandbox = Sandbox::with(&database);
    for (id, client_id, secret, hash) in [
        (1, "loaded", "correct horse battery staple", true),
        (2, "hashed", HASH, true),
        (3, "signing", "plain on purpose", false),
        (4, "empty", "", true),
        (5, "awx", "$encrypted$UTF8$AESCBC$Z0FB", true),
        (6, "own", "my_hasher$1$x", true),
    ] {
        application(
            &database,
            id,
            client_id,
            &json!({ "client_secret": secret, "hash_client_secret": hash }),
        );
    }
    let doctor = || sandbox.oauthctl(&["doctor", "--format", "json"]);
    let output = doctor().exits(1);
    assert_snapshot!("plain_secrets", said(&output, "secrets").join("\n"));
    assert!(!output.stdout.contains("battery"), "{output}");
    let remedies = &findings(&output, "secrets")[0]["remedies"];
    let select = remedies[0]["text"].as_str().unwrap().trim_end_matches(';').to_owned();
    assert_eq!(database.value(format!("SELECT string_agg(client_id, ',') FROM ({select}) t")), "loaded");

    let declared = "[applications.loaded]\nskip_authorization = false\n[applications.hashed]\nskip_authorization = false\n";
    sandbox.write("oauth.toml", declared);
    assert_snapshot!("plain_secret_planned", sandbox.oauthctl(&["plan"]).exits(0));
    for (lint, code, says) in [("deny", 64, "error["), ("ignore", 0, "")] {
        sandbox.write("oauth.toml", format!("[lint]\n{lint} = [\"unhashed-secret:loaded\"]\n{declared}"));
        let output = sandbox.oauthctl(&["apply", "--yes"]).exits(code);
        assert!(output.stderr.starts_with(says), "{output}");
        assert_eq!(output.stderr.contains("unhashed-secret"), !says.is_empty(), "{output}");
    }

    // What the row says after the plan counts, whatever it says now.
    database
        .execute(format!("UPDATE {APPLICATIONS} SET hash_client_secret = false WHERE client_id = 'loaded'"));
    sandbox.write("oauth.toml", "[applications.loaded]\nhash_client_secret = true\n");
    assert_snapshot!("plain_secret_called_hashed", sandbox.oauthctl(&["plan"]).exits(0));
    sandbox.write(
        "oauth.toml",
        "[applications.loaded]\nhash_client_secret = true\nignore = [\"hash_client_secret\"]\n",
    );
    assert_eq!(sandbox.oauthctl(&["plan"]).exits(0).stderr, "");
    database
        .execute(format!("UPDATE {APPLICATIONS} SET hash_client_secret = true WHERE client_id = 'loaded'"));
    sandbox.write("oauth.toml", "[applications.loaded]\nhash_client_secret = false\n");
    assert!(!sandbox.oauthctl(&["plan"]).exits(0).stderr.contains("unhashed-secret"));

    let typed = remedies[1]["text"].as_str().unwrap();
    let code = typed.strip_prefix("python manage.py shell -c \"").unwrap().strip_suffix('"').unwrap();
    Release::Newest.manage(&database, &["shell", "-c", code], &[]);
    assert_eq!(said(&doctor(), "secrets"), [""; 0]);
    let secrets = format!(
        "SELECT string_agg(left(client_secret, 14), ' ' ORDER BY id) FROM {APPLICATIONS} WHERE id IN (2, 3)"
    );
    assert_eq!(database.value(secrets), "pbkdf2_sha256$ plain on purpo");
    let mut sandbox = sandbox;
    sandbox.set("SECRET", "correct horse battery staple");
    sandbox.write("oauth.toml", "[applications.loaded]\nclient_secret = { env = \"SECRET\" }\n");
    assert!(sandbox.oauthctl(&["plan"]).exits(0).stdout.contains("No changes."));
}

/// A table that only a newer DOT has is DOT's, and what to do about it is to update.
#[test]
fn tables_of_a_dot_to_come_are_not_taken_for_foreign_ones() {
    let (database, sandbox) = world(Template::Main, "[[removed]]\nclient_id = \"web\"\n");
    application(&database, 1, "web", &json!({}));
    database.execute(
        "CREATE TABLE oauth2_provider_authorization (id bigint PRIMARY KEY,
             application_id bigint CONSTRAINT authorization_application REFERENCES oauth2_provider_application);
         INSERT INTO oauth2_provider_authorization VALUES (1, 1);
         CREATE TABLE django_migrations (app text, name text);
         INSERT INTO django_migrations VALUES ('oauth2_provider', '0025_pushed_authorization_requests'),
             ('oauth2_provider', '0027_session'), ('other', '0099_x')",
    );
    assert_snapshot!("a_newer_table_refuses", sandbox.oauthctl(&["apply", "--yes"]).exits(3));
    let output = sandbox.oauthctl(&["doctor", "--format", "json"]).exits(1);
    let found = [said(&output, "schema"), said(&output, "references")].concat();
    assert_snapshot!("a_newer_dot", found.join("\n"));
}

#[test]
fn what_dot_4_0_refuses_is_told_for_each_application() {
    let (database, sandbox) = world(Template::Dot341, "");
    let doctor = |more: &[&str]| sandbox.oauthctl(&[&["doctor", "--upgrade", "4.0"], more].concat());
    let fine = doctor(&["--format", "json"]);
    let fine = said(&fine, "upgrade");
    assert_eq!(fine[0], "ok: No application uses what the defaults of DOT 4.0 refuse. ");
    assert_eq!(fine.len(), 2);

    user(&database, 1, "ada");
    let code = "authorization-code";
    for (id, client_id, with) in [
        (
            1,
            "spa",
            json!({ "authorization_grant_type": "implicit", "redirect_uris": "https://a.example/", "name": "Old SPA" }),
        ),
        (2, "cli", json!({ "authorization_grant_type": "password" })),
        (
            3,
            "preview",
            json!({ "authorization_grant_type": code, "redirect_uris": "https://*.a.example/ http://127.0.0.1/" }),
        ),
        (4, "phone", json!({ "authorization_grant_type": code, "redirect_uris": "https://a.example/" })),
        (
            5,
            "fine",
            json!({ "authorization_grant_type": code, "redirect_uris": "https://a.example/*?http:" }),
        ),
    ] {
        application(&database, id, client_id, &with);
    }
    for (id, of, expires) in
        [(1, 1, "2124-01-02T00:00:00Z"), (2, 1, "2024-01-02T00:00:00Z"), (3, 5, "2124-01-02T00:00:00Z")]
    {
        session(&database, id, of, expires);
    }
    database.execute(
        "INSERT INTO oauth2_provider_grant (code, expires, redirect_uri, scope, created, updated, code_challenge, \
             code_challenge_method, nonce, claims, resource, application_id, user_id)
         SELECT method, now(), '', '', now(), now(), 'x', method, '', '', '[]', 4, 1 FROM unnest('{plain,S256}'::text[]) method",
    );
    let before = everything(&database, "public");
    let text = doctor(&[]).exits(1);
    let told: Vec<&str> = text.stdout.split_inclusive('\n').filter(|line| !line.is_empty()).collect();
    let from = told.iter().position(|line| line.contains("upgrade")).unwrap();
    let to = told.iter().position(|line| line.contains("privileges")).unwrap();
    assert_snapshot!("upgrade", told[from..to].concat());
    let document: Value = serde_json::from_slice(&doctor(&["--format", "json"]).exits(1).raw_stdout).unwrap();
    insta::assert_json_snapshot!("upgrade_json", document["upgrade"]);
    assert_eq!(before, everything(&database, "public"));
}

#[test]
fn versions_that_are_not_known_are_a_mistake_and_those_that_are_can_be_asked_everywhere() {
    let (_database, sandbox) = world(Template::Dot150, "");
    assert_snapshot!("upgrade_unknown", sandbox.oauthctl(&["doctor", "--upgrade", "5.0"]).exits(64));
    for template in [Template::Dot150, Template::Main, Template::Swapped341] {
        let (_database, sandbox) =
            world(template, if template == Template::Swapped341 { SWAPPED } else { "" });
        let output = sandbox.oauthctl(&["doctor", "--upgrade", "4.0", "--format", "json"]);
        assert!(said(&output, "upgrade")[0].starts_with("ok: "), "{output}");
    }
    // Not asked for.
    let document: Value =
        serde_json::from_slice(&sandbox.oauthctl(&["doctor", "--format", "json"]).raw_stdout).unwrap();
    assert!(document["upgrade"].is_null());
}

const SWAPPED: &str = r#"
[database.tables]
application = "oauth_clients"
access_token = "myauth_accesstoken"
refresh_token = "myauth_refreshtoken"
id_token = "myauth_idtoken"
"#;
