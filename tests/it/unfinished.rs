//! A cleanup that an error ends: what it deleted is said, and never that nothing is left.

use std::time::Duration;

use serde_json::Value;

use super::cleanup::draft::Draft;
use super::cleanup::runner::now;
use super::support::sandbox::Output;
use super::support::{Database, Instance, Sandbox, Template};

const DOT: Template = Template::Dot341;

/// ID tokens go after refresh tokens and access tokens: by then something is deleted.
const LATE: &str = "oauth2_provider_idtoken";

/// What ends a run, as the server says it: a missing privilege, a trigger of the project's, a full disk.
const ENDS: [(&str, &str); 3] = [
    ("42501", "permission denied for table oauth2_provider_idtoken"),
    ("P0001", "tokens are kept for the audit"),
    ("53100", "could not extend file \"base/5/1\": No space left on device"),
];

fn fill(database: &Database) {
    let policy = oauthctl::model::CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        ..oauthctl::model::CleanupPolicy::default()
    };
    Draft::random(11, 40, &policy, now()).insert(database, DOT);
}

fn fails_late(database: &Database, sqlstate: &str, message: &str) {
    database.execute(format!(
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS \
         $$BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}', MESSAGE = '{message}'; END$$; \
         CREATE TRIGGER fails AFTER DELETE ON {LATE} FOR EACH ROW EXECUTE FUNCTION fails()"
    ));
}

fn world(sqlstate: &str, message: &str) -> (Database, Sandbox) {
    let database = Database::create(DOT);
    fill(&database);
    fails_late(&database, sqlstate, message);
    let sandbox = Sandbox::with(&database);
    (database, sandbox)
}

fn clean(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let fixed = ["cleartokens", "--as-of", "2026-01-02T03:04:05.6Z", "--refresh-token-expire", "1h"];
    sandbox.oauthctl(&[&fixed[..], arguments].concat())
}

/// Every line of stderr before the error itself.
fn objects(output: &Output) -> Vec<Value> {
    let lines = output.stderr.lines().take_while(|line| !line.starts_with("error: "));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}\n{output}"))).collect()
}

fn left(sandbox: &Sandbox) -> u64 {
    let counted = clean(sandbox, &["--dry-run", "--format", "json"]).exits(0);
    let counted: Value = serde_json::from_str(&counted.stdout).unwrap();
    counted["to_delete"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum()
}

#[test]
fn an_error_is_no_end_that_left_nothing() {
    for (sqlstate, message) in ENDS {
        let (_database, sandbox) = world(sqlstate, message);
        let output = clean(&sandbox, &[]).exits(1);
        assert!(output.stdout.starts_with("Cleanup: "), "{output}");
        let last = output.stdout.lines().last().unwrap();
        assert_eq!(
            last,
            format!(
                "Stopped: it failed ({message}). How many rows are left is not known; --dry-run counts them."
            )
        );
        assert!(!output.to_string().contains("Finished"), "{output}");
        assert!(left(&sandbox) > 0);
        let quiet = clean(&sandbox, &["-q"]).exits(1);
        assert!(quiet.stdout.contains("Stopped: it failed"), "{quiet}");
    }
}

#[test]
fn scripts_get_the_end_of_a_failed_run_and_no_other_text_between_the_objects() {
    for (sqlstate, message) in ENDS {
        let (_database, sandbox) = world(sqlstate, message);
        let output = clean(&sandbox, &["--format", "json"]).exits(1);
        let events = objects(&output);
        let last = events.last().unwrap();
        assert_eq!(last["event"], "stopped", "{output}");
        let answer: Value = serde_json::from_str(&output.stdout).unwrap();
        for run in [last, &answer["run"]] {
            assert_eq!((&run["stop"], &run["stop_detail"]), (&"failed".into(), &message.into()), "{output}");
            assert_eq!(run["stop_reason"], Value::Null, "{output}");
        }
        assert_eq!(last["deleted"], answer["deleted"], "{output}");
        assert!(answer["deleted"]["access"].as_u64().unwrap() > 0, "{output}");
        assert!(left(&sandbox) > 0);
    }
}

/// The same at the end of `apply`, whose changes are committed by then.
#[test]
fn the_cleanup_of_an_apply_says_so_too() {
    for format in ["text", "json"] {
        let (_database, sandbox) = world("P0001", "tokens are kept for the audit");
        sandbox.write("oauth.toml", "[cleanup]\nrefresh_token_expire = \"1h\"\n");
        let output = sandbox
            .oauthctl(&["apply", "--yes", "--as-of", "2026-01-02T03:04:05.6Z", "--format", format])
            .exits(1);
        if format == "json" {
            assert_eq!(objects(&output).last().unwrap()["event"], "stopped", "{output}");
            let answer: Value = serde_json::from_str(&output.stdout).unwrap();
            assert_eq!(answer["outcome"]["run"]["stop"], "failed", "{output}");
        } else {
            assert!(
                output.stdout.contains("Stopped: it failed (tokens are kept for the audit). "),
                "{output}"
            );
        }
        assert!(!output.to_string().contains("Finished"), "{output}");
    }
}

/// A run that is refused before it began has no end to tell.
#[test]
fn a_refused_run_tells_no_end() {
    let database = Database::create(DOT);
    fill(&database);
    database.execute(
        "CREATE TABLE audit (token_id bigint REFERENCES oauth2_provider_accesstoken (id)); \
         INSERT INTO audit SELECT id FROM oauth2_provider_accesstoken",
    );
    let output = clean(&Sandbox::with(&database), &["--format", "json"]).exits(3);
    assert_eq!(objects(&output), Vec::<Value>::new(), "{output}");
    assert_eq!(output.stdout, "");
}

/// The server goes away after the first batches, and does not come back.
#[test]
fn a_server_that_stays_away_leaves_an_end_that_is_not_known() {
    let server = Instance::start(&[]);
    let database = server.database(DOT);
    fill(&database);
    // The signal that `pg_ctl stop -m immediate` sends, from inside the server, once something is deleted.
    database.execute(format!(
        "CREATE EXTENSION IF NOT EXISTS plpgsql; \
         CREATE FUNCTION stops() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN \
         EXECUTE 'COPY (SELECT 1) TO PROGRAM ''cat >/dev/null; kill -QUIT $(head -1 postmaster.pid)'''; PERFORM pg_sleep(60); \
         RETURN NULL; END$$; \
         CREATE TRIGGER stops AFTER DELETE ON {LATE} FOR EACH ROW EXECUTE FUNCTION stops()"
    ));
    let output = clean(&Sandbox::with(&database), &["--format", "json"]).exits(5);
    let events = objects(&output);
    assert_eq!(events.last().unwrap()["stop"], "failed", "{output}");
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(answer["run"]["stop"], "failed", "{output}");
    assert!(answer["deleted"]["access"].as_u64().unwrap() > 0, "{output}");
}
