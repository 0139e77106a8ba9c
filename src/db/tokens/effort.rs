//! How much a forecast reads: so many blocks that the time suffices.

use std::time::Duration;

use tokio::time::Instant;

/// The planner's unit is the reading of one block, about 10 µs from memory; that is also what a row with its join takes.
const UNIT: Duration = Duration::from_micros(10);

/// A table whose exact count takes no more than this part of the budget is counted.
const CHEAP: u32 = 20;

/// The blocks of a first round, which shows how long a block takes.
const FIRST_BLOCKS: f64 = 32.0;

/// A further round may have this many times the blocks of the last one.
const MOST_GROWTH: f64 = 8.0;

/// From this share of the blocks on, in percent, all rows are counted instead.
const ALL: f64 = 50.0;

/// A round may take less time than is left, in case that it takes longer than the last one did per block.
const MARGIN: f64 = 0.7;

/// How much is read.
#[derive(Clone, Copy, Debug)]
pub enum Effort {
    /// As much as this time allows.
    Within(Budget),
    /// One round, with this share of the blocks of each table, in percent: the same on every machine.
    Once { percent: f64 },
}

/// Time that is spent from a moment on.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    whole: Duration,
    end: Instant,
}

impl Budget {
    /// The time begins to run with this call.
    #[must_use]
    pub fn new(whole: Duration) -> Self {
        Self { whole, end: Instant::now() + whole }
    }

    /// What is not spent so far.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// What a count may take that was expected to take hardly anything. The planner may be wrong.
    pub(super) fn a_little(&self) -> Duration {
        self.left().min(self.whole * 2 / CHEAP)
    }

    /// The moment when a part of what is left will be spent.
    pub(super) fn part(&self, share: f64) -> Instant {
        Instant::now() + self.left().mul_f64(share.clamp(0.0, 1.0))
    }

    /// Whether a count of this cost, in the planner's units, fits in.
    #[must_use]
    pub fn covers(&self, cost: f64) -> bool {
        predicted(cost) <= self.left()
    }

    /// Whether a count of this cost takes hardly any of it.
    pub(super) fn hardly_notices(&self, cost: f64) -> bool {
        predicted(cost) <= self.whole / CHEAP
    }
}

/// Whether a time is too short for the server, which measures milliseconds.
pub(super) fn is_spent(left: Duration) -> bool {
    left < Duration::from_millis(1)
}

fn predicted(cost: f64) -> Duration {
    Duration::try_from_secs_f64(UNIT.as_secs_f64() * cost.max(0.0)).unwrap_or(Duration::MAX)
}

/// The share of the first round, in percent. `None`: all rows are to be counted.
pub(super) fn first(blocks: f64) -> Option<f64> {
    let percent = 100.0 * FIRST_BLOCKS / blocks.max(1.0);
    (percent < ALL).then_some(percent)
}

/// What comes after a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// A round with this share of the blocks, in percent.
    Round(f64),
    /// All rows can be counted in what is left.
    All,
    Enough,
}

/// What comes after a round of this share, in percent, that took this long, if this much time is left.
pub(super) fn next(percent: f64, took: Duration, left: Duration) -> Next {
    let growth = MARGIN * left.as_secs_f64() / took.as_secs_f64().max(0.000_1);
    if growth * percent >= 100.0 {
        return Next::All;
    }
    if growth < 1.0 {
        return Next::Enough;
    }
    Next::Round((percent * growth.min(MOST_GROWTH)).min(ALL))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn rounds_grow_with_the_time_that_is_left() {
        assert_eq!(first(3_200_000.0), Some(0.001));
        assert_eq!(first(10.0), None);
        assert_eq!(next(0.01, 10 * MS, 10_000 * MS), Next::Round(0.08));
        let Next::Round(percent) = next(0.01, 100 * MS, 300 * MS) else { panic!() };
        assert!((percent - 0.021).abs() < 1e-9, "{percent}");
        assert_eq!(next(0.01, 100 * MS, 120 * MS), Next::Enough);
        assert_eq!(next(20.0, 10 * MS, 100 * MS), Next::All);
        assert_eq!(next(40.0, 100 * MS, 200 * MS), Next::Round(50.0));
    }

    #[test]
    fn a_cost_is_a_time() {
        assert_eq!(predicted(100_000.0), Duration::from_secs(1));
        assert_eq!(predicted(-1.0), Duration::ZERO);
        assert_eq!(predicted(f64::INFINITY), Duration::MAX);
    }
}
