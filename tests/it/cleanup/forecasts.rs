//! Forecasts on real rows: how often the truth is between the bounds, by seeds that draw other blocks of the same tables.

use std::sync::Arc;
use std::time::Duration;

use oauthctl::db::patience::{Patience, Readables};
use oauthctl::db::tokens::{self, Budget, Effort, Place};
use oauthctl::model::{Category, CleanupPolicy, Counted, Estimate, Forecast, Tally};

use super::runner::{Runner, now};
use crate::support::environment;
use crate::support::{Database, Template};

const DOT: Template = Template::Dot341;

/// Rows of the access tokens, 40 or so in a block.
const SESSIONS: u32 = 12_000;

/// Where the rows are that go: every third anywhere, the first two fifths, or about every second block.
const KINDS: [(&str, &str); 3] = [
    ("random", "hashint4(s.id) & 1023 < 360"),
    ("clustered", "s.id < 4800"),
    ("bimodal", "hashint4(s.id / 38) % 2 = 0"),
];

fn policy() -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        refresh_token_grace_period: Duration::from_mins(1),
        ..CleanupPolicy::default()
    }
}

/// Sessions whose access token has expired where `condition` holds, every fifth with a revoked refresh token, every
/// seventh with one that has no access token, every fourth without a refresh token.
fn fill(database: &Database, condition: &str) {
    database.execute(format!(
        "SET session_replication_role = replica; \
         INSERT INTO oauth2_provider_accesstoken (id, token, token_checksum, scope, resource, expires, created, updated) \
         SELECT s.id, md5(s.id::text), lpad(s.id::text, 64, '0'), 'read', '[]', \
                timestamptz '2026-01-02 03:04:05Z' + CASE WHEN {condition} THEN '-2 days' ELSE '2 days' END::interval, \
                '2026-01-01', '2026-01-01' FROM generate_series(1, {SESSIONS}) s(id); \
         INSERT INTO oauth2_provider_refreshtoken \
                (id, user_id, token, token_checksum, resource, access_token_id, application_id, created, updated, revoked) \
         SELECT s.id, 1, md5(s.id::text), lpad(s.id::text, 64, '0'), '[]', CASE WHEN s.id % 7 > 0 AND s.id % 5 > 0 THEN s.id END, 1, '2026-01-01', \
                '2026-01-01', CASE WHEN s.id % 5 = 0 AND {condition} THEN timestamptz '2026-01-01' END \
         FROM generate_series(1, {SESSIONS}) s(id) WHERE s.id % 4 > 0"
    ));
    // On a connection of its own: the one before has told the statistics by now what it inserted.
    database.execute("ANALYZE");
}

struct World {
    runner: Runner,
    patience: Patience,
    tables: Readables,
    truth: Tally,
}

impl World {
    async fn new(database: &Database) -> Self {
        let runner = Runner::new(database, DOT).await;
        let tables = Readables::find(&runner.pool.get().await.unwrap(), &runner.layout).await.unwrap();
        let patience = Patience::new(Duration::from_mins(1), Arc::new(|_| {}));
        let truth = runner.count(&policy(), now()).await;
        Self { runner, patience, tables, truth }
    }

    async fn forecast(&self, seed: u32, effort: Effort) -> Forecast {
        let Self { runner, patience, tables, truth: _ } = self;
        let mut client = runner.pool.get().await.unwrap();
        let place = Place { layout: &runner.layout, patience, tables };
        let sweeps = runner.sweeps(&policy(), now());
        tokens::forecast(&mut client, place, &sweeps, seed, effort).await.unwrap()
    }
}

const fn holds(bounds: &Estimate, truth: u64) -> bool {
    bounds.low <= truth && truth <= bounds.high
}

/// Of the bounds, as part of the truth.
#[expect(clippy::cast_precision_loss, reason = "some thousand rows")]
fn half_width(bounds: &Estimate, truth: u64) -> f64 {
    (bounds.high - bounds.low) as f64 / 2.0 / truth as f64
}

/// `OAUTHCTL_TEST_SEEDS=1000` tries a thousand.
fn seeds() -> u32 {
    environment("OAUTHCTL_TEST_SEEDS").map_or(150, |seeds| seeds.to_str().unwrap().parse().unwrap())
}

