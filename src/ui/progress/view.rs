//! What is known of a running cleanup, and what that looks like. Pure: knows no clock and no terminal.

mod words;

use std::time::Duration;

use serde_json::json;

use super::glyphs::Glyphs;
use crate::model::json;
use crate::model::{Counted, Sweep, TableRole, Tally};
use crate::sweep::{Cause, Event, Kind, Wait};
use crate::ui::plan::{grouped, plural, visible};
use crate::ui::{cause, waiting};

use words::{arrival, capitalised, clock, drawn, phase_key, shortened, step};
pub use words::{because, key, short};

/// There is no ETA before this number of batches, and before 1 % is done: it would be a guess.
const MEANINGFUL_BATCHES: u64 = 5;

/// The rate is an average over about this long.
const WINDOW: Duration = Duration::from_secs(10);

/// Narrower bars say nothing; wider ones do not say more.
const BAR_WIDTHS: std::ops::RangeInclusive<usize> = 8..=30;

/// How many rows a cleanup will delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    pub rows: u64,
    /// Whether they were counted, not estimated.
    pub exact: bool,
}

impl Total {
    /// `None`: nobody knows.
    #[must_use]
    pub fn of(counted: &Counted) -> Option<Self> {
        counted.about().map(|rows| Self { rows, exact: counted.exact().is_some() })
    }

    /// Never less than what is done already.
    fn shown(self, deleted: u64) -> String {
        let rows = grouped(self.rows.max(deleted));
        if self.exact { rows } else { format!("about {rows}") }
    }
}

/// A running cleanup.
#[derive(Clone, Debug)]
pub struct View {
    /// How many rows will go, all told.
    total: Option<Total>,
    deleted: u64,
    /// Rows of the project's own tables that went or were changed along.
    others: u64,
    batches: u64,
    /// Rows a second.
    rate: f64,
    /// When the last batch was done.
    last: Duration,
    /// The sweep at work.
    title: &'static str,
    /// About how many rows it will look at.
    rows: Option<u64>,
    examined: u64,
    /// The last batch: its rows, and how long it took.
    batch: Option<(u64, Duration)>,
    /// What the run waits for.
    waiting: Option<String>,
    /// The step of a rewrite, which goes by steps and not by rows.
    step: Option<String>,
}

impl View {
    /// Nothing has happened yet.
    #[must_use]
    pub const fn new(total: Option<Total>) -> Self {
        Self {
            total,
            deleted: 0,
            others: 0,
            batches: 0,
            rate: 0.0,
            last: Duration::ZERO,
            title: "",
            rows: None,
            examined: 0,
            batch: None,
            waiting: None,
            step: None,
        }
    }

    /// Takes note of an event, `now` after the start.
    pub fn update(&mut self, event: &Event<'_>, now: Duration) {
        self.waiting = None;
        self.step = None;
        match event {
            Event::Started { sweep, rows } => {
                self.title = sweep.title();
                self.rows = *rows;
                self.examined = 0;
            }
            Event::Batch(batch) => {
                let rows = batch.deleted.total();
                self.deleted += rows;
                self.others += batch.others;
                self.examined += batch.examined;
                if rows > 0 {
                    self.batches += 1;
                    self.batch = Some((rows, batch.elapsed));
                }
                self.measure(rows, now);
            }
            Event::Retry { reason, wait, .. } if !wait.is_zero() => {
                self.waiting = Some(format!("{}, next try in {}", because(*reason), short(*wait)));
            }
            Event::Blocked(blocked) => {
                self.waiting = Some(format!("waiting for {}", visible(&blocked.to_string())));
            }
            Event::Waiting { reason: Wait::Locks, wait } => {
                self.waiting = Some(format!("waiting {} for locked rows", short(*wait)));
            }
            Event::Waiting { reason: Wait::Pace, wait } if *wait >= Duration::from_secs(1) => {
                self.waiting = Some(format!("pausing {}", short(*wait)));
            }
            Event::Held { cause, .. } => {
                self.waiting = Some(format!("waiting for {}", cause::text(cause)));
            }
            Event::Step { phase, table, number, of, elapsed } => {
                let what = step(*phase, *table);
                self.step = Some(format!("step {number}/{of}: {what}, {}", clock(*elapsed)));
            }
            Event::Retry { .. }
            | Event::Waiting { .. }
            | Event::Unwatched(_)
            | Event::Triggers { .. }
            | Event::Unvacuumed { .. }
            | Event::Finished { .. } => {}
        }
    }

