//! What the pages of forges show: summaries and outputs of GitHub's steps, GitLab's reports, and paths as seen from the top of the
//! repository.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::support::rows::application;
use super::support::{Database, Sandbox, Template};

const FILE: &str = "[applications.web]\nname = \"After\"\n[applications.reports]\n[applications.new]\nclient_type = \"public\"\n\
                    authorization_grant_type = \"client-credentials\"\n[[renamed]]\nfrom = \"reporting\"\nto = \"reports\"\n\
                    [[removed]]\nclient_id = \"gone\"\n";

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    for (id, client_id) in [(101, "web"), (102, "reporting"), (103, "gone")] {
        application(&database, id, client_id, &json!({ "name": "Before" }));
    }
    let mut sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    for (name, file) in [("GITHUB_STEP_SUMMARY", "summary.md"), ("GITHUB_OUTPUT", "output.txt")] {
        sandbox.set(name, sandbox.path().join(file));
    }
    (database, sandbox)
}

const PLAN: [&str; 3] = ["plan", "--github-step-summary", "--github-output"];

#[test]
fn a_step_has_a_summary_and_outputs() {
    let (database, sandbox) = world();
    sandbox.write("summary.md", "An earlier step.\n\n");
    sandbox.write("output.txt", "mine=1\n");
    let shown = sandbox.oauthctl(&PLAN).exits(0);
    assert!(shown.stdout.contains("Plan: 1 to create, 1 to update, 1 to rename, 1 to delete"), "{shown}");
    let expected = "mine=1\nchanges=true\nrefused=false\ncreate=1\nupdate=1\nrename=1\nadopt=0\ndelete=1\n";
    assert_eq!(sandbox.read("output.txt"), expected);
    let summary = sandbox.read("summary.md");
    let markdown = sandbox.oauthctl(&["plan", "--format", "markdown"]).exits(0);
    let head = |text: &str| text.lines().take(5).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(head(summary.strip_prefix("An earlier step.\n\n").unwrap())[..2], head(&markdown.stdout)[..2]);
    assert!(summary.contains("**1 to delete**"), "{summary}");
    // A refusal is a plan too.
    sandbox.write("oauth.toml", format!("{FILE}[policy]\nmax_deletes = 0\n"));
    sandbox.write("output.txt", "");
    sandbox.oauthctl(&PLAN).exits(3);
    assert!(sandbox.read("output.txt").starts_with("changes=true\nrefused=true\n"));
    assert!(sandbox.read("summary.md").contains("`apply` will refuse this"));
    drop(database);
}

#[test]
fn a_plan_that_fails_is_no_empty_summary() {
    let (_database, mut sandbox) = world();
    sandbox.set("PGPORT", "1");
    sandbox.oauthctl(&PLAN).exits(5);
    assert!(sandbox.read("summary.md").contains("**the plan failed**"));
    assert!(!sandbox.path().join("output.txt").exists());
}

#[test]
fn a_summary_that_is_full_is_an_error() {
    let (_database, sandbox) = world();
    sandbox.write("summary.md", "x".repeat(1 << 20));
    let failed = sandbox.oauthctl(&PLAN).exits(1);
    assert!(failed.stderr.contains("has no room for the plan"), "{failed}");
}

#[test]
fn flags_for_github_need_its_variables() {
    let sandbox = Sandbox::new();
    let refused = PLAN[1..].iter().map(|flag| sandbox.oauthctl(&["plan", flag]).exits(64).stderr);
    assert_snapshot!("flags_for_github_elsewhere", refused.collect::<String>());
}

#[test]
fn gitlab_gets_its_widget() {
    let (_database, sandbox) = world();
    sandbox.oauthctl(&["plan", "--gitlab-out", "terraform.json"]).exits(0);
    assert_eq!(sandbox.read("terraform.json"), "{\"create\":1,\"delete\":1,\"update\":2}\n");
    let refused = sandbox.oauthctl(&["plan", "--gitlab-out", "oauth.toml"]).exits(64);
    assert!(refused.stderr.contains("--gitlab-out"), "{refused}");
}

const WRONG: &str = "[applications.web]\nnmae = \"x\"\nnmae2 = \"x\"\nredirect_uris = [\"https://a.example/\", \"https://a.example/\"]\n";

/// The job runs in a directory below the top of the repository.
#[test]
fn files_are_named_from_the_top_of_the_repository() {
    let mut sandbox = Sandbox::new();
    sandbox.write("deploy/oauth.toml", WRONG);
    fs::create_dir(sandbox.path().join("deploy/x")).unwrap();
    let run = |sandbox: &Sandbox, format: &str| {
        let mut command =
            sandbox.command(&["-f", "../oauth.toml", "validate", "--format", format]).into_command();
        let output = command.current_dir(sandbox.path().join("deploy/x")).output().unwrap();
        assert_eq!(output.status.code(), Some(64));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&sandbox, "github").starts_with("::error file=../oauth.toml,"));
    let top = sandbox.path().as_os_str().to_owned();
    sandbox.set("GITHUB_WORKSPACE", top);
    assert!(run(&sandbox, "github").starts_with("::error file=deploy/oauth.toml,"));
    let log: Value = serde_json::from_str(&run(&sandbox, "sarif")).unwrap();
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(place, "deploy/oauth.toml");
    assert_snapshot!("code_quality", run(&sandbox, "gitlab"));
}

#[test]
fn every_result_has_a_rule_with_help() {
    let sandbox = Sandbox::new();
    sandbox.write("oauth.toml", WRONG);
    let output = sandbox.oauthctl(&["validate", "--format", "sarif"]).exits(64);
    let log: Value = serde_json::from_slice(&output.raw_stdout).unwrap();
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().all(|rule| !rule["help"]["text"].as_str().unwrap().is_empty()));
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
}
