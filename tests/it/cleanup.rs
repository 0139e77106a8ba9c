//! Cleanup on real rows: DOT's end state on every schema, interrupted or not, beside locks, faults and other tables.

pub mod draft;
pub mod graph;

mod batches;
mod cases;
mod faults;
mod locks;
mod rewrite;
pub mod runner;
mod silent;
