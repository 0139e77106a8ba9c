//! What a cleanup did: the last lines for people, an object for scripts. Pure.

mod run;
mod shares;

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::backlog::{self, CostView};
use super::cause;
use super::forecast_json::{self, ForecastView};
use super::plan::{grouped, number_and_fate, plural, visible, with_them};
use super::progress::{because, short};
use crate::health::backlog::Cost;
use crate::model::json;
use crate::model::words::bytes;
use crate::model::{CountMethod, ForeignRows, Tally};
use crate::plan::CleanupForecast;
use crate::sweep::{Disk, Outcome, Stop, Transient};

pub use run::{Run, stop_key};
use shares::{Shares, per_second};

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
    let noteworthy = outcome.paused + outcome.waited.total() >= Duration::from_secs(1);
    let shares = Shares::new(outcome);
    let waited: Vec<_> =
        outcome.waited.iter().map(|(kind, time)| (shares.of(time), cause::share(kind))).collect();
    [(shares.of(outcome.busy), "busy")]
        .into_iter()
        .chain(waited)
        .chain([(shares.of(outcome.paused), "paused")])
        .filter(move |(share, _)| noteworthy && *share >= 0.005)
        .map(|(share, what)| format!("{:.0}% {what}", share * 100.0))
}

fn batches(count: u64) -> String {
    if count == 1 { "1 batch".to_owned() } else { format!("{} batches", grouped(count)) }
}

fn ending(outcome: &Outcome, total: Option<u64>) -> String {
    let next = match outcome.position.as_ref().filter(|_| !outcome.remembered) {
        Some(position) => format!("To continue from here: --resume-from {position}"),
        None => "The next run continues from here.".to_owned(),
    };
    let left = total.map(|total| total.saturating_sub(outcome.deleted.total()));
    let left = match left {
        Some(0) => " Nothing is left to delete.".to_owned(),
        Some(left) => format!(" {} left to delete. {next}", plural(left, "row")),
        None => format!(" --dry-run counts what is left. {next}"),
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
        Stop::Held { cause, waited } => format!(
            "Stopped: it waited {} for {}, and nothing changed. {}{left}\n",
            short(*waited),
            cause::text(cause),
            cause::hint(cause)
        ),
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
    count: Option<CountMethod>,
    forecast: Option<ForecastView>,
    cost: Option<CostView>,
    others: Option<&'a [ForeignRows]>,
    spared_by_max_age: Option<u64>,
    run: Option<Run>,
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
        count: to_delete.map(|_| CountMethod::Exact),
        forecast: None,
        cost: None,
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
pub fn count_json(forecast: &CleanupForecast, cost: Option<&Cost>) -> Result<String, serde_json::Error> {
    let CleanupForecast { as_of, counted, others, spared_by_age } = forecast;
    object(&Object {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        as_of: Some(as_of),
        dry_run: true,
        deleted: None,
        to_delete: counted.exact(),
        count: Some(counted.method()),
        forecast: forecast_json::forecast(counted),
        cost: cost.map(backlog::view),
        others: Some(others),
        spared_by_max_age: *spared_by_age,
        run: None,
    })
}

fn object(object: &Object<'_>) -> Result<String, serde_json::Error> {
    json::document(object)
}

#[cfg(test)]
mod tests;
