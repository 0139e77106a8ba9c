//! Who reads stdout decides nothing: with a reader that has gone away every verb writes its files, says its refusals on
//! stderr and ends with the same exit code. A stdout that cannot be written for another reason is a failure.

use std::fs::File;
use std::process::{Command, Stdio};

use super::support::rows::{application, session, user};
use super::support::sandbox::Output;
use super::support::{Database, Sandbox, Template};

const FILE: &str = r#"
[applications.web]
name = "Web shop"
client_type = "confidential"
authorization_grant_type = "client-credentials"

[[removed]]
client_id = "legacy"

[policy]
max_deletes = 0

[cleanup]
refresh_token_expire = "14d"
"#;

fn shop() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "ops");
    application(&database, 100, "legacy", &serde_json::json!({}));
    session(&database, 1, 100, "2024-01-02T00:00:00Z");
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

/// Runs with a stdout that is a pipe nobody reads.
fn unread(sandbox: &Sandbox, arguments: &[&str], input: &str) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    sandbox.command(arguments).input(input).spawn_with_stdout(Stdio::from(writer)).wait()
}

/// Each verb, the input it reads, and how it ends. Those that change something stand behind those that look at it.
const RUNS: &[(&[&str], &str, i32)] = &[
    (&["--help"], "", 0),
    (&["--version"], "", 0),
    (&["validate"], "", 0),
    (&["-f", "wrong.toml", "validate", "--format", "json"], "", 64),
    (&["-f", "wrong.toml", "validate", "--format", "sarif"], "", 64),
    (&["-f", "wrong.toml", "validate", "--format", "github"], "", 64),
    (&["plan", "--json-out", "plan.json"], "", 3),
    (&["plan", "--format", "json"], "", 3),
    (&["plan", "--format", "markdown"], "", 3),
    (&["plan", "--format", "html"], "", 3),
    (&["plan", "--detailed-exitcode", "--allow", "delete:legacy", "--out", "p.plan"], "", 2),
    (&["show-plan", "p.plan"], "", 0),
    (&["show-plan", "p.plan", "--format", "markdown"], "", 0),
    (&["show-plan", "p.plan", "--format", "html"], "", 0),
    (&["status", "--format", "html"], "", 0),
    (&["apply", "--yes", "--secrets-out", "s.json"], "", 3),
    (&["apply", "--yes", "--secrets-out", "s.json", "--format", "json"], "", 3),
    (&["import", "--unmanaged"], "", 0),
    (&["list"], "", 0),
    (&["show", "legacy"], "", 0),
    (&["status", "--metrics-file", "metrics.prom"], "", 0),
    (&["doctor", "--role", "nobody_at_all"], "", 64),
    (&["schema"], "", 0),
    (&["completions", "bash"], "", 0),
    (&["man"], "", 0),
    (&["version"], "", 0),
    (&["hash-secret"], "correct-horse-battery-staple", 0),
    (&["migrate", "--ledger"], "", 0),
    (&["cleartokens", "--dry-run"], "", 0),
    (&["cleartokens", "--refresh-token-expire", "14d"], "", 0),
    (&["createapplication", "confidential", "client-credentials", "--client-id", "made"], "", 0),
    (&["createapplication", "confidential", "client-credentials", "--client-id", "made"], "", 1),
    (&["history"], "", 0),
    (&["history", "show", "1"], "", 0),
    (&["undo", "1"], "", 0),
    (&["rotate-secret", "made", "--yes", "--secrets-out", "rotated.json"], "", 0),
    (&["apply", "--yes", "--secrets-out", "s.json", "--allow", "delete:legacy"], "", 0),
];

