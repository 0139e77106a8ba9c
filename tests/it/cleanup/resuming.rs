//! Runs that go on where an earlier one stopped: nothing is left out, nothing is read twice, and who remembers it.

use std::num::NonZeroU32;
use std::time::Duration;

use nix::sys::signal::Signal;
use oauthctl::model::{CleanupPolicy, Pace, Workers};
use oauthctl::sweep::{Event, Stop};
use serde_json::Value;

use super::draft::Draft;
use super::graph::Graph;
use super::runner::{Runner, now, with_pace};
use crate::support::{Database, Instance, Sandbox, Template};

const DOT: Template = Template::Dot341;
const HOUR: Duration = Duration::from_hours(1);

fn policy(batch_size: u32) -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(HOUR),
        device_grants: true,
        pace: Pace { batch_size: NonZeroU32::new(batch_size).unwrap(), ..Pace::default() },
        ..CleanupPolicy::default()
    }
}

/// Runs that each end after their first batch and are continued, at a later instant each; the last one runs to its end.
/// Returns how many there were.
async fn continued_after_every_batch(template: Template, policy: &CleanupPolicy, seed: u64) -> usize {
    let database = Database::create(template);
    Draft::random(seed, 40, policy, now()).insert(&database, template);
    let before = Graph::read(&database, template);
    let (mut from, mut runs, mut instant) = (None, 0, now() - HOUR * 12);
    loop {
        let mut runner = Runner::new(&database, template).await;
        runner.from.clone_from(&from);
        let stop = runner.stop.clone();
        let outcome = runner
            .watched(policy, instant, |event| match event {
                Event::Batch(batch) if batch.deleted.total() > 0 => stop.cancel(),
                _ => {}
            })
            .await
            .unwrap();
        runs += 1;
        let after = before.cleared(policy, instant, &[].into());
        let current = Graph::read(&database, template);
        current.assert_between(&before, &after);
        match outcome.stop {
            Stop::Finished => {
                assert_eq!((current, outcome.place), (after, None), "seed {seed}");
                if instant == now() {
                    return runs;
                }
                from = None;
            }
            Stop::Interrupted => from = outcome.place,
            other => panic!("{other:?}"),
        }
        instant = (instant + HOUR).min(now());
    }
}

#[tokio::test]
async fn runs_that_go_on_leave_nothing_out() {
    for seed in 0..6 {
        let workers = Workers::Fixed(NonZeroU32::new(1 + u32::try_from(seed).unwrap() % 2).unwrap());
        let policy = with_pace(policy(3), |pace| pace.workers = workers);
        assert!(continued_after_every_batch(DOT, &policy, 300 + seed).await > 5);
    }
    assert!(continued_after_every_batch(Template::Swapped341, &policy(2), 400).await > 5);
}

/// A server that forgets its pages between two runs counts each page that a run reads once.
#[tokio::test(flavor = "multi_thread")]
async fn ten_runs_of_a_tenth_read_the_walked_index_once() {
    const ROWS: u64 = 20_000;
    let mut instance = Instance::start(&["autovacuum=off", "shared_buffers=64MB"]);
    let database = instance.database(DOT);
    // Few entries to a page: as many pages as a table of 200,000 rows has.
    database.execute(format!(
        "ALTER INDEX oauth2_provider_accesstoken_pkey SET (fillfactor = 10); \
         INSERT INTO oauth2_provider_accesstoken (id, token, token_checksum, expires, scope, created, updated, resource) \
         SELECT n, 'token' || n, md5(n::text), '2020-01-01Z', '', '2020-01-01Z', '2020-01-01Z', '{{}}' \
         FROM generate_series(1, {ROWS}) n; \
         REINDEX TABLE oauth2_provider_accesstoken"
    ));
    database.execute("VACUUM ANALYZE oauth2_provider_accesstoken");
    let number = |sql: &str| -> u64 { database.value(sql).parse().unwrap() };
    let pages = number("SELECT pg_relation_size('oauth2_provider_accesstoken_pkey') / 8192");
    let read = || {
        number(
            "SELECT idx_blks_read FROM pg_statio_user_indexes \
             WHERE indexrelname = 'oauth2_provider_accesstoken_pkey'",
        )
    };
    let policy = with_pace(policy(500), |pace| pace.max_rows = Some(ROWS / 10));
    let mut from = None;
    let mut reads = Vec::new();
    for run in 1..=11 {
        instance.stop(Signal::SIGINT);
        instance.resume();
        let before = read();
        let mut runner = Runner::new(&database, DOT).await;
        // The last one finds next to nothing, and begins at the beginning to compare.
        runner.from = if run == 11 { None } else { from.take() };
        let outcome = runner.run(&policy, now()).await.unwrap();
        drop(runner);
        // A limit may be one row short, so as not to tear a pair apart.
        let expected = if run == 11 { 0..=10 } else { ROWS / 10 - 1..=ROWS / 10 };
        assert!(expected.contains(&outcome.rows()), "{outcome:?}");
        from = outcome.place;
        // Statistics are sent when the connection ends.
        while number("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'") > 1 {
            std::thread::sleep(Duration::from_millis(10));
        }
        database.settle_statistics();
        reads.push(read() - before);
    }
    let (last, ten) = reads.split_last().unwrap();
    let sum: u64 = ten.iter().sum();
    println!("{pages} pages; read by ten runs: {ten:?}, {sum}; by one that begins at the beginning: {last}");
    assert!(sum * 10 <= pages * 12, "{sum} of {pages}: {ten:?}");
    assert!(*last * 10 >= pages * 9, "{last} of {pages}");
}

