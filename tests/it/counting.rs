//! `count` and `count_budget` as people meet them: which way is used, what is printed, and that nothing depends on it.

use serde_json::Value;

use super::cleanup::draft::Draft;
use super::cleanup::runner::now;
use super::support::sandbox::Output;
use super::support::{Database, Sandbox, Template};

const DOT: Template = Template::Dot341;
const AS_OF: [&str; 2] = ["--as-of", "2026-01-02T03:04:05.6Z"];
const POLICY: &str = "[cleanup]\nrefresh_token_expire = \"1h\"\n";

/// No time at all: nothing can be read.
const AT_ONCE: [&str; 4] = ["--count", "forecast", "--count-budget", "1us"];

struct World {
    database: Database,
    sandbox: Sandbox,
}

impl World {
    fn new(cleanup: &str) -> Self {
        let database = Database::create(DOT);
        let policy = oauthctl::model::CleanupPolicy {
            refresh_token_expire: Some(std::time::Duration::from_hours(1)),
            ..oauthctl::model::CleanupPolicy::default()
        };
        Draft::random(11, 40, &policy, now()).insert(&database, DOT);
        let sandbox = Sandbox::with(&database);
        sandbox.write("oauth.toml", format!("{POLICY}{cleanup}"));
        Self { database, sandbox }
    }

    fn run(&self, verb: &[&str], arguments: &[&str]) -> Output {
        self.sandbox.oauthctl(&[verb, &AS_OF[..], arguments].concat()).exits(0)
    }

    fn json(&self, verb: &[&str], arguments: &[&str]) -> Value {
        let output = self.run(verb, &[&["--format", "json"], arguments].concat());
        serde_json::from_str(&output.stdout).unwrap()
    }
}

fn sum(rows: &Value) -> u64 {
    rows.as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum()
}

fn assert_holds(forecast: &Value, truth: &Value) {
    let holds = |bounds: &Value, truth: u64| {
        let bound = |key: &str| bounds[key].as_u64().unwrap();
        assert!(bound("low") <= truth && truth <= bound("high"), "{bounds} {truth}");
        assert!(bound("low") <= bound("estimate") && bound("estimate") <= bound("high"), "{bounds}");
    };
    assert_eq!(forecast["total"]["exact"], false);
    holds(&forecast["total"], sum(truth));
    for (category, bounds) in forecast["rows"].as_object().unwrap() {
        holds(bounds, truth[category].as_u64().unwrap());
    }
}

#[test]
fn small_tables_are_counted_exactly() {
    let world = World::new("");
    let exact = world.json(&["cleartokens", "--dry-run"], &[]);
    assert_eq!((&exact["count"], &exact["forecast"]), (&Value::from("exact"), &Value::Null));
    assert!(sum(&exact["to_delete"]) > 0);
    let plan = world.json(&["plan"], &[]);
    assert_eq!((&plan["cleanup"]["count"], &plan["cleanup"]["rows"]), (&"exact".into(), &exact["to_delete"]));
    let status = world.json(&["status"], &[]);
    assert_eq!((&status["count"], &status["reclaimable"]["rows"]), (&"exact".into(), &exact["to_delete"]));
    // A forecast that has the time to read everything is exact.
    let read = world.json(&["plan"], &["--count", "forecast", "--count-budget", "1h"]);
    assert_eq!(read["cleanup"], plan["cleanup"]);
    let read = world.json(&["status"], &["--count", "forecast", "--count-budget", "1h"]);
    assert_eq!(read["tables"], status["tables"]);
}

#[test]
fn a_forecast_has_bounds_and_no_exact_numbers() {
    let world = World::new("");
    let truth = world.json(&["cleartokens", "--dry-run"], &[])["to_delete"].clone();
    let dry_run = world.json(&["cleartokens", "--dry-run"], &AT_ONCE);
    assert_eq!((&dry_run["count"], &dry_run["to_delete"]), (&"forecast".into(), &Value::Null));
    assert_holds(&dry_run["forecast"], &truth);
    let plan = &world.json(&["plan"], &AT_ONCE)["cleanup"];
    assert_eq!(
        (&plan["count"], &plan["total"], &plan["rows"]),
        (&"forecast".into(), &Value::Null, &Value::Null)
    );
    assert_holds(&plan["forecast"], &truth);
    let status = world.json(&["status"], &AT_ONCE);
    assert_eq!((&status["count"], &status["rows"]), (&"forecast".into(), &Value::Null));
    assert_eq!(status["reclaimable"]["total"], Value::Null);
    assert_holds(&status["reclaimable"]["forecast"], &truth);
    for table in status["tables"].as_array().unwrap() {
        assert_eq!((&table["rows"], &table["ages"]), (&Value::Null, &Value::Null));
        assert!(table["forecast"]["rows"]["high"].is_u64(), "{table}");
    }
    for verb in [&["cleartokens", "--dry-run"][..], &["plan"], &["status"]] {
        let text = world.run(verb, &AT_ONCE).stdout;
        assert!(text.contains("at most ") && text.contains(" read; "), "{text}");
    }
}

