//! `cleartokens` as people meet it: what it prints, and its exit codes.

use std::time::Duration;

use insta::assert_snapshot;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::cleanup::draft::Draft;
use super::cleanup::graph::Graph;
use super::cleanup::runner::now;
use super::support::sandbox::Output;
use super::support::{Database, Sandbox, Template, eventually};

const DOT: Template = Template::Dot341;
const AS_OF: [&str; 2] = ["--as-of", "2026-01-02T03:04:05.6Z"];

/// A graph with rows of every category to delete.
const SEED: u64 = 11;

struct World {
    database: Database,
    sandbox: Sandbox,
}

impl World {
    /// The same graph in every test: 40 refresh tokens at most, and so on.
    fn new() -> Self {
        let database = Database::create(DOT);
        let policy = oauthctl::model::CleanupPolicy {
            refresh_token_expire: Some(Duration::from_hours(1)),
            ..oauthctl::model::CleanupPolicy::default()
        };
        Draft::random(SEED, 40, &policy, now()).insert(&database, DOT);
        let sandbox = Sandbox::with(&database);
        Self { database, sandbox }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.oauthctl(&[&["cleartokens"], &AS_OF[..], arguments].concat())
    }

    fn rows(&self) -> usize {
        Graph::read(&self.database, DOT).len()
    }
}

/// How fast and in how many batches is not the same every time.
fn steady(output: &Output) -> String {
    let mut text = output.to_string().replace(env!("CARGO_PKG_VERSION"), "[version]");
    while let Some(end) = text.find(" rows/s, ") {
        let start = text[..end].rfind('(').map_or(0, |open| open + 1);
        text.replace_range(start..end + " rows/s, ".len(), "");
    }
    text
}

#[test]
fn a_run_says_what_went() {
    let world = World::new();
    assert_snapshot!("first_run", steady(&world.run(&["--refresh-token-expire", "1h"]).exits(0)));
    assert_snapshot!(
        "second_run_finds_nothing",
        steady(&world.run(&["--refresh-token-expire", "1h"]).exits(0))
    );
}

