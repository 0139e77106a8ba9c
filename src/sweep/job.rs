//! One sweep on its way: the windows that are still to be done, and those that were locked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::connection::{Connection, Fault};
use super::pace::{Pacer, Way};
use crate::db::tokens::{Cleaner, Window};
use crate::model::{Key, Pace, Sweep, Tally};

/// No more windows than this are remembered for a second look; beyond it all that is walked is looked at.
const REMEMBERED: usize = 1_000;

/// The most keys that a search may return: they fit into some megabytes.
const FEW: u32 = 100_000;

pub(super) struct Job<'a> {
    pub sweep: &'a Sweep,
    pub cleaner: Cleaner,
    /// About how many rows the driving table has.
    pub rows: Option<u64>,
    /// Locked while a window is cut off, so that no two workers get the same.
    route: tokio::sync::Mutex<Route>,
    progress: Mutex<Progress>,
}

/// What is to be walked.
#[derive(Default)]
struct Route {
    /// The first and the last key of it; `None`: those of the table.
    from: Option<Key>,
    until: Option<Key>,
    /// What is left of it, the next part last. `None`: the walk has not begun.
    parts: Option<Vec<Window>>,
}

struct Progress {
    pacer: Pacer,
    deleted: Tally,
    /// Windows with rows that others had locked, and how many rows those were.
    locked: Vec<Window>,
    left: u64,
    /// How many of them are of an earlier walk.
    earlier: usize,
    /// What is walked, as it was when the walk began.
    whole: Option<Window>,
    /// Whether everything has been handed out.
    handed_out: bool,
    /// Whether the doomed keys have been searched for.
    searched: bool,
}

/// A window to be done, and how.
#[derive(Debug)]
pub(super) struct Piece {
    pub window: Window,
    pub way: Way,
    /// How many rows it spans at most.
    pub span: u32,
}

impl<'a> Job<'a> {
    /// `bulk`: nothing speaks against whole windows in one statement.
    pub(super) fn new(
        sweep: &'a Sweep,
        cleaner: Cleaner,
        rows: Option<u64>,
        pace: &Pace,
        bulk: bool,
    ) -> Self {
        let (bulk, pointers) = (bulk && cleaner.has_bulk(), cleaner.pointers);
        let pacer = Pacer::new(pace, cleaner.rows_per_key(), bulk, pointers);
        let progress = Progress {
            pacer,
            deleted: Tally::ZERO,
            locked: Vec::new(),
            left: 0,
            earlier: 0,
            whole: None,
            handed_out: false,
            searched: false,
        };
        Self { sweep, cleaner, rows, route: tokio::sync::Mutex::default(), progress: Mutex::new(progress) }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a walk from one key to another, `None`: of the whole table. Forgets what an earlier one has done.
    pub(super) async fn restart(&self, from: Option<Key>, until: Option<Key>) {
        *self.route.lock().await = Route { from, until, parts: None };
        let mut progress = self.progress();
        progress.deleted = Tally::ZERO;
        progress.earlier = progress.locked.len();
        (progress.handed_out, progress.searched) = (false, false);
    }

    /// The next window for a batch of up to `room` rows; `None`: there is none left.
    pub(super) async fn next(
        &self,
        connection: &mut Connection<'_>,
        room: u32,
    ) -> Result<Option<Piece>, Fault> {
        let mut route = self.route.lock().await;
        if route.parts.is_none() {
            let whole = connection.part(&self.cleaner, route.from.as_ref(), route.until.as_ref()).await?;
            self.progress().whole.clone_from(&whole);
            route.parts = Some(whole.into_iter().collect());
        }
        let parts = route.parts.get_or_insert_default();
        if self.may_search()
            && let Some(rest) = parts.last()
        {
            let found = connection.search(&self.cleaner, rest, FEW).await?;
            self.progress().searched = true;
            if let Some(keys) = found {
                parts.pop();
                parts.extend(Window::of_keys(keys));
            }
        }
        let Some(rest) = parts.last() else {
            self.progress().handed_out = true;
            return Ok(None);
        };
        let ((way, span), keys) = self.progress().pacer.next_and_keys(room);
        if rest.keys.is_some() {
            let Some(rest) = parts.pop() else { return Ok(None) };
            let (window, tail) = rest.split(keys);
            parts.extend(tail);
            let way = self.progress().pacer.pick(room, false);
            return Ok(Some(Piece { window, way, span: 0 }));
        }
        let (window, tail) = connection.cut(&self.cleaner, rest, span).await?;
        parts.pop();
        parts.extend(tail);
        Ok(Some(Piece { window, way, span }))
    }

    /// Where few rows go, looking for all of them at once may cost less than walking on: once for each sweep.
    fn may_search(&self) -> bool {
        let progress = self.progress();
        !progress.searched && progress.pacer.is_sparse()
    }

    /// Takes a window back that was not done.
    pub(super) async fn give_back(&self, window: Window) {
        self.route.lock().await.parts.get_or_insert_default().push(window);
        self.progress().handed_out = false;
    }

    /// The first key of every part that is left; `None`: the walk has not begun.
    pub(super) async fn rest(&self) -> Option<Vec<Key>> {
        let route = self.route.lock().await;
        route.parts.as_ref().map(|parts| parts.iter().map(|part| part.low.clone()).collect())
    }

    /// Whether every window has been handed out.
    pub(super) fn is_handed_out(&self) -> bool {
        self.progress().handed_out
    }

    /// Does something with the batch size.
    pub(super) fn with_pacer<T>(&self, work: impl FnOnce(&mut Pacer) -> T) -> T {
        work(&mut self.progress().pacer)
    }

    /// Counts rows that this sweep deleted.
    pub(super) fn book(&self, deleted: Tally) {
        self.progress().deleted += deleted;
    }

    /// What this sweep has deleted since it began.
    pub(super) fn deleted(&self) -> Tally {
        self.progress().deleted
    }

    /// Keeps a window for another look.
    pub(super) fn remember(&self, window: Window, rows: u64) {
        let mut progress = self.progress();
        progress.left += rows;
        match progress.whole.clone() {
            // Workers end in any order, and only the server can compare keys. What an earlier walk left stays.
            Some(whole) if progress.locked.len() >= REMEMBERED => {
                let first = progress.earlier.min(progress.locked.len());
                progress.locked.truncate(first);
                progress.locked.push(whole);
            }
            _ => progress.locked.push(window),
        }
    }

    /// The windows to look at again.
    pub(super) fn take_locked(&self) -> Vec<Window> {
        let mut progress = self.progress();
        (progress.left, progress.earlier) = (0, 0);
        std::mem::take(&mut progress.locked)
    }

    /// How many rows were locked in the last look.
    pub(super) fn left(&self) -> u64 {
        self.progress().left
    }
}
