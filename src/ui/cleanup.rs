//! What a cleanup did: the last lines for people, an object for scripts. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::plan::{grouped, number_and_fate, plural, visible, with_them};
use super::progress::{because, key, short};
use crate::model::json;
use crate::model::words::bytes;
use crate::model::{ForeignRows, ForeignTally, Tally};
use crate::sweep::{Disk, Outcome, Stop, Transient};

/// The version of the JSON object.
pub const FORMAT_VERSION: &str = "1.0";

/// What was deleted, what is left and why it stopped. `total`: how many rows there were to delete, where that was
/// counted.
#[must_use]
pub fn render(outcome: &Outcome, total: Option<u64>) -> String {
    let deleted = outcome.rows();
    let mut out = String::new();
    if deleted == 0 {
        let parts: Vec<String> = [short(outcome.elapsed)].into_iter().chain(shares(outcome)).collect();
        let _ = writeln!(out, "Cleanup: nothing was deleted ({}).", parts.join(", "));
    } else {
        let _ = writeln!(
            out,
            "Cleanup: {} deleted in {} ({}).",
            plural(deleted, "row"),
            short(outcome.elapsed),
            effort(outcome)
        );
        let counts = outcome.deleted.iter().map(|(_, rows)| rows).chain([outcome.dependents]);
        let along: Vec<_> = outcome.others.iter().map(number_and_fate).collect();
        let widths = counts.map(|rows| grouped(rows).len()).chain(along.iter().map(|(count, _)| count.len()));
        let width = widths.max().unwrap_or_default();
        for (category, rows) in outcome.deleted.iter().filter(|(_, rows)| *rows > 0) {
            let _ = writeln!(out, "    {:>width$}  {}", grouped(rows), category.title());
        }
        if outcome.dependents > 0 {
            let what = "grants and tokens of these applications";
            let _ = writeln!(out, "    {:>width$}  {what}", grouped(outcome.dependents));
        }
        out += &with_them(&along, width);
    }
    if let Some(Disk { before, after }) = outcome.disk {
        let _ = writeln!(out, "On disk: {} before, {} after.", bytes(before), bytes(after));
    }
    if let Some(locked) = outcome.exclusive {
        let _ = writeln!(out, "The tables were locked for {}.", short(locked));
    }
    out.push_str(&ending(outcome, total));
    out
}

/// Why a cleanup after a plan deletes fewer rows than the plan counted. `counted`: again, before the cleanup.
#[must_use]
pub fn fewer_than_planned(planned: u64, counted: u64) -> String {
    match planned.checked_sub(counted) {
        None | Some(0) => String::new(),
        Some(gone) => format!(
            "{} of the {} that the plan counted were deleted with an application, or changed since.\n",
            grouped(gone),
            plural(planned, "row")
        ),
    }
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
    parts.extend(shares(outcome));
    parts.join(", ")
}

/// How the time was spent, where that was not all work.
fn shares(outcome: &Outcome) -> impl Iterator<Item = String> + use<> {
    let noteworthy = outcome.paused + outcome.throttled >= Duration::from_secs(1);
    let Shares { busy, throttled, paused } = Shares::of(outcome);
    [(busy, "busy"), (throttled, "waiting for replicas"), (paused, "paused")]
        .into_iter()
        .filter(move |(share, _)| noteworthy && *share >= 0.005)
        .map(|(share, what)| format!("{:.0}% {what}", share * 100.0))
}

/// What the workers did with their time, of 1. What is missing went into finding the next stretch, and into waiting for
/// other workers at the end of a sweep.
struct Shares {
    busy: f64,
    throttled: f64,
    paused: f64,
}

impl Shares {
    fn of(outcome: &Outcome) -> Self {
        let all = outcome.elapsed.as_secs_f64() * f64::from(outcome.workers);
        let share = |part: Duration| if all > 0.0 { (part.as_secs_f64() / all).min(1.0) } else { 0.0 };
        Self { busy: share(outcome.busy), throttled: share(outcome.throttled), paused: share(outcome.paused) }
    }
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
    (seconds > 0.0).then(|| (outcome.rows() as f64 / seconds).round() as u64)
}

