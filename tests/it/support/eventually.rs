//! Waiting for something that is sure to happen.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// How long it may take, on a machine that is busy with other things: only what never happens takes as long.
pub const PATIENCE: Duration = Duration::from_mins(10);

/// Asks again and again until it holds. `otherwise`: what went wrong if it never does.
#[track_caller]
pub fn eventually(otherwise: impl Display, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{otherwise}");
        thread::sleep(Duration::from_millis(20));
    }
}
