//! What a cleanup says at its end.

use super::*;
use crate::model::{Category, ForeignTally};
use crate::sweep::{Cause, Kind, Waited};

fn outcome(stop: Stop) -> Outcome {
    let mut deleted = Tally::ZERO;
    deleted.add(Category::Revoked, 20_083);
    deleted.add(Category::Access, 1_064_832);
    Outcome {
        deleted,
        dependents: 0,
        others: ForeignTally::default(),
        detached: 4_000,
        batches: 130,
        retries: 1,
        blocked: 0,
        idle: 0,
        holder: None,
        locked: 0,
        unseen: 0,
        elapsed: Duration::from_secs(10),
        busy: Duration::from_secs(14),
        waited: waited(),
        paused: Duration::from_secs(2),
        workers: 2,
        available: Duration::from_secs(20),
        longest: Duration::from_millis(190),
        disk: None,
        place: None,
        position: None,
        remembered: false,
        exclusive: None,
        stop,
    }
}

fn waited() -> Waited {
    let mut waited = Waited::default();
    waited.add(Kind::Replica, Duration::from_secs(3));
    waited.add(Kind::WalRate, Duration::from_secs(1));
    waited
}

#[test]
fn what_was_deleted_and_how_fast() {
    assert_eq!(
        render(&outcome(Stop::Finished), None),
        "Cleanup: 1,084,915 rows deleted in 10s (108,492 rows/s, 130 batches, longest 0.19s, 1 retry, 70% busy, \
         15% waiting for replicas, 5% waiting for the WAL rate, 10% paused).\n\
         \x20      20,083  revoked refresh tokens\n\
         \x20   1,064,832  expired access tokens\n\
         Finished: nothing is left to delete.\n"
    );
    let nothing = Outcome { deleted: Tally::ZERO, batches: 0, ..outcome(Stop::Finished) };
    assert_eq!(
        render(&nothing, Some(0)),
        "Cleanup: nothing was deleted (10s, 70% busy, 15% waiting for replicas, 5% waiting for the WAL rate, 10% paused).\nFinished: nothing is left to delete.\n"
    );
}

#[test]
fn why_it_stopped_and_what_is_left() {
    let last = |outcome: &Outcome, total| render(outcome, total).lines().last().unwrap().to_owned();
    assert_eq!(
        last(&outcome(Stop::MaxRows), Some(1_084_916)),
        "Stopped: the limit on rows (max_rows) is reached. 1 row left to delete. The next run continues from here."
    );
    assert_eq!(
        last(&outcome(Stop::MaxDuration), None),
        "Stopped: the time limit (max_duration) is reached. --dry-run counts what is left. The next run continues from here."
    );
    assert_eq!(
        last(&outcome(Stop::Interrupted), Some(2_084_915)),
        "Stopped: interrupted. 1,000,000 rows left to delete. The next run continues from here."
    );
    let stuck = Stop::NoProgress {
        batches: 10,
        reason: Transient::Locked,
        detail: "canceling statement due to lock timeout".to_owned(),
    };
    assert_eq!(
        last(&outcome(stuck), None),
        "Stopped: 10 batches in a row deleted nothing (another transaction holds a lock: canceling statement due to \
         lock timeout). Look for transactions that stay open in pg_stat_activity. --dry-run counts what is \
         left. The next run continues from here."
    );
    let held = Stop::Held {
        cause: Cause::Slot { slot: "old".to_owned(), active: false, held: 3 << 30, most: 1 << 30 },
        waited: Duration::from_mins(10),
    };
    assert_eq!(
        last(&outcome(held), None),
        "Stopped: it waited 10m00s for replication slot old, which no consumer uses: it holds back 3.0 GB of WAL (at \
         most 1.0 GB), and nothing changed. Start its consumer, or drop the slot with pg_drop_replication_slot() if \
         it has no consumer. --dry-run counts what is left. The next run continues from here."
    );
    let stopped = Outcome { position: "access:1f9a03c2:17".parse().ok(), ..outcome(Stop::Interrupted) };
    assert_eq!(
        last(&stopped, Some(2_084_915)),
        "Stopped: interrupted. 1,000,000 rows left to delete. To continue from here: --resume-from access:1f9a03c2:17"
    );
    let remembered = Outcome { remembered: true, ..stopped };
    assert!(last(&remembered, None).ends_with("The next run continues from here."));
    let failed = Stop::Failed { detail: "permission denied for table \u{1b}t".to_owned() };
    for total in [None, Some(1_084_915), Some(2_000_000)] {
        assert_eq!(
            last(&outcome(failed.clone()), total),
            "Stopped: it failed (permission denied for table \\u{1b}t). How many rows are left is not known; \
             --dry-run counts them."
        );
    }
    let locked = Outcome { locked: 2, ..outcome(Stop::Finished) };
    assert_eq!(
        last(&locked, None),
        "Finished: 2 rows were locked by other transactions during the whole run; the next run deletes them."
    );
}

#[test]
fn fewer_rows_than_planned_have_a_reason() {
    assert_eq!(
        fewer_than_planned(236_100, 233_950),
        "2,150 of the 236,100 rows that the plan counted were deleted with an application, or changed since.\n"
    );
    assert_eq!(fewer_than_planned(7, 7), "");
    assert_eq!(fewer_than_planned(7, 8), "");
}
