//! Situations of public reports on tools of this kind (Terraform, octoDNS, Atlas and their like), with what is right here.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use nix::unistd::Uid;
use serde_json::{Value, json};

use super::support::rows::{APPLICATIONS, application, everything};
use super::support::{Database, Instance, Sandbox, Template, binary};

const DOT: Template = Template::Dot341;

/// A public client with these lines, so that nothing about secrets is said.
fn web(lines: &str) -> String {
    format!(
        "[applications.web]\nclient_type = \"public\"\nauthorization_grant_type = \"authorization-code\"\n{lines}\n"
    )
}

fn public(database: &Database, redirect_uris: &str) {
    let row = json!({
        "client_type": "public", "authorization_grant_type": "authorization-code", "name": "web",
        "redirect_uris": redirect_uris,
    });
    application(database, 1, "web", &row);
}

/// hashicorp/terraform#4616: two pull requests are planned from one state, and both are merged.
#[test]
fn of_two_plans_from_one_state_the_second_is_stale() {
    let database = Database::create(DOT);
    public(&database, "https://a.example");
    let sandbox = Sandbox::with(&database);
    for (file, name) in [("pr1", "One"), ("pr2", "Two")] {
        let redirects = "redirect_uris = [\"https://a.example\"]";
        sandbox.write(&format!("{file}.toml"), web(&format!("name = \"{name}\"\n{redirects}")));
        let arguments = ["-f", &format!("{file}.toml"), "plan", "--out", &format!("{file}.plan")];
        sandbox.oauthctl(&arguments).exits(0);
    }
    let apply = |file: &str| {
        let (toml, plan) = (format!("{file}.toml"), format!("{file}.plan"));
        sandbox.oauthctl(&["-f", &toml, "apply", &plan, "--yes", "--secrets-out", "secrets.json"])
    };
    apply("pr1").exits(0);
    let before = everything(&database, "public");
    assert_snapshot!("second_plan_from_one_state", apply("pr2").exits(4));
    // A job that is started again has nothing to do twice.
    apply("pr1").exits(4);
    assert_eq!(everything(&database, "public"), before);
    assert!(!sandbox.path().join("secrets.json").exists());
}

/// hashicorp/terraform#30306: what is renamed changes at the same time, and the rename stays in the file.
#[test]
fn a_rename_with_a_change_is_one_step_and_may_stay_in_the_file() {
    let database = Database::create(DOT);
    let row = json!({
        "client_type": "public", "authorization_grant_type": "authorization-code", "redirect_uris": "https://a.example",
    });
    application(&database, 7, "old", &row);
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", web("name = \"New\"\nredirect_uris = [\"https://a.example\"]\n[[renamed]]\nfrom = \"old\"\nto = \"web\""));
    let applied = sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert!(applied.stdout.contains("Applied: 1 renamed."), "{applied}");
    assert_eq!(database.table(format!("SELECT id, client_id, name FROM {APPLICATIONS}")), "7 | web | New");
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);

    // A database that never had the old name gets the new one; one that has both is for a person to decide.
    database.execute(format!("DELETE FROM {APPLICATIONS}"));
    let created = sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(2);
    assert!(created.stdout.contains("Plan: 1 to create"), "{created}");
    application(&database, 7, "old", &row);
    application(&database, 8, "web", &row);
    let both = sandbox.oauthctl(&["plan"]);
    assert_ne!(both.code, Some(0), "{both}");
    assert_snapshot!("both_names_of_a_rename", both);
}

/// hashicorp/terraform#30306: chains and swaps take two applies, and are refused at their lines.
#[test]
fn chains_and_swaps_of_renames_are_refused() {
    let sandbox = Sandbox::new();
    let file = "[applications.a]\n[applications.b]\n[[renamed]]\nfrom = \"a\"\nto = \"b\"\n\
                [[renamed]]\nfrom = \"b\"\nto = \"a\"\n";
    sandbox.write("oauth.toml", file);
    assert_snapshot!("swapped_names", sandbox.oauthctl(&["validate"]).exits(64));
}

/// hashicorp/terraform#18618: a file from Windows declares what the same file from elsewhere declares.
#[test]
fn a_file_from_windows_changes_nothing() {
    let database = Database::create(DOT);
    let sandbox = Sandbox::with(&database);
    let unix = web(
        "name = \"\"\"\nShop\"\"\"\nredirect_uris = [\n  \"https://a.example\",\n  \"https://b.example\",\n]",
    );
    sandbox.write("oauth.toml", &unix);
    sandbox.oauthctl(&["apply", "--yes", "--secrets-out", "secrets.json"]).exits(0);
    sandbox.write("oauth.toml", format!("\u{feff}{}", unix.replace('\n', "\r\n")));
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
}

/// batteries-included PR#831: the order and the spelling of the list in the row are not what is declared.
#[test]
fn the_order_of_addresses_and_doubles_among_them_change_nothing() {
    let database = Database::create(DOT);
    public(&database, "https://b.example  https://a.example\r\nhttps://c.example https://a.example");
    let sandbox = Sandbox::with(&database);
    let declare =
        |uris: &str| sandbox.write("oauth.toml", web(&format!("name = \"web\"\nredirect_uris = [{uris}]")));
    declare("\"https://a.example\", \"https://b.example\", \"https://c.example\"");
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
    declare("\"https://a.example\", \"https://b.example\", \"https://c.example\", \"https://a.example\"");
    let doubled = sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
    assert_eq!(doubled.stderr.matches("warning").count(), 1, "{doubled}");

    // hashicorp/terraform#24580: of a list with one change, only that is shown.
    database.execute(format!(
        "UPDATE {APPLICATIONS} SET redirect_uris = redirect_uris || ' https://evil.example'"
    ));
    declare("\"https://a.example\", \"https://b.example\", \"https://c.example\", \"https://d.example\"");
    assert_snapshot!("one_address_of_many", sandbox.oauthctl(&["plan"]).exits(0));
}

