//! Rows that `oauthctl` writes, in the hands of the real Django and Django OAuth Toolkit, oldest and newest: they are
//! valid, their secrets work, and clients get tokens; and rows that those wrote, in the hands of `oauthctl`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::Value;

use super::support::dot::Release;
use super::support::rows::user;
use super::support::{Database, Sandbox};

mod endpoint;
mod takeover;
mod tokens;

/// What `applications.py judge` says of an application.
#[derive(Debug, Deserialize)]
struct Verdict {
    errors: Option<Value>,
    accepted: Option<bool>,
}

/// Tables that this release of DOT has made itself, and user 7.
fn world(release: Release) -> (Database, Sandbox) {
    let database = release.migrated();
    user(&database, 7, "öps \"7\"");
    let sandbox = Sandbox::with(&database);
    (database, sandbox)
}

/// The secrets in a file that `--secrets-out` has written.
fn delivered(sandbox: &Sandbox, name: &str) -> BTreeMap<String, String> {
    serde_json::from_str(&sandbox.read(name)).unwrap()
}

/// `full_clean()`, `save()` and `check_password` of every application.
fn judge(
    release: Release,
    database: &Database,
    secrets: &BTreeMap<String, String>,
    settings: &Value,
) -> BTreeMap<String, Verdict> {
    let mut peer = release
        .script(database, "applications.py")
        .arg("judge")
        .env("OAUTH2_PROVIDER", settings.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let question = serde_json::to_vec(secrets).unwrap();
    peer.stdin.take().unwrap().write_all(&question).unwrap();
    let output = peer.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every kind of application that this release knows.
fn file(release: Release, hasher: &str) -> String {
    let newest = release == Release::Newest;
    let mut toml = format!("[provider]\noidc_rsa_private_key = true\n{hasher}\n");
    let mut declare = |client_id: &str, kind: &str, grant: &str, more: &str| {
        let _ = write!(
            toml,
            "\n[applications.{client_id}]\nclient_type = \"{kind}\"\nauthorization_grant_type = \"{grant}\"\n{more}\n"
        );
    };
    let uris: Vec<String> =
        (0..100).map(|number| format!("\"https://{number}.example/cb?x={number}\"")).collect();
    let uris = format!("redirect_uris = [{}]", uris.join(", "));
    let one_uri = "redirect_uris = [\"https://a.example/cb\"]";
    let mut code = format!("{uris}\nskip_authorization = true\nuser = {{ username = 'öps \"7\"' }}");
    if newest {
        code += "\nallowed_origins = [\"https://a.example\"]\npost_logout_redirect_uris = [\"https://a.example/out\"]";
    }
    declare("service", "confidential", "client-credentials", "name = \"Sérvice 日本 💩\"");
    declare("declared", "confidential", "client-credentials", "client_secret = { env = \"ODD\" }");
    declare("code", "confidential", "authorization-code", &code);
    declare("spa", "public", "authorization-code", one_uri);
    declare("implicit", "public", "implicit", one_uri);
    declare("password", "confidential", "password", "user = 7");
    declare("hybrid", "confidential", "openid-hybrid", &format!("{one_uri}\nalgorithm = \"RS256\""));
    if newest {
        declare(
            "signer",
            "confidential",
            "client-credentials",
            "hash_client_secret = false\nalgorithm = \"HS256\"",
        );
        declare("tv", "public", "urn:ietf:params:oauth:grant-type:device_code", "");
    }
    toml
}

/// A secret with everything that has a meaning in URLs, forms and hashes.
const ODD: &str = "s$1$ö日 +&=%41:#\"'\\";

#[test]
fn rows_are_valid_and_their_secrets_are_accepted() {
    for release in Release::ALL {
        let hashers: &[&str] = match release {
            Release::Oldest => &["client_secret_iterations = 1000"],
            Release::Newest => &[
                "client_secret_iterations = 1000",
                "client_secret_iterations = 1000\nclient_secret_hasher = \"pbkdf2_sha1\"",
                "client_secret_hasher = \"scrypt\"",
            ],
        };
        for hasher in hashers {
            let (database, mut sandbox) = world(release);
            sandbox.set("ODD", ODD);
            sandbox.write("oauth.toml", file(release, hasher));
            sandbox.oauthctl(&["apply", "--yes", "--secrets-out", "made.json"]).exits(0);
            let mut secrets = delivered(&sandbox, "made.json");
            assert!(secrets.contains_key("service"), "{:?}", secrets.keys());
            secrets.insert("declared".to_owned(), ODD.to_owned());

            let created = sandbox.oauthctl(&[
                "createapplication",
                "--client-id",
                "command",
                "confidential",
                "password",
            ]);
            let created = created.exits(0).stdout;
            let (_, secret) = created.trim_end().rsplit_once("client_secret: ").expect("a secret");
            secrets.insert("command".to_owned(), secret.to_owned());
            let rotate = ["rotate-secret", "code", "--yes", "--secrets-out", "rotated.json"];
            sandbox.oauthctl(&rotate).exits(0);
            secrets.extend(delivered(&sandbox, "rotated.json"));

            let settings = serde_json::json!({ "OIDC_RSA_PRIVATE_KEY": "a key" });
            let verdicts = judge(release, &database, &secrets, &settings);
            assert_eq!(verdicts.len(), if release == Release::Newest { 10 } else { 8 });
            for (client_id, Verdict { errors, accepted }) in &verdicts {
                assert_eq!(*errors, None, "{release:?} {hasher} {client_id}");
                let expected = secrets.contains_key(client_id).then_some(true);
                assert_eq!(*accepted, expected, "{release:?} {hasher} {client_id}");
            }
            // Everything was saved by Django meanwhile.
            let planned = sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
            assert!(planned.stdout.contains("No changes."), "{planned}");
        }
    }
}

#[test]
fn what_django_has_made_is_imported_and_then_nothing_differs() {
    for release in Release::ALL {
        let database = release.migrated();
        let output = release.script(&database, "applications.py").arg("fill").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let count = String::from_utf8(output.stdout).unwrap().trim().parse::<usize>().unwrap();
        assert!(count >= 19, "{count}");
        let sandbox = Sandbox::with(&database);
        for flags in [&[][..], &["--full"], &["--with-hashes"]] {
            let name = format!("oauth{}.toml", flags.join(""));
            let run = |arguments: &[&str]| sandbox.oauthctl(&[arguments, &["-f", &name]].concat());
            run(&[&["import", "--registration-source", "all"], flags].concat()).exits(0);
            let text = sandbox.read(&name);
            assert_eq!(text.matches("\n[applications.").count(), count, "{release:?}\n{text}");
            assert!(!text.contains("hunter2"), "{text}");
            run(&["validate"]).exits(0);
            let planned = run(&["plan", "--detailed-exitcode"]).exits(0);
            assert!(planned.stdout.contains("No changes."), "{release:?} {planned}\n{text}");
            run(&["apply", "--yes"]).exits(0);
            run(&[&["import", "--registration-source", "all", "--update"], flags].concat()).exits(0);
            assert_eq!(sandbox.read(&name), text, "{release:?} {flags:?}");
        }
    }
}
