//! `show-plan`: a saved plan says offline what `plan` said when it was saved.

use std::fmt::Write as _;

use insta::assert_snapshot;
use oauthctl::model::Identity;
use oauthctl::plan::Proposal;
use oauthctl::plan::saved::{Origin, Saved, save};
use oauthctl::ui::plan::{Detail, render, render_refusal};
use oauthctl::ui::{plan_json, plan_markdown};
use serde_json::{Value, json};

use super::support::rows::{application, session, user};
use super::support::{Database, Sandbox, Template};

const FILE: &str = r#"
[provider]
client_secret_iterations = 1

[applications.web]
name = "Web shop"
redirect_uris = ["https://shop.example.com/callback"]
client_secret = { env = "WEB_SECRET" }

[applications.batch]
client_type = "confidential"
authorization_grant_type = "client-credentials"

[applications.reports]

[[renamed]]
from = "reporting"
to = "reports"

[[removed]]
client_id = "legacy"

[policy]
protect = ["legacy"]

[cleanup]
"#;

/// A plan with every kind of step, refused by a rail, with a trigger that only a write can try and rows to clean up.
fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "alice");
    let uris = "https://shop.example.com/callback https://old.example.com/callback";
    let held = json!({ "name": "Shop", "redirect_uris": uris, "client_secret": "the old one", "user_id": 1 });
    application(&database, 11, "web", &held);
    application(&database, 12, "legacy", &held);
    application(&database, 13, "other", &json!({}));
    application(&database, 14, "reporting", &json!({}));
    session(&database, 1, 12, "2999-01-01T00:00:00Z");
    session(&database, 2, 11, "2020-01-01T00:00:00Z");
    database.execute(
        "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
         CREATE TRIGGER audit BEFORE INSERT OR UPDATE ON oauth2_provider_application \
         FOR EACH ROW EXECUTE FUNCTION audit()",
    );
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("WEB_SECRET", "the-new-one-of-27-letters-x");
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

/// A directory with the saved plan and nothing else: no `oauth.toml`, no database.
fn elsewhere(from: &Sandbox) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("saved.plan", from.read("saved.plan"));
    sandbox
}

#[test]
fn it_shows_what_plan_showed() {
    let (_database, sandbox) = world();
    for arguments in [
        &[][..],
        &["--full"],
        &["--label", "staging"],
        &["--format", "json"],
        &["--format", "markdown"],
        &["--format", "markdown", "--max-length", "4096", "--label", "staging"],
    ] {
        let of_plan = [&["plan", "--out", "saved.plan"], arguments].concat();
        let planned = sandbox.command(&of_plan).env("GITHUB_SHA", "0123456789abcdef").run().exits(3);
        let again = [&["show-plan", "saved.plan"], arguments].concat();
        let shown = elsewhere(&sandbox).oauthctl(&again).exits(0);
        assert_eq!(shown.raw_stdout, planned.raw_stdout, "{arguments:?}");
        for secret in ["the-new-one", "the old one"] {
            assert!(!sandbox.read("saved.plan").contains(secret) && !shown.to_string().contains(secret));
        }
    }
}

#[test]
fn it_says_why_apply_would_refuse() {
    let (_database, sandbox) = world();
    sandbox.oauthctl(&["plan", "--out", "saved.plan", "--no-cleanup"]).exits(3);
    assert_snapshot!("refused", elsewhere(&sandbox).oauthctl(&["show-plan", "saved.plan"]).exits(0).stderr);
    sandbox.oauthctl(&["plan", "--out", "saved.plan", "--no-cleanup", "--allow", "delete:legacy"]).exits(0);
    let shown = elsewhere(&sandbox).oauthctl(&["show-plan", "saved.plan"]).exits(0);
    assert_eq!(shown.stderr, "");
}

