//! Random graphs, in batches of every size: the end state is the book's, whatever interrupts the run and however often.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use oauthctl::model::{Category, CleanupPolicy, ClientId, FkChecks, Pace};
use oauthctl::sweep::{Event, Stop};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::draft::{APPLICATIONS, Draft, application_key};
use super::graph::{Graph, names};
use super::runner::{Runner, now, with_pace};
use crate::support::server::block_on;
use crate::support::{Database, Template};

const HOUR: Duration = Duration::from_hours(1);

fn policy(batch_size: u32) -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(HOUR),
        refresh_token_grace_period: Duration::from_mins(2),
        device_grants: true,
        pace: Pace { batch_size: NonZeroU32::new(batch_size).unwrap(), ..Pace::default() },
        ..CleanupPolicy::default()
    }
}

/// A trigger that vetoes nothing, but could: it takes the run the careful way.
fn force_the_careful_way(database: &Database, template: Template) {
    let names = names(template);
    let tables: BTreeSet<&str> =
        Category::ALL.iter().copied().map(|category| names.name(category.role())).collect();
    let mut sql =
        "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';".to_owned();
    for table in tables {
        if database.value(format!("SELECT (to_regclass('{table}') IS NOT NULL)::text")) == "true" {
            sql += &format!(
                "CREATE TRIGGER pass BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION pass();"
            );
        }
    }
    database.execute(sql);
}