fn ending(outcome: &Outcome, total: Option<u64>) -> String {
    const NEXT: &str = "The next run continues from here.";
    let left = total.map(|total| total.saturating_sub(outcome.deleted.total()));
    let left = match left {
        Some(0) => " Nothing is left to delete.".to_owned(),
        Some(left) => format!(" {} left to delete. {NEXT}", plural(left, "row")),
        None => format!(" {NEXT} --dry-run counts what is left."),
    };
    let mut text = match &outcome.stop {
        Stop::Finished if outcome.locked == 0 => "Finished: nothing is left to delete.\n".to_owned(),
        Stop::Finished => {
            let (rows, verb) =
                (plural(outcome.locked, "row"), if outcome.locked == 1 { "was" } else { "were" });
            format!(
                "Finished: {rows} {verb} locked by other transactions during the whole run; the next run deletes them.\n"
            )
        }
        Stop::MaxRows => format!("Stopped: the limit on rows (max_rows) is reached.{left}\n"),
        Stop::MaxDuration => format!("Stopped: the time limit (max_duration) is reached.{left}\n"),
        Stop::Interrupted => format!("Stopped: interrupted.{left}\n"),
        Stop::LockTimeout { limit } => {
            let limit = humantime::format_duration(*limit);
            format!("Stopped: the lock was not free within {limit} (--lock-timeout).{left}\n")
        }
        Stop::NoProgress { batches, reason, detail } => {
            let batches = self::batches(u64::from(*batches));
            format!(
                "Stopped: {batches} in a row deleted nothing ({}: {detail}). {}{left}\n",
                because(*reason),
                hint(*reason)
            )
        }
        Stop::Failed { detail } => {
            let detail = visible(detail.trim_end_matches('.'));
            format!(
                "Stopped: it failed ({detail}). How many rows are left is not known; --dry-run counts them.\n"
            )
        }
    };
    if outcome.is_prevented() {
        text.insert_str(0, &prevented(outcome));
    }
    if outcome.unseen > 0 {
        let batches = batches(outcome.unseen);
        let _ = writeln!(
            text,
            "Of {batches} the connection was lost at COMMIT; their rows are not counted here."
        );
    }
    text
}

/// That locks of other sessions are why nothing was deleted.
fn prevented(outcome: &Outcome) -> String {
    let who =
        outcome.holder.as_ref().map(|blocked| format!(": it waited for {}", visible(&blocked.to_string())));
    format!("Locks of other sessions prevented every batch{}.\n", who.unwrap_or_default())
}

/// What to do about a run that gets nowhere.
const fn hint(reason: Transient) -> &'static str {
    match reason {
        Transient::Locked | Transient::Deadlock | Transient::Changed => {
            "Look for transactions that stay open in pg_stat_activity."
        }
        Transient::Referenced => "Look for the table that keeps referring to these rows.",
        Transient::TooSlow => {
            "Look for missing indexes on the referring columns, or for a server that is overloaded."
        }
        Transient::Disconnected => "Look at the server's log.",
    }
}

#[derive(Serialize)]
struct Object<'a> {
    format_version: &'static str,
    tool_version: &'static str,
    as_of: Option<&'a str>,
    dry_run: bool,
    deleted: Option<&'a Tally>,
    to_delete: Option<&'a Tally>,
    others: Option<&'a [ForeignRows]>,
    spared_by_max_age: Option<u64>,
    run: Option<Run>,
}

/// The statistics of a run, for scripts.
#[derive(Debug, Serialize)]
pub struct Run {
    stop: &'static str,
    stop_reason: Option<&'static str>,
    stop_detail: Option<String>,
    locked: u64,
    dependents: u64,
    others: ForeignTally,
    detached: u64,
    batches: u64,
    retries: u64,
    blocked_batches: u64,
    unseen_batches: u64,
    seconds: f64,
    workers: u32,
    busy_seconds: f64,
    throttled_seconds: f64,
    paused_seconds: f64,
    busy_share: f64,
    throttled_share: f64,
    paused_share: f64,
    longest_batch_seconds: f64,
    rows_per_second: Option<u64>,
    bytes_before: Option<u64>,
    bytes_after: Option<u64>,
    exclusive_seconds: Option<f64>,
}

