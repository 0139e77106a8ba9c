//! What a cleanup did: the last lines for people, an object for scripts. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::plan::{grouped, plural};
use super::progress::{because, key, short};
use crate::model::Tally;
use crate::sweep::{Outcome, Stop};

/// The version of the JSON object.
pub const FORMAT_VERSION: &str = "1.0";

/// What was deleted, what is left and why it stopped. `total`: how many rows there were to delete, where that was
/// counted.
#[must_use]
pub fn render(outcome: &Outcome, total: Option<u64>) -> String {
    let deleted = outcome.deleted.total();
    let mut out = String::new();
    if deleted == 0 {
        let _ = writeln!(out, "Cleanup: nothing was deleted ({}).", short(outcome.elapsed));
    } else {
        let _ = writeln!(
            out,
            "Cleanup: {} deleted in {} ({}).",
            plural(deleted, "row"),
            short(outcome.elapsed),
            effort(outcome)
        );
        let width = outcome.deleted.iter().map(|(_, rows)| grouped(rows).len()).max().unwrap_or_default();
        for (category, rows) in outcome.deleted.iter().filter(|(_, rows)| *rows > 0) {
            let _ = writeln!(out, "    {:>width$}  {}", grouped(rows), category.title());
        }
    }
    out.push_str(&ending(outcome, total));
    out
}

fn effort(outcome: &Outcome) -> String {
    let mut parts = vec![batches(outcome.batches)];
    if let Some(rate) = per_second(outcome) {
        parts.insert(0, format!("{} rows/s", grouped(rate)));
    }
    parts.push(format!("longest {}", short(outcome.longest)));
    if outcome.retries > 0 {
        parts.push(match outcome.retries {
            1 => "1 retry".to_owned(),
            retries => format!("{} retries", grouped(retries)),
        });
    }
    if outcome.paused >= Duration::from_secs(1) {
        parts.push(format!("{} paused", short(outcome.paused)));
    }
    parts.join(", ")
}

fn batches(count: u64) -> String {
    if count == 1 { "1 batch".to_owned() } else { format!("{} batches", grouped(count)) }
}

fn per_second(outcome: &Outcome) -> Option<u64> {
    let seconds = outcome.elapsed.as_secs_f64();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate, rounded for people"
    )]
    (seconds > 0.0).then(|| (outcome.deleted.total() as f64 / seconds).round() as u64)
}

fn ending(outcome: &Outcome, total: Option<u64>) -> String {
    let left = total.map(|total| total.saturating_sub(outcome.deleted.total()));
    let left_over = left
        .filter(|left| *left > 0)
        .map_or_else(String::new, |left| format!(" {} left to delete.", plural(left, "row")));
    let mut text = match &outcome.stop {
        Stop::Finished if outcome.locked == 0 => String::new(),
        Stop::Finished => {
            let (rows, verb) =
                (plural(outcome.locked, "row"), if outcome.locked == 1 { "was" } else { "were" });
            format!("{rows} {verb} locked by other transactions throughout; the next run takes them.\n")
        }
        Stop::MaxRows => format!("Stopped: that is as many rows as allowed.{left_over}\n"),
        Stop::MaxDuration => format!("Stopped: the time is up.{left_over}\n"),
        Stop::Interrupted => format!("Stopped: interrupted.{left_over} The next run goes on from here.\n"),
        Stop::NoProgress { batches, reason, detail } => {
            let batches = self::batches(u64::from(*batches));
            format!("Stopped: {batches} in a row got nowhere ({}: {detail}).{left_over}\n", because(*reason))
        }
    };
    if outcome.unseen > 0 {
        let batches = batches(outcome.unseen);
        let _ = writeln!(
            text,
            "Of {batches} the connection was lost at COMMIT; their rows are not counted here."
        );
    }
    text
}

#[derive(Serialize)]
struct Object<'a> {
    format_version: &'static str,
    tool_version: &'static str,
    as_of: Option<&'a str>,
    dry_run: bool,
    deleted: Option<&'a Tally>,
    to_delete: Option<&'a Tally>,
    run: Option<Run<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    stop: &'static str,
    stop_reason: Option<&'static str>,
    stop_detail: Option<&'a str>,
    locked: u64,
    detached: u64,
    batches: u64,
    retries: u64,
    unseen_batches: u64,
    seconds: f64,
    busy_seconds: f64,
    paused_seconds: f64,
    longest_batch_seconds: f64,
    rows_per_second: Option<u64>,
}

