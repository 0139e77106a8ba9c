//! `cleartokens --reclaim`: indexes are written anew beside their users, after what was deleted.

use insta::assert_snapshot;
use nix::sys::signal::Signal;

use super::apply_failures::Holder;
use super::support::{Database, Sandbox, Template, eventually};

const TOKENS: &str = "oauth2_provider_accesstoken";

/// 20,000 dead access tokens.
fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    database.execute(format!(
        "INSERT INTO {TOKENS} (token, expires, scope, created, updated, token_checksum, resource) \
         SELECT gen_random_uuid(), '2020-01-01Z', '', '2020-01-01Z', '2020-01-01Z', gen_random_uuid(), '[]' \
         FROM generate_series(1, 20000); ANALYZE {TOKENS}"
    ));
    let sandbox = Sandbox::with(&database);
    (database, sandbox)
}

fn indexes(database: &Database) -> String {
    database.table(format!(
        "SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index WHERE indrelid = '{TOKENS}'::regclass ORDER BY 1"
    ))
}

fn bytes(database: &Database) -> u64 {
    database.value(format!("SELECT pg_indexes_size('{TOKENS}')")).parse().unwrap()
}

#[test]
fn the_indexes_of_what_lost_much_are_built_anew() {
    let (database, sandbox) = world();
    let (before, size) = (indexes(&database), bytes(&database));
    let output = sandbox.oauthctl(&["cleartokens", "--reclaim"]).exits(0);
    assert_eq!(indexes(&database), before);
    assert!(bytes(&database) < size / 4, "{} of {size}", bytes(&database));
    assert!(output.stdout.contains("indexes written anew"), "{output}");
    assert!(output.stdout.contains("The tables themselves keep their size"), "{output}");
    let written: Vec<&str> =
        output.stderr.lines().filter(|line| line.starts_with("Written anew: ")).collect();
    assert_eq!(written.len(), before.lines().count(), "{output}");
    // Refresh tokens lost few rows.
    assert!(written.iter().all(|line| line.contains(TOKENS)), "{output}");
    assert_snapshot!(sandbox.oauthctl(&["cleartokens", "--reclaim", "--quiet"]).exits(0).stdout);
}

#[test]
fn scripts_get_an_object_for_each() {
    let (database, sandbox) = world();
    let arguments = ["cleartokens", "--refresh-token-expire", "14d", "--reclaim", "--format", "json"];
    let output = sandbox.oauthctl(&arguments).exits(0);
    let objects = output.stderr.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let reclaimed: Vec<_> = objects.filter(|object| object["event"] == "reclaimed").collect();
    assert_eq!(reclaimed.len(), indexes(&database).lines().count());
    for object in reclaimed {
        assert!(object["bytes_after"].as_u64() < object["bytes_before"].as_u64(), "{object}");
    }
}

#[test]
fn where_it_is_not_asked_for_the_run_says_how() {
    let (_database, sandbox) = world();
    let said = sandbox.oauthctl(&["cleartokens"]).exits(0).stderr;
    assert_snapshot!(said);

    let (_database, sandbox) = world();
    sandbox.write("oauth.toml", "[cleanup]\n");
    let after_apply = sandbox.oauthctl(&["apply", "--yes"]).exits(0).stderr;
    let hint = said.lines().find(|line| line.contains("--reclaim")).unwrap();
    assert!(after_apply.lines().any(|line| line == hint), "{after_apply}");
}

#[test]
fn a_role_that_may_not_is_refused_before_the_first_deletion() {
    let (database, mut sandbox) = world();
    let role = format!("{}_cleaner", database.name());
    database.execute(format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let count = format!("SELECT count(*) FROM {TOKENS}");
    let before = database.value(count.clone());
    sandbox.set("PGUSER", &role);
    let output = sandbox.oauthctl(&["cleartokens", "--reclaim"]).exits(3);
    assert_eq!(database.value(count), before);
    assert!(output.stderr.contains("nothing was changed"), "{output}");
    let hints: Vec<&str> = output.stderr.lines().filter_map(|line| line.strip_prefix("hint: ")).collect();
    assert!(!hints.is_empty(), "{output}");
    // From PostgreSQL 17 on there is a right for it.
    let grants: Vec<&str> = hints.into_iter().filter(|hint| hint.starts_with("GRANT MAINTAIN ")).collect();
    if !grants.is_empty() {
        for grant in grants {
            database.execute(grant.replace("[database]", database.name()));
        }
        sandbox.oauthctl(&["cleartokens", "--reclaim"]).exits(0);
    }
    database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// REINDEX CONCURRENTLY waits for transactions that are older. What it leaves behind is named, with what removes it.
#[test]
fn a_signal_leaves_an_index_that_is_named() {
    let (database, sandbox) = world();
    let before = indexes(&database);
    // A writer of another table does not hold up the deletion, and its snapshot the building.
    let holder = Holder::new(
        &database,
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM auth_user; SELECT txid_current()",
    );
    let running = sandbox.command(&["cleartokens", "--reclaim"]).spawn();
    eventually("it does not wait for the transaction", || {
        let waiting = "SELECT count(*) FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%' \
                       AND datname = current_database()";
        database.value(waiting) != "0"
    });
    running.signal(Signal::SIGINT);
    let output = running.wait().exits(130);
    drop(holder);
    let drops: Vec<&str> = output
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("hint: "))
        .filter(|line| line.starts_with("DROP INDEX CONCURRENTLY "))
        .collect();
    assert_ne!(indexes(&database), before, "{output}");
    assert!(output.stderr.contains("is invalid"), "{output}");
    assert!(output.stderr.contains("the rows were deleted before"), "{output}");
    assert!(!output.stderr.contains("nothing was changed"), "{output}");
    for drop in &drops {
        database.execute(*drop);
    }
    assert_eq!(indexes(&database), before, "{output}");
}

/// Half of the table is empty: `doctor` says so, and each of its statements runs.
#[test]
fn doctor_names_the_ways() {
    let (database, sandbox) = world();
    database.execute(format!(
        "INSERT INTO {TOKENS} (token, expires, scope, created, updated, token_checksum, resource) \
         SELECT gen_random_uuid(), '2020-01-01Z', repeat('x', 900), '2020-01-01Z', '2020-01-01Z', gen_random_uuid(), '[]' \
         FROM generate_series(1, 15000); DELETE FROM {TOKENS} WHERE scope <> '' AND id % 100 > 0; "
    ));
    database.execute(format!("VACUUM (ANALYZE, TRUNCATE false) {TOKENS}"));
    let output = sandbox.oauthctl(&["doctor", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let space: Vec<_> = findings.iter().filter(|finding| finding["check"] == "space").collect();
    assert_eq!(space.len(), 1, "{output}");
    let remedies = space[0]["remedies"].as_array().unwrap();
    let statements: Vec<&str> = remedies
        .iter()
        .filter(|remedy| remedy["kind"] == "sql")
        .map(|remedy| remedy["text"].as_str().unwrap())
        .collect();
    assert_eq!(statements.len(), indexes(&database).lines().count(), "{output}");
    for statement in statements {
        database.execute(statement);
    }
    // Nothing is deleted that would be worth it, and the table is half empty all the same.
    let output = sandbox
        .oauthctl(&["cleartokens", "--reclaim", "--refresh-token-expire", "0", "--only", "access"])
        .exits(0);
    assert!(output.stdout.contains("written anew"), "{output}");
}