impl From<&Outcome> for Run {
    fn from(outcome: &Outcome) -> Self {
        let Outcome {
            deleted: _,
            dependents,
            others,
            detached,
            batches,
            retries,
            blocked,
            idle: _,
            holder: _,
            locked,
            unseen,
            elapsed,
            busy,
            throttled,
            paused,
            workers,
            longest,
            disk,
            exclusive,
            stop,
        } = outcome;
        let (stop_reason, stop_detail) = match stop {
            Stop::NoProgress { reason, detail, .. } => (Some(key(*reason)), Some(detail.clone())),
            Stop::Failed { detail } => (None, Some(detail.clone())),
            Stop::Finished
            | Stop::MaxRows
            | Stop::MaxDuration
            | Stop::Interrupted
            | Stop::LockTimeout { .. } => {
                let holder = outcome.holder.as_ref().filter(|_| outcome.is_prevented());
                (outcome.is_prevented().then(|| key(Transient::Locked)), holder.map(ToString::to_string))
            }
        };
        let shares = Shares::of(outcome);
        Self {
            stop: stop_key(stop),
            stop_reason,
            stop_detail,
            locked: *locked,
            dependents: *dependents,
            others: others.clone(),
            detached: *detached,
            batches: *batches,
            retries: *retries,
            blocked_batches: *blocked,
            unseen_batches: *unseen,
            seconds: seconds(*elapsed),
            workers: *workers,
            busy_seconds: seconds(*busy),
            throttled_seconds: seconds(*throttled),
            paused_seconds: seconds(*paused),
            busy_share: thousandths(shares.busy),
            throttled_share: thousandths(shares.throttled),
            paused_share: thousandths(shares.paused),
            longest_batch_seconds: seconds(*longest),
            rows_per_second: per_second(outcome),
            bytes_before: disk.map(|disk| disk.before),
            bytes_after: disk.map(|disk| disk.after),
            exclusive_seconds: exclusive.map(seconds),
        }
    }
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
    object(&Object {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        as_of: Some(as_of),
        dry_run: false,
        deleted: Some(&outcome.deleted),
        to_delete,
        others: None,
        spared_by_max_age: None,
        run: Some(Run::from(outcome)),
    })
}

/// The end of a run as one line of the progress objects.
///
/// # Errors
/// Serde's, which do not occur.
pub fn stopped_json(outcome: &Outcome) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Stopped<'a> {
        event: &'static str,
        deleted: &'a Tally,
        #[serde(flatten)]
        run: Run,
    }
    json::line(&Stopped { event: "stopped", deleted: &outcome.deleted, run: Run::from(outcome) })
}

/// A dry run, as JSON.
///
/// # Errors
/// Serde's, which do not occur.
pub fn count_json(
    as_of: &str,
    to_delete: &Tally,
    spared_by_max_age: Option<u64>,
    others: &[ForeignRows],
) -> Result<String, serde_json::Error> {
    object(&Object {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        as_of: Some(as_of),
        dry_run: true,
        deleted: None,
        to_delete: Some(to_delete),
        others: Some(others),
        spared_by_max_age,
        run: None,
    })
}

fn object(object: &Object<'_>) -> Result<String, serde_json::Error> {
    json::document(object)
}

fn seconds(duration: Duration) -> f64 {
    thousandths(duration.as_secs_f64())
}

fn thousandths(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

/// Why a run ended, for scripts and for the ledger.
#[must_use]
pub const fn stop_key(stop: &Stop) -> &'static str {
    match stop {
        Stop::Finished => "finished",
        Stop::MaxRows => "max_rows",
        Stop::MaxDuration => "max_duration",
        Stop::Interrupted => "interrupted",
        Stop::NoProgress { .. } | Stop::LockTimeout { .. } => "no_progress",
        Stop::Failed { .. } => "failed",
    }
}

#[cfg(test)]
mod tests;
