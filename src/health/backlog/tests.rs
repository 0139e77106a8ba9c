//! The model beside the runs of `docs/performance.md`.

use std::num::NonZeroU32;

use time::OffsetDateTime;

use super::*;
use crate::model::Workers;

const MIB: f64 = 1_048_576.0;

/// The tables of the benchmark for a number of sessions, as ANALYZE finds them: role, rows, blocks and rows to delete of
/// each session.
const SEED: [(TableRole, f64, f64, f64); 4] = [
    (TableRole::AccessToken, 0.881, 0.0226, 0.652),
    (TableRole::RefreshToken, 1.0, 0.025, 0.801),
    (TableRole::IdToken, 0.545, 0.0073, 0.422),
    (TableRole::Grant, 0.05, 0.000_96, 0.045),
];

fn vacuuming(sessions: f64, memory: u64, compact: bool) -> Vacuuming {
    let table = |(role, rows, blocks, _): (TableRole, f64, f64, f64)| Vacuumed {
        role,
        blocks: sessions * blocks,
        rows: Some(sessions * rows),
        indexes: 7,
    };
    Vacuuming { tables: SEED.map(table).to_vec(), memory, compact }
}

fn deleted(sessions: f64) -> Vec<(TableRole, u64)> {
    SEED.iter().map(|(role, _, _, gone)| (*role, (sessions * gone * 0.980_5) as u64)).collect()
}

fn predicted(sessions: f64, workers: u32, fk_checks: FkChecks) -> Cost {
    let pace =
        Pace { workers: Workers::Fixed(NonZeroU32::new(workers).unwrap()), fk_checks, ..Pace::default() };
    cost(&deleted(sessions), &vacuuming(sessions, 64 << 20, false), &pace, Rate::Default).unwrap()
}

fn assert_near(predicted: f64, measured: f64, what: &str) {
    let off = predicted / measured - 1.0;
    assert!(
        off.abs() <= 0.2,
        "{what}: {predicted:.1} predicted, {measured:.1} measured, {:.0} %",
        off * 100.0
    );
}

/// Within 20 %: the runs of docs/performance.md.
#[test]
fn measured_runs_are_predicted() {
    for (sessions, workers, fk_checks, seconds) in [
        (1e6, 1, FkChecks::Triggers, 24.71),
        (1e6, 2, FkChecks::Triggers, 12.66),
        (1e6, 1, FkChecks::Set, 10.13),
        (1e6, 2, FkChecks::Set, 6.26),
        (5e6, 1, FkChecks::Triggers, 117.9),
    ] {
        let cost = predicted(sessions, workers, fk_checks);
        let what = format!("{sessions} sessions, {workers} workers, {fk_checks:?}");
        assert_near(cost.time.as_secs_f64(), seconds, &what);
    }
    let million = predicted(1e6, 1, FkChecks::Triggers);
    assert_near(million.rows as f64, 1_882_577.0, "rows");
    assert_near(million.wal as f64 / MIB, 742.0, "WAL of a million sessions");
    let nightly = wal(1e5 * 1.116, 75_093.0) / MIB;
    assert!((400.0..645.0).contains(&nightly), "a night of two million sessions: {nightly}");
}

#[test]
fn dead_rows_that_do_not_fit_into_memory_cost_further_passes() {
    assert_eq!(index_passes(1e6, 10_000_000.0, &vacuuming(1.0, 64 << 20, false)), 1);
    assert_eq!(index_passes(1e6, 100_000_000.0, &vacuuming(1.0, 64 << 20, false)), 9);
    assert_eq!(index_passes(1e6, 300_000_000.0, &vacuuming(1.0, 4 << 30, false)), 2);
    assert_eq!(index_passes(1e6, 100_000_000.0, &vacuuming(1.0, 64 << 20, true)), 1);
}

#[test]
fn little_to_delete_and_rewrites_have_no_cost() {
    let rewrite = Pace { strategy: Strategy::Rewrite, ..Pace::default() };
    let tables = vacuuming(1e6, 64 << 20, false);
    assert_eq!(cost(&deleted(1e6), &tables, &rewrite, Rate::Default), None);
    assert_eq!(cost(&deleted(1e5), &tables, &Pace::default(), Rate::Default), None);
}

#[test]
fn the_ledger_knows_the_rate_if_a_run_was_large() {
    let run = |verb: &str, rows: u64, seconds: i64| PastRun {
        verb: verb.to_owned(),
        who: String::new(),
        started: OffsetDateTime::UNIX_EPOCH,
        finished: Some(OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds)),
        outcome: None,
        stop: None,
        deleted: vec![("access".to_owned(), rows)],
        applications: Vec::new(),
    };
    let nightly = [run("cleartokens", 99_999, 60), run("apply", 1_000_000, 60)];
    assert_eq!(Rate::of(&nightly), Rate::Default);
    let large = [run("cleartokens", 1_000_000, 20), run("cleartokens", 3_000_000, 40)];
    assert_eq!(Rate::of(&large), Rate::Measured(60.0 / 4_000_000.0));
    let pace = Pace::default();
    let cost = cost(&deleted(1e6), &vacuuming(1e6, 64 << 20, false), &pace, Rate::of(&large)).unwrap();
    assert_near(cost.time.as_secs_f64(), 28.2, "measured rate");
}
