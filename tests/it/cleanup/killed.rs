//! `kill -9` of the cleaner, of its backend and of the whole server, at moments that a seed chooses.
//!
//! After each: no dangling pointer, nothing lost that should live; and in the end, what DOT would have left.
//! `OAUTHCTL_TEST_KILLS` is the number of rounds (12 where it is not set) and `OAUTHCTL_TEST_SEED` where they begin.

use std::collections::BTreeSet;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use oauthctl::model::CleanupPolicy;

use super::draft::{Draft, Numbers};
use super::graph::Graph;
use super::runner::now;
use crate::support::{Instance, Sandbox, Template, environment};

const DOT: Template = Template::Dot341;

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Cleaner,
    Backend,
    /// By SIGKILL of the postmaster, by an immediate and by a fast shutdown.
    Server(Signal),
}

fn number(variable: &str, default: u64) -> u64 {
    environment(variable).map_or(default, |text| text.to_str().unwrap().parse().unwrap())
}

#[test]
fn whatever_is_killed_nothing_dangles_and_the_next_run_finishes() {
    let policy =
        CleanupPolicy { refresh_token_expire: Some(Duration::from_secs(3600)), ..CleanupPolicy::default() };
    let (rounds, first) = (number("OAUTHCTL_TEST_KILLS", 12), number("OAUTHCTL_TEST_SEED", 1));
    let mut instance = Instance::start(&["autovacuum=off"]);
    let database = instance.database(DOT);
    let sandbox = Sandbox::with(&database);
    let mut interrupted = 0;
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
        let moment = Duration::from_micros(numbers.below(250_000) as u64);
        Draft::random(seed, 300, &policy, now()).insert(&database, DOT);
        let before = Graph::read(&database, DOT);
        let after = before.cleared(&policy, now(), &BTreeSet::new());
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
        let what = format!("seed {seed}: {victim:?} after {moment:?}, {workers} workers");
        let start = Instant::now();
        let mut run = sandbox.command(&arguments).spawn();
        // Counted from when it begins to delete: connecting takes longer than many a run.
        while Graph::count(&database) == before.len() && run.child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}: it does not begin");
        }
        thread::sleep(moment);
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
            // Its backends notice, and roll back, when they next write to it.
            let gone = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'oauthctl%'";
            while database.value(gone) != "0" {
                assert!(start.elapsed() < Duration::from_secs(60), "{what}: its backend stays");
                thread::sleep(Duration::from_millis(5));
            }
            let left = Graph::read(&database, DOT);
            left.assert_between(&before, &after);
            interrupted += u32::from(left != after);
            sandbox.oauthctl(&arguments).exits(0);
        } else {
            // It connects again, and goes on by itself.
            Graph::read(&database, DOT).assert_between(&before, &after);
            let output = run.wait();
            interrupted += u32::from(output.stderr.contains("connection"));
            assert_eq!(output.code, Some(0), "{what}\n{output}");
        }
        assert_eq!(Graph::read(&database, DOT), after, "{what}");
        // Read where the test fails.
        writeln!(std::io::stderr(), "{what}: {:?}", start.elapsed()).unwrap();
    }
    assert!(
        rounds < 12 || interrupted > 3,
        "{interrupted} of {rounds} runs were hit: the moments are badly chosen"
    );
}
