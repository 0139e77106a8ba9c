//! `version`: what it says is what the code and the tests know.

use std::fs;

use clap::CommandFactory as _;
use insta::assert_snapshot;
use oauthctl::command::Cli;
use oauthctl::model::{Engine, Release};
use regex::Regex;
use serde_json::Value;

use super::support::Sandbox;

#[test]
fn the_build_is_shown() {
    let sandbox = Sandbox::new();
    let shown = sandbox.oauthctl(&["version"]).exits(0).to_string();
    let shown = shown.replace(env!("CARGO_PKG_VERSION"), "[version]");
    let shown = Regex::new("(commit|platform)( +).*").unwrap().replace_all(&shown, "$1$2[of the build]");
    assert_snapshot!("version", shown);
    let short = sandbox.oauthctl(&["--version"]).exits(0);
    assert_eq!(short.stdout, format!("oauthctl {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_build_is_json() {
    let sandbox = Sandbox::new();
    let output = sandbox.oauthctl(&["version", "--format", "json"]).exits(0);
    let mut shown: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(shown["tool_version"], env!("CARGO_PKG_VERSION"));
    let commit = &shown["commit"];
    assert!(commit.is_null() || commit.as_str().unwrap().len() == 40, "{commit}");
    assert_eq!(shown["platform"]["os"], std::env::consts::OS);
    let cli = Cli::command();
    let verbs: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    let mut named: Vec<&str> = shown["verbs"].as_object().unwrap().keys().map(String::as_str).collect();
    named.sort_by_key(|name| verbs.iter().position(|verb| verb == name));
    assert_eq!(named, verbs);
    for key in ["tool_version", "commit", "platform", "verbs"] {
        shown[key] = Value::from("[of the build]");
    }
    assert_snapshot!("version_json", serde_json::to_string_pretty(&shown).unwrap());
}

/// The range that is claimed is the range that `tests/postgresql` can try.
#[test]
fn the_versions_of_postgresql_are_those_of_the_tests() {
    let script = fs::read_to_string("tests/postgresql").unwrap();
    let tried: Vec<u32> =
        script.lines().filter_map(|line| line.trim().split_once(") echo ")?.0.parse().ok()).collect();
    assert_eq!(tried, (Engine::OLDEST_TESTED..=Engine::NEWEST_TESTED).collect::<Vec<_>>());
}

#[test]
fn the_main_branch_is_dated_once() {
    assert!(Release::UPDATE.contains(&format!("main branch of {}", Release::MAIN_AS_OF)));
    assert!(Release::UPDATE.contains(&format!("(migration {:04})", Release::NEWEST_MIGRATION)));
    let page = fs::read_to_string("docs/dot-versions.md").unwrap();
    assert!(page.contains(&format!("main branch as of {}", Release::MAIN_AS_OF)));
    assert_eq!(Release::ALL.first(), Some(&Release::OLDEST));
}
