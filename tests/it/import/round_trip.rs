//! Whatever is in the database, on every schema: what `import` writes is valid, and a plan finds nothing to do.

use serde_json::{Value, json};

use crate::support::database::Template;
use crate::support::rows::{APPLICATIONS, application, insert, user};
use crate::support::{Database, Sandbox};

const HASH: &str = "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=";

/// Rows as years of admins, scripts and imports leave them. The client id, and what differs from the defaults.
fn odd_rows() -> Vec<(String, Value)> {
    let hundred: Vec<String> = (0..100).map(|number| format!("https://{number}.example/cb")).collect();
    let row = |client_id: &str, with: Value| (client_id.to_owned(), with);
    let code = "authorization-code";
    vec![
        row("plain", json!({ "name": "Plain", "client_secret": "hunter2", "hash_client_secret": false })),
        row("plain-but-flagged", json!({ "client_secret": "hunter2" })),
        row("hashed", json!({ "client_secret": HASH, "skip_authorization": true, "user_id": 7 })),
        row("hashed-but-unflagged", json!({ "client_secret": HASH, "hash_client_secret": false })),
        row("looks-hashed", json!({ "client_secret": "argon2" })),
        row("old-hash", json!({ "client_secret": "md5$salt$0123456789abcdef0123456789abcdef" })),
        row("ünïcode 日本 💩", json!({ "name": "Ünï\u{202e}code \u{200b}日本 💩" })),
        row("a.b \"c\" \\d 'e'", json!({ "name": "'''\"\"\"\\u0041\\" })),
        row("line\nbreak\ttab\u{1}\u{7f}\u{85}", json!({ "name": "a\r\nb\u{1b}[31m # c" })),
        row("-", json!({ "name": " " })),
        row("applications", json!({ "name": "true" })),
        row("# not a comment", json!({ "name": "x".repeat(255) })),
        row(
            &"l".repeat(100),
            json!({ "redirect_uris": hundred.join(" "), "authorization_grant_type": code }),
        ),
        row(
            "mangled",
            json!({
                "authorization_grant_type": code,
                "redirect_uris": "\n https://b.example/\u{1c}\u{3000}https://a.example/\t\r\nhttps://b.example/ ",
                "post_logout_redirect_uris": " not a uri \"quoted\" \\ ", "allowed_origins": "\thttps://a.example\n",
            }),
        ),
        row("only-white-space", json!({ "authorization_grant_type": code, "redirect_uris": " \n" })),
        row("no-uris", json!({ "authorization_grant_type": code })),
        row(
            "bad-scheme",
            json!({ "authorization_grant_type": code, "redirect_uris": "javascript:alert(1)" }),
        ),
        row("one-bad-of-two", json!({ "redirect_uris": "https://a.example/ com.example:/cb" })),
        row("bad-origin", json!({ "allowed_origins": "https://a.example/path" })),
        row("bad-type", json!({ "client_type": "Confidential" })),
        row("no-type", json!({ "client_type": "", "authorization_grant_type": "" })),
        row("bad-grant", json!({ "authorization_grant_type": "magic\n" })),
        row("rs256", json!({ "algorithm": "RS256" })),
        row("hs256-hashed", json!({ "algorithm": "HS256", "client_secret": HASH })),
        row(
            "hs256-public",
            json!({ "algorithm": "HS256", "client_type": "public", "client_secret": "x", "hash_client_secret": false }),
        ),
        row("bad-algorithm", json!({ "algorithm": "none" })),
        row(
            "keys",
            json!({
                "token_endpoint_auth_method": "private_key_jwt", "require_pushed_authorization_requests": false,
                "client_jwks": "{\"keys\": [\n{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"11qY\"}]}",
            }),
        ),
        row("two-sets", json!({ "client_jwks": "{}", "client_jwks_uri": "http://a.example" })),
        row("private-key", json!({ "client_jwks": "{\"keys\":[{\"kty\":\"oct\",\"k\":\"hunter2\"}]}" })),
        row(
            "secret-jwt",
            json!({ "token_endpoint_auth_method": "client_secret_jwt", "client_secret": HASH }),
        ),
        row("bad-method", json!({ "token_endpoint_auth_method": "tls_client_auth" })),
        row("dynamic", json!({ "registration_source": "dcr" })),
        row("https://client.example/metadata.json", json!({ "registration_source": "cimd" })),
    ]
}