    /// The average over all until a window is full, then an exponentially weighted one.
    fn measure(&mut self, rows: u64, now: Duration) {
        let interval = now.saturating_sub(self.last).as_secs_f64().max(1e-3);
        self.last = now;
        let weight =
            (interval / now.as_secs_f64().max(interval)).max(1.0 - (-interval / WINDOW.as_secs_f64()).exp());
        #[expect(clippy::cast_precision_loss, reason = "rows of one batch")]
        let current = rows as f64 / interval;
        self.rate += weight * (current - self.rate);
    }

    /// How much is done, of a thousand; of the table at hand where the total is not known.
    fn permille(&self) -> Option<u64> {
        let (done, of) = match (self.total, self.rows) {
            (Some(total), _) => (self.deleted, total.rows),
            (None, Some(rows)) => (self.examined, rows),
            (None, None) => return None,
        };
        (of > 0).then(|| (done.saturating_mul(1_000) / of).min(1_000))
    }

    fn eta(&self) -> Option<Duration> {
        let left = self.total?.rows.saturating_sub(self.deleted);
        let meaningful = self.batches >= MEANINGFUL_BATCHES && self.permille()? >= 10 && self.rate >= 1.0;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        meaningful.then(|| Duration::try_from_secs_f64(left as f64 / self.rate).ok()).flatten()
    }

    fn done(&self) -> String {
        let done = match self.total {
            Some(total) => format!("{}/{} rows", grouped(self.deleted), total.shown(self.deleted)),
            None => plural(self.deleted, "row"),
        };
        done + &self.along()
    }

    /// What went along, where the project has such tables.
    fn along(&self) -> String {
        if self.others == 0 { String::new() } else { format!(" + {} of other tables", grouped(self.others)) }
    }