#[test]
fn estimates_have_metrics_of_their_own() {
    let world = World::new("");
    let file = world.sandbox.path().join("metrics.prom");
    let path = file.to_str().unwrap();
    world.run(&["status", "--metrics-file", path], &AT_ONCE);
    let metrics = std::fs::read_to_string(&file).unwrap();
    assert!(metrics.contains("oauthctl_reclaimable_rows_forecast{"), "{metrics}");
    assert!(metrics.contains("bound=\"high\""), "{metrics}");
    assert!(
        !metrics.contains("oauthctl_rows{") && !metrics.contains("oauthctl_reclaimable_rows{"),
        "{metrics}"
    );
}

#[test]
fn without_a_count_there_is_no_number() {
    let world = World::new("count = \"off\"\n");
    let plan = world.run(&["plan"], &[]).stdout;
    assert!(
        plan.contains("the rows to delete as of 2026-01-02T03:04:05Z were not counted (count is off)"),
        "{plan}"
    );
    let plan = &world.json(&["plan"], &[])["cleanup"];
    assert_eq!(
        (&plan["count"], &plan["total"], &plan["forecast"]),
        (&"off".into(), &Value::Null, &Value::Null)
    );
    let status = world.run(&["status"], &[]).stdout;
    assert!(status.contains("The rows were not counted (count is off)."), "{status}");
    assert!(!status.contains("RECLAIMABLE"), "{status}");
    // A dry run follows its flags only.
    assert_eq!(world.json(&["cleartokens", "--dry-run"], &[])["count"], "exact");
    assert_eq!(world.json(&["plan"], &["--count", "exact"])["cleanup"]["count"], "exact");
    assert_eq!(world.json(&["cleartokens", "--dry-run"], &["--count", "off"])["count"], "off");
}

/// What nobody counted is deleted all the same.
#[test]
fn apply_cleans_up_whatever_was_counted() {
    for count in [&AT_ONCE[..], &["--count", "off"]] {
        let world = World::new("");
        let expected = sum(&world.json(&["cleartokens", "--dry-run"], &[])["to_delete"]);
        let apply = world.json(&["apply", "--yes"], count);
        assert_eq!(sum(&apply["outcome"]["cleaned"]), expected);
        assert_eq!(sum(&world.json(&["cleartokens", "--dry-run"], &[])["to_delete"]), 0);
        drop(world.database);
    }
}

/// The planner's expectation decides, and not the time that a count takes.
#[test]
fn a_count_that_is_expected_to_take_long_is_not_tried() {
    let world = World::new("count_budget = \"1us\"\n");
    assert_eq!(world.json(&["plan"], &[])["cleanup"]["count"], "forecast");
    assert_eq!(world.json(&["status"], &[])["count"], "forecast");
    assert_eq!(world.json(&["plan"], &["--count-budget", "1h"])["cleanup"]["count"], "exact");
}

#[test]
fn no_budget_is_an_error_at_its_line() {
    let world = World::new("count_budget = 0\n");
    let output = world.sandbox.oauthctl(&["plan"]).exits(64);
    assert!(output.stderr.contains("`count_budget` must be longer than 0"), "{output}");
    assert!(output.stderr.contains("oauth.toml:3"), "{output}");
    let world = World::new("");
    for wrong in [["--count", "roughly"], ["--count-budget", "0"]] {
        world.sandbox.oauthctl(&[&["plan"], &wrong[..]].concat()).exits(64);
    }
}

/// Statistics that pretend 300 million rows: what a run would cost is said before it begins.
#[test]
fn a_backlog_has_a_cost() {
    let world = World::new("");
    world.database.execute(
        "ALTER TABLE oauth2_provider_refreshtoken SET (autovacuum_enabled = off); ANALYZE oauth2_provider_refreshtoken",
    );
    world
        .database
        .execute("UPDATE pg_class SET reltuples = 3e8 WHERE relname = 'oauth2_provider_refreshtoken'");
    let revoked = ["--only", "revoked", "--count", "forecast"];
    let text = world.run(&["cleartokens", "--dry-run"], &revoked).stdout;
    assert!(text.contains("Cleanup would delete about "), "{text}");
    // Of which PostgreSQL 17 and later need a twentieth of the memory.
    let passes = if world.database.major() >= 17 { " once" } else { " times (maintenance_work_mem" };
    assert!(text.contains("\nA run would take about ") && text.contains(passes), "{text}");
    let json = world.json(&["cleartokens", "--dry-run"], &revoked);
    let (cost, rows) = (&json["cost"], json["forecast"]["total"]["estimate"].as_u64().unwrap());
    assert!(rows > 10_000_000, "{json}");
    assert_eq!((&cost["rows"], &cost["rate"]), (&rows.into(), &"default".into()));
    assert!(cost["seconds"].as_u64().unwrap() > rows / 100_000, "{cost}");
    assert!(cost["wal_bytes"].as_u64().unwrap() > 100 * rows, "{cost}");
    assert!(cost["index_passes"]["refresh_token"].as_u64().unwrap() >= 1, "{cost}");
    assert_eq!(world.json(&["cleartokens", "--dry-run"], &[])["cost"], Value::Null);
}