/// A run, as JSON. `to_delete`: what was counted before.
///
/// # Errors
/// Serde's, which do not occur.
pub fn outcome_json(
    as_of: &str,
    outcome: &Outcome,
    to_delete: Option<&Tally>,
) -> Result<String, serde_json::Error> {
    let Outcome { deleted, detached, batches, retries, locked, unseen, elapsed, busy, paused, longest, stop } =
        outcome;
    let (stop_reason, stop_detail) = match stop {
        Stop::NoProgress { reason, detail, .. } => (Some(key(*reason)), Some(detail.as_str())),
        _ => (None, None),
    };
    object(&Object {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        as_of: Some(as_of),
        dry_run: false,
        deleted: Some(deleted),
        to_delete,
        run: Some(Run {
            stop: stop_key(stop),
            stop_reason,
            stop_detail,
            locked: *locked,
            detached: *detached,
            batches: *batches,
            retries: *retries,
            unseen_batches: *unseen,
            seconds: seconds(*elapsed),
            busy_seconds: seconds(*busy),
            paused_seconds: seconds(*paused),
            longest_batch_seconds: seconds(*longest),
            rows_per_second: per_second(outcome),
        }),
    })
}

/// A dry run, as JSON.
///
/// # Errors
/// Serde's, which do not occur.
pub fn count_json(as_of: &str, to_delete: &Tally) -> Result<String, serde_json::Error> {
    object(&Object {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        as_of: Some(as_of),
        dry_run: true,
        deleted: None,
        to_delete: Some(to_delete),
        run: None,
    })
}

fn object(object: &Object<'_>) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(object).map(|text| text + "\n")
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
}

/// Why a run ended, for scripts and for the ledger.
#[must_use]
pub const fn stop_key(stop: &Stop) -> &'static str {
    match stop {
        Stop::Finished => "finished",
        Stop::MaxRows => "max_rows",
        Stop::MaxDuration => "max_duration",
        Stop::Interrupted => "interrupted",
        Stop::NoProgress { .. } => "no_progress",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Category;
    use crate::sweep::Transient;

    fn outcome(stop: Stop) -> Outcome {
        let mut deleted = Tally::ZERO;
        deleted.add(Category::Revoked, 20_083);
        deleted.add(Category::Access, 1_064_832);
        Outcome {
            deleted,
            detached: 4_000,
            batches: 130,
            retries: 1,
            locked: 0,
            unseen: 0,
            elapsed: Duration::from_secs(10),
            busy: Duration::from_secs(8),
            paused: Duration::from_secs(2),
            longest: Duration::from_millis(190),
            stop,
        }
    }

    #[test]
    fn what_was_deleted_and_how_fast() {
        assert_eq!(
            render(&outcome(Stop::Finished), None),
            "Cleanup: 1,084,915 rows deleted in 10s (108,492 rows/s, 130 batches, longest 0.19s, 1 retry, 2.0s paused).\n\
             \x20      20,083  revoked refresh tokens\n\
             \x20   1,064,832  expired access tokens\n"
        );
        let nothing = Outcome { deleted: Tally::ZERO, batches: 0, ..outcome(Stop::Finished) };
        assert_eq!(render(&nothing, Some(0)), "Cleanup: nothing was deleted (10s).\n");
    }

    #[test]
    fn why_it_stopped_and_what_is_left() {
        let last = |outcome: &Outcome, total| render(outcome, total).lines().last().unwrap().to_owned();
        assert_eq!(
            last(&outcome(Stop::MaxRows), Some(1_084_916)),
            "Stopped: that is as many rows as allowed. 1 row left to delete."
        );
        assert_eq!(last(&outcome(Stop::MaxDuration), None), "Stopped: the time is up.");
        assert_eq!(
            last(&outcome(Stop::Interrupted), Some(2_084_915)),
            "Stopped: interrupted. 1,000,000 rows left to delete. The next run goes on from here."
        );
        let stuck = Stop::NoProgress {
            batches: 10,
            reason: Transient::Locked,
            detail: "canceling statement due to lock timeout".to_owned(),
        };
        assert_eq!(
            last(&outcome(stuck), None),
            "Stopped: 10 batches in a row got nowhere (another transaction holds a lock: canceling statement due to \
             lock timeout)."
        );
        let locked = Outcome { locked: 2, ..outcome(Stop::Finished) };
        assert_eq!(
            last(&locked, None),
            "2 rows were locked by other transactions throughout; the next run takes them."
        );
    }
}