    fn pace(&self) -> Option<String> {
        (self.rate >= 1.0).then(|| format!("{} rows/s", grouped(self.rounded_rate())))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; saturates far beyond any rate"
    )]
    fn rounded_rate(&self) -> u64 {
        self.rate.round() as u64
    }

    /// One line of at most `width` columns. What matters least is left out first.
    #[must_use]
    pub fn bar(&self, width: usize, glyphs: Glyphs) -> String {
        if let Some(step) = &self.step {
            return format!("rewriting  {step}").chars().take(width).collect();
        }
        let percent = self.permille().map(|permille| format!("{:>3}%", permille / 10));
        let eta = self.eta().map(arrival);
        let batch =
            self.batch.map(|(rows, elapsed)| format!("batch of {} in {}", grouped(rows), short(elapsed)));
        // In the order in which they stay.
        let kept = [Some(self.done()), self.waiting.clone(), eta, self.pace(), batch];
        let mut parts: Vec<String> = Vec::new();
        let mut used = self.title.len() + percent.as_ref().map_or(0, |percent| percent.len() + 1);
        let reserved = percent.as_ref().map_or(0, |_| BAR_WIDTHS.start() + 1);
        for part in kept.into_iter().flatten() {
            if used + reserved + part.len() + 2 > width {
                break;
            }
            used += part.len() + 2;
            parts.push(part);
        }
        if let Some(waiting) = self.waiting.as_ref().filter(|waiting| !parts.contains(waiting)) {
            // While nothing moves, why is worth more than how far.
            return shortened(&format!("{}  {waiting}", self.title), width, glyphs);
        }
        let bar = self
            .permille()
            .filter(|_| used + 1 + BAR_WIDTHS.start() <= width)
            .map(|permille| drawn(permille, (width - used - 1).min(*BAR_WIDTHS.end()), glyphs));
        let head: Vec<String> = [Some(self.title.to_owned()), bar, percent].into_iter().flatten().collect();
        let mut line = head.join(" ");
        for part in parts {
            line.push_str("  ");
            line.push_str(&part);
        }
        if line.chars().count() > width { line.chars().take(width).collect() } else { line }
    }

    /// The same where lines stay.
    #[must_use]
    pub fn line(&self) -> String {
        let done = match self.total {
            Some(total) => {
                let noun = if total.rows.max(self.deleted) == 1 { "row" } else { "rows" };
                format!("{} of {} {noun} deleted", grouped(self.deleted), total.shown(self.deleted))
            }
            None => format!("{} deleted", plural(self.deleted, "row")),
        } + &self.along();
        let percent = self.permille().map(|permille| match self.total {
            Some(_) => format!("{}%", permille / 10),
            None => format!("{}% of the table looked at", permille / 10),
        });
        let eta = self.eta().map(arrival);
        let parts: Vec<String> = [Some(done), percent, self.pace(), eta].into_iter().flatten().collect();
        format!("{}: {}", capitalised(self.title), parts.join(", "))
    }

    /// What the run waits for, as a sentence begins.
    #[must_use]
    pub fn waiting(&self) -> Option<String> {
        self.waiting
            .as_deref()
            .map(capitalised)
            .or_else(|| self.step.as_ref().map(|step| format!("Rewriting, {step}")))
    }

    /// What is worth a line of its own at once.
    #[must_use]
    pub fn notice(&self, event: &Event<'_>) -> Option<String> {
        match event {
            Event::Finished { sweep, deleted, elapsed } if deleted.total() > 0 => {
                let rows = plural(deleted.total(), "row");
                Some(format!("{}: {rows} deleted in {}", capitalised(sweep.title()), short(*elapsed)))
            }
            Event::Retry { .. } | Event::Blocked(_) | Event::Waiting { reason: Wait::Locks, .. } => {
                self.waiting.as_deref().map(capitalised)
            }
            Event::Held { cause, waited } if waited.is_zero() && !is_frequent(cause) => {
                self.waiting.as_deref().map(capitalised)
            }
            Event::Step { phase, table, number, of, elapsed } if elapsed.is_zero() => {
                Some(format!("Rewriting, step {number} of {of}: {}", step(*phase, *table)))
            }
            Event::Unvacuumed { reason } => Some(format!(
                "The rewritten tables have no statistics yet: {reason}. Run VACUUM (ANALYZE) as their owner."
            )),
            Event::Unwatched(unwatched) => Some(cause::unwatched(unwatched)),
            Event::Triggers { reasons } => {
                Some(format!("Triggers check the references: {}.", visible(reasons)))
            }
            Event::Started { .. }
            | Event::Batch(_)
            | Event::Waiting { reason: Wait::Pace, .. }
            | Event::Held { .. }
            | Event::Step { .. }
            | Event::Finished { .. } => None,
        }
    }

    /// The event as a JSON object; `None`: nothing that a script would want.
    #[must_use]
    pub fn object(&self, event: &Event<'_>) -> Option<String> {
        let seconds = |duration: &Duration| (duration.as_secs_f64() * 1_000.0).round() / 1_000.0;
        let object = match event {
            Event::Started { sweep, rows } => {
                json!({"event": "started", "categories": categories(sweep), "rows_estimated": rows})
            }
            Event::Batch(batch) => json!({
                "event": "progress",
                "categories": categories(batch.sweep),
                "rows_deleted": self.deleted,
                "rows_total": self.total.filter(|total| total.exact).map(|total| total.rows),
                "rows_of_others": self.others,
                "rows_per_second": self.rounded_rate(),
                "eta_seconds": self.eta().map(|eta| eta.as_secs()),
                "batch_rows": batch.deleted.total(),
                "batch_limit": batch.size,
                "batch_seconds": seconds(&batch.elapsed),
            }),
            Event::Retry { sweep, reason, stalled, wait } => json!({
                "event": "retry",
                "categories": categories(sweep),
                "reason": key(*reason),
                "stalled": stalled,
                "wait_seconds": seconds(wait),
            }),
            Event::Blocked(blocked) => waiting::object(blocked),
            Event::Waiting { reason: Wait::Locks, wait } => {
                json!({"event": "waiting", "reason": "locks", "wait_seconds": seconds(wait)})
            }
            Event::Waiting { reason: Wait::Pace, .. } => return None,
            Event::Held { cause, waited } => cause::object(cause, *waited),
            Event::Step { phase, table, number, of, elapsed } => json!({
                "event": "step",
                "phase": phase_key(*phase),
                "table": table.map(TableRole::key),
                "number": number,
                "of": of,
                "seconds": seconds(elapsed),
            }),
            Event::Unvacuumed { reason } => json!({"event": "unvacuumed", "reason": reason}),
            Event::Unwatched(unwatched) => json!({
                "event": "unwatched",
                "setting": cause::setting(unwatched),
                "reason": cause::unwatched(unwatched),
            }),
            Event::Triggers { reasons } => json!({"event": "triggers", "reason": reasons}),
            Event::Finished { sweep, deleted, elapsed } => json!({
                "event": "finished",
                "categories": categories(sweep),
                "deleted": tally_of(sweep, deleted),
                "seconds": seconds(elapsed),
            }),
        };
        json::line(&object).ok()
    }
}

/// Whether it comes with nearly every batch, so that its beginning is no news.
pub(super) fn is_frequent(cause: &Cause) -> bool {
    cause.kind() == Kind::WalRate
}

fn categories(sweep: &Sweep) -> Vec<&'static str> {
    sweep.categories().into_iter().map(crate::model::Category::key).collect()
}

fn tally_of(sweep: &Sweep, deleted: &Tally) -> serde_json::Value {
    sweep.categories().into_iter().map(|category| (category.key(), deleted.get(category))).collect()
}

#[cfg(test)]
mod tests;
