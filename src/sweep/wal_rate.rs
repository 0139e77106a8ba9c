//! How long to wait so that the server writes no more WAL than it may. Pure: told what was written, it decides.
//!
//! A bucket of bytes that fills at the permitted rate, up to one second's worth, and that WAL empties. Batches go on while
//! it is not below zero. What other sessions write counts too, because the server has one WAL. But while the run waits,
//! they do not make its debt larger: else a busy hour of theirs would stop the run for another hour.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct WalRate {
    /// Bytes a second.
    most: f64,
    /// Bytes that may be written now; below zero: debt.
    level: f64,
    /// The debt that the run's own last batch left.
    debt: f64,
    last: Option<Look>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    /// The end of the WAL.
    written: u64,
    /// Batches that the run had committed by then.
    batches: u64,
}

impl WalRate {
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub(super) const fn new(most: u64) -> Self {
        Self { most: most as f64, level: 0.0, debt: 0.0, last: None }
    }

    /// Takes note of the end of the WAL and of how many batches were committed; how long to wait. Zero: not at all.
    pub(super) fn wait(&mut self, written: u64, batches: u64, now: Instant) -> Duration {
        let look = Look { at: now, written, batches };
        let Some(last) = self.last.replace(look) else { return Duration::ZERO };
        let time = now.saturating_duration_since(last.at).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "what is written between two looks")]
        let new = written.saturating_sub(last.written) as f64;
        let level = (self.level + self.most * time).min(self.most) - new;
        if self.level < 0.0 && batches == last.batches {
            self.level = level.max(self.debt);
        } else {
            (self.level, self.debt) = (level, level.min(0.0));
        }
        Duration::try_from_secs_f64(-self.level / self.most).unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_batch_is_paid_for_before_the_next_one() {
        let (mut rate, start) = (WalRate::new(1_000), Instant::now());
        assert_eq!(rate.wait(5_000_000, 0, start), Duration::ZERO);
        // 3,000 bytes in half a second: 500 were permitted.
        assert_eq!(rate.wait(5_003_000, 1, start + SECOND / 2), 2_500 * MS);
        assert_eq!(rate.wait(5_003_000, 1, start + 2 * SECOND), SECOND);
        assert_eq!(rate.wait(5_003_000, 1, start + 3 * SECOND), Duration::ZERO);
    }

    #[test]
    fn idle_time_is_not_saved_up_for_more_than_a_second() {
        let (mut rate, start) = (WalRate::new(1_000), Instant::now());
        rate.wait(0, 0, start);
        assert_eq!(rate.wait(0, 0, start + 60 * SECOND), Duration::ZERO);
        assert_eq!(rate.wait(2_000, 1, start + 60 * SECOND), SECOND);
    }

    #[test]
    fn others_keep_the_run_waiting_and_do_not_add_to_its_debt() {
        let (mut rate, start) = (WalRate::new(1_000), Instant::now());
        rate.wait(0, 0, start);
        assert_eq!(rate.wait(2_000, 1, start + SECOND), SECOND);
        for second in 2..3_600_u64 {
            let wait = rate.wait(second * 10_000, 1, start + SECOND * u32::try_from(second).unwrap());
            assert_eq!(wait, SECOND, "{second}");
        }
        assert_eq!(rate.wait(35_990_000, 1, start + SECOND * 3_600), Duration::ZERO);
    }

    proptest! {
        /// However batches are spread, what is written in all is what was permitted by then, and one second and one batch.
        #[test]
        fn no_run_writes_more_than_it_may(
            most in 1_000_u32..1_000_000_000,
            batches in prop::collection::vec((1_u32..5_000_000, 1_u64..2_000), 1..200),
        ) {
            let (mut rate, start) = (WalRate::new(most.into()), Instant::now());
            let (mut now, mut written, mut largest) = (start, 0_u32, 0);
            rate.wait(0, 0, now);
            for (number, (bytes, milliseconds)) in (1..).zip(batches) {
                let permitted = ((now - start).as_secs_f64() + 1.0) * f64::from(most) + f64::from(largest);
                prop_assert!(f64::from(written) <= permitted + 1.0);
                written += bytes;
                largest = largest.max(bytes);
                now += Duration::from_millis(milliseconds);
                // It waits until it may go on, looking now and then.
                loop {
                    let wait = rate.wait(written.into(), number, now);
                    if wait.is_zero() {
                        break;
                    }
                    now += wait.min(SECOND).max(MS);
                }
            }
        }
    }
}