#[test]
fn what_is_no_saved_plan_of_this_version_is_refused() {
    let (_database, sandbox) = world();
    sandbox.oauthctl(&["plan", "--out", "saved.plan", "--json-out", "plan.json"]).exits(3);
    let elsewhere = elsewhere(&sandbox);
    let saved = sandbox.read("saved.plan");
    let mut told = String::new();
    for (what, text, code) in [
        ("it was edited", saved.replace("Web shop", "Evil shop"), 4),
        ("an older format", saved.replace("saved plan 4", "saved plan 2"), 4),
        ("the first format", saved.replace("saved plan 4", "saved plan 1"), 4),
        ("a newer format", saved.replace("saved plan 4", "saved plan 5"), 4),
        ("a JSON plan", sandbox.read("plan.json"), 64),
        ("something else", "hello".to_owned(), 64),
    ] {
        elsewhere.write("saved.plan", text);
        let output = elsewhere.oauthctl(&["show-plan", "saved.plan"]).exits(code);
        let _ = writeln!(told, "# {what}\n{output}");
    }
    let output = elsewhere.oauthctl(&["show-plan", "missing.plan"]).exits(64);
    let _ = writeln!(told, "# it is not there\n{output}");
    assert_snapshot!("not_shown", told);
}

/// What a terminal or a forge would obey.
const HOSTILE: &str = "\u{9b}2J\r\n# FORGED\n<b>@all</b>\u{202e}";

/// Each of these texts of the document, one at a time, replaced by one that is hostile.
fn forged(value: &Value) -> Vec<Value> {
    match value {
        Value::String(_) => vec![Value::from(HOSTILE)],
        Value::Array(items) => (0..items.len())
            .flat_map(|at| forged(&items[at]).into_iter().map(move |item| (at, item)))
            .map(|(at, item)| {
                let mut items = items.clone();
                items[at] = item;
                Value::Array(items)
            })
            .collect(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(key, member)| forged(member).into_iter().map(move |member| (key.clone(), member)))
            .map(|(key, member)| {
                let mut members = members.clone();
                members.insert(key, member);
                Value::Object(members)
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Whoever can write the file can write a digest too.
#[test]
fn no_text_of_the_file_is_obeyed() {
    let (_database, sandbox) = world();
    sandbox.oauthctl(&["plan", "--out", "saved.plan", "--label", "staging"]).exits(3);
    let Saved { origin, proposal } = Saved::read(&sandbox.read("saved.plan")).unwrap();
    let mut read = 0;
    for forged in forged(&serde_json::to_value(&proposal).unwrap()) {
        let Ok(proposal) = serde_json::from_value::<Proposal>(forged) else { continue };
        let Ok(saved) = Saved::read(&save(&proposal, &origin).unwrap()) else { continue };
        read += 1;
        let refusal = saved.proposal.refusal.as_ref().map(render_refusal).unwrap_or_default();
        let text = render(&saved.proposal, Detail::Full) + &refusal;
        let json = plan_json::render(&saved.proposal, None).unwrap();
        let markdown = plan_markdown::render(&saved.proposal, plan_markdown::LIMIT);
        for shown in [&text, &json, &markdown] {
            assert!(!shown.contains(['\u{9b}', '\r', '\u{202e}']), "{shown}");
            assert!(!shown.lines().any(|line| line.starts_with("# FORGED")), "{shown}");
        }
        let outside = markdown.split("```").step_by(2).collect::<String>();
        assert!(!outside.contains("<b>@all"), "{markdown}");
    }
    assert!(read > 30, "{read}");
}

/// Numbers that no database has do not end the program.
#[test]
fn no_number_of_the_file_is_too_large() {
    let (_database, sandbox) = world();
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(3);
    let Saved { proposal, .. } = Saved::read(&sandbox.read("saved.plan")).unwrap();
    let mut value = serde_json::to_value(&proposal).unwrap();
    enlarge(&mut value);
    let proposal: Proposal = serde_json::from_value(value).unwrap();
    let identity =
        Identity { system: None, ledger: None, address: String::new(), database: String::new(), oid: 1 };
    let origin = Origin {
        variables: std::collections::BTreeMap::new(),
        config: String::new(),
        database: identity,
        table: 1,
        targets: Vec::new(),
        cleanup: true,
        as_of: proposal.forecast.as_ref().map(|forecast| forecast.as_of.clone()),
    };
    let elsewhere = Sandbox::new();
    elsewhere.write("saved.plan", save(&proposal, &origin).unwrap());
    for format in ["text", "json", "markdown", "html"] {
        elsewhere.oauthctl(&["show-plan", "saved.plan", "--full", "--format", format]).exits(0);
    }
}

fn enlarge(value: &mut Value) {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|number| !(50..=100).contains(&number)) => {
            *value = Value::from(u64::MAX);
        }
        Value::Array(items) => items.iter_mut().for_each(enlarge),
        Value::Object(members) => members.values_mut().for_each(enlarge),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
