//! The real thing: a database that Django's `migrate` made, random tokens in it, `manage.py cleartokens` with the clock
//! standing still, and `oauthctl cleartokens` on the same rows at the same instant. Every row and every pointer of every
//! table must be the same afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use oauthctl::model::CleanupPolicy;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::cleanup::applications;
use super::cleanup::draft::Draft;
use super::cleanup::graph::Graph;
use super::cleanup::runner::now;
use super::support::dot::Release;
use super::support::rows::everything;
use super::support::{Sandbox, Template};

/// Settings of DOT, and the flags that mean the same.
fn settings() -> Vec<(Value, Vec<&'static str>)> {
    vec![
        (json!({}), vec![]),
        (json!({ "REFRESH_TOKEN_EXPIRE_SECONDS": 3600 }), vec!["--refresh-token-expire", "1h"]),
        (
            json!({ "REFRESH_TOKEN_EXPIRE_SECONDS": 3600, "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 120 }),
            vec!["--refresh-token-expire", "3600", "--refresh-token-grace-period", "2m"],
        ),
        (
            json!({ "REFRESH_TOKEN_EXPIRE_SECONDS": 3600, "REFRESH_TOKEN_REUSE_PROTECTION": true }),
            vec!["--refresh-token-expire", "1h", "--refresh-token-reuse-protection"],
        ),
        (
            json!({ "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 120, "REFRESH_TOKEN_REUSE_PROTECTION": true }),
            vec!["--refresh-token-grace-period", "120", "--refresh-token-reuse-protection=true"],
        ),
        (
            json!({ "REFRESH_TOKEN_EXPIRE_SECONDS": 3600, "CLEAR_EXPIRED_TOKENS_BATCH_SIZE": 7 }),
            vec!["--refresh-token-expire", "1h", "--batch-size", "7"],
        ),
    ]
}

/// The real `clearcimdapplications`, with cascades across applications, beside ours.
#[test]
fn clearcimdapplications_leaves_what_the_real_one_leaves() {
    let database = Release::Newest.migrated();
    let sandbox = Sandbox::with(&database);
    let instant = "2026-01-02T03:04:05.600000Z";
    let count =
        || -> u64 { database.value("SELECT count(*) FROM oauth2_provider_application").parse().unwrap() };
    for seed in 1..=4 {
        let rows = applications::random(seed, 150);
        rows.insert(&database);
        let (before, applications) = (everything(&database, "public"), count());
        let environment = [("OAUTHCTL_NOW", instant.replace('Z', "+00:00"))];
        Release::Newest.manage(&database, &["clearcimdapplications", "--batch-size", "40"], &environment);
        let (theirs, gone) = (everything(&database, "public"), applications - count());
        assert!(gone > 10, "the seed makes something to delete");

        rows.insert(&database);
        assert_eq!(everything(&database, "public"), before, "the same rows again");
        let arguments = ["cleartokens", "--only", "cimd", "--as-of", instant];
        let counted =
            sandbox.oauthctl(&[&arguments[..], &["--dry-run", "--format", "json"]].concat()).exits(0);
        let counted: Value = serde_json::from_str(&counted.stdout).unwrap();
        assert_eq!(counted["to_delete"]["cimd"], gone);
        let output = sandbox.oauthctl(&[&arguments[..], &["--batch-size", "40"]].concat()).exits(0);
        let ours = everything(&database, "public");
        let only_in = |one: &str, other: &str| {
            let there: BTreeSet<&str> = other.lines().collect();
            one.lines().filter(|line| !there.contains(line)).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(only_in(&ours, &theirs), only_in(&theirs, &ours), "seed {seed}\n{output}");
    }
}

#[test]
fn cleartokens_leaves_what_the_real_one_leaves() {
    // What the boundaries of the random instants are; each of the settings has its own cutoffs among them.
    let boundaries = CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        refresh_token_grace_period: Duration::from_mins(2),
        ..CleanupPolicy::default()
    };
    // `Empty`: the tables are Django's, not a captured schema.
    let (database, template) = (Release::Newest.migrated(), Template::Empty);
    let sandbox = Sandbox::with(&database);
    // Six digits, or Python before 3.11 does not understand it.
    let instant = "2026-01-02T03:04:05.600000Z";
    assert_eq!(OffsetDateTime::parse(instant, &Rfc3339).unwrap(), now());
    for (seed, (settings, flags)) in (1..).zip(settings()) {
        let draft = Draft::random(seed, 150, &boundaries, now());
        draft.insert(&database, template);
        let before = Graph::read(&database, template);
        let environment =
            [("OAUTH2_PROVIDER", settings.to_string()), ("OAUTHCTL_NOW", instant.replace('Z', "+00:00"))];
        Release::Newest.manage(&database, &["cleartokens"], &environment);
        let theirs = Graph::read(&database, template);
        assert!(theirs.len() + 30 < before.len(), "{settings}: the seed makes something to delete");

        draft.insert(&database, template);
        assert_eq!(Graph::read(&database, template), before, "the same rows again");
        let output =
            sandbox.oauthctl(&[&["cleartokens", "--as-of", instant], flags.as_slice()].concat()).exits(0);
        let ours = Graph::read(&database, template);
        assert_eq!(ours, theirs, "{settings}\n{output}");
    }
}
