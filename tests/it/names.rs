//! Names on the command line that are nowhere, empty values, and files that would replace what is read.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::support::rows::{application, everything, session, user};
use super::support::{Database, Sandbox, Template};

const FILE: &str = r#"
[applications.web]
name = "Web shop"

[applications.reports]
name = "Reports"

[[removed]]
client_id = "legacy"

[[renamed]]
from = "reporting"
to = "reports"
"#;

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "alice");
    for (id, client_id) in [(1, "web"), (2, "reporting"), (3, "legacy"), (4, "other")] {
        application(&database, id, client_id, &json!({}));
    }
    session(&database, 1, 1, "2020-01-01T00:00:00Z");
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

#[test]
fn what_the_file_does_not_know_is_refused_before_connecting() {
    let (database, sandbox) = world();
    let before = everything(&database, "public");
    let mut told = String::new();
    for flags in [
        &["--target", "wbe"][..],
        &["--target", "web", "--target", "nothing-like-it"],
        &["--target", "reporting"],
        &["--allow", "delete:legcay"],
        &["--allow", "update:nope"],
        &["--target", ""],
        &["--target", "other"],
    ] {
        for verb in ["plan", "apply"] {
            let arguments = [&[verb][..], flags].concat();
            // No server is there: it is said all the same.
            let output = sandbox.command(&arguments).env("PGPORT", "1").run().exits(64);
            if verb == "plan" {
                let _ = writeln!(told, "# {}\n{}", arguments.join(" "), output.stderr);
            }
        }
    }
    assert_snapshot!("unknown_names", told);
    for known in ["delete:legacy", "update:web", "update:reporting", "update:reports", "max-deletes=1"] {
        sandbox.oauthctl(&["plan", "--allow", known]).exits(0);
    }
    assert_eq!(everything(&database, "public"), before);
}

#[test]
fn where_prune_deletes_the_database_knows_names_too() {
    let (_database, sandbox) = world();
    sandbox.write("oauth.toml", format!("[policy]\nprune = \"all\"\n{FILE}"));
    sandbox.oauthctl(&["plan", "--target", "other", "--detailed-exitcode"]).exits(2);
    sandbox.oauthctl(&["plan", "--allow", "delete:other"]).exits(0);
    let output = sandbox.oauthctl(&["plan", "--target", "othr"]).exits(64);
    assert!(
        output
            .stderr
            .contains("--target othr: neither oauth.toml nor the database knows such an application"),
        "{output}"
    );
    assert!(output.stderr.contains("hint: did you mean \"other\"?\n"), "{output}");
}

#[test]
fn the_closing_sentence_speaks_of_the_targets_only() {
    let (_database, sandbox) = world();
    sandbox.oauthctl(&["apply", "--yes", "--target", "web"]).exits(0);
    let output = sandbox.oauthctl(&["plan", "--target", "web"]).exits(0);
    assert!(
        output.stdout.ends_with(
            "No changes. The target matches the file; the rest was not looked at (4 applications in the database [database], 2 in the file).\n"
        ),
        "{output}"
    );
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    // Where the targets are all that there is, it is still about them.
    let arguments = ["plan", "--target", "web", "--target", "reports", "--target", "legacy"];
    let output = sandbox.oauthctl(&arguments).exits(0);
    assert!(output.stdout.contains("The 3 targets match the file; the rest was not looked at"), "{output}");
    let json = sandbox.oauthctl(&["plan", "--target", "web", "--format", "json"]).exits(0).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["targets"], json!(["web"]));
}

#[test]
fn cleartokens_deletes_nothing_for_a_client_that_is_nowhere() {
    let (database, sandbox) = world();
    let before = everything(&database, "public");
    for flags in [&[][..], &["--dry-run"]] {
        let arguments = [&["cleartokens", "--exclude-client", "wbe"][..], flags].concat();
        let output = sandbox.oauthctl(&arguments).exits(64);
        assert_snapshot!("unknown_excluded", output.stderr);
    }
    let output = sandbox.oauthctl(&["cleartokens", "--allow", "delete:web"]).exits(64);
    assert!(output.stderr.contains("write fk-checks=set or rewrite"), "{output}");
    assert_eq!(everything(&database, "public"), before);
    // A file may be shared by environments, not all of which have every client.
    sandbox.write("oauth.toml", "[cleanup]\nexclude_clients = [\"wbe\"]\n");
    let output = sandbox.oauthctl(&["cleartokens"]).exits(0);
    assert!(output.stderr.contains("no application has the client id wbe"), "{output}");
}

