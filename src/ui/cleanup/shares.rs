//! How the time of a cleanup was spent, in numbers. Pure.

use std::time::Duration;

use crate::sweep::Outcome;

/// What the workers did with their time, of 1. What is missing went into finding the next stretch, and into waiting for
/// other workers at the end of a sweep.
#[derive(Clone, Copy)]
pub(super) struct Shares {
    /// The time of all workers, in seconds.
    all: f64,
}

impl Shares {
    pub(super) fn new(outcome: &Outcome) -> Self {
        Self { all: outcome.available.as_secs_f64() }
    }

    /// A part of the time, from 0 to 1.
    pub(super) fn of(self, part: Duration) -> f64 {
        if self.all > 0.0 { (part.as_secs_f64() / self.all).min(1.0) } else { 0.0 }
    }
}

/// Rows a second.
pub(super) fn per_second(outcome: &Outcome) -> Option<u64> {
    let seconds = outcome.elapsed.as_secs_f64();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate, rounded for people"
    )]
    (seconds > 0.0).then(|| (outcome.rows() as f64 / seconds).round() as u64)
}

pub(super) fn seconds(duration: Duration) -> f64 {
    thousandths(duration.as_secs_f64())
}

pub(super) fn thousandths(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