/// ahmadnassri/action-terraform-report#84: who reads the JSON needs no case for a plan without changes.
#[test]
fn an_empty_plan_has_the_keys_of_any_other() {
    let database = Database::create(DOT);
    public(&database, "https://a.example");
    let sandbox = Sandbox::with(&database);
    let plan = |name: &str| -> Value {
        sandbox
            .write("oauth.toml", web(&format!("name = \"{name}\"\nredirect_uris = [\"https://a.example\"]")));
        serde_json::from_str(&sandbox.oauthctl(&["plan", "--format", "json"]).exits(0).stdout).unwrap()
    };
    let keys = |plan: &Value| plan.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let (full, empty) = (plan("Another"), plan("web"));
    assert_eq!((&empty["steps"], &empty["has_changes"]), (&json!([]), &json!(false)), "{empty:#}");
    assert_eq!(
        (full["steps"].as_array().unwrap().len(), &full["has_changes"]),
        (1, &json!(true)),
        "{full:#}"
    );
    assert_eq!(keys(&empty), keys(&full));
}

/// hashicorp/terraform#21779: whatever the job's environment says of colour, what programs read has none.
#[test]
fn what_programs_read_has_no_colour() {
    let database = Database::create(DOT);
    public(&database, "https://a.example");
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", web("name = \"Another\""));
    let environments: [&[(&str, &str)]; 5] = [
        &[("CI", "true"), ("GITHUB_ACTIONS", "true")],
        &[("FORCE_COLOR", "1"), ("TERM", "xterm-256color")],
        &[("CLICOLOR_FORCE", "1"), ("TERM", "xterm-256color")],
        &[("TERM", "dumb")],
        &[("NO_COLOR", "1")],
    ];
    for environment in environments {
        for arguments in [
            &["plan", "--format", "json", "--out", "saved.plan", "--json-out", "plan.json"][..],
            &["plan", "--format", "json", "--color", "always"],
            &["plan", "--format", "markdown"],
            &["plan", "--format", "html", "--color", "always"],
            &["status", "--format", "html", "--color", "always"],
            &["show-plan", "saved.plan", "--format", "json"],
            &["show-plan", "saved.plan", "--format", "markdown"],
            &["validate", "--format", "sarif"],
            &["validate", "--format", "github"],
            &["list", "--format", "json"],
        ] {
            let mut command = sandbox.command(arguments);
            for (name, value) in environment {
                command = command.env(name, value);
            }
            let output = command.run();
            assert!(output.code.is_some_and(|code| code != 1), "{arguments:?}: {output}");
            assert!(!output.raw_stdout.contains(&0x1b), "{environment:?} {arguments:?}: {output}");
        }
        for file in ["saved.plan", "plan.json"] {
            assert!(!sandbox.read(file).contains('\u{1b}'), "{environment:?}: {file}");
        }
    }
}

/// fosrl/cli#44, brightbox/brightbox-cli#91: a container's user, without a home, a name or a directory to write in.
#[test]
fn a_user_without_anything_can_plan_and_is_told_what_cannot_be_written() {
    let instance = Instance::start(&[]);
    fs::set_permissions(instance.directory(), Permissions::from_mode(0o755)).unwrap();
    let database = instance.database(DOT);
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", "[applications.batch]\nclient_type = \"confidential\"\nauthorization_grant_type = \"client-credentials\"\n");
    // Where the built program is, only root may come.
    let program = tempfile::tempdir().unwrap();
    fs::set_permissions(program.path(), Permissions::from_mode(0o755)).unwrap();
    fs::copy(binary(), program.path().join("oauthctl")).unwrap();
    fs::set_permissions(sandbox.path().join("oauth.toml"), Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(sandbox.path(), Permissions::from_mode(0o555)).unwrap();
    let before = everything(&database, "public");
    let run = |arguments: &[&str]| without_anything(program.path(), &sandbox, &database, arguments);

    assert_eq!(run(&["plan", "--detailed-exitcode"]).0, Some(2));
    for (arguments, file) in [
        (&["plan", "--out", "saved.plan"][..], "saved.plan"),
        (&["plan", "--json-out", "plan.json"], "plan.json"),
        (&["apply", "--yes", "--secrets-out", "secrets.json"], "secrets.json"),
    ] {
        let (code, said) = run(arguments);
        assert!(code.is_some_and(|code| code != 0), "{arguments:?}: {said}");
        let errors = said.lines().filter(|line| line.starts_with("error: ")).count();
        assert!(
            errors == 1 && said.contains(file) && said.contains("Permission denied"),
            "{arguments:?}: {said}"
        );
    }
    assert_eq!(everything(&database, "public"), before);
    fs::set_permissions(sandbox.path(), Permissions::from_mode(0o755)).unwrap();
}

/// Exit code and stderr. Root, whom no permission stops, runs it as somebody whom no list of users knows.
fn without_anything(
    program: &Path,
    sandbox: &Sandbox,
    database: &Database,
    arguments: &[&str],
) -> (Option<i32>, String) {
    let mut command = Command::new(program.join("oauthctl"));
    command.args(arguments).current_dir(sandbox.path()).env_clear().envs(database.variables());
    if Uid::effective().is_root() {
        command.uid(54_321).gid(54_321);
    }
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}