/// The warning about a secret that was not read is for runs without a reader only.
fn without_unread_secret(stderr: &str) -> String {
    let unread =
        |line: &&str| !line.contains("was not read: stdout was closed") && !line.contains("makes a new one");
    stderr.lines().filter(unread).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_verb_ends_as_it_does_with_a_reader() {
    let (database, attended) = shop();
    // A copy of the database, so that both runs of a verb find the same.
    let copy = database.copy();
    let unattended = Sandbox::with(&copy);
    for sandbox in [&attended, &unattended] {
        sandbox.write("oauth.toml", FILE);
        sandbox.write("wrong.toml", "[applications.web]\nnmae = 1\n");
    }
    let mut wrong = Vec::new();
    for (arguments, input, code) in RUNS {
        let with = attended.command(arguments).input(input).run();
        let without = unread(&unattended, arguments, input);
        if with.code != Some(*code) || without.code != Some(*code) {
            wrong.push(format!("{arguments:?}: with a reader {with}\nwithout {without}"));
        }
        // Durations and instants apart, the same words.
        let lines = |output: &Output| without_unread_secret(&output.stderr).lines().count();
        if lines(&with) != lines(&without) {
            wrong.push(format!("{arguments:?}: stderr differs: {with}\n{without}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for file in ["plan.json", "p.plan", "metrics.prom", "rotated.json", "s.json"] {
        assert!(!unattended.read(file).is_empty(), "{file}");
    }
    assert_eq!(copy.value("SELECT count(*) FROM oauth2_provider_application"), "2");
}

/// Every verb is in the list above.
#[test]
fn no_verb_is_forgotten() {
    let help = Sandbox::new().oauthctl(&["--help"]).exits(0).stdout;
    let verbs = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    for line in verbs.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let verb = line.split_whitespace().next().unwrap();
        let is_tried = RUNS.iter().any(|(arguments, ..)| arguments.contains(&verb));
        // `init` has no answer, and `help` prints that of the others.
        assert!(is_tried || ["init", "help"].contains(&verb), "{verb}");
    }
}

/// A plan above the size of a pipe, a reader of its first lines, and the file beside it.
#[test]
fn head_changes_nothing() {
    let database = Database::create(Template::Dot341);
    let sandbox = Sandbox::with(&database);
    let block = |number: u32| {
        format!(
            "[applications.app-{number:04}]\nclient_type = \"confidential\"\nname = \"{}\"\n\
             authorization_grant_type = \"client-credentials\"\n",
            "x".repeat(120)
        )
    };
    sandbox.write("oauth.toml", (0..400).map(block).collect::<String>());
    let arguments = ["plan", "--detailed-exitcode", "--json-out", "plan.json"];
    let mut plan = sandbox.command(&arguments).into_command();
    let mut plan = plan.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // The command is dropped with its end of the pipe.
    let head = Command::new("head").args(["-n", "20"]).stdin(plan.stdout.take().unwrap()).output().unwrap();
    assert_eq!(plan.wait().unwrap().code(), Some(2));
    assert_eq!(String::from_utf8(head.stdout).unwrap().lines().count(), 20);
    assert!(sandbox.read("plan.json").contains("app-0399"));
}

#[test]
fn a_secret_that_nobody_reads_is_said_to_be_lost() {
    let database = Database::create(Template::Dot341);
    let sandbox = Sandbox::with(&database);
    let arguments = ["createapplication", "confidential", "client-credentials", "--client-id", "web"];
    insta::assert_snapshot!("a_secret_that_nobody_reads", unread(&sandbox, &arguments, "").exits(0));
}

/// A full disk is not a reader that has gone away.
#[test]
fn a_full_disk_is_a_failure() {
    let (_database, sandbox) = shop();
    for arguments in [
        &["--help"][..],
        &["validate"],
        &["plan", "--allow", "delete:legacy", "--json-out", "full.json"],
        &["list"],
        &["doctor"],
        &["schema"],
        &["cleartokens", "--refresh-token-expire", "14d"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = sandbox.command(arguments).spawn_with_stdout(full.into()).wait();
        assert_eq!(output.code, Some(1), "{arguments:?}\n{output}");
    }
    // What goes elsewhere is written all the same.
    assert!(sandbox.read("full.json").contains("legacy"));
}

/// The log goes to stderr, and a stderr that is gone is no reason to fail.
#[test]
fn a_log_that_nobody_reads_changes_nothing() {
    let (_database, sandbox) = shop();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut list = sandbox.command(&["-vvv", "list"]).into_command();
    let output = list.stdin(Stdio::null()).stderr(full).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("legacy"));
}
