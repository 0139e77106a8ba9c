//! `max_replica_lag`, with a streaming replica that stands still.

use std::io::{BufRead, BufReader};
use std::num::NonZeroU32;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use oauthctl::model::{CleanupPolicy, Pace};
use oauthctl::sweep::{Cause, Event, Kind, Stop};
use serde_json::Value;

use super::draft::Draft;
use super::graph::Graph;
use super::runner::{Runner, now};
use crate::support::sandbox::Output;
use crate::support::{Database, Instance, Sandbox, Template, eventually};

const DOT: Template = Template::Dot341;
const MOST: Duration = Duration::from_millis(400);

/// The replica moves on when the run has looked at it so many times.
const LOOKS: usize = 4;

fn policy() -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        pace: Pace {
            batch_size: NonZeroU32::new(2).unwrap(),
            max_replica_lag: Some(MOST),
            ..Pace::default()
        },
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
        let replayed = "SELECT coalesce(bool_and(replay_lsn >= pg_current_wal_flush_lsn()), false)::text \
                        FROM pg_stat_replication WHERE state = 'streaming'";
        eventually("the replica does not replay", || self.database.value(replayed) == "true");
    }

    fn on_replica(&self, sql: &str) {
        self.replica.execute(sql);
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
            Event::Held { .. } if !stands => {}
            Event::Held { cause: Cause::Replica { replica, lag, most }, waited } => {
                let lag = lag.expect("known once the run has begun");
                seen.push((replica.to_owned(), waited, batches));
                assert_eq!(*most, MOST);
                assert!(lag > MOST);
                if seen.len() == LOOKS {
                    drop(resume.take());
                }
            }
            Event::Unwatched(unwatched) => panic!("{unwatched:?} for a superuser"),
            _ => {}
        };
        let sweeps = runner.sweeps(&policy(), now());
        let pace = policy().pace;
        let control = oauthctl::sweep::Control {
            stop: &runner.stop,
            cancel: &super::runner::cancelling,
            patience: runner.patience,
            from: None,
        };
        let run = oauthctl::sweep::run(&runner.pool, &runner.layout, &sweeps, &pace, control, &mut on);
        let outcome =
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(run)).unwrap();
        assert_eq!(outcome.stop, Stop::Finished);
        assert!(outcome.waited.get(Kind::Replica) > Duration::ZERO, "{outcome:?}");
    });
    let (name, _, at) = &seen[0];
    assert_eq!(name, "standby1");
    assert!(*at > 0, "it begins, because the replica had replayed everything");
    let waiting = &seen[..LOOKS];
    assert!(waiting.is_sorted_by(|one, next| one.1 < next.1), "{seen:?}");
    assert!(waiting.iter().all(|(_, _, batches)| batches == at), "nothing is deleted meanwhile: {seen:?}");
    assert_eq!(Graph::read(&world.database, DOT), after);
    // Everything replayed, and idle since: nothing to wait for, whatever was measured last.
    world.wait_for_replay();
    let outcome = Runner::new(&world.database, DOT).await.run(&policy(), now()).await.unwrap();
    assert_eq!((outcome.stop, outcome.waited.total()), (Stop::Finished, Duration::ZERO));
    drop(world.primary);
}

/// A run that gets SIGINT when it says that it waits; also what it said on stderr.
fn interrupted_when_it_waits(
    sandbox: &Sandbox,
    lag: &str,
    arguments: &[&str],
    waits: &str,
) -> (Output, String) {
    let fixed = ["cleartokens", "--as-of", "2026-01-02T03:04:05.6Z", "--max-replica-lag", lag];
    let slow = ["--batch-size", "1", "--batch-interval", "20ms"];
    let mut running = sandbox.command(&[&fixed[..], &slow, arguments].concat()).spawn();
    let mut said = String::new();
    for line in BufReader::new(running.child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains(waits) && !said.contains(waits) {
            running.signal(Signal::SIGINT);
        }
        said += &(line + "\n");
    }
    assert!(said.contains(waits), "{said}");
    (running.wait().exits(130), said)
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
    let told = "Waiting for replica standby1, whose lag is not known yet (at most 1h00m)";
    let (stopped, _) = interrupted_when_it_waits(&sandbox, "1h", &[], told);
    assert!(stopped.stdout.contains("Cleanup: nothing was deleted"), "{stopped}");
    let (_, json) = interrupted_when_it_waits(&sandbox, "1h", &["--format", "json"], "\"replica\"");
    let waiting = json.lines().find(|line| line.contains("\"replica\"")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(waiting).unwrap()["lag_seconds"], Value::Null, "{json}");
    assert_eq!(Graph::read(&world.database, DOT), before);
    world.on_replica("SELECT pg_wal_replay_resume()");
    let done = sandbox
        .oauthctl(&["cleartokens", "--as-of", "2026-01-02T03:04:05.6Z", "--max-replica-lag", "1h"])
        .exits(0);
    assert!(done.stdout.contains("Finished: nothing is left to delete."), "{done}");
}

#[test]
fn people_and_scripts_are_told_what_it_waits_for() {
    let world = World::new();
    let sandbox = Sandbox::with(&world.database);
    world.on_replica("SELECT pg_wal_replay_pause()");
    let (json, said) =
        interrupted_when_it_waits(&sandbox, "200ms", &["--format", "json"], r#""reason":"replica""#);
    let outcome: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(outcome["run"]["stop"], "interrupted", "{json}");
    let events: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let waiting = events.iter().find(|event| event["reason"] == "replica").unwrap();
    assert_eq!((&waiting["replica"], &waiting["max_lag_seconds"]), (&"standby1".into(), &0.2.into()));
    let stopped = events.iter().find(|event| event["event"] == "stopped").unwrap();
    assert_eq!(stopped["throttled_seconds"], outcome["run"]["throttled_seconds"], "{said}");
    assert_eq!(stopped["waited_seconds"]["replica"], stopped["throttled_seconds"], "{said}");
    // By the time that is still measured, the next run waits before its first batch.
    let (text, said) = interrupted_when_it_waits(&sandbox, "200ms", &[], "Waiting for replica standby1, ");
    assert!(said.contains(" (at most 0.20s)"), "{said}");
    assert!(
        text.stdout.contains(
            "Stopped: interrupted. --dry-run counts what is left. The next run continues from here."
        ),
        "{text}"
    );

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