#[test]
fn a_dry_run_counts_exactly_and_deletes_nothing() {
    let world = World::new();
    let before = world.rows();
    let text = world.run(&["--dry-run", "--refresh-token-expire", "1h"]).exits(0);
    assert_snapshot!("dry_run", text);
    let json = world.run(&["--dry-run", "--refresh-token-expire", "1h", "--format", "json"]).exits(0);
    assert_snapshot!("dry_run_as_json", steady(&json));
    assert_eq!(world.rows(), before);
    let counted: Value = serde_json::from_str(&json.stdout).unwrap();
    let counted: u64 =
        counted["to_delete"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum();
    world.run(&["--refresh-token-expire", "1h"]).exits(0);
    assert_eq!(u64::try_from(before - world.rows()).unwrap(), counted);
}

/// DOT's warning, in words that are also true under reuse protection.
#[test]
fn a_missing_lifetime_is_worth_a_warning() {
    let world = World::new();
    assert_snapshot!("no_lifetime", world.run(&["--dry-run"]).exits(0).stderr);
    assert_snapshot!(
        "no_lifetime_with_reuse_protection",
        world.run(&["--dry-run", "--refresh-token-reuse-protection"]).exits(0).stderr
    );
    assert_eq!(world.run(&["--dry-run", "--only", "access,id"]).exits(0).stderr, "");
}

#[test]
fn names_that_do_not_exist_are_worth_a_warning() {
    let world = World::new();
    world.sandbox.write("oauth.toml", "[cleanup]\nexclude_clients = [\"cleint-1\"]\n");
    let output = world.run(&["--dry-run", "--only", "par"]).exits(0);
    assert_snapshot!(output);
}

#[test]
fn the_policy_comes_from_the_file_and_flags_override_it() {
    let world = World::new();
    let file = r#"
        [applications.web]
        client_type = "confidential"
        authorization_grant_type = "client-credentials"
        client_secret = { env = "NOT_NEEDED_HERE" }
        [cleanup]
        refresh_token_expire = "1h"
        only = ["expired"]
        exclude_clients = ["client-1"]
    "#;
    world.sandbox.write("oauth.toml", file);
    let count = |arguments: &[&str]| {
        let output = world.run(&[&["--dry-run", "--format", "json"], arguments].concat()).exits(0);
        assert_eq!(output.stderr, "");
        let counted: Value = serde_json::from_str(&output.stdout).unwrap();
        counted["to_delete"].clone()
    };
    let [file, other_lifetime, other_category] =
        [count(&[]), count(&["--refresh-token-expire", "1w"]), count(&["--only", "grants"])];
    assert!(file["expired"].as_u64() > Some(0));
    assert_eq!(file["access"], 0);
    assert_eq!(other_lifetime["expired"], 0);
    assert_eq!(
        (&other_category["expired"], other_category["grants"].as_u64() > Some(0)),
        (&Value::from(0), true)
    );
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_deleted() {
    let world = World::new();
    let before = world.rows();
    let refused: [&[&str]; 12] = [
        &["--batch-size", "0"],
        &["--batch-size", "-1"],
        &["--batch-size", "many"],
        &["--refresh-token-expire", "-1"],
        &["--refresh-token-expire", "soon"],
        &["--refresh-token-expire", "1month"],
        &["--nice-ratio", "-0.5"],
        &["--max-rows", "0"],
        &["--only", "everything"],
        &["--only", "access", "--skip", "access,id"],
        &["--as-of", "yesterday"],
        &["--as-of", "2026-01-02T03:04:05.1234567Z"],
    ];
    let mut texts = String::new();
    for arguments in refused {
        let output = world.sandbox.oauthctl(&[&["cleartokens"], arguments].concat()).exits(64);
        assert_eq!(output.stdout, "");
        let first = output.stderr.lines().next().unwrap_or_default();
        texts += &format!("{}\n    {first}\n", arguments.join(" "));
    }
    assert_snapshot!(texts);
    assert_eq!(world.rows(), before);
}

#[test]
fn rows_in_the_way_are_refused_with_their_names() {
    let world = World::new();
    world.database.execute(
        "CREATE TABLE audit (token_id bigint CONSTRAINT audit_token REFERENCES oauth2_provider_accesstoken (id)); \
         INSERT INTO audit SELECT id FROM oauth2_provider_accesstoken \
             WHERE expires < '2026-01-02 02:00Z' ORDER BY id LIMIT 3",
    );
    let before = world.rows();
    assert_snapshot!("foreign_rows_refused", world.run(&["--refresh-token-expire", "1h"]).exits(3));
    assert_snapshot!(
        "foreign_rows_in_a_dry_run",
        world.run(&["--refresh-token-expire", "1h", "--dry-run"]).exits(0).stderr
    );
    assert_eq!(world.rows(), before);
}

#[test]
fn limits_end_a_run_and_the_next_one_goes_on() {
    let world = World::new();
    let before = world.rows();
    let output =
        world.run(&["--refresh-token-expire", "1h", "--max-rows", "15", "--batch-size", "4"]).exits(0);
    assert_snapshot!(steady(&output));
    let left = world.rows();
    assert!((14..=15).contains(&(before - left)), "{}", before - left);
    let output =
        world.run(&["--refresh-token-expire", "1h", "--max-duration", "1ms", "--batch-size", "1"]).exits(0);
    assert!(output.stdout.contains("Stopped: the time limit (max_duration) is reached."), "{output}");
    world.run(&["--refresh-token-expire", "1h"]).exits(0);
    let output = world.run(&["--refresh-token-expire", "1h"]).exits(0);
    assert!(output.stdout.starts_with("Cleanup: nothing was deleted"), "{output}");
}

/// The running batch is committed, the summary is printed, and the exit code says which signal it was.
#[test]
fn signals_end_a_run_after_the_running_batch() {
    for (signal, code) in [(Signal::SIGHUP, 129), (Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let world = World::new();
        let before = world.rows();
        let arguments = ["--refresh-token-expire", "1h", "--batch-size", "4", "--batch-interval", "1h"];
        let running = world.sandbox.command(&[&["cleartokens"], &AS_OF[..], &arguments].concat()).spawn();
        eventually("no batch was committed", || world.rows() != before);
        running.signal(signal);
        let output = running.wait().exits(code);
        assert!(
            output.stdout.contains(
                "Stopped: interrupted. --dry-run counts what is left. To continue from here: \
                 --resume-from revoked+expired+access:"
            ),
            "{output}"
        );
        assert!(world.rows() < before && before <= world.rows() + 4);
    }
}

#[test]
fn scripts_read_events_from_stderr_and_the_outcome_from_stdout() {
    let world = World::new();
    let output = world.run(&["--refresh-token-expire", "1h", "--format", "json"]).exits(0);
    let outcome: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        (&outcome["run"]["stop"], &outcome["dry_run"]),
        (&Value::from("finished"), &Value::from(false))
    );
    let events: Vec<Value> = output.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let finished = |category: &str| {
        let of = |event: &&Value| event["event"] == "finished";
        events.iter().filter(of).filter_map(|event| event["deleted"][category].as_u64()).sum::<u64>()
    };
    for (category, rows) in outcome["deleted"].as_object().unwrap() {
        assert_eq!(rows.as_u64(), Some(finished(category)), "{category}");
    }
    assert_eq!(events[0]["event"], "started");
}

/// What `apply` says of its cleanup has the keys of what `cleartokens` says of its run.
#[test]
fn apply_reports_its_cleanup_as_fully() {
    let world = World::new();
    let file = "[cleanup]\nrefresh_token_expire = \"1h\"\nonly = [\"grants\"]\n";
    world.sandbox.write("oauth.toml", file);
    let output =
        world.sandbox.oauthctl(&[&["apply", "--yes", "--format", "json"], &AS_OF[..]].concat()).exits(0);
    let applied: Value = serde_json::from_str(&output.stdout).unwrap();
    let run = &applied["outcome"]["run"];
    assert_eq!(
        (&run["stop"], &run["batches"], &run["retries"]),
        (&"finished".into(), &1.into(), &0.into()),
        "{output}"
    );
    let output = world.run(&["--format", "json"]).exits(0);
    let cleared: Value = serde_json::from_str(&output.stdout).unwrap();
    let keys = |run: &Value| run.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(run), keys(&cleared["run"]));
    let again = world.sandbox.oauthctl(&["apply", "--yes", "--format", "json", "--no-cleanup"]).exits(0);
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again["outcome"]["run"], Value::Null);
}

#[test]
fn quiet_is_quiet() {
    let world = World::new();
    assert_eq!(world.run(&["--refresh-token-expire", "1h", "--quiet"]).exits(0).stderr, "");
}
