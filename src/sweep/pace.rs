//! How large the next batch is and how it goes about it. Pure: told what happened, it decides.

use std::time::Duration;

use super::event::Transient;
use crate::db::tokens::Pointers;
use crate::model::Pace;

/// Where fewer of the rows that a window could lose are doomed, they are picked from longer windows.
const SPARSE: f64 = 0.15;

/// How many rows are looked at, per row that may be deleted, where few are doomed. Cutting such a batch short by its
/// limit means that they are no longer few.
const STRETCH: u32 = 8;

/// The size that an adaptive run begins with.
const FIRST: u32 = 1_000;

/// How a batch deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// All doomed rows of a window in one statement per table.
    Bulk(Pointers),
    /// At most this number of doomed rows, with one statement per table.
    Few(u32, Pointers),
    /// Row by row under its lock, at most this number of keys.
    Careful(u32),
}

impl Way {
    /// Whether it takes for granted that nothing points at the refresh tokens that go.
    pub(super) const fn trusts(self) -> bool {
        matches!(self, Self::Bulk(Pointers::ExpectNone) | Self::Few(_, Pointers::ExpectNone))
    }
}

/// The size of batches.
#[derive(Debug)]
pub(super) struct Pacer {
    ceiling: u32,
    size: u32,
    target: Option<Duration>,
    /// How many rows one key of the driving table stands for.
    rows_per_key: u32,
    bulk: bool,
    sparse: bool,
    pointers: Pointers,
}

impl Pacer {
    pub(super) fn new(pace: &Pace, rows_per_key: u32, bulk: bool, pointers: Pointers) -> Self {
        let ceiling = pace.batch_size.get();
        let size = pace.target_batch_time.map_or(ceiling, |_| FIRST.min(ceiling));
        let target = pace.target_batch_time;
        Self { ceiling, size, target, rows_per_key, bulk, sparse: false, pointers }
    }

    /// The most rows that the next batch deletes; at least one key's worth.
    pub(super) fn size(&self) -> u32 {
        self.size.max(self.rows_per_key)
    }

    /// The number of keys for a batch of `size` rows.
    fn keys(&self, size: u32) -> u32 {
        (size / self.rows_per_key).max(1)
    }

    /// How to go about a new window, and how many rows it spans.
    pub(super) fn next(&self, size: u32) -> (Way, u32) {
        let keys = self.keys(size);
        match (self.bulk, self.sparse) {
            (true, false) => (Way::Bulk(self.pointers), keys),
            (true, true) => (Way::Few(keys, self.pointers), keys.saturating_mul(STRETCH)),
            (false, _) => (Way::Careful(keys), keys.saturating_mul(STRETCH)),
        }
    }

    /// Whether few of the last rows were doomed, and a search is worth while.
    pub(super) const fn is_sparse(&self) -> bool {
        self.bulk && self.sparse
    }

    /// [`Pacer::next`], and how many keys that is where they are known.
    pub(super) fn next_and_keys(&self, size: u32) -> ((Way, u32), usize) {
        (self.next(size), usize::try_from(self.keys(size)).unwrap_or(usize::MAX))
    }

    /// How to pick `size` rows from a window; `careful`: another session has locked rows of it.
    pub(super) fn pick(&self, size: u32, careful: bool) -> Way {
        let keys = self.keys(size);
        if self.bulk && !careful { Way::Few(keys, self.pointers) } else { Way::Careful(keys) }
    }

    /// A window was done in bulk.
    pub(super) fn swept(&mut self, spanned: u32, deleted: u64, elapsed: Duration) {
        let possible = f64::from(spanned) * f64::from(self.rows_per_key);
        #[expect(clippy::cast_precision_loss, reason = "rows of one batch")]
        let density = deleted as f64 / possible.max(1.0);
        self.sparse = density < SPARSE;
        self.adapt(elapsed);
    }

    /// Doomed rows of a window were picked; `cut_short`: by the limit of the batch.
    pub(super) fn picked(&mut self, cut_short: bool, elapsed: Duration) {
        if cut_short {
            self.sparse = false;
        }
        self.adapt(elapsed);
    }

    /// There were pointers where none were expected: from now on they are looked for.
    pub(super) const fn expect_pointers(&mut self) {
        self.pointers = Pointers::Clear;
    }

    /// A batch ran into its statement timeout.
    pub(super) fn too_slow(&mut self) {
        self.size = (self.size / 2).max(1);
    }

