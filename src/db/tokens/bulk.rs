//! How batches are deleted with one statement per table, and what looks at references meanwhile.

use super::definer::{Call, Definer};
use super::steps::{BulkRefresh, BulkRows, Scope, Steps};
use super::triggers::Silent;
use super::verified::Verified;

/// What makes sure that no row refers to a deleted one.
#[derive(Clone, Debug)]
pub enum Checks {
    /// The triggers of the foreign keys.
    Triggers,
    /// The cleaner, which switches them off in its own transactions.
    Silent(Silent),
    /// The functions that a superuser has installed.
    Definer(Definer),
}

/// How batches are deleted with one statement per table.
#[derive(Debug)]
pub(super) enum Bulk {
    /// The triggers of foreign keys look at every row.
    Triggers(Both<Steps<BulkRefresh, BulkRows>>),
    /// They are silent.
    Verified(Silent, Both<Verified>),
    /// They are silent in a function, which does the same.
    Called(Call),
}

/// The statements for a window, and for keys.
#[derive(Debug)]
pub(super) struct Both<T>(Box<[T; 2]>);

impl<T> Both<T> {
    pub(super) fn new(write: impl Fn(Scope) -> Option<T>) -> Option<Self> {
        Some(Self(Box::new([write(Scope::Window)?, write(Scope::Keys)?])))
    }

    pub(super) fn of(&self, scope: Scope) -> &T {
        let [window, keys] = &*self.0;
        if scope == Scope::Window { window } else { keys }
    }
}