/// Every batch is a run of its own: the first one that deletes something is the last one.
async fn interrupted_at_every_batch(template: Template, careful: bool, batch_size: u32, seed: u64) {
    let database = Database::create(template);
    let policy = policy(batch_size);
    Draft::random(seed, 30, &policy, now()).insert(&database, template);
    if careful {
        force_the_careful_way(&database, template);
    }
    let before = Graph::read(&database, template);
    let after = before.cleared(&policy, now(), &BTreeSet::new());
    assert!(after.len() < before.len(), "the seed makes something to delete");
    let mut deleted = 0;
    loop {
        let runner = Runner::new(&database, template).await;
        let stop = runner.stop.clone();
        let outcome = runner
            .watched(&policy, now(), |event| match event {
                Event::Batch(batch) if batch.deleted.total() > 0 => stop.cancel(),
                _ => {}
            })
            .await
            .unwrap();
        assert!(outcome.deleted.total() <= u64::from(batch_size.max(2)), "{outcome:?}");
        deleted += outcome.deleted.total();
        let current = Graph::read(&database, template);
        current.assert_between(&before, &after);
        assert_eq!(u64::try_from(before.len() - current.len()).unwrap(), deleted);
        match outcome.stop {
            Stop::Interrupted => assert_eq!(outcome.batches, 1),
            Stop::Finished => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(Graph::read(&database, template), after);
}

#[tokio::test]
async fn a_run_that_is_interrupted_at_every_batch_ends_as_one_that_is_not() {
    for (seed, batch_size) in [1, 2, 3, 7].into_iter().enumerate() {
        let seed = 100 + u64::try_from(seed).unwrap();
        interrupted_at_every_batch(Template::Main, false, batch_size, seed).await;
        interrupted_at_every_batch(Template::Main, true, batch_size, seed).await;
    }
    interrupted_at_every_batch(Template::Swapped341, false, 3, 200).await;
    interrupted_at_every_batch(Template::Swapped341, true, 3, 200).await;
}

/// Any settings that change what goes.
fn policies() -> impl Strategy<Value = CleanupPolicy> {
    let expire = prop_oneof![Just(None), Just(Some(HOUR)), Just(Some(Duration::from_secs(90)))];
    let grace = prop_oneof![Just(Duration::ZERO), Just(Duration::from_mins(2))];
    let categories = || proptest::sample::subsequence(Category::ALL.to_vec(), 0..=Category::ALL.len());
    let only = prop_oneof![2 => Just(Vec::new()), 1 => categories()];
    let skip =
        prop_oneof![2 => Just(Vec::new()), 1 => proptest::sample::subsequence(Category::ALL.to_vec(), 1..=2)];
    let excluded = prop_oneof![3 => Just(Vec::new()), 1 => Just(vec![2]), 1 => Just(vec![1, 3])];
    let sizes =
        (prop_oneof![Just(1), Just(2), Just(5), Just(10_000)], prop_oneof![3 => Just(1), 1 => Just(2)]);
    (expire, grace, any::<bool>(), only, skip, any::<bool>(), excluded, sizes).prop_map(
        |(expire, grace, reuse, only, skip, device, excluded, (batch_size, workers))| CleanupPolicy {
            refresh_token_expire: expire,
            refresh_token_grace_period: grace,
            refresh_token_reuse_protection: reuse,
            only: only.into_iter().collect(),
            skip: skip.into_iter().collect(),
            device_grants: device,
            exclude_clients: excluded
                .into_iter()
                .map(|number: usize| ClientId::new(format!("client-{number}")))
                .collect(),
            pace: Pace {
                workers: NonZeroU32::new(workers).unwrap().into(),
                batch_size: NonZeroU32::new(batch_size).unwrap(),
                ..Pace::default()
            },
            ..CleanupPolicy::default()
        },
    )
}

/// The keys and the client ids of the excluded applications.
fn excluded(template: Template, policy: &CleanupPolicy) -> BTreeSet<String> {
    (1..=APPLICATIONS)
        .filter(|number| policy.exclude_clients.contains(&ClientId::new(format!("client-{number}"))))
        .flat_map(|number| [application_key(template, number), format!("client-{number}")])
        .collect()
}

/// For any graph and settings: what is left is what the book says, and what went is what was counted.
fn any_graph(template: Template, careful: bool, cases: u32) {
    let prepare = |database: &Database| {
        if careful {
            force_the_careful_way(database, template);
        }
    };
    any_graph_with(template, &prepare, cases, &|policy| policy);
}

/// The same on a database that is prepared first, and with other settings.
pub fn any_graph_with(
    template: Template,
    prepare: &dyn Fn(&Database),
    cases: u32,
    change: &dyn Fn(CleanupPolicy) -> CleanupPolicy,
) {
    any_graph_through(template, prepare, cases, change, &|database, _| database.config());
}

/// The same on a connection of one's own, made when the rows and the policy are known.
pub fn any_graph_through(
    template: Template,
    prepare: &dyn Fn(&Database),
    cases: u32,
    change: &dyn Fn(CleanupPolicy) -> CleanupPolicy,
    connect: &dyn Fn(&Database, &CleanupPolicy) -> tokio_postgres::Config,
) {
    let database = Database::create(template);
    prepare(&database);
    let mut tests = TestRunner::new_with_rng(
        Config { cases, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let database = std::sync::Arc::new(database);
    tests
        .run(&(any::<u64>(), 0_usize..40, policies()), |(seed, size, policy)| {
            let policy = change(policy);
            Draft::random(seed, size, &policy, now()).insert(&database, template);
            let before = Graph::read(&database, template);
            let after = before.cleared(&policy, now(), &excluded(template, &policy));
            let way = connect(&database, &policy);
            let (counted, outcome) = block_on(async move {
                let runner = Runner::through(way, template).await;
                (runner.count(&policy, now()).await, runner.run(&policy, now()).await)
            });
            let outcome = outcome.unwrap();
            prop_assert_eq!(outcome.stop, Stop::Finished);
            prop_assert_eq!(outcome.locked, 0);
            let left = Graph::read(&database, template);
            left.assert_whole();
            prop_assert_eq!(&left, &after);
            prop_assert_eq!(outcome.deleted, counted);
            prop_assert_eq!(usize::try_from(counted.total()).unwrap(), before.len() - after.len());
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_graph_ends_as_the_book_says() {
    any_graph(Template::Main, false, 60);
}

#[test]
fn any_graph_ends_as_the_book_says_lock_by_lock() {
    any_graph(Template::Main, true, 40);
}

#[test]
fn any_graph_of_swapped_models_ends_as_the_book_says() {
    any_graph(Template::Swapped341, false, 40);
}

/// Without the triggers of foreign keys the end is the same. (The audit table of the swapped models would be refused.)
#[test]
fn any_graph_ends_as_the_book_says_without_triggers() {
    let silent = |policy| with_pace(policy, |pace| pace.fk_checks = FkChecks::Set);
    any_graph_with(Template::Main, &|_| (), 60, &silent);
    any_graph_with(Template::Dot341, &|_| (), 20, &silent);
}

/// Several workers in one run, and several runs beside each other: nobody deletes a row twice, and nothing is left.
#[tokio::test]
async fn workers_and_other_runs_share_the_work() {
    for seed in 0..4 {
        let database = Database::create(Template::Main);
        let policy = with_pace(policy(3), |pace| pace.workers = NonZeroU32::new(2).unwrap().into());
        Draft::random(300 + seed, 120, &policy, now()).insert(&database, Template::Main);
        let before = Graph::read(&database, Template::Main);
        let after = before.cleared(&policy, now(), &BTreeSet::new());
        let runner = || Runner::new(&database, Template::Main);
        let (one, other) = (runner().await, runner().await);
        let (one, other) = tokio::join!(one.run(&policy, now()), other.run(&policy, now()));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!((&one.stop, &other.stop), (&Stop::Finished, &Stop::Finished));
        assert_eq!(Graph::read(&database, Template::Main), after, "{one:?} {other:?}");
        let deleted = usize::try_from(one.deleted.total() + other.deleted.total()).unwrap();
        assert_eq!(deleted, before.len() - after.len(), "{one:?} {other:?}");
    }
}

/// However many workers there are, no row more goes than is allowed.
#[tokio::test]
async fn workers_keep_to_the_limit_together() {
    let database = Database::create(Template::Main);
    let unlimited = with_pace(policy(4), |pace| pace.workers = NonZeroU32::new(2).unwrap().into());
    Draft::random(400, 60, &unlimited, now()).insert(&database, Template::Main);
    let mut before = Graph::read(&database, Template::Main);
    let after = before.cleared(&unlimited, now(), &BTreeSet::new());
    let runner = Runner::new(&database, Template::Main).await;
    loop {
        let policy = with_pace(unlimited.clone(), |pace| pace.max_rows = Some(9));
        let outcome = runner.run(&policy, now()).await.unwrap();
        let left = Graph::read(&database, Template::Main);
        assert_eq!(u64::try_from(before.len() - left.len()).unwrap(), outcome.deleted.total());
        left.assert_between(&before, &after);
        before = left;
        match outcome.stop {
            Stop::MaxRows => assert!((8..=9).contains(&outcome.deleted.total()), "{outcome:?}"),
            Stop::Finished => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(before, after);
}

/// How many rows of the token tables were read so far, by counters of the server.
async fn rows_read(database: &Database, counters: &str) -> u64 {
    // A session hands in its statistics when it ends.
    while database.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") != "1" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    database.settle_statistics();
    let sql = format!("SELECT sum({counters})::bigint FROM pg_stat_user_tables WHERE relname LIKE '%token'");
    database.value(sql).parse().unwrap()
}

/// So many sessions without pointers between refresh tokens; `expires`: of the access token `n`, as SQL.
fn insert_sessions(database: &Database, sessions: u32, expires: &str) {
    let old = "'2026-01-01 00:00Z'";
    database.execute(format!(
        "INSERT INTO auth_user VALUES (1, '!', NULL, false, 'ops', '', '', '', false, true, {old}); \
         INSERT INTO oauth2_provider_application (id, client_id, redirect_uris, client_type, authorization_grant_type, \
             client_secret, name, skip_authorization, created, updated, algorithm, post_logout_redirect_uris, \
             hash_client_secret, allowed_origins, registration_source) \
             VALUES (1, 'web', '', '', '', '', '', false, {old}, {old}, '', '', true, '', 'manual'); \
         INSERT INTO oauth2_provider_idtoken (id, jti, expires, scope, created, updated, application_id) \
             SELECT n, md5(n::text)::uuid, {expires}, '', {old}, {old}, 1 FROM generate_series(1, {sessions}) n; \
         INSERT INTO oauth2_provider_accesstoken (id, token, expires, scope, application_id, created, updated, \
             id_token_id, token_checksum, resource) \
             SELECT n, n, {expires}, '', 1, {old}, {old}, n, n, '[]' FROM generate_series(1, {sessions}) n; \
         INSERT INTO oauth2_provider_refreshtoken (id, token, access_token_id, application_id, user_id, created, \
             updated, revoked, token_checksum, resource) \
             SELECT n, n, CASE WHEN n % 2 = 0 THEN n END, 1, 1, {old}, {old}, CASE WHEN n % 4 = 1 THEN {old}::timestamptz \
             END, n, '[]' FROM generate_series(1, {sessions}) n"
    ));
}

/// However many rows and batches there are, every row is read by way of an index: nothing is scanned again and again.
#[tokio::test]
async fn no_batch_scans_a_table() {
    let database = Database::create(Template::Dot341);
    insert_sessions(&database, 4_000, "'2026-01-01 00:00Z'::timestamptz");
    database.execute("ANALYZE");
    let before = rows_read(&database, "seq_tup_read").await;
    let runner = Runner::new(&database, Template::Dot341).await;
    let outcome = runner.run(&policy(100), now()).await.unwrap();
    assert!(outcome.batches > 100, "{outcome:?}");
    assert_eq!(outcome.deleted.total(), 12_000);
    drop(runner);
    assert_eq!(rows_read(&database, "seq_tup_read").await, before);
}

/// Where few rows are doomed and an index on the cutoff leads to them, the others are not looked at.
#[tokio::test]
async fn an_index_on_the_cutoff_spares_the_walk() {
    let policy = CleanupPolicy {
        // Half of them have no access token, and would all be looked at.
        refresh_token_expire: None,
        pace: Pace { batch_size: NonZeroU32::new(200).unwrap(), ..Pace::default() },
        ..CleanupPolicy::default()
    };
    let read = "coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)";
    let mut costs = Vec::new();
    for indexes in [
        "",
        "CREATE INDEX ON oauth2_provider_accesstoken (expires); CREATE INDEX ON oauth2_provider_idtoken (expires)",
    ] {
        let database = Database::create(Template::Dot341);
        let expires =
            "CASE WHEN n % 400 = 0 THEN '2026-01-01 00:00Z'::timestamptz ELSE '2027-01-01 00:00Z' END";
        insert_sessions(&database, 20_000, expires);
        database.execute("DELETE FROM oauth2_provider_refreshtoken");
        database.execute(indexes);
        database.execute("VACUUM (ANALYZE)");
        let before = rows_read(&database, read).await;
        let runner = Runner::new(&database, Template::Dot341).await;
        let outcome = runner.run(&policy, now()).await.unwrap();
        assert_eq!(outcome.deleted.total(), 100, "{outcome:?}");
        drop(runner);
        costs.push(rows_read(&database, read).await - before);
    }
    assert!((40_000..60_000).contains(&costs[0]), "one pass over two tables: {costs:?}");
    assert!(costs[1] < 4_000, "{costs:?}");
}

/// Most of a batch's time is its COMMIT, when foreign keys are checked. What is told of a batch, and what adapts its size,
/// counts that.
#[tokio::test]
async fn the_time_of_a_batch_includes_its_commit() {
    const SLOW: Duration = Duration::from_millis(60);
    let database = Database::create(Template::Dot341);
    Draft::random(51, 20, &policy(4), now()).insert(&database, Template::Dot341);
    database.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
           'BEGIN PERFORM pg_sleep(0.06); RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER slow AFTER DELETE ON oauth2_provider_accesstoken DEFERRABLE INITIALLY DEFERRED \
           FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    let (mut slow, mut busy) = (0, Duration::ZERO);
    let outcome = Runner::new(&database, Template::Dot341)
        .await
        .watched(&policy(4), now(), |event| {
            if let Event::Batch(batch) = event {
                let tokens = batch.deleted.get(Category::Access);
                assert!(batch.elapsed >= SLOW * u32::try_from(tokens).unwrap(), "{batch:?}");
                slow += tokens;
                busy += batch.elapsed;
            }
        })
        .await
        .unwrap();
    assert!(slow > 0);
    assert_eq!(outcome.busy, busy);
    assert!(outcome.longest >= SLOW);
}
