//! What one batch of a cleanup has deleted, and what it has left.

use super::walk::Window;
use crate::model::{ForeignTally, Tally};

/// What a batch deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Rows, per category.
    pub tally: Tally,
    /// Pointers from access tokens to deleted refresh tokens that were cleared.
    pub detached: u64,
    /// Rows that referred to deleted applications, or to applications that are deleted next.
    pub dependents: u64,
    /// Rows of the project's own tables that went or were changed first, or that PostgreSQL deleted or changed.
    pub others: ForeignTally,
}

impl Deleted {
    /// The rows of all categories, and what depended on them. Rows of other tables are not counted.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tally.total() + self.dependents
    }
}

/// What [`Cleaner::delete_some`](super::Cleaner::delete_some) or [`Cleaner::delete_few`](super::Cleaner::delete_few)
/// did.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The rows that went.
    pub deleted: Deleted,
    /// Doomed rows among those looked at that could not go, because others have them locked.
    pub left: u64,
    /// What is left of the window; `None`: it is done.
    pub rest: Option<Window>,
    /// The part of the window that was looked at.
    pub seen: Window,
}

impl Taken {
    /// Nothing yet, of a window that is looked at as a whole.
    pub(super) fn nothing_of(window: &Window) -> Self {
        Self { deleted: Deleted::default(), left: 0, rest: None, seen: window.clone() }
    }
}