fn round_trip(database: &Database, start: &str) {
    let sandbox = Sandbox::with(database);
    for (name, flags) in [
        ("minimal.toml", &[][..]),
        ("full.toml", &["--full"]),
        ("hashes.toml", &["--with-hashes", "--registration-source", "all"]),
    ] {
        if !start.is_empty() {
            sandbox.write(name, start);
        }
        let run = |arguments: &[&str]| sandbox.oauthctl(&[arguments, &["-f", name]].concat());
        let selects: &[&str] = if flags.contains(&"--registration-source") { &[] } else { &["--all"] };
        run(&[&["import"], selects, flags].concat()).exits(0);
        let text = sandbox.read(name);
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(text.contains(HASH), flags.contains(&"--with-hashes"), "{text}");
        run(&["validate"]).exits(0);
        let planned = run(&["plan", "--detailed-exitcode"]).exits(0);
        assert!(planned.stdout.contains("No changes."), "{planned}\n{text}");
        for again in [&[][..], &["--update"]].into_iter().filter(|_| name == "minimal.toml") {
            run(&[&["import"], selects, flags, again].concat()).exits(0);
            assert_eq!(sandbox.read(name), text, "{again:?}");
        }
    }
}

#[test]
fn every_schema_with_odd_rows() {
    for template in Template::VERSIONS {
        let database = Database::create(template);
        user(&database, 7, "öps \"7\"");
        for (id, (client_id, with)) in (1..).zip(odd_rows()) {
            application(&database, id, &client_id, &with);
        }
        let count = database.value(format!("SELECT count(*) FROM {APPLICATIONS}"));
        assert_eq!(count, odd_rows().len().to_string());
        round_trip(&database, "");
    }
}

#[test]
fn swapped_models_with_uuid_keys() {
    let database = Database::create(Template::Swapped341);
    database.execute(
        "INSERT INTO myauth_user (id, username, password, is_superuser, first_name, last_name, email, is_staff, is_active, \
         date_joined) VALUES ('00000000-0000-0000-0000-000000000007', 'ops', '', false, '', '', '', false, true, now()); \
         ALTER TABLE oauth_clients DROP CONSTRAINT uniq_tenant_name; ALTER TABLE oauth_clients DISABLE TRIGGER ALL",
    );
    for (id, (client_id, with)) in (1..).zip(odd_rows()) {
        let mut row = json!({
            "id": format!("00000000-0000-0000-0000-{id:012}"), "client_id": client_id, "redirect_uris": "",
            "client_type": "confidential", "authorization_grant_type": "client-credentials", "client_secret": "",
            "name": "", "skip_authorization": false, "created": "2024-01-01T00:00:00Z", "algorithm": "",
            "updated": "2024-01-01T00:00:00Z", "post_logout_redirect_uris": "", "hash_client_secret": true,
            "allowed_origins": "", "registration_source": "manual", "logo": "", "agree": true, "tenant_id": 1,
        });
        for (key, value) in with.as_object().unwrap() {
            row[key] =
                if key == "user_id" { json!("00000000-0000-0000-0000-000000000007") } else { value.clone() };
        }
        insert(&database, "oauth_clients", &row);
    }
    let start = "# Swapped.\n[database.tables]\napplication = \"oauth_clients\"\naccess_token = \"myauth_accesstoken\"\n\
                 refresh_token = \"myauth_refreshtoken\"\nid_token = \"myauth_idtoken\"\n";
    round_trip(&database, start);
}
