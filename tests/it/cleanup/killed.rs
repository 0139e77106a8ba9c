//! `kill -9` of the cleaner, of its backend and of the whole server, at moments that a seed chooses.
//!
//! After each: no dangling pointer, nothing lost that should live; and in the end, what DOT would have left.
//! `OAUTHCTL_TEST_KILLS` is the number of rounds (12 where it is not set) and `OAUTHCTL_TEST_SEED` where they begin.
//!
//! A moment is the deletion of the nth row, so that it does not depend on how fast the machine is. In two rounds of three
//! the batch stops there until the kill has happened; in the others it goes on meanwhile, and may have committed.

use std::collections::BTreeSet;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use oauthctl::model::{CleanupPolicy, TableRole};

use super::draft::{Draft, Numbers, Schema};
use super::graph::Graph;
use super::runner::now;
use crate::support::{Database, Instance, Sandbox, Template, environment, eventually};

const DOT: Template = Template::Dot341;

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Cleaner,
    Backend,
    /// By SIGKILL of the postmaster, by an immediate and by a fast shutdown.
    Server(Signal),
}

/// When.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// So many rows have been deleted, by batches that may be rolled back.
    row: usize,
    /// Whether the batch stops there.
    stops: bool,
}

/// Sequences say how far it is: they are seen before the batch commits, and no rollback takes them back. A batch that
/// stops does so in the server that it began in, and not again after a restart.
const WATCH: &str = "\
    CREATE SEQUENCE deleted; CREATE SEQUENCE reached; CREATE SEQUENCE released; \
    CREATE TABLE moment (deletion bigint, stops boolean, server timestamptz DEFAULT pg_postmaster_start_time()); \
    CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ \
    DECLARE moment moment; \
    BEGIN \
        SELECT * INTO moment FROM moment; \
        IF nextval('deleted') = moment.deletion THEN \
            PERFORM nextval('reached'); \
            WHILE moment.stops AND moment.server = pg_postmaster_start_time() AND NOT (SELECT is_called FROM released) \
            LOOP PERFORM pg_sleep(0.005); END LOOP; \
        END IF; \
        RETURN NULL; \
    END $$;";

/// Has every deletion of a token counted. After the row, because a trigger before it could keep the row, so that batches
/// would go another way.
fn watch(database: &Database) {
    let schema = Schema::of(database, DOT);
    let triggers = TableRole::ALL
        .iter()
        .copied()
        .filter(|role| *role != TableRole::Application && schema.has(*role))
        .map(|role| {
            let table = schema.table(role);
            format!("CREATE TRIGGER watch AFTER DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION watch();")
        });
    database.execute(WATCH.to_owned() + &triggers.collect::<String>());
}

impl Moment {
    /// Somewhere among so many deletions.
    fn random(numbers: &mut Numbers, deletions: usize) -> Self {
        Self { row: 1 + numbers.below(deletions), stops: numbers.below(3) > 0 }
    }

    fn set(self, database: &Database) {
        let Self { row, stops } = self;
        database.execute(format!(
            "SELECT setval('deleted', 1, false), setval('reached', 1, false), setval('released', 1, false); \
             TRUNCATE moment; INSERT INTO moment VALUES ({row}, {stops})"
        ));
    }

    fn wait_for(database: &Database) {
        eventually("the moment does not come", || {
            database.value("SELECT is_called::text FROM reached") == "true"
        });
    }

    fn release(database: &Database) {
        database.execute("SELECT nextval('released')");
    }
}

fn number(variable: &str, default: u64) -> u64 {
    environment(variable).map_or(default, |text| text.to_str().unwrap().parse().unwrap())
}

#[test]
fn whatever_is_killed_nothing_dangles_and_the_next_run_finishes() {
    let policy =
        CleanupPolicy { refresh_token_expire: Some(Duration::from_hours(1)), ..CleanupPolicy::default() };
    let (rounds, first) = (number("OAUTHCTL_TEST_KILLS", 12), number("OAUTHCTL_TEST_SEED", 1));
    let mut instance = Instance::start(&["autovacuum=off"]);
    let database = instance.database(DOT);
    watch(&database);
    let sandbox = Sandbox::with(&database);
    for seed in first..first + rounds {
        let mut numbers = Numbers::new(seed);
        let victim = numbers.pick(&[
            Victim::Cleaner,
            Victim::Cleaner,
            Victim::Backend,
            Victim::Backend,
            Victim::Server(Signal::SIGKILL),
            Victim::Server(Signal::SIGQUIT),
            Victim::Server(Signal::SIGINT),
        ]);
        let workers = numbers.pick(&["1", "2"]);
        Draft::random(seed, 300, &policy, now()).insert(&database, DOT);
        let before = Graph::read(&database, DOT);
        let after = before.cleared(&policy, now(), &BTreeSet::new());
        let moment = Moment::random(&mut numbers, before.len() - after.len());
        moment.set(&database);
        let arguments = [
            "cleartokens",
            "--as-of",
            "2026-01-02T03:04:05.6Z",
            "--refresh-token-expire",
            "1h",
            "--batch-size",
            "4",
            "--workers",
            workers,
        ];
        let what = format!("seed {seed}: {victim:?} at {moment:?}, {workers} workers");
        let start = Instant::now();
        let mut run = sandbox.command(&arguments).spawn();
        Moment::wait_for(&database);
        match victim {
            Victim::Cleaner => run.signal_if_alive(Signal::SIGKILL),
            Victim::Backend => database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'oauthctl%'",
            ),
            Victim::Server(signal) => {
                instance.stop(signal);
                thread::sleep(Duration::from_millis(numbers.below(300) as u64));
                instance.resume();
            }
        }
        if victim == Victim::Cleaner {
            run.wait();
            Moment::release(&database);
            // Its backends notice, and roll back, when they next write to it.
            let gone = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'oauthctl%'";
            eventually("its backends do not end", || database.value(gone) == "0");
            let left = Graph::read(&database, DOT);
            left.assert_between(&before, &after);
            assert!(!moment.stops || left != after, "{what}: the batch at hand is rolled back");
            sandbox.oauthctl(&arguments).exits(0);
        } else {
            // It connects again, and goes on by itself.
            Graph::read(&database, DOT).assert_between(&before, &after);
            let output = run.wait();
            assert!(!moment.stops || output.stderr.contains("connection"), "{what}\n{output}");
            assert_eq!(output.code, Some(0), "{what}\n{output}");
        }
        assert_eq!(Graph::read(&database, DOT), after, "{what}");
        // Read where the test fails.
        writeln!(std::io::stderr(), "{what}: {:?}", start.elapsed()).unwrap();
    }
}
