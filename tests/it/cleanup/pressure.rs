//! What a run waits for between batches, on servers of their own: the WAL, checkpoints, slots, the archiver, vacuum.

use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

use oauthctl::model::{CleanupPolicy, Pace};
use oauthctl::sweep::{Cause, Event, Kind, Outcome, Stop, Unwatched};
use serde_json::Value;

use super::draft::Draft;
use super::graph::Graph;
use super::runner::{Runner, now, with_pace};
use crate::support::{Database, Instance, Sandbox, Template};

const DOT: Template = Template::Dot341;

/// Long enough for some looks, and short enough for a test.
const SHORT: Duration = Duration::from_millis(1_500);

fn policy(change: impl FnOnce(&mut Pace)) -> CleanupPolicy {
    let policy = CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        pace: Pace { batch_size: NonZeroU32::new(20).unwrap(), ..Pace::default() },
        ..CleanupPolicy::default()
    };
    with_pace(policy, change)
}

fn filled(instance: &Instance) -> Database {
    let database = instance.database(DOT);
    Draft::random(31, 150, &policy(|_| {}), now()).insert(&database, DOT);
    database
}

/// A role that may clean up and nothing else.
fn cleaner(database: &Database) {
    database.execute(
        "CREATE ROLE cleaner LOGIN; GRANT USAGE ON SCHEMA public TO cleaner; \
         GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO cleaner",
    );
}

async fn as_cleaner(database: &Database) -> Runner {
    let mut config = database.config();
    config.user("cleaner");
    Runner::through(config, DOT).await
}

