//! Cleanup on real rows: DOT's end state on every schema, interrupted or not, beside locks, faults and other tables.

pub mod draft;
pub mod graph;

pub mod applications;
mod batches;
mod cases;
mod crew;
mod cuts;
pub mod definer;
mod engines;
mod faults;
mod forecasts;
#[cfg(target_os = "linux")]
mod hosts;
mod killed;
mod locks;
mod partitions;
mod pressure;
mod replicas;
mod requests;
mod resuming;
mod rewrite;
mod rewrite_beside;
pub mod runner;
mod silent;
