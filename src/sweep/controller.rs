//! How many workers a run has with `workers = "auto"`. Pure: told what was measured, it decides.
//!
//! Begins with one and adds one at a time, as long as that makes the run faster by a fifth and its batches hardly slower.
//! So it stops where the next worker would mostly wait, for the disk, a processor or another worker, and leaves that to the
//! application. Takes one away when batches become slower, or when the run had to wait for a replica or anything else
//! that it watches. Tries again after a while, because the load changes.

/// What a worker more must bring.
const GROWTH: f64 = 1.2;

/// How much longer a batch may take for the same number of rows.
const SLOWER: f64 = 1.5;

/// Periods until it is tried again, the first time; it doubles each time. Short, because a single period says little: a
/// checkpoint may fall into it.
const REST: u32 = 2;

/// The same at most.
const LONGEST_REST: u32 = 128;

/// What was measured in one period, with the number of workers that was decided last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Rows a second, of all workers together.
    pub rate: f64,
    /// The time that a batch takes for one row.
    pub per_row: f64,
    /// Whether something that is watched spoke against a batch.
    pub held: bool,
}

#[derive(Debug)]
pub(super) struct Controller {
    workers: u32,
    most: u32,
    /// What was measured before the last worker was added, while that is on trial.
    before: Option<Measured>,
    /// The time for one row that is usual with this number.
    usual: Option<f64>,
    /// Periods until the next trial.
    rest: u32,
    /// How long the next rest is.
    next_rest: u32,
}

impl Controller {
    pub(super) const fn new(most: u32) -> Self {
        Self { workers: 1, most, before: None, usual: None, rest: 0, next_rest: REST }
    }

    /// No more than this number can work.
    pub(super) fn cap(&mut self, most: u32) -> u32 {
        self.most = self.most.min(most.max(1));
        if self.workers > self.most {
            self.workers = self.most;
            (self.before, self.usual) = (None, None);
        }
        self.workers
    }

    /// The number of workers from now on: one more, one less, or the same.
    pub(super) fn decide(&mut self, measured: &Measured) -> u32 {
        let before = self.before.take();
        if measured.held {
            return self.remove();
        }
        match (before, self.usual) {
            (Some(before), _) => {
                let grows = measured.rate >= before.rate * GROWTH;
                if !grows || measured.per_row > before.per_row * SLOWER {
                    return self.remove();
                }
                (self.rest, self.next_rest) = (0, REST);
            }
            (None, Some(usual)) if measured.per_row > usual * SLOWER => return self.remove(),
            (None, _) => {}
        }
        self.usual = Some(measured.per_row);
        if self.rest > 0 || self.workers == self.most {
            self.rest = self.rest.saturating_sub(1);
            return self.workers;
        }
        self.before = Some(*measured);
        self.workers += 1;
        self.workers
    }

    fn remove(&mut self) -> u32 {
        self.workers = (self.workers - 1).max(1);
        self.usual = None;
        self.rest = self.next_rest;
        self.next_rest = (self.next_rest * 2).min(LONGEST_REST);
        self.workers
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A server that works for a fixed number of sessions at once, and makes the others wait.
    fn server(workers: u32, room: f64) -> Measured {
        let busy = f64::from(workers).min(room);
        Measured { rate: 10_000.0 * busy, per_row: f64::from(workers) / busy, held: false }
    }

    /// The numbers of workers over some periods.
    fn run(controller: &mut Controller, periods: u32, measure: impl Fn(u32, u32) -> Measured) -> Vec<u32> {
        let mut workers = controller.workers;
        (0..periods)
            .map(|period| {
                workers = controller.decide(&measure(period, workers));
                workers
            })
            .collect()
    }

    #[test]
    fn two_processors_are_found_in_two_periods_and_a_third_is_tried_seldom() {
        let mut controller = Controller::new(8);
        let numbers = run(&mut controller, 200, |_, workers| server(workers, 2.0));
        assert_eq!(numbers[..3], [2, 3, 2]);
        let tries = numbers.iter().filter(|number| **number == 3).count();
        assert!(tries <= 8, "{tries}");
        assert!(numbers[3..].iter().all(|number| (2..=3).contains(number)), "{numbers:?}");
    }

    #[test]
    fn a_fifth_is_the_least_that_a_worker_must_bring() {
        for (gain, expected) in [(1.19, 1), (1.21, 2)] {
            let mut controller = Controller::new(2);
            let measure = |_, workers| Measured {
                rate: if workers == 1 { 100.0 } else { 100.0 * gain },
                per_row: 1.0,
                held: false,
            };
            assert_eq!(run(&mut controller, 4, measure).last(), Some(&expected));
        }
    }

    #[test]
    fn a_worker_goes_when_batches_become_slower_or_a_replica_falls_behind() {
        let mut controller = Controller::new(4);
        run(&mut controller, 20, |_, workers| server(workers, 4.0));
        assert_eq!(controller.workers, 4);
        let slow = Measured { per_row: 1.6, ..server(4, 4.0) };
        assert_eq!(controller.decide(&slow), 3);
        assert_eq!(controller.decide(&Measured { held: true, ..server(3, 4.0) }), 2);
        let held = |_, workers| Measured { held: true, ..server(workers, 4.0) };
        assert_eq!(run(&mut controller, 9, held).last(), Some(&1));
        // The load is gone, and after a while it comes back.
        assert_eq!(run(&mut controller, 300, |_, workers| server(workers, 4.0)).last(), Some(&4));
    }

    #[test]
    fn no_more_than_can_connect() {
        let mut controller = Controller::new(8);
        run(&mut controller, 9, |_, workers| server(workers, 8.0));
        assert_eq!(controller.cap(3), 3);
        assert!(
            run(&mut controller, 99, |_, workers| server(workers, 8.0)).iter().all(|workers| *workers <= 3)
        );
        assert_eq!(controller.cap(0), 1);
    }

    proptest! {
        /// Whatever is measured: one step at a time, within bounds.
        #[test]
        fn it_goes_step_by_step(
            most in 1_u32..10,
            measured in prop::collection::vec((1.0_f64..1e6, 1e-6_f64..1.0, prop::bool::weighted(0.1)), 0..200),
        ) {
            let mut controller = Controller::new(most);
            let mut workers = 1_u32;
            for (rate, per_row, held) in measured {
                let next = controller.decide(&Measured { rate, per_row, held });
                prop_assert!((1..=most).contains(&next));
                prop_assert!(next.abs_diff(workers) <= 1);
                prop_assert!(!held || next < workers || next == 1);
                workers = next;
            }
        }

        /// A server with room for some workers gets nearly as many, soon, also if the measurements are a tenth off. (A
        /// fifth more than four, at most, is five.)
        #[test]
        fn it_finds_the_room_that_there_is(
            room in 1_u32..5,
            noise in prop::collection::vec(0.97_f64..1.03, 100),
        ) {
            let mut controller = Controller::new(8);
            let numbers = run(&mut controller, 100, |period, workers| {
                let exact = server(workers, f64::from(room));
                let noise = noise[usize::try_from(period).unwrap()];
                Measured { rate: exact.rate * noise, per_row: exact.per_row / noise, held: false }
            });
            let soon = &numbers[usize::try_from(room).unwrap()..];
            prop_assert!(soon.iter().all(|workers| workers.abs_diff(room) <= 1), "{:?}", numbers);
            let exact = soon.iter().filter(|workers| **workers == room).count();
            prop_assert!(exact * 10 >= soon.len() * 8, "{:?}", numbers);
        }
    }
}
