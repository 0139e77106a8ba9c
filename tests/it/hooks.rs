//! `[[hooks]]`: what runs after an apply, what it is told and may not see, and how it ends.

use std::fs;

use insta::assert_snapshot;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oauthctl::ui::plan_json;
use serde_json::{Value, json};

use super::support::rows::{application, everything};
use super::support::schema::check_document;
use super::support::{Database, Sandbox, Template, eventually};

const FILE: &str = r#"
[applications.web]
name = "After"
[applications.reports]
[applications.new]
client_type = "confidential"
authorization_grant_type = "client-credentials"
client_secret = { env = "NEW_SECRET" }
[[renamed]]
from = "reporting"
to = "reports"
[[removed]]
client_id = "gone"
"#;

/// An update, a rename, a creation and a deletion; `hooks` are the programs.
fn world(hooks: &[&str]) -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    for (id, client_id) in [(101, "web"), (102, "reporting"), (103, "gone")] {
        application(&database, id, client_id, &json!({ "name": "Before" }));
    }
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("NEW_SECRET", "correct-horse-battery");
    sandbox
        .write("oauth.toml", FILE.to_owned() + &hooks.iter().map(|hook| of_shell(hook)).collect::<String>());
    (database, sandbox)
}

fn of_shell(script: &str) -> String {
    format!("[[hooks]]\nafter_apply = [\"sh\", \"-c\", {}]\n", Value::from(script))
}

fn is_applied(database: &Database) -> bool {
    database.value("SELECT name FROM oauth2_provider_application WHERE client_id = 'web'") == "After"
}

const APPLY: [&str; 3] = ["apply", "--yes", "--hooks"];

#[test]
fn a_hook_is_told_what_changed_and_sees_no_secret() {
    let (database, mut sandbox) = world(&["cat > input.json; env > env.txt; echo said; echo more >&2"]);
    for (name, value) in [("DATABASE_URL", ""), ("OAUTHCTL_COMMIT", "0123456"), ("KEPT", "yes")] {
        sandbox.set(name, value);
    }
    let arguments = [&APPLY[..], &["--label", "staging"]].concat();
    let applied = sandbox.command(&arguments).without("DATABASE_URL").run().exits(0);
    assert!(is_applied(&database));
    let input: Value = serde_json::from_str(&sandbox.read("input.json")).unwrap();
    let expected = json!({
        "format_version": "1.0",
        "database": database.name(),
        "label": "staging",
        "applications": [
            { "client_id": "reports", "action": "rename", "renamed_from": "reporting" },
            { "client_id": "web", "action": "update" },
            { "client_id": "new", "action": "create" },
            { "client_id": "gone", "action": "delete" },
        ],
    });
    assert_eq!(input, expected);
    let seen = sandbox.read("env.txt");
    let names: Vec<&str> =
        seen.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert!(names.contains(&"KEPT") && names.contains(&"PATH"), "{seen}");
    let hidden = |name: &&&str| {
        **name == "NEW_SECRET"
            || name.starts_with("PG")
            || name.starts_with("OAUTHCTL_")
            || **name == "DATABASE_URL"
    };
    assert_eq!(names.iter().find(hidden), None);
    assert!(!seen.contains("correct-horse"));
    // What it says is no part of the answer.
    let says = |output: &str| output.lines().any(|line| line == "said");
    assert!(says(&applied.stderr) && !says(&applied.stdout), "{applied}");
    // What it writes to stderr is shown if it fails.
    assert!(!applied.stderr.lines().any(|line| line.trim() == "more"), "{applied}");
    // Nothing is left to change, so nothing runs.
    fs::remove_file(sandbox.path().join("input.json")).unwrap();
    let again = sandbox.oauthctl(&APPLY).exits(0);
    assert!(!sandbox.path().join("input.json").exists() && !again.stderr.contains("hook"), "{again}");
}

#[test]
fn hooks_run_only_if_asked_for() {
    let (database, sandbox) = world(&["touch ran", "touch ran"]);
    let applied = sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert!(is_applied(&database) && !sandbox.path().join("ran").exists());
    assert!(
        applied.stderr.contains("2 hooks of the file were not run: `apply --hooks` runs them."),
        "{applied}"
    );
    let nothing = sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert!(!nothing.stderr.contains("hook"), "{nothing}");
}

#[test]
fn a_hook_that_fails_changes_the_status_and_nothing_else() {
    let script = "seq 1 20 >&2; printf 'the \\033[31mlast\\n' >&2; exit 3";
    let (database, sandbox) = world(&[script, "touch ran", "kill -9 $$"]);
    let failed = sandbox.oauthctl(&APPLY).exits(1);
    assert!(is_applied(&database) && sandbox.path().join("ran").exists());
    assert_snapshot!("hooks_that_fail", failed);
    // The same for scripts, with what was done to the applications.
    database.execute("UPDATE oauth2_provider_application SET name = 'Before' WHERE client_id = 'web'");
    let failed = sandbox.oauthctl(&[&APPLY[..], &["--format", "json"]].concat()).exits(1);
    let document: Value = serde_json::from_slice(&failed.raw_stdout).unwrap();
    check_document(&plan_json::json_schema(), &document).unwrap();
    let failures: Vec<&Value> =
        document["outcome"]["hooks"].as_array().unwrap().iter().map(|hook| &hook["failure"]).collect();
    assert_eq!(failures, [&json!("ended with exit status 3"), &Value::Null, &json!("was killed by SIGKILL")]);
    assert_eq!(document["outcome"]["applied"]["update"], 1);
    let nothing = sandbox.oauthctl(&[&APPLY[..], &["--format", "json"]].concat()).exits(0);
    let document: Value = serde_json::from_slice(&nothing.raw_stdout).unwrap();
    assert_eq!(document["outcome"]["hooks"], Value::Null);
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
}

