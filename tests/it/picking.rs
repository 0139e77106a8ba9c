//! `apply --pick`: each change is asked about, only what was picked is made, and what was left out is expected afterwards.

use insta::assert_snapshot;
use oauthctl::ui::plan_json;
use serde_json::{Value, json};

use super::support::rows::{application, everything, session, user};
use super::support::schema::check_document;
use super::support::terminal::answered_in_turn;
use super::support::{Database, Sandbox, Template};

const FILE: &str = r#"
[provider]
client_secret_iterations = 1

[applications.web]
name = "After"

[applications.reports]
skip_authorization = true

[applications.new]
client_type = "confidential"
authorization_grant_type = "client-credentials"

[[renamed]]
from = "reporting"
to = "reports"

[[removed]]
client_id = "gone"

[cleanup]
refresh_token_expire = "1h"
"#;

const QUESTION: &str = "[y,n,a,q,?]";

/// A rename, an update, a creation, a deletion and expired rows.
fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "ada");
    for (id, client_id) in [(101, "web"), (102, "reporting"), (103, "gone")] {
        let row = json!({ "name": "Before", "skip_authorization": client_id != "web" });
        application(&database, id, client_id, &row);
    }
    session(&database, 1, 101, "2020-01-01T00:00:00Z");
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

/// Runs it in a terminal, with an answer to each question in turn. Its status, and what the terminal shows.
fn picked(sandbox: &Sandbox, arguments: &[&str], answers: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["apply", "--pick", "--as-of", "2026-01-01T00:00:00Z"], arguments].concat();
    let command = sandbox.command(&arguments).into_command();
    let (status, shown) = answered_in_turn(command, QUESTION, |number| answers[number].to_owned());
    (status.code(), shown)
}

/// Without colour, and without what differs from run to run.
fn settled(shown: &str, database: &Database) -> String {
    let plain = anstream::adapter::strip_str(shown).to_string().replace("\r\n", "\n");
    let secret = regex::Regex::new(r"(client_secret of \w+: )\w+").unwrap();
    let shown = secret.replace_all(&plain, "$1[secret]").replace(database.name(), "[database]");
    let after = regex::Regex::new(r"Cleanup: (\d+ deleted)[^\n]*").unwrap();
    after.replace_all(&shown, "Cleanup: $1 […]").into_owned()
}

fn names(database: &Database) -> String {
    database.value(
        "SELECT string_agg(client_id || '=' || name, ' ' ORDER BY client_id) FROM oauth2_provider_application",
    )
}

const BEFORE: &str = "gone=Before reporting=Before web=Before";

fn expired(database: &Database) -> String {
    database.value("SELECT count(*) FROM oauth2_provider_accesstoken")
}

#[test]
fn only_what_is_picked_is_made() {
    let (database, sandbox) = world();
    let (code, shown) = picked(&sandbox, &[], &["n", "y", "maybe", "?", "y", "n", "n"]);
    assert_eq!(
        (code, names(&database).as_str()),
        (Some(0), "gone=Before new= reporting=Before web=After"),
        "{shown}"
    );
    assert_eq!(expired(&database), "1");
    assert_snapshot!("picked", settled(&shown, &database));
    // The rest is still to be done.
    let (code, shown) = picked(&sandbox, &[], &["a"]);
    assert_eq!((code, names(&database).as_str()), (Some(0), "new= reports=Before web=After"), "{shown}");
    assert_eq!(expired(&database), "0");
    let (code, shown) = picked(&sandbox, &[], &[]);
    assert!(code == Some(0) && shown.contains("No changes."), "{shown}");
}

#[test]
fn who_picks_nothing_changes_nothing() {
    let (database, sandbox) = world();
    let before = everything(&database, "public");
    // The last one is the end of the input.
    for answers in [&["q"][..], &["n", "n", "n", "n", "n"], &["y", "\u{4}"]] {
        let (code, shown) = picked(&sandbox, &[], answers);
        assert!(code == Some(1) && shown.contains("nothing was changed"), "{answers:?}: {shown}");
        assert_eq!(everything(&database, "public"), before);
    }
    // What was picked before is kept.
    let (code, shown) = picked(&sandbox, &[], &["n", "y", "q"]);
    assert_eq!(
        (code, names(&database).as_str()),
        (Some(0), "gone=Before reporting=Before web=After"),
        "{shown}"
    );
}

#[test]
fn it_needs_a_terminal_and_none_who_has_agreed_before() {
    let (database, sandbox) = world();
    let mut told = sandbox.oauthctl(&["apply", "--pick"]).exits(3).stderr;
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    for arguments in [&["apply", "--pick", "--yes"][..], &["apply", "saved.plan", "--pick"]] {
        told += &sandbox.oauthctl(arguments).exits(64).stderr;
    }
    assert_eq!(names(&database), BEFORE);
    assert_snapshot!("refused", told);
}