    fn adapt(&mut self, elapsed: Duration) {
        let factor = match self.target {
            // The way back up after a statement timeout.
            None => 1.25,
            Some(target) => (target.as_secs_f64() / elapsed.as_secs_f64().max(0.001)).clamp(0.5, 2.0),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the product is positive, and a float beyond u32 saturates"
        )]
        let size = (f64::from(self.size) * factor).ceil() as u32;
        self.size = size.clamp(1, self.ceiling);
    }
}

/// The pause after a batch: `batch_interval` if it deleted something, and `nice_ratio` times what it took.
pub(super) fn pause(pace: &Pace, elapsed: Duration, deleted: u64) -> Duration {
    let interval = if deleted > 0 { pace.batch_interval } else { Duration::ZERO };
    let nice = Duration::try_from_secs_f64(elapsed.as_secs_f64() * pace.nice_ratio).unwrap_or(Duration::ZERO);
    interval.saturating_add(nice)
}

/// The pause before the next try, by how many in a row made no progress: 0.1 s, doubling. A lock is usually released soon;
/// a server that restarts takes a while, so it is given half a minute in all.
pub(super) fn back_off(reason: Transient, stalled: u32) -> Duration {
    let longest = if reason == Transient::Disconnected { 10 } else { 1 };
    let doublings = stalled.saturating_sub(1).min(7);
    Duration::from_millis(100 << doublings).min(Duration::from_secs(longest))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pace(batch_size: u32, target: Option<Duration>) -> Pace {
        Pace {
            batch_size: NonZeroU32::new(batch_size).unwrap(),
            target_batch_time: target,
            ..Pace::default()
        }
    }

    #[test]
    fn a_batch_never_exceeds_its_size() {
        let pacer = Pacer::new(&pace(10_000, None), 2, true, Pointers::Clear);
        assert_eq!(pacer.size(), 10_000);
        assert_eq!(pacer.next(10_000), (Way::Bulk(Pointers::Clear), 5_000));
        // A refresh token and its access token are not torn apart.
        let smallest = Pacer::new(&pace(1, None), 2, true, Pointers::Clear);
        assert_eq!((smallest.size(), smallest.next(2)), (2, (Way::Bulk(Pointers::Clear), 1)));
    }

    #[test]
    fn few_doomed_rows_are_picked_and_many_are_swept() {
        let mut pacer = Pacer::new(&pace(1_000, None), 1, true, Pointers::Clear);
        pacer.swept(1_000, 10, MS);
        let few = Way::Few(1_000, Pointers::Clear);
        assert_eq!(pacer.next(1_000), (few, 8_000));
        pacer.picked(false, MS);
        assert_eq!(pacer.next(1_000), (few, 8_000));
        assert_eq!(pacer.pick(1_000, false), few);
        assert_eq!(pacer.pick(1_000, true), Way::Careful(1_000));
        pacer.picked(true, MS);
        assert_eq!(pacer.next(1_000), (Way::Bulk(Pointers::Clear), 1_000));
        let careful = Pacer::new(&pace(1_000, None), 1, false, Pointers::Clear);
        assert_eq!(careful.next(1_000), (Way::Careful(1_000), 8_000));
    }

    #[test]
    fn the_size_follows_the_target() {
        let mut pacer = Pacer::new(&pace(10_000, Some(100 * MS)), 1, true, Pointers::Clear);
        assert_eq!(pacer.size(), 1_000);
        pacer.swept(1_000, 1_000, 10 * MS);
        assert_eq!(pacer.size(), 2_000);
        pacer.swept(1_000, 1_000, 125 * MS);
        assert_eq!(pacer.size(), 1_600);
        for _ in 0..10 {
            pacer.swept(1_000, 1_000, MS);
        }
        assert_eq!(pacer.size(), 10_000);
    }

    #[test]
    fn a_timeout_halves_the_size_for_a_while() {
        let mut pacer = Pacer::new(&pace(1_000, None), 1, true, Pointers::Clear);
        pacer.too_slow();
        assert_eq!(pacer.size(), 500);
        for _ in 0..4 {
            pacer.swept(500, 500, MS);
        }
        assert_eq!(pacer.size(), 1_000);
    }

    #[test]
    fn pauses() {
        let mut pace = pace(1, None);
        pace.batch_interval = 7 * MS;
        pace.nice_ratio = 1.5;
        assert_eq!(pause(&pace, 10 * MS, 1), 22 * MS);
        assert_eq!(pause(&pace, 10 * MS, 0), 15 * MS);
        assert_eq!(back_off(Transient::Locked, 1), 100 * MS);
        assert_eq!(back_off(Transient::Locked, 4), 800 * MS);
        assert_eq!(back_off(Transient::Locked, 40), 1_000 * MS);
        assert_eq!(back_off(Transient::Disconnected, 40), 10_000 * MS);
    }
}