/// By the definition of the bounds it is 95 of 100 on average; which blocks a seed draws does not depend on the machine.
#[tokio::test]
async fn the_truth_is_between_the_bounds() {
    let seeds = seeds();
    for (kind, condition) in KINDS {
        let database = Database::create(DOT);
        fill(&database, condition);
        let world = World::new(&database).await;
        for percent in [4.0, 12.0] {
            let (mut held, mut width) = (0, 0.0);
            let mut of_categories = vec![0; Category::ALL.len()];
            for seed in 0..seeds {
                let forecast = world.forecast(seed, Effort::Once { percent }).await;
                assert!(!forecast.total.exact, "{forecast:?}");
                held += u32::from(holds(&forecast.total, world.truth.total()));
                width += half_width(&forecast.total, world.truth.total());
                for (category, rows) in &forecast.rows {
                    of_categories[*category as usize] += u32::from(holds(rows, world.truth.get(*category)));
                }
            }
            let share = |held: u32| f64::from(held) / f64::from(seeds);
            let each: Vec<String> =
                [Category::Revoked, Category::Orphaned, Category::Expired, Category::Access]
                    .map(|category| format!("{category} {:.3}", share(of_categories[category as usize])))
                    .to_vec();
            let width = width / f64::from(seeds);
            let shown =
                format!("{kind}, {percent} %: {:.3} within ±{width:.2}; {}", share(held), each.join(", "));
            println!("{shown}");
            assert!(share(held) >= 0.93, "{shown}");
            assert!(of_categories.iter().all(|held| *held == 0 || share(*held) >= 0.93), "{shown}");
            assert!(width < if percent < 10.0 { 0.9 } else { 0.5 }, "bounds that say nothing: {shown}");
        }
    }
}

/// With time enough, every row is counted, and then the numbers are exact.
#[tokio::test]
async fn what_was_read_completely_is_exact() {
    let database = Database::create(DOT);
    fill(&database, KINDS[0].1);
    let world = World::new(&database).await;
    let forecast = world.forecast(1, Effort::Within(Budget::new(Duration::from_hours(1)))).await;
    assert_eq!(forecast.as_exact(), Some(world.truth));
    assert_eq!(forecast.read, forecast.blocks);
    assert_eq!(forecast.statistics, None);
}

/// Without time there are the statistics, and without those the size of the tables: the truth is always within.
#[tokio::test]
async fn without_any_time_the_bounds_are_wide_and_true() {
    for analysed in [false, true] {
        let database = Database::create(DOT);
        database.execute(
            "ALTER TABLE oauth2_provider_accesstoken SET (autovacuum_enabled = off); \
             ALTER TABLE oauth2_provider_refreshtoken SET (autovacuum_enabled = off)",
        );
        fill(&database, KINDS[1].1);
        if !analysed {
            database.execute(
                "UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relname LIKE 'oauth2%token'",
            );
        }
        let world = World::new(&database).await;
        let forecast = world.forecast(1, Effort::Within(Budget::new(Duration::ZERO))).await;
        assert_eq!(forecast.statistics.is_some(), analysed);
        assert!(holds(&forecast.total, world.truth.total()), "{forecast:?} {:?}", world.truth);
        for (category, rows) in &forecast.rows {
            // Tables without a block are known to be empty.
            let empty = matches!(category, Category::Id | Category::Grants);
            assert!(rows.exact == empty && holds(rows, world.truth.get(*category)), "{category}: {rows:?}");
        }
        assert!(Counted::Forecast(forecast).may_delete());
    }
}

/// A category that no statement finds in the sample is not said to be empty.
#[tokio::test]
async fn rows_that_the_sample_misses_are_within_the_bounds() {
    let database = Database::create(DOT);
    fill(&database, "s.id = 77");
    let world = World::new(&database).await;
    for seed in 0..10 {
        let forecast = world.forecast(seed, Effort::Once { percent: 5.0 }).await;
        let access = forecast.rows.iter().find(|(category, _)| *category == Category::Access).unwrap().1;
        assert!(access.is_at_most() && access.high > 0, "{access:?}");
        assert!(holds(&access, world.truth.get(Category::Access)), "{access:?}");
    }
}

/// Blocks of different partitions have the same numbers.
#[tokio::test]
async fn partitions_are_told_apart() {
    let database = Database::create(DOT);
    super::partitions::partition(
        &database,
        "oauth2_provider_accesstoken",
        "RANGE (id)",
        &["FROM (0) TO (6000)", "FROM (6000) TO (100000)"],
    );
    fill(&database, KINDS[1].1);
    let world = World::new(&database).await;
    let held = async |seed| {
        let forecast = world.forecast(seed, Effort::Once { percent: 20.0 }).await;
        u32::from(holds(&forecast.total, world.truth.total()))
    };
    let mut all = 0;
    for seed in 0..40 {
        all += held(seed).await;
    }
    assert!(all >= 36, "{all}");
}
