//! Decisions: pure and synchronous.
pub mod diff;
pub mod guard;
pub mod retention;