const AS_OF: [&str; 3] = ["cleartokens", "--as-of", "2026-01-02T03:04:05.6Z"];

fn prepared() -> (Database, Sandbox) {
    let database = Database::create(DOT);
    Draft::random(33, 120, &policy(2), now()).insert(&database, DOT);
    let sandbox = Sandbox::with(&database);
    (database, sandbox)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_ledger_remembers_where_a_run_stopped() {
    let (database, sandbox) = prepared();
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    let positions = "SELECT table_name, sweep, next_key FROM oauthctl.cleanup_position";
    let some =
        [&AS_OF[..], &["--refresh-token-expire", "1h", "--batch-size", "4", "--max-rows", "8"]].concat();
    let stopped = sandbox.oauthctl(&some).exits(0);
    assert!(stopped.stdout.ends_with("The next run continues from here.\n"), "{stopped}");
    let first = database.rows(positions);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0][0].as_deref(), Some("public.oauth2_provider_accesstoken"));
    assert_eq!(first[0][1].as_deref(), Some("revoked+expired+access"));
    let next = sandbox.oauthctl(&[&some[..], &["--format", "json"]].concat()).exits(0);
    let run = &json(&next.stdout)["run"];
    assert_eq!(run["position_remembered"], true, "{next}");
    let key = |rows: &[Vec<Option<String>>]| -> u64 { rows[0][2].as_ref().unwrap().parse().unwrap() };
    let second = database.rows(positions);
    assert!(key(&second) > key(&first), "{first:?} {second:?}");
    assert!(run["position"].as_str().unwrap().ends_with(&format!(":{}", key(&second))), "{next}");
    // Another policy begins at the beginning, and says so.
    let other =
        [&AS_OF[..], &["--refresh-token-expire", "2h", "--batch-size", "4", "--max-rows", "4"]].concat();
    let told = "the position where the last run stopped belongs to another policy or schema and is ignored";
    let ignored = sandbox.oauthctl(&other).exits(0);
    assert!(ignored.stderr.contains(told), "{ignored}");
    let policies = "SELECT fingerprint FROM oauthctl.cleanup_position";
    assert!(!run["position"].as_str().unwrap().contains(&database.value(policies)), "{next}");
    // A run that comes to its end has nothing to remember.
    let finished = sandbox.oauthctl(&[&AS_OF[..], &["--refresh-token-expire", "2h"]].concat()).exits(0);
    assert!(finished.stdout.ends_with("Finished: nothing is left to delete.\n"), "{finished}");
    assert!(!finished.stderr.contains(told), "{finished}");
    assert_eq!(database.rows(positions), Vec::<Vec<Option<String>>>::new());
}

#[test]
fn without_a_ledger_the_last_line_says_how_to_go_on() {
    let (database, sandbox) = prepared();
    let some =
        [&AS_OF[..], &["--refresh-token-expire", "1h", "--batch-size", "4", "--max-rows", "8"]].concat();
    let position = |text: &str| {
        let (_, position) = text.trim_end().rsplit_once("To continue from here: --resume-from ").expect(text);
        position.to_owned()
    };
    let first = position(&sandbox.oauthctl(&some).exits(0).stdout);
    let (sweep, key) = (first.split(':').next().unwrap(), |text: &str| -> u64 {
        text.rsplit(':').next().unwrap().parse().unwrap()
    });
    assert_eq!(sweep, "revoked+expired+access");
    let next = sandbox.oauthctl(&[&some[..], &["--resume-from", &first]].concat()).exits(0);
    let second = position(&next.stdout);
    assert!(key(&second) > key(&first), "{first} {second}");
    // A role that may not write the ledger's table prints it too.
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    database.execute(
        "CREATE ROLE cleaner LOGIN; GRANT USAGE ON SCHEMA public, oauthctl TO cleaner; \
         GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO cleaner; \
         GRANT SELECT, INSERT, UPDATE ON oauthctl.run TO cleaner; \
         GRANT INSERT ON oauthctl.table_measurement TO cleaner",
    );
    let third = sandbox
        .command(&[&some[..], &["--resume-from", &second]].concat())
        .env("PGUSER", "cleaner")
        .run()
        .exits(0);
    assert!(key(&position(&third.stdout)) > key(&second), "{third}");
    assert!(!third.stderr.contains("cleanup_position"), "{third}");
    // What does not fit is ignored, and what is no position is an error.
    let foreign = format!("{sweep}:00000000:7");
    let ignored = sandbox.oauthctl(&[&some[..], &["--resume-from", &foreign]].concat()).exits(0);
    assert!(
        ignored.stderr.contains("the position of --resume-from belongs to another policy or schema"),
        "{ignored}"
    );
    let wrong = sandbox.oauthctl(&[&some[..], &["--resume-from", "here"]].concat()).exits(64);
    assert!(wrong.stderr.contains("is not what an earlier run printed"), "{wrong}");
}
