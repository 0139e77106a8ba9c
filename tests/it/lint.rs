//! Advice on what DOT accepts: where it shows, how it is chosen, and that the documentation knows every rule.

use std::fs;

use insta::assert_snapshot;
use oauthctl::lint::{Rule, Set};
use serde_json::Value;

use super::support::Sandbox;

const UNWISE: &str = r#"[applications.web]
client_type = "public"
authorization_grant_type = "implicit"
redirect_uris = [
    "https://shop.example.com/callback",
    "http://shop.example.com/callback",
    "https://shop.example.com:abc/callback",
    "https://ops@exa_mple.com/callback",
]
skip_authorization = true

[applications."päpi: 100%"]
client_type = "confidential"
authorization_grant_type = "client-credentials"
client_secret = { hash = "md5$salt$95ebc3c7b3b9f1d2c40fec14415d3cb8" }
hash_client_secret = false
"#;

fn with(lint: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("oauth.toml", format!("{lint}\n{UNWISE}"));
    sandbox
}

#[test]
fn advice_is_given_at_its_line_and_is_no_error() {
    assert_snapshot!(with("").oauthctl(&["validate"]).exits(0));
}

#[test]
fn the_file_says_what_it_wants_to_hear() {
    assert_snapshot!("every_rule_off", with("[lint]\nset = \"off\"").oauthctl(&["validate"]).exits(0));
    let chosen = "[lint]\nset = \"off\"\ndeny = [\"implicit-grant\", \"plain-secret\"]\nignore = [\"plain-secret:päpi: 100%\"]";
    assert_snapshot!("two_rules_denied", with(chosen).oauthctl(&["validate"]).exits(64));
    let wrong = "[lint]\nset = \"all\"\ndeny = [\"implict-grant\", \"bad-port:wbe\"]\nignore = [\"\", \"xyz\"]\nrules = []";
    assert_snapshot!("rules_that_do_not_exist", with(wrong).oauthctl(&["validate"]).exits(64));
}

#[test]
fn strict_has_more_to_say() {
    let sandbox = Sandbox::new();
    let file = "[lint]\nset = \"strict\"\n[applications.x]\nauthorization_grant_type = \"openid-hybrid\"\nalgorithm = \"HS256\"\n";
    sandbox.write("oauth.toml", file);
    let output = sandbox.oauthctl(&["validate"]);
    assert!(output.stderr.contains("warning[hybrid-grant]"), "{output}");
}

#[test]
fn github_shows_it_beside_the_lines() {
    assert_snapshot!(
        with("[lint]\ndeny = [\"bad-port\"]").oauthctl(&["validate", "--format", "github"]).exits(64)
    );
}

#[test]
fn code_scanning_reads_it() {
    let output = with("").oauthctl(&["validate", "--format", "sarif"]).exits(0);
    let mut log: Value = serde_json::from_slice(&output.raw_stdout).unwrap();
    let driver = &mut log["runs"][0]["tool"]["driver"];
    // The codes of problems come after the rules.
    assert!(driver["rules"].as_array_mut().unwrap().split_off(1).len() > Rule::ALL.len());
    driver["semanticVersion"] = "[version]".into();
    insta::assert_json_snapshot!("sarif", log);
    // It is for files, not for databases.
    assert_snapshot!("sarif_of_a_plan", Sandbox::new().oauthctl(&["plan", "--format", "sarif"]).exits(64));
}

#[test]
fn the_documentation_lists_every_rule() {
    let text = fs::read_to_string("docs/lint.md").unwrap();
    let documented: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = Rule::ALL
        .iter()
        .map(|rule| {
            let set = if rule.set() == Set::Strict { "strict" } else { "recommended" };
            format!("| `{}` | {set} | {} | {} |", rule.id(), rule.finds(), rule.source())
        })
        .collect();
    assert_eq!(documented, expected);
}
