//! Secrets that no client can send: an error wherever a secret comes from, and never trimmed.

use insta::assert_snapshot;
use serde_json::json;

use super::support::rows::{APPLICATIONS, application, everything};
use super::support::{Database, Sandbox, Template};

const GOOD: &str = "K8s-0123456789abcdefghijklmnop";

/// What stands before the good secret, what after it, and what is said.
const FLAWS: [(&str, &str, &str); 8] = [
    ("", "\n", "ends with a newline"),
    ("", "\r\n", "ends with a newline"),
    ("", " ", "ends with white space"),
    ("\t", "", "begins with white space"),
    ("\u{feff}", "", "begins with a byte order mark"),
    ("\u{feff}", "\r\n", "begins with a byte order mark and ends with a newline"),
    ("a\u{7f}b", "", "has a control character"),
    ("a\u{1b}[0m", "", "has a control character"),
];

const BY_ENV: &str =
    "[provider]\nclient_secret_iterations = 1\n[applications.web]\nclient_secret = { env = \"S\" }\n";
const BY_FILE: &str =
    "[provider]\nclient_secret_iterations = 1\n[applications.web]\nclient_secret = { file = \"f.sec\" }\n";

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    application(&database, 1, "web", &json!({ "client_secret": GOOD, "hash_client_secret": false }));
    let sandbox = Sandbox::with(&database);
    (database, sandbox)
}

#[test]
fn every_source_in_the_file_is_refused_at_its_line() {
    let (database, mut sandbox) = world();
    let before = everything(&database, "public");
    for (start, end, said) in FLAWS {
        sandbox.set("S", format!("{start}{GOOD}{end}"));
        sandbox.write("oauth.toml", BY_ENV);
        for verb in [&["validate"][..], &["plan"], &["apply", "--yes"]] {
            let output = sandbox.oauthctl(verb).exits(64);
            let error = format!("error[unsendable-secret]: the secret {said}, and no client can send that");
            assert!(output.stderr.contains(&error), "{output}");
            assert!(output.stderr.contains("oauth.toml:4:17"), "{output}");
            assert!(!output.to_string().contains(GOOD), "{output}");
        }
        // One newline ends the line of a file; what is there besides is the secret.
        sandbox.write("oauth.toml", BY_FILE);
        sandbox.write("f.sec", format!("{start}{GOOD}{end}\n"));
        let output = sandbox.oauthctl(&["apply", "--yes"]).exits(64);
        assert!(output.stderr.contains(&format!("the secret {said}, and no client")), "{output}");
    }
    assert_eq!(everything(&database, "public"), before);
    sandbox.set("S", GOOD);
    for (text, file) in
        [(format!("{GOOD}\n"), BY_FILE), (format!("{GOOD}\r\n"), BY_FILE), (String::new(), BY_ENV)]
    {
        sandbox.write("f.sec", text);
        sandbox.write("oauth.toml", file);
        sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
    }
}

#[test]
fn a_stored_secret_that_was_meant_is_named() {
    let (database, mut sandbox) = world();
    sandbox.write("oauth.toml", BY_ENV);
    sandbox.set("S", format!("\u{feff}{GOOD}\n"));
    assert_snapshot!("unsendable_meant", sandbox.oauthctl(&["apply", "--yes"]).exits(64));
    // The same behind a hash, and under the former name.
    sandbox.write("empty.toml", "[provider]\nclient_secret_iterations = 1\n");
    let hash = sandbox.command(&["-f", "empty.toml", "hash-secret"]).input(GOOD).run().exits(0).stdout;
    database.execute(format!(
        "UPDATE {APPLICATIONS} SET client_secret = '{}', client_id = 'former'",
        hash.trim()
    ));
    let renaming = "[[renamed]]\nfrom = \"former\"\nto = \"web\"\n";
    sandbox.write("oauth.toml", format!("{BY_ENV}{renaming}"));
    sandbox.set("S", format!("{GOOD} "));
    let output = sandbox.oauthctl(&["plan"]).exits(64);
    let hint = "hint: the stored secret of web is the declared one without the white space at its end: take that away at \
                the source, and the secret stays as it is\n";
    assert!(output.stderr.contains(hint), "{output}");
    // Nothing is claimed of another secret, and no database is needed to refuse.
    sandbox.set("S", "another-secret-of-32-characters-\n");
    let output = sandbox.oauthctl(&["plan"]).exits(64);
    assert!(!output.stderr.contains("the stored secret"), "{output}");
    sandbox.set("S", format!("{GOOD}\n"));
    let output = sandbox.command(&["plan"]).env("PGPORT", "1").run().exits(64);
    assert!(output.stderr.contains("error[unsendable-secret]"), "{output}");
}

#[test]
fn hash_secret_and_createapplication_refuse_them_too() {
    let (database, sandbox) = world();
    sandbox.write("oauth.toml", "[provider]\nclient_secret_iterations = 1\n");
    let before = everything(&database, "public");
    let create = ["createapplication", "confidential", "client-credentials", "--client-id", "new"];
    for (start, end, said) in FLAWS {
        let secret = format!("{start}{GOOD}{end}");
        let output = sandbox.command(&["hash-secret"]).input(&format!("{secret}\n")).run().exits(64);
        assert!(
            output
                .stderr
                .contains(&format!("error: the secret on stdin {said}, and no client can send that\n")),
            "{output}"
        );
        let flag = format!("--client-secret={secret}");
        let output = sandbox.oauthctl(&[&create[..], &[flag.as_str()]].concat()).exits(64);
        assert!(output.stderr.contains(&format!("error: the secret of --client-secret {said}")), "{output}");
        sandbox.write("f.sec", format!("{secret}\n"));
        let output = sandbox.oauthctl(&[&create[..], &["--client-secret-file", "f.sec"]].concat()).exits(64);
        assert!(output.stderr.contains(&format!("error: the secret file f.sec {said}")), "{output}");
    }
    assert_eq!(everything(&database, "public"), before);
}

#[test]
fn what_dot_takes_is_advice() {
    let (database, mut sandbox) = world();
    sandbox.write("oauth.toml", BY_ENV);
    sandbox.set("S", "geheimes Wört mit Ümläuten und mehr");
    assert_snapshot!("unusual_secret", sandbox.oauthctl(&["validate"]).exits(0));
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert_eq!(
        database.value(format!("SELECT client_secret FROM {APPLICATIONS}")),
        "geheimes Wört mit Ümläuten und mehr"
    );
    let weak = sandbox.command(&["hash-secret"]).input("hello\n").run().exits(0);
    assert!(weak.stdout.starts_with("pbkdf2_sha256$1$"), "{weak}");
    assert_snapshot!("weak_hash_secret", weak.stderr);
}

#[test]
fn what_needs_no_secret_of_the_file_goes_on() {
    let (_database, mut sandbox) = world();
    sandbox.write("oauth.toml", BY_ENV);
    sandbox.set("S", format!("{GOOD}\n"));
    for verb in [&["cleartokens"][..], &["list"], &["status"], &["show", "web"]] {
        let output = sandbox.oauthctl(verb).exits(0);
        assert!(!output.to_string().contains(GOOD), "{output}");
    }
    let shown = sandbox.oauthctl(&["show", "web"]).exits(0);
    assert!(shown.stdout.contains("# client_secret was not compared"), "{shown}");
    // The remedy must not be locked out by what it mends.
    sandbox.oauthctl(&["rotate-secret", "web", "--yes", "--secrets-out", "new.json"]).exits(0);
}