/// A process that the hook has started, by the file in which it has written its id.
fn started(sandbox: &Sandbox) -> Pid {
    let path = sandbox.path().join("pid");
    eventually("the hook starts", || fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n')));
    Pid::from_raw(fs::read_to_string(path).unwrap().trim().parse().unwrap())
}

fn is_gone(process: Pid) -> bool {
    // A zombie process whose parent does not wait for it has ended too.
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    kill(process, None).is_err() || stat.contains(") Z ")
}

const ENDLESS: &str = "sleep 1000 & echo $! > pid; echo waiting >&2; wait";

#[test]
fn a_hook_that_takes_too_long_is_ended_with_what_it_started() {
    let (database, sandbox) = world(&[]);
    let file =
        sandbox.read("oauth.toml") + &of_shell(ENDLESS) + "timeout = \"1s\"\n" + &of_shell("touch ran");
    sandbox.write("oauth.toml", file);
    let failed = sandbox.oauthctl(&APPLY).exits(1);
    assert!(failed.stderr.contains("was ended, because it took longer than 1s"), "{failed}");
    assert!(failed.stderr.contains("    waiting\n"), "{failed}");
    assert!(is_applied(&database) && sandbox.path().join("ran").exists());
    let child = started(&sandbox);
    eventually("what the hook has started ends", || is_gone(child));
}

#[test]
fn a_signal_ends_the_hook() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let (database, sandbox) = world(&[ENDLESS, "touch ran"]);
        let running = sandbox.command(&APPLY).spawn();
        let child = started(&sandbox);
        running.signal(signal);
        let ended = running.wait().exits(code);
        assert!(ended.stderr.contains("interrupted; the hook `sh -c"), "{ended}");
        eventually("what the hook has started ends", || is_gone(child));
        assert!(is_applied(&database) && !sandbox.path().join("ran").exists());
    }
}

#[test]
fn programs_are_looked_for_before_anything_is_changed() {
    let (database, sandbox) = world(&[]);
    sandbox.write("not-executable", "#!/bin/sh\n");
    let before = everything(&database, "public");
    let file = sandbox.read("oauth.toml");
    for program in ["no-such-program", "./not-executable", "/"] {
        sandbox.write("oauth.toml", format!("{file}[[hooks]]\nafter_apply = [\"true\"]\n[[hooks]]\nafter_apply = [\"{program}\", \"x y\"]\n"));
        let refused = sandbox.oauthctl(&APPLY).exits(1);
        assert!(refused.stderr.contains(&format!("cannot run the hook `{program} 'x y'`")), "{refused}");
        assert!(refused.stderr.contains("nothing was changed"), "{refused}");
        assert_eq!(everything(&database, "public"), before);
    }
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);
}

#[test]
fn plans_show_the_hooks() {
    let (_database, sandbox) = world(&["touch \"$HOME/ran\""]);
    let file = sandbox.read("oauth.toml") + "timeout = \"1m\"\n[[hooks]]\nafter_apply = [\"<b>@x</b>\"]\n";
    sandbox.write("oauth.toml", &file);
    let shown = |format: &str| sandbox.oauthctl(&["plan", "--format", format]).exits(0).stdout;
    assert_snapshot!("hooks_in_a_plan", shown("text"));
    assert!(shown("markdown").contains("Hook, run after the changes by apply"));
    assert!(!shown("markdown").contains("<b>@x"));
    let plan: Value = serde_json::from_str(&shown("json")).unwrap();
    let expected = json!([
        { "after_apply": ["sh", "-c", "touch \"$HOME/ran\""], "timeout_seconds": 60.0 },
        { "after_apply": ["<b>@x</b>"], "timeout_seconds": null },
    ]);
    assert_eq!(plan["hooks"], expected);
}

#[test]
fn a_saved_plan_has_its_hooks() {
    let (database, sandbox) = world(&["touch ran"]);
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    let saved = sandbox.read("saved.plan");
    assert!(saved.contains("\"touch ran\""), "{saved}");
    sandbox.write("edited.plan", saved.replace("touch ran", "touch run"));
    sandbox.oauthctl(&["apply", "edited.plan", "--yes", "--hooks"]).exits(4);
    let file = sandbox.read("oauth.toml");
    sandbox.write("oauth.toml", file.replace("touch ran", "touch run"));
    sandbox.oauthctl(&["apply", "saved.plan", "--yes", "--hooks"]).exits(4);
    sandbox.write("oauth.toml", file);
    sandbox.oauthctl(&["apply", "saved.plan", "--yes", "--hooks"]).exits(0);
    assert!(is_applied(&database) && sandbox.path().join("ran").exists());
}

#[test]
fn mistakes_are_at_their_lines() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "oauth.toml",
        "[[hooks]]\n[[hooks]]\nafter_apply = []\n[[hooks]]\nafter_apply = [\"\"]\n[[hooks]]\nafter_apply = \"sh -c x\"\n\
         [[hooks]]\nafter_apply = [\"x\"]\ntimeout = \"soon\"\non_failure = \"stop\"\n",
    );
    assert_snapshot!("mistakes_in_hooks", sandbox.oauthctl(&["validate"]).exits(64).stderr);
}
