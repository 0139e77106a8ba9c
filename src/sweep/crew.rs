//! Which of the workers may work now. With a fixed number that is all of them, always; with `workers = "auto"` the
//! [`Controller`] decides by what is measured here.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::controller::{Controller, Measured};
use crate::model::Workers;

/// Batches of each worker in one period. The rate is that of each worker, added up, so that it does not depend on how many
/// batches happen to end in the period.
const BATCHES: u32 = 2;

/// The least time of a period: with small batches it has more of them.
const PERIOD: Duration = Duration::from_millis(100);

/// A row that is looked at and stays takes about this part of the time of a row that is deleted.
const LOOK: f64 = 0.1;

pub(super) struct Crew {
    signal: watch::Sender<Signal>,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct Signal {
    /// Workers with a lower number may work.
    allowed: u32,
    /// Whether a worker has come to the end of the walk.
    ended: bool,
}

struct State {
    /// `None`: the number is fixed.
    controller: Option<Controller>,
    /// When the number changed last.
    changed: Instant,
    /// The time of all workers until then.
    time: Duration,
    reached: u32,
    period: Period,
}

/// What has been measured since the last decision.
struct Period {
    began: Instant,
    batches: u32,
    rows: f64,
    /// From the end of one batch to the end of the next.
    cycles: Duration,
    busy: Duration,
    /// How long the run had waited for what it watches when the period began.
    waited: Duration,
}

/// A batch of a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// When the worker ended its last batch, or began to work.
    pub since: Instant,
    pub deleted: u64,
    pub examined: u32,
    pub elapsed: Duration,
    /// How long the run has waited by now for what it watches, apart from vacuums.
    pub waited: Duration,
}

impl Period {
    fn new(waited: Duration) -> Self {
        let began = Instant::now();
        Self { began, batches: 0, rows: 0.0, cycles: Duration::ZERO, busy: Duration::ZERO, waited }
    }

    #[expect(clippy::cast_precision_loss, reason = "rows of one batch")]
    fn add(&mut self, turn: &Turn) {
        self.batches += 1;
        self.rows += turn.deleted as f64 + f64::from(turn.examined) * LOOK;
        self.cycles += turn.since.elapsed();
        self.busy += turn.elapsed;
    }

    /// `None`: it is too early.
    fn measured(&self, workers: u32, waited: Duration) -> Option<Measured> {
        let complete = self.batches >= BATCHES * workers && self.began.elapsed() >= PERIOD;
        (complete && self.rows > 0.0 && !self.cycles.is_zero()).then(|| Measured {
            rate: f64::from(workers) * self.rows / self.cycles.as_secs_f64(),
            per_row: self.busy.as_secs_f64() / self.rows,
            held: waited > self.waited,
        })
    }
}

impl Crew {
    pub(super) fn new(workers: Workers) -> Self {
        let (allowed, controller) = match workers {
            Workers::Fixed(count) => (count.get(), None),
            Workers::Auto => (1, Some(Controller::new(workers.most()))),
        };
        let period = Period::new(Duration::ZERO);
        let state =
            State { controller, changed: Instant::now(), time: Duration::ZERO, reached: allowed, period };
        let signal = watch::Sender::new(Signal { allowed, ended: false });
        Self { signal, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many may work.
    pub(super) fn allowed(&self) -> u32 {
        self.signal.borrow().allowed
    }

    /// Whether the number changes during the run.
    pub(super) fn is_auto(&self) -> bool {
        self.state().controller.is_some()
    }

    /// The time of all workers together, and the most that worked at the same time.
    pub(super) fn time(&self) -> (Duration, u32) {
        let state = self.state();
        (state.time + state.changed.elapsed() * self.allowed(), state.reached)
    }

    /// A walk begins.
    pub(super) fn begin(&self) {
        self.signal.send_modify(|signal| signal.ended = false);
    }

    /// A worker has come to the end of the walk: the others need not wait for their turn.
    pub(super) fn end(&self) {
        self.signal.send_modify(|signal| signal.ended = true);
    }

    /// Waits until this worker may work; `false`: the walk has ended meanwhile.
    pub(super) async fn admits(&self, number: u32) -> bool {
        let mut signal = self.signal.subscribe();
        let admitted = signal.wait_for(|signal| number < signal.allowed || signal.ended).await;
        admitted.is_ok_and(|signal| number < signal.allowed)
    }

    /// No more than this number can work.
    pub(super) fn cap(&self, most: u32) {
        let mut state = self.state();
        let allowed = match &mut state.controller {
            Some(controller) => controller.cap(most),
            None => self.allowed().min(most.max(1)),
        };
        let waited = state.period.waited;
        self.change(&mut state, allowed, waited);
        // Those beyond that have not worked.
        state.reached = state.reached.min(most.max(1));
    }

    /// A worker has done a batch.
    pub(super) fn note(&self, turn: &Turn) {
        let mut state = self.state();
        // What began with another number of workers says nothing about this one.
        if state.controller.is_none() || turn.since < state.changed {
            return;
        }
        state.period.add(turn);
        let Some(measured) = state.period.measured(self.allowed(), turn.waited) else { return };
        let Some(controller) = &mut state.controller else { return };
        let allowed = controller.decide(&measured);
        self.change(&mut state, allowed, turn.waited);
    }

    fn change(&self, state: &mut State, allowed: u32, waited: Duration) {
        state.period = Period::new(waited);
        let now = self.allowed();
        if allowed == now {
            return;
        }
        state.time += state.changed.elapsed() * now;
        state.changed = Instant::now();
        state.reached = state.reached.max(allowed);
        self.signal.send_modify(|signal| signal.allowed = allowed);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[tokio::test]
    async fn a_fixed_number_works_always_and_no_one_waits_beyond_the_end() {
        let crew = Crew::new(Workers::Fixed(NonZeroU32::new(2).unwrap()));
        assert!(crew.admits(0).await && crew.admits(1).await);
        crew.end();
        assert!(crew.admits(1).await && !crew.admits(2).await);
        assert!(!crew.is_auto());
        assert_eq!(crew.time().1, 2);
    }

    #[tokio::test]
    async fn the_next_worker_waits_for_its_turn() {
        let crew = Crew::new(Workers::Auto);
        assert!(crew.admits(0).await);
        let waited = Duration::ZERO;
        let since = Instant::now();
        let ((), second) = tokio::join!(
            async {
                tokio::time::sleep(2 * PERIOD).await;
                for _ in 0..BATCHES {
                    let elapsed = since.elapsed();
                    crew.note(&Turn { since, deleted: 100, examined: 100, elapsed, waited });
                }
            },
            crew.admits(1)
        );
        assert!(second);
        assert_eq!((crew.allowed(), crew.time().1), (2, 2));
        // A batch that began before the change is not counted.
        crew.note(&Turn { since, deleted: 1, examined: 1, elapsed: since.elapsed(), waited });
        assert_eq!(crew.state().period.batches, 0);
        crew.cap(1);
        assert_eq!(crew.allowed(), 1);
    }
}