/// Runs, and keeps what it could not watch and what it waited for, one line for each kind of wait in a row.
async fn told(runner: &Runner, policy: &CleanupPolicy) -> (Outcome, Vec<Unwatched>, Vec<Cause>) {
    let (mut unwatched, mut causes) = (Vec::new(), Vec::<Cause>::new());
    let outcome = runner
        .watched(policy, now(), |event| match event {
            Event::Unwatched(one) => unwatched.push(one.clone()),
            Event::Held { cause, .. } if causes.last().map(Cause::kind) != Some(cause.kind()) => {
                causes.push(cause.clone());
            }
            _ => {}
        })
        .await
        .unwrap();
    (outcome, unwatched, causes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_writes_no_more_wal_than_it_may() {
    /// The run writes some tens of kilobytes.
    const RATE: u64 = 4_000;
    let instance = Instance::start(&["autovacuum=off"]);
    let database = filled(&instance);
    let after = Graph::read(&database, DOT).cleared(&policy(|_| {}), now(), &[].into());
    let position =
        || -> u64 { database.value("SELECT pg_current_wal_insert_lsn() - '0/0'").parse().unwrap() };
    let limited = policy(|pace| pace.max_wal_rate = Some(RATE));
    let runner = Runner::new(&database, DOT).await;
    let (before, mut largest, mut last) = (position(), 0, position());
    let outcome = runner
        .watched(&limited, now(), |event| {
            if let Event::Batch(_) = event {
                let now = position();
                largest = largest.max(now - last);
                last = now;
            }
        })
        .await
        .unwrap();
    assert_eq!(outcome.stop, Stop::Finished);
    // On a machine that is busy with other things the run may be slower than the rate by itself.
    let is_slow = outcome.elapsed.as_secs() > (last - before) / RATE;
    assert!(is_slow || outcome.waited.get(Kind::WalRate) > Duration::ZERO, "{outcome:?}");
    // After the last batch nothing waits. One second's worth may come at once.
    let least = (last - before).saturating_sub(2 * largest + RATE) / RATE;
    assert!(outcome.elapsed.as_secs() >= least, "{least} s for {} bytes: {outcome:?}", last - before);
    assert_eq!(Graph::read(&database, DOT), after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_a_requested_checkpoint() {
    // While it writes, before PostgreSQL 14, it waits for nothing that has a name.
    const IDLE: &str = "SELECT (wait_event IS NOT DISTINCT FROM 'CheckpointerMain')::text FROM pg_stat_activity \
                        WHERE backend_type = 'checkpointer'";
    // A checkpoint because of much WAL is spread over the time between two, which is long here.
    let instance = Instance::start(&["autovacuum=off", "max_wal_size=160MB", "checkpoint_timeout=1h"]);
    let database = filled(&instance);
    // To make the database may have requested one, and that one still runs.
    database.execute("CHECKPOINT");
    let limited = policy(|pace| pace.max_wal_rate = Some(1 << 40));
    let runner = Runner::new(&database, DOT).await;
    let (mut batches, mut held) = (0, 0);
    let outcome = runner
        .watched(&limited, now(), |event| match event {
            Event::Batch(_) => {
                batches += 1;
                if batches == 1 {
                    database.execute("CREATE TABLE dirty AS SELECT n FROM generate_series(1, 200000) n");
                    // No more WAL than it takes to request one: it would hurry.
                    while database.value(IDLE) == "true" {
                        database.execute("INSERT INTO dirty VALUES (0)");
                        database.execute("SELECT pg_switch_wal()");
                        thread::sleep(Duration::from_millis(300));
                    }
                    // The next look comes after a second at most, and the checkpoint takes much longer.
                    thread::sleep(Duration::from_millis(1_100));
                }
            }
            Event::Held { cause: Cause::Checkpoint, .. } => {
                held += 1;
                if held == 2 {
                    // It hurries the one that runs.
                    database.execute("CHECKPOINT");
                }
            }
            Event::Unwatched(unwatched) => panic!("{unwatched:?} for a superuser"),
            _ => {}
        })
        .await
        .unwrap();
    assert!(held >= 2, "{outcome:?}");
    assert_eq!(outcome.stop, Stop::Finished);
    assert!(outcome.waited.get(Kind::Checkpoint) > Duration::ZERO, "{outcome:?}");
    // A role that may not see the checkpointer is told so, once.
    cleaner(&database);
    let (outcome, unwatched, _) = told(&as_cleaner(&database).await, &limited).await;
    assert_eq!((outcome.stop, unwatched), (Stop::Finished, vec![Unwatched::Checkpoints]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_nobody_uses_ends_the_run_and_one_that_moves_does_not() {
    let instance = Instance::start(&["wal_level=replica", "max_replication_slots=2", "autovacuum=off"]);
    let database = filled(&instance);
    database.execute("SELECT pg_create_physical_replication_slot('old', true)");
    database.execute("CREATE TABLE much AS SELECT repeat('x', 100) FROM generate_series(1, 20000)");
    let before = Graph::read(&database, DOT);
    let limited = policy(|pace| pace.max_slot_lag = Some(1 << 20));
    let mut runner = Runner::new(&database, DOT).await;
    runner.patience = SHORT;
    let (outcome, _, causes) = told(&runner, &limited).await;
    let Stop::Held { cause: Cause::Slot { slot, active, held, most }, waited } = outcome.stop else {
        panic!("{outcome:?}")
    };
    assert_eq!((slot.as_str(), active, most), ("old", false, 1 << 20));
    assert!(held > most && waited >= SHORT);
    assert_eq!(causes.len(), 1);
    assert_eq!(Graph::read(&database, DOT), before, "nothing is deleted meanwhile");
    // Its consumer comes a little further with each look, slower than the patience of the run in all.
    let further = || {
        // Before PostgreSQL 14 nothing can be added to a position there.
        let position = "SELECT restart_lsn - '0/0' + 100000 FROM pg_replication_slots";
        let position: u64 = database.value(position).parse().unwrap();
        format!("'{:X}/{:X}'", position >> 32, position & 0xFFFF_FFFF)
    };
    let mut moved = 0;
    let outcome = runner
        .watched(&limited, now(), |event| {
            if let Event::Held { cause: Cause::Slot { .. }, .. } = event {
                moved += 1;
                let to = if moved < 4 { further() } else { "pg_current_wal_insert_lsn()".to_owned() };
                database.execute(format!("SELECT pg_replication_slot_advance('old', {to})"));
            }
        })
        .await
        .unwrap();
    assert_eq!((outcome.stop, moved), (Stop::Finished, 4));
    assert!(outcome.waited.get(Kind::Slot) > SHORT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_while_the_archiver_is_behind() {
    let instance = Instance::start(&[
        "wal_level=replica",
        "archive_mode=on",
        "archive_command=test -e archive_works && true",
        "autovacuum=off",
    ]);
    let database = filled(&instance);
    let limited = policy(|pace| pace.max_archive_backlog = Some(2));
    let go_on = || database.execute("COPY (SELECT 1) TO PROGRAM 'touch archive_works'");
    let mut runner = Runner::new(&database, DOT).await;
    runner.patience = SHORT;
    let mut batches = 0;
    let stuck = runner
        .watched(&limited, now(), |event| {
            if let Event::Batch(_) = event {
                batches += 1;
                if batches == 1 {
                    for _ in 0..4 {
                        database.execute("CREATE TABLE IF NOT EXISTS more (n int)");
                        database.execute("INSERT INTO more VALUES (0)");
                        database.execute("SELECT pg_switch_wal()");
                    }
                    thread::sleep(Duration::from_millis(1_100));
                }
            }
        })
        .await
        .unwrap();
    let Stop::Held { cause: Cause::Archiver { segments, most: 2 }, .. } = stuck.stop else {
        panic!("{stuck:?}")
    };
    assert!(segments >= 3);
    let outcome = runner
        .watched(&limited, now(), |event| {
            if let Event::Held { .. } = event {
                go_on();
            }
        })
        .await
        .unwrap();
    assert_eq!(outcome.stop, Stop::Finished, "{outcome:?}");
    // Where nothing is archived, there is nothing to wait for, and that is told.
    let shared = Database::create(DOT);
    let (outcome, unwatched, _) = told(&Runner::new(&shared, DOT).await, &limited).await;
    assert_eq!((outcome.stop, unwatched), (Stop::Finished, vec![Unwatched::Archiver]));
}

fn vacuums(database: &Database) -> Vec<u64> {
    database.settle_statistics();
    let sql = "SELECT coalesce(vacuum_count, 0)::text FROM pg_stat_user_tables \
               WHERE relname IN ('oauth2_provider_accesstoken', 'oauth2_provider_refreshtoken') ORDER BY relname";
    database.rows(sql).iter().map(|row| row[0].as_ref().unwrap().parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_vacuumed_between_batches() {
    let instance = Instance::start(&["autovacuum=off"]);
    let database = filled(&instance);
    let after = Graph::read(&database, DOT).cleared(&policy(|_| {}), now(), &[].into());
    let often = policy(|pace| {
        pace.vacuum_every = Some(15);
        pace.workers = NonZeroU32::new(2).unwrap().into();
    });
    let (outcome, unwatched, causes) = told(&Runner::new(&database, DOT).await, &often).await;
    assert_eq!((outcome.stop, unwatched), (Stop::Finished, Vec::new()));
    assert!(outcome.waited.get(Kind::Vacuum) > Duration::ZERO);
    assert!(matches!(&causes[..], [Cause::Vacuum { own: true, .. }, ..]), "{causes:?}");
    assert!(vacuums(&database).iter().all(|count| *count >= 1), "{:?}", vacuums(&database));
    assert_eq!(Graph::read(&database, DOT), after);
}

/// A role that does not own the tables goes on, unless somebody vacuums them just then.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_vacuum_is_told_so_and_waits_for_others() {
    let instance = Instance::start(&["autovacuum=off"]);
    let database = filled(&instance);
    cleaner(&database);
    let often = policy(|pace| pace.vacuum_every = Some(40));
    let runner = as_cleaner(&database).await;
    let (outcome, unwatched, causes) =
        told(&runner, &with_pace(often.clone(), |pace| pace.max_rows = Some(2))).await;
    assert_eq!((outcome.stop, causes), (Stop::MaxRows, Vec::new()));
    let [Unwatched::Vacuum { tables, sees: false, .. }] = &unwatched[..] else { panic!("{unwatched:?}") };
    assert_eq!(tables[..2], ["public.oauth2_provider_accesstoken", "public.oauth2_provider_refreshtoken"]);
    // It may look now. A vacuum that freezes waits for the cursor that holds its first page.
    database.execute("GRANT pg_read_all_stats TO cleaner");
    let (holder, vacuum) = (database.connect().await, database.connect().await);
    let hold = "BEGIN; DECLARE held CURSOR FOR SELECT id FROM oauth2_provider_accesstoken; FETCH 1 FROM held";
    holder.batch_execute(hold).await.unwrap();
    let vacuuming = tokio::spawn(async move {
        let freeze = "VACUUM (FREEZE, DISABLE_PAGE_SKIPPING) oauth2_provider_accesstoken";
        vacuum.batch_execute(freeze).await.unwrap();
    });
    while database.value("SELECT count(*) FROM pg_stat_progress_vacuum") == "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let releasing = tokio::spawn(async move {
        released.await.unwrap();
        holder.batch_execute("COMMIT").await.unwrap();
    });
    let (mut release, mut batches, mut held_after) = (Some(release), 0, None);
    let outcome = runner
        .watched(&often, now(), |event| match event {
            Event::Batch(_) => {
                batches += 1;
                // The looks are a second apart.
                thread::sleep(Duration::from_millis(200));
            }
            Event::Held { cause: Cause::Vacuum { own: false, table }, .. } => {
                assert_eq!(table, "public.oauth2_provider_accesstoken");
                held_after.get_or_insert(batches);
                release.take().map(|release| release.send(()));
            }
            _ => {}
        })
        .await
        .unwrap();
    assert!(held_after.is_some_and(|batches| batches > 0), "{outcome:?}");
    vacuuming.await.unwrap();
    releasing.await.unwrap();
    assert_eq!(outcome.stop, Stop::Finished);
    assert!(outcome.waited.get(Kind::Vacuum) > Duration::ZERO, "{outcome:?}");
}

#[test]
fn flags_are_settings_and_scripts_are_told_what_is_not_watched() {
    let database = Database::create(DOT);
    let sandbox = Sandbox::with(&database);
    let flags = ["--max-wal-rate", "20MB/s", "--vacuum-every", "1000000", "--max-slot-lag", "5GB"];
    let all = [&["cleartokens", "--format", "json", "--max-archive-backlog", "8"][..], &flags].concat();
    let done = sandbox.oauthctl(&all).exits(0);
    let events: Vec<Value> = done.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let unwatched = events.iter().find(|event| event["event"] == "unwatched").unwrap();
    assert_eq!(unwatched["setting"], "max_archive_backlog", "{done}");
    let outcome: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(outcome["run"]["waited_seconds"]["slot"], 0.0, "{done}");
    for (flag, value) in [("--max-wal-rate", "20mb"), ("--max-slot-lag", "-1"), ("--vacuum-every", "x")] {
        sandbox.oauthctl(&["cleartokens", flag, value]).exits(64);
    }
}