#[test]
fn filters_say_when_nothing_can_match_or_does() {
    let (_database, sandbox) = world();
    for (flags, said) in [
        (&["--grant-type", "client-credential"][..], "did you mean \"client-credentials\"?"),
        (&["--grant-type", "foo"], "it is one of authorization-code, implicit, password"),
        (&["--client-type", "secret"], "it is one of confidential, public"),
    ] {
        for verb in ["list", "import"] {
            let output = sandbox.oauthctl(&[&[verb][..], flags].concat()).exits(64);
            assert!(output.stderr.contains(said), "{output}");
        }
    }
    for flags in [&["--match", "zzz*"][..], &["--user", "nobody"], &["--client-type", "public"]] {
        let output = sandbox.oauthctl(&[&["list"][..], flags].concat()).exits(0);
        assert!(output.stderr.contains("No application matches.\n"), "{output}");
    }
    for flag in ["--match", "--user", "--grant-type", "--client-type"] {
        let output = sandbox.oauthctl(&["list", flag, ""]).exits(64);
        assert!(output.stderr.contains("it is empty"), "{output}");
    }
}

#[test]
fn an_empty_address_is_no_address() {
    let (_database, sandbox) = world();
    for empty in ["", " "] {
        let output = sandbox.oauthctl(&["list", "--database-url", empty]).exits(64);
        assert!(output.stderr.contains("--database-url"), "{output}");
        assert!(output.stderr.contains("it is empty"), "{output}");
    }
    // libpq's variables name one, so the empty variable does no harm; where that fails, it is named.
    sandbox.command(&["list"]).env("DATABASE_URL", "").run().exits(0);
    let output = sandbox.command(&["list"]).env("DATABASE_URL", "").env("PGPORT", "1").run().exits(5);
    assert!(
        output.stderr.contains("hint: DATABASE_URL is set and empty, so it names no database\n"),
        "{output}"
    );
    assert!(!output.stderr.contains("nothing names a database"), "{output}");
    let mut nowhere = sandbox.command(&["list"]).env("PGUSER", "nobody");
    for name in ["PGHOST", "PGPORT", "PGDATABASE"] {
        nowhere = nowhere.without(name);
    }
    let output = nowhere.env("PGTARGETSESSIONATTRS", "standby").run().exits(5);
    assert!(
        output.stderr.contains(
            "hint: nothing names a database: --database-url, DATABASE_URL, [database] url in oauth.toml and libpq's \
             PGHOST, PGHOSTADDR, PGPORT, PGDATABASE, PGSERVICE were looked at; for example --database-url \
             postgres://USER@HOST/DATABASE\n"
        ),
        "{output}"
    );
}

#[test]
fn no_output_replaces_an_input_or_another_output() {
    let (database, sandbox) = world();
    sandbox.write(
        "oauth.toml",
        format!("{FILE}[applications.secretive]\nclient_secret = {{ file = \"f.sec\" }}\n"),
    );
    sandbox.write("f.sec", "a-secret-of-more-than-22-characters\n");
    application(&database, 9, "secretive", &json!({}));
    symlink("oauth.toml", sandbox.path().join("link.toml")).unwrap();
    std::fs::hard_link(sandbox.path().join("oauth.toml"), sandbox.path().join("hard.toml")).unwrap();
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    let (file, saved) = (sandbox.read("oauth.toml"), sandbox.read("saved.plan"));
    let before = everything(&database, "public");
    let mut told = String::new();
    for arguments in [
        &["plan", "--out", "oauth.toml"][..],
        &["plan", "--json-out", "./oauth.toml"],
        &["plan", "--out", "link.toml"],
        &["plan", "--out", "hard.toml"],
        &["-f", "link.toml", "plan", "--out", "oauth.toml"],
        &["plan", "--out", "x", "--json-out", "./x"],
        &["plan", "--out", "f.sec"],
        &["apply", "--yes", "--secrets-out", "oauth.toml"],
        &["apply", "--yes", "saved.plan", "--secrets-out", "saved.plan"],
        &["rotate-secret", "web", "--yes", "--secrets-out", "oauth.toml"],
        &["status", "--metrics-file", "oauth.toml"],
        &["status", "--metrics-file", "f.sec"],
    ] {
        let output = sandbox.oauthctl(arguments).exits(64);
        assert!(output.stdout.is_empty(), "{output}");
        let _ = writeln!(told, "# {}\n{}", arguments.join(" "), output.stderr);
    }
    assert_snapshot!("colliding_files", told);
    assert_eq!((sandbox.read("oauth.toml"), sandbox.read("saved.plan")), (file, saved));
    assert!(!sandbox.path().join("x").exists());
    assert_eq!(everything(&database, "public"), before);
    sandbox.oauthctl(&["plan", "--out", "/dev/null", "--json-out", "/dev/null"]).exits(0);
}