/// What is left out breaks no rail, and neither does what needs no secrets file.
#[test]
fn the_rails_are_those_of_what_was_picked() {
    let (database, sandbox) = world();
    sandbox.write("oauth.toml", format!("{FILE}[policy]\nmax_deletes = 0\n"));
    let (code, shown) = picked(&sandbox, &["--no-cleanup"], &["n", "n", "n", "y"]);
    assert!(code == Some(3) && shown.contains("max_deletes allows 0"), "{shown}");
    assert_eq!(names(&database), BEFORE);
    let (code, shown) = picked(&sandbox, &["--no-cleanup"], &["y", "n", "n", "n"]);
    assert_eq!(
        (code, names(&database).as_str()),
        (Some(0), "gone=Before reports=Before web=Before"),
        "{shown}"
    );
}

/// One application takes over the value of another: the one change without the other would break a constraint, and is
/// refused before anything is written.
#[test]
fn a_change_that_needs_another_is_not_made_alone() {
    let (database, sandbox) = world();
    database.execute(
        "UPDATE oauth2_provider_application SET name = client_id; \
         ALTER TABLE oauth2_provider_application ADD CONSTRAINT one_name UNIQUE (name)",
    );
    sandbox.write("oauth.toml", "[applications.gone]\nname = \"web\"\n[applications.web]\nname = \"free\"\n");
    let before = names(&database);
    let (code, shown) = picked(&sandbox, &[], &["y", "n"]);
    assert!(code == Some(64) && shown.contains("one_name"), "{shown}");
    assert_eq!(names(&database), before);
    let (code, shown) = picked(&sandbox, &[], &["n", "y"]);
    assert_eq!(
        (code, names(&database).as_str()),
        (Some(0), "gone=gone reporting=reporting web=free"),
        "{shown}"
    );
    let (code, shown) = picked(&sandbox, &[], &["y"]);
    assert_eq!(
        (code, names(&database).as_str()),
        (Some(0), "gone=web reporting=reporting web=free"),
        "{shown}"
    );
}

/// The ledger, the hooks and the outcome know of what was picked only.
#[test]
fn what_depends_on_the_plan_depends_on_what_was_picked() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    sandbox.write(
        "oauth.toml",
        format!("{FILE}[[hooks]]\nafter_apply = [\"sh\", \"-c\", \"cat > told.json\"]\n"),
    );
    let arguments = ["apply", "--pick", "--hooks", "--format", "json", "--secrets-out", "secrets.json"];
    let command = sandbox.command(&arguments).into_command();
    // Its stdout is a file.
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" > out.json"]).arg(command.get_program()).args(command.get_args());
    shell.current_dir(sandbox.path()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let answers = ["n", "y", "n", "y", "n"];
    let (status, shown) = answered_in_turn(shell, QUESTION, |number| answers[number].to_owned());
    assert_eq!(status.code(), Some(0), "{shown}");
    let document: Value = serde_json::from_str(&sandbox.read("out.json")).unwrap();
    check_document(&plan_json::json_schema(), &document).unwrap();
    let of = |steps: &Value| -> Vec<String> {
        let name = |step: &Value| {
            let client_id = step["client_id"].as_str().or(step["row"]["client_id"].as_str()).unwrap();
            format!("{} {client_id}", step["action"].as_str().unwrap())
        };
        steps.as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(of(&document["steps"]), ["update web", "delete gone"]);
    let outcome = &document["outcome"];
    assert_eq!(of(&outcome["left_out"]["steps"]), ["update reports", "create new"]);
    assert_eq!(outcome["left_out"]["cleanup"], true);
    assert_eq!((&outcome["applied"]["update"], &outcome["cleaned"]), (&json!(1), &Value::Null));
    // Nothing was generated, so nothing was delivered.
    assert!(!sandbox.path().join("secrets.json").exists());
    let told: Value = serde_json::from_str(&sandbox.read("told.json")).unwrap();
    assert_eq!(of(&told["applications"]), ["update web", "delete gone"]);
    let noted = "SELECT string_agg((step->>'action') || ' ' || client_id, ', ' ORDER BY ordinal) FROM oauthctl.run_step";
    assert_eq!(database.value(noted), "update web, delete gone");
    let owned = "SELECT string_agg(client_id, ' ') FROM oauthctl.managed_application";
    assert_eq!(database.value(owned), "web");
}

/// Another run comes between the answers and the lock: what was answered is not asked again, and what is new is.
#[test]
fn a_new_plan_asks_about_what_is_new() {
    let (database, sandbox) = world();
    sandbox.write("oauth.toml", "[applications.reporting]\nname = \"Before\"\n[applications.web]\nname = \"After\"\n[[removed]]\nclient_id = \"gone\"\n");
    let arguments = ["apply", "--pick"];
    let command = sandbox.command(&arguments).into_command();
    let (status, shown) = answered_in_turn(command, QUESTION, |number| match number {
        0 => "y".to_owned(),
        1 => {
            database.execute(
                "UPDATE oauth2_provider_application SET skip_authorization = NOT skip_authorization WHERE client_id = 'web'; \
                 UPDATE oauth2_provider_application SET name = 'By hand' WHERE client_id = 'reporting'",
            );
            "n".to_owned()
        }
        2 => "n".to_owned(),
        other => panic!("question {other}"),
    });
    assert_eq!(
        (status.code(), names(&database).as_str()),
        (Some(0), "gone=Before reporting=By hand web=After"),
        "{shown}"
    );
    assert!(shown.contains("Planning again"), "{shown}");
}
