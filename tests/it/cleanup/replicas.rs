//! `max_replica_lag`, with a streaming replica that stands still.

use std::num::NonZeroU32;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use oauthctl::model::CleanupPolicy;
use oauthctl::sweep::{Event, Stop};
use serde_json::Value;
use tokio_postgres::Config;

use super::draft::Draft;
use super::graph::Graph;
use super::runner::{Runner, now};
use crate::support::{Database, Instance, Sandbox, Template};

const DOT: Template = Template::Dot341;
const MOST: Duration = Duration::from_millis(400);

fn policy() -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(Duration::from_secs(3600)),
        batch_size: NonZeroU32::new(2).unwrap(),
        max_replica_lag: Some(MOST),
        ..CleanupPolicy::default()
    }
}

struct World {
    // Dropped in this order: the database while its server is there.
    database: Database,
    replica: Instance,
    primary: Instance,
}

impl World {
    fn new() -> Self {
        let primary = Instance::start(&["wal_level=replica", "max_wal_senders=5"]);
        let replica = primary.replica("standby1");
        let database = primary.database(DOT);
        Draft::random(21, 120, &policy(), now()).insert(&database, DOT);
        let world = Self { database, replica, primary };
        world.wait_for_replay();
        world
    }

    fn wait_for_replay(&self) {
        let start = Instant::now();
        let replayed = "SELECT coalesce(bool_and(replay_lsn >= pg_current_wal_flush_lsn()), false)::text \
                        FROM pg_stat_replication WHERE state = 'streaming'";
        while self.database.value(replayed) != "true" {
            assert!(start.elapsed() < Duration::from_secs(60), "the replica does not replay");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn on_replica(&self, sql: &str) {
        let config: Config = self.replica.home().config("postgres");
        let sql = sql.to_owned();
        crate::support::server::block_on(async move {
            let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(&sql).await.unwrap();
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_a_replica_that_stands_still_and_goes_on_when_it_moves() {
    let world = World::new();
    let before = Graph::read(&world.database, DOT);
    let after = before.cleared(&policy(), now(), &[].into());
    let (resume, resumed) = mpsc::channel::<()>();
    let (mut batches, mut stands) = (0, false);
    let mut seen = Vec::new();
    thread::scope(|scope| {
        let world = &world;
        scope.spawn(move || {
            // Nothing is sent: it ends with its sender.
            let _ = resumed.recv();
            world.on_replica("SELECT pg_wal_replay_resume()");
        });
        let mut resume = Some(resume);
        let runner = crate::support::server::block_on({
            let config = world.database.config();
            async move { Runner::through(config, DOT).await }
        });
        let mut on = |event: Event<'_>| match event {
            Event::Batch(_) => {
                // Fast as they are, a replica that stands still is noticed after a while.
                thread::sleep(Duration::from_millis(15));
                batches += 1;
                if batches == 1 {
                    world.on_replica("SELECT pg_wal_replay_pause()");
                    stands = true;
                }
            }
            // The first batch waits until the replica has reported that it has replayed what was there before.
            Event::Lagging { .. } if !stands => {}
            Event::Lagging { replica, lag, most, waited } => {
                let lag = lag.expect("known once the run has begun");
                seen.push((replica.to_owned(), lag, waited, batches));
                assert_eq!(most, MOST);
                assert!(lag > MOST);
                if waited > Duration::from_millis(600) {
                    drop(resume.take());
                }
            }
            Event::Hidden { replicas } => panic!("{replicas} hidden from a superuser"),
            _ => {}
        };
        let sweeps = runner.sweeps(&policy(), now());
        let pace = oauthctl::sweep::Pace::from(&policy());
        let run = oauthctl::sweep::run(
            &runner.pool,
            &runner.layout,
            &sweeps,
            &pace,
            &runner.stop,
            &super::runner::cancelling,
            &mut on,
        );
        let outcome =
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(run)).unwrap();
        assert_eq!(outcome.stop, Stop::Finished);
        assert!(outcome.throttled > Duration::from_millis(500), "{outcome:?}");
        assert!(outcome.paused < outcome.throttled, "{outcome:?}");
    });
    let (name, _, _, at) = &seen[0];
    assert_eq!(name, "standby1");
    assert!(*at > 0, "it begins, because the replica had replayed everything");
    let waiting: Vec<_> =
        seen.iter().take_while(|(_, _, waited, _)| *waited < Duration::from_millis(600)).collect();
    assert!(waiting.len() > 2 && waiting.iter().all(|(_, _, _, batches)| batches == at), "{seen:?}");
    assert_eq!(Graph::read(&world.database, DOT), after);
    // Everything replayed, and idle since: nothing to wait for, whatever was measured last.
    world.wait_for_replay();
    let outcome = Runner::new(&world.database, DOT).await.run(&policy(), now()).await.unwrap();
    assert_eq!((outcome.stop, outcome.throttled), (Stop::Finished, Duration::ZERO));
    drop(world.primary);
}

/// The replica has stood still since before the run, and has reported no delay: nothing goes until it has caught up.
#[test]
fn a_lag_that_began_before_the_run_is_seen_before_its_first_batch() {
    let world = World::new();
    world.on_replica("SELECT pg_wal_replay_pause()");
    // Written, and not replayed. The server knows of no delay but an old one.
    world.database.execute("CREATE TABLE later (n int)");
    let before = Graph::read(&world.database, DOT);
    let sandbox = Sandbox::with(&world.database);
    let fixed = ["cleartokens", "--as-of", "2026-01-02T03:04:05.6Z", "--max-replica-lag", "1h"];
    let stopped = sandbox.oauthctl(&[&fixed[..], &["--max-duration", "1s"]].concat()).exits(0);
    let told = "Waiting for replica standby1, whose lag is not known yet (at most 1h00m)";
    assert!(stopped.stderr.contains(told), "{stopped}");
    assert!(stopped.stdout.contains("Cleanup: nothing was deleted"), "{stopped}");
    let json =
        sandbox.oauthctl(&[&fixed[..], &["--max-duration", "1s", "--format", "json"]].concat()).exits(0);
    let waiting = json.stderr.lines().find(|line| line.contains("\"replica\"")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(waiting).unwrap()["lag_seconds"], Value::Null, "{json}");
    assert_eq!(Graph::read(&world.database, DOT), before);
    world.on_replica("SELECT pg_wal_replay_resume()");
    let done = sandbox.oauthctl(&fixed).exits(0);
    assert!(done.stdout.contains("Finished: nothing is left to delete."), "{done}");
}

#[test]
fn people_and_scripts_are_told_what_it_waits_for() {
    let world = World::new();
    let sandbox = Sandbox::with(&world.database);
    world.on_replica("SELECT pg_wal_replay_pause()");
    let run = |arguments: &[&str]| {
        let fixed = [
            "cleartokens",
            "--as-of",
            "2026-01-02T03:04:05.6Z",
            "--batch-size",
            "2",
            "--max-replica-lag",
            "200ms",
        ];
        sandbox.oauthctl(&[&fixed[..], arguments].concat()).exits(0)
    };
    let json = run(&["--batch-interval", "20ms", "--max-duration", "3s", "--format", "json"]);
    let outcome: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(outcome["run"]["stop"], "max_duration", "{json}");
    assert!(outcome["run"]["throttled_share"].as_f64().unwrap() > 0.3, "{json}");
    let events: Vec<Value> = json.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let waiting: Vec<&Value> = events.iter().filter(|event| event["reason"] == "replica").collect();
    assert_eq!(
        (&waiting[0]["replica"], &waiting[0]["max_lag_seconds"]),
        (&"standby1".into(), &0.2.into()),
        "{json}"
    );
    assert_eq!(events.last().unwrap()["event"], "stopped", "{json}");
    assert_eq!(events.last().unwrap()["throttled_seconds"], outcome["run"]["throttled_seconds"]);
    // By the time that is still measured, the next run waits before its first batch.
    let text = run(&["--max-duration", "2s"]);
    assert!(text.stderr.contains("Waiting for replica standby1, "), "{text}");
    assert!(text.stderr.contains(" behind (at most "), "{text}");
    assert!(text.stdout.contains("% waiting for replicas"), "{text}");
    assert!(text.stdout.contains("Stopped: the time is up. The next run goes on from here."), "{text}");

    // A role that may not look does not wait, and says so, once.
    world.database.execute(
        "CREATE ROLE cleaner LOGIN; GRANT USAGE ON SCHEMA public TO cleaner; \
         GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO cleaner",
    );
    let blind = sandbox
        .command(&["cleartokens", "--as-of", "2026-01-02T03:04:05.6Z", "--max-replica-lag", "200ms"])
        .env("PGUSER", "cleaner")
        .run()
        .exits(0);
    assert_eq!(blind.stderr.matches("GRANT pg_monitor TO").count(), 1, "{blind}");
    assert!(blind.stdout.contains("Finished: nothing is left to delete."), "{blind}");
}
