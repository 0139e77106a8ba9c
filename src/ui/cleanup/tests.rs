//! What a cleanup says at its end.

use super::*;
use crate::model::Category;

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
        throttled: Duration::from_secs(4),
        paused: Duration::from_secs(2),
        workers: 2,
        longest: Duration::from_millis(190),
        disk: None,
        exclusive: None,
        stop,
    }
}

#[test]
fn what_was_deleted_and_how_fast() {
    assert_eq!(
        render(&outcome(Stop::Finished), None),
        "Cleanup: 1,084,915 rows deleted in 10s (108,492 rows/s, 130 batches, longest 0.19s, 1 retry, 70% busy, \
         20% waiting for replicas, 10% paused).\n\
         \x20      20,083  revoked refresh tokens\n\
         \x20   1,064,832  expired access tokens\n\
         Finished: nothing is left to delete.\n"
    );
    let nothing = Outcome { deleted: Tally::ZERO, batches: 0, ..outcome(Stop::Finished) };
    assert_eq!(
        render(&nothing, Some(0)),
        "Cleanup: nothing was deleted (10s, 70% busy, 20% waiting for replicas, 10% paused).\nFinished: nothing is left to delete.\n"
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
        "Stopped: the time limit (max_duration) is reached. The next run continues from here. --dry-run counts what is left."
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
         lock timeout). Look for transactions that stay open in pg_stat_activity. The next run continues from here. \
         --dry-run counts what is left."
    );
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
