//! `status` as people, scripts and Prometheus meet it: rows, ages, sizes, growth and the last runs.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use regex::Regex;
use serde_json::{Value, json};

use super::cleanup::draft::Draft;
use super::cleanup::runner::now;
use super::support::database::Template;
use super::support::dot::dot_python;
use super::support::rows::everything;
use super::support::sandbox::Output;
use super::support::{Database, PATIENCE, Sandbox};

const AS_OF: [&str; 2] = ["--as-of", "2026-01-02T03:04:05.6Z"];

const POLICY: &str = "[cleanup]\nrefresh_token_expire = \"1h\"\n";

const SWAPPED: &str = r#"
[database.tables]
application = "oauth_clients"
access_token = "myauth_accesstoken"
refresh_token = "myauth_refreshtoken"
id_token = "myauth_idtoken"
"#;

struct World {
    database: Database,
    sandbox: Sandbox,
}

impl World {
    /// Rows of every kind and, in DOT's own tables, of every age.
    fn new(template: Template) -> Self {
        let database = Database::create(template);
        let policy = oauthctl::model::CleanupPolicy {
            refresh_token_expire: Some(Duration::from_hours(1)),
            ..oauthctl::model::CleanupPolicy::default()
        };
        Draft::random(11, 60, &policy, now()).insert(&database, template);
        let swapped = template == Template::Swapped341;
        if !swapped {
            let age = "(ARRAY['0', '2 hours', '3 days', '20 days', '60 days', '300 days', '900 days'])[1 + id % 7]::interval";
            database.execute(format!(
                "UPDATE oauth2_provider_accesstoken SET expires = expires - {age}; \
                 UPDATE oauth2_provider_idtoken SET expires = expires - {age}; \
                 UPDATE oauth2_provider_refreshtoken SET revoked = revoked - {age}"
            ));
        }
        let sandbox = Sandbox::with(&database);
        sandbox.write("oauth.toml", format!("{}{POLICY}", if swapped { SWAPPED } else { "" }));
        Self { database, sandbox }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.oauthctl(&[&["status"], &AS_OF[..], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--format", "json"], arguments].concat()).exits(0);
        serde_json::from_str(&output.stdout).unwrap()
    }
}

/// Sizes depend on the version of PostgreSQL, and nobody knows when autovacuum comes.
fn steady(text: &str) -> String {
    let mut text = text.replace(env!("CARGO_PKG_VERSION"), "[version]");
    for (pattern, with) in [
        (
            r"(?m)^(.*?)  +[0-9.]+ k?B  +[0-9.]+ k?B  +[0-9]+  (never|[0-9]+ .* ago.*)$",
            "$1  [size]  [size]  [dead]  [vacuum]",
        ),
        (r#""(table_bytes|index_bytes|dead_rows)": -?[0-9]+"#, r#""$1": "[number]""#),
        (r#""(last_vacuum|last_vacuum_automatic)": ("[^"]*"|null|true|false)"#, r#""$1": "[vacuum]""#),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
    }
    text
}

#[test]
fn every_version_has_its_tables() {
    for template in
        [Template::Dot150, Template::Dot240, Template::Dot341, Template::Main, Template::Swapped341]
    {
        let world = World::new(template);
        let before = everything(&world.database, "public");
        let output = world.run(&[]).exits(0);
        assert_snapshot!(format!("text_{template:?}"), steady(&output.to_string()));
        assert_eq!(before, everything(&world.database, "public"));
    }
}

#[test]
fn scripts_get_the_same_as_json() {
    let world = World::new(Template::Dot341);
    assert_snapshot!(steady(&world.run(&["--format", "json"]).exits(0).to_string()));
}

/// What is said to be reclaimable is what a run then deletes, and the rows of the tables are those that are there.
#[test]
fn the_numbers_are_exact() {
    for template in [Template::Dot150, Template::Main, Template::Swapped341] {
        let world = World::new(template);
        let status = world.json(&[]);
        let counted =
            world.sandbox.oauthctl(&[&["cleartokens", "--format", "json"], &AS_OF[..]].concat()).exits(0);
        let run: Value = serde_json::from_str(&counted.stdout).unwrap();
        assert_eq!(status["reclaimable"]["rows"], run["deleted"]);
        let after = world.json(&[]);
        assert_eq!(after["reclaimable"]["total"], 0);
        let gone = status["rows"].as_u64().unwrap() - after["rows"].as_u64().unwrap();
        assert_eq!(status["reclaimable"]["total"], gone);
        for table in status["tables"].as_array().unwrap() {
            let number = |key: &str| table[key].as_u64().unwrap();
            let name = table["table"].as_str().unwrap();
            let ages: u64 =
                table["ages"].as_array().unwrap().iter().map(|age| age["rows"].as_u64().unwrap()).sum();
            assert_eq!(ages, number("expired"), "{name}");
            assert_eq!(
                number("rows"),
                number("live") + number("expired") + number("orphaned") + number("idle")
            );
        }
    }
}

#[test]
fn without_a_policy_the_defaults_of_dot_count() {
    let world = World::new(Template::Dot341);
    world.sandbox.write("oauth.toml", "");
    let output = world.run(&[]).exits(0);
    assert!(output.stdout.contains("by DOT's defaults (no [cleanup])"), "{output}");
    assert!(output.stderr.contains("refresh tokens have no lifetime"), "{output}");
    assert_eq!(world.json(&[])["policy"], "defaults");
    assert_eq!(world.json(&[])["reclaimable"]["rows"]["expired"], 0);
}

#[test]
fn a_terminal_without_unicode_gets_ascii() {
    let world = World::new(Template::Dot341);
    let output = world.sandbox.command(&[&["status"], &AS_OF[..]].concat()).env("LC_ALL", "C").run().exits(0);
    assert!(output.stdout.is_ascii(), "{output}");
    assert!(output.stdout.contains("  ####"), "{output}");
}

#[test]
fn an_empty_database_has_nothing_to_show() {
    let database = Database::create(Template::Dot341);
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", POLICY);
    assert_snapshot!(steady(&sandbox.oauthctl(&[&["status"], &AS_OF[..]].concat()).exits(0).to_string()));
}

/// The ledger knows the runs, why they stopped, and how large the tables were.
#[test]
fn growth_and_runs_come_from_the_ledger() {
    let world = World::new(Template::Dot341);
    world.sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    let nothing = world.json(&[]);
    assert_eq!((&nothing["runs"], &nothing["tables"][0]["growth"]), (&json!([]), &Value::Null));
    let clean = |more: &[&str]| {
        world.sandbox.oauthctl(&[&["cleartokens", "-q"], &AS_OF[..], more].concat()).exits(0);
    };
    clean(&["--max-rows", "10"]);
    clean(&[]);
    world.database.execute(
        "INSERT INTO oauth2_provider_idtoken (id, jti, expires, scope, created, updated) \
         SELECT 1000 + n, gen_random_uuid(), now(), '', now(), now() FROM generate_series(1, 500) n",
    );
    // PostgreSQL's counters are published some time after the commit.
    let patience = Instant::now() + PATIENCE;
    let grown = loop {
        let status = world.json(&[]);
        let tables = status["tables"].as_array().unwrap().clone();
        let id = tables.into_iter().find(|table| table["role"] == "id_token").unwrap();
        if id["growth"]["rows_inserted"].as_u64() >= Some(500) {
            break id["growth"].clone();
        }
        assert!(Instant::now() < patience, "{status:#}");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((&grown["rows_inserted"], &grown["verb"]), (&json!(500), &json!("cleartokens")));
    assert!(grown["table_bytes"].as_i64() > Some(0), "{grown}");
    let runs = world.json(&[])["runs"].clone();
    let stops: Vec<&str> = runs.as_array().unwrap().iter().map(|run| run["stop"].as_str().unwrap()).collect();
    assert_eq!(stops, ["finished", "max_rows"]);
    assert_eq!(runs[0]["outcome"], "succeeded");
    let text = world.run(&[]).exits(0).stdout;
    assert!(text.contains("Since the end of cleartokens of "), "{text}");
    assert!(text.contains("succeeded (max_rows)"), "{text}");
}

/// A ledger from before the measurements, and one that the role may not read, are no reason to fail.
#[test]
fn what_cannot_be_read_is_named() {
    let world = World::new(Template::Dot341);
    world.sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    world.database.execute("DROP TABLE oauthctl.table_measurement");
    assert_eq!(world.json(&[])["runs"], json!([]));
    world.sandbox.oauthctl(&[&["cleartokens", "-q"], &AS_OF[..]].concat()).exits(0);
    assert_eq!(world.json(&[])["runs"][0]["verb"], "cleartokens");

    let role = format!("reader_{}", world.database.name());
    world
        .database
        .execute(format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"));
    let output =
        world.sandbox.command(&[&["status"], &AS_OF[..]].concat()).env("PGUSER", &role).run().exits(0);
    let said = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let lacks = format!("Not shown: the ledger, for the role {role} lacks USAGE on schema oauthctl");
    let grant = format!("GRANT USAGE ON SCHEMA oauthctl TO {role};");
    assert!(said.contains(&lacks.replace(world.database.name(), "[database]")), "{output}");
    assert!(said.contains(&grant.replace(world.database.name(), "[database]")), "{output}");
    assert!(output.stdout.contains("Reclaimable now:"), "{output}");
    world.database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// The file is read with Prometheus's own parser.
#[test]
fn prometheus_understands_the_metrics() {
    let world = World::new(Template::Dot341);
    world.sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    world.sandbox.oauthctl(&["cleartokens", "-q", "--as-of", "2024-01-01T00:00:00Z"]).exits(0);
    let path = world.sandbox.write("oauthctl.prom", "what was there before\n");
    let before = fs::metadata(&path).unwrap().ino();
    let status = world.json(&["--metrics-file", "oauthctl.prom"]);
    let metadata = fs::metadata(&path).unwrap();
    assert_ne!(metadata.ino(), before, "replaced, not written over");
    assert_eq!(metadata.permissions().mode() & 0o444, 0o444, "the collector is another user");
    let script = "import json, sys\n\
        from prometheus_client.parser import text_string_to_metric_families as parse\n\
        families = list(parse(open(sys.argv[1]).read()))\n\
        print(json.dumps([[f.name, f.type, f.documentation, [[s.labels, s.value] for s in f.samples]] for f in families]))";
    let output = Command::new(dot_python()).args(["-c", script]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let families: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut told = String::new();
    for family in families.as_array().unwrap() {
        assert_eq!(family[1], "gauge", "{family}");
        assert!(family[2].as_str().unwrap().ends_with('.'), "{family}");
        for sample in family[3].as_array().unwrap() {
            let name = family[0].as_str().unwrap();
            let volatile = ["bytes", "seconds", "dead_rows"].iter().any(|end| name.ends_with(end));
            let value = if volatile { "[number]".to_owned() } else { sample[1].to_string() };
            told += &format!("{name} {} {value}\n", sample[0]);
        }
    }
    let told = told.replace(world.database.name(), "[database]");
    assert_snapshot!(
        told.lines().filter(|line| !line.contains("last_vacuum")).collect::<Vec<_>>().join("\n")
    );
    let sample = |name: &str, label: &str, value: &str| {
        let family = families.as_array().unwrap().iter().find(|family| family[0] == name).unwrap();
        let samples = family[3].as_array().unwrap();
        samples.iter().find(|sample| sample[0][label] == value).map(|sample| sample[1].as_f64().unwrap())
    };
    let reclaimable = status["reclaimable"]["rows"]["access"].as_f64();
    assert_eq!(sample("oauthctl_reclaimable_rows", "category", "access"), reclaimable);
    assert_eq!(sample("oauthctl_last_run_success", "verb", "cleartokens"), Some(1.0));
}

#[test]
fn a_metrics_file_that_cannot_be_written_is_an_error() {
    let world = World::new(Template::Dot341);
    let output = world.run(&["--metrics-file", "missing/oauthctl.prom"]).exits(1);
    assert!(output.stderr.contains("cannot write missing/oauthctl.prom"), "{output}");
}
