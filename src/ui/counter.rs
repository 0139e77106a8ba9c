//! A count of slow things on a terminal: `Verifying secrets: 37 of 200, 21s left`. Nothing elsewhere: it is over in
//! minutes at most, and leaves no trace.

use std::time::{Duration, Instant};

use super::progress::{Line, short};
use super::{Chatter, Ui};
use crate::model::words::grouped;

/// Counts on stderr.
#[derive(Debug)]
pub struct Counter {
    what: &'static str,
    started: Instant,
    line: Option<Line>,
}

impl Counter {
    /// `what`: what is being done, as the line begins.
    #[must_use]
    pub fn new(ui: &Ui, what: &'static str) -> Self {
        let is_shown = ui.terminal().animated && ui.chatter() == Chatter::Normal;
        Self { what, started: Instant::now(), line: is_shown.then(Line::default) }
    }

    /// Shows how many are done.
    pub fn advance(&mut self, done: usize, total: usize) {
        let (what, elapsed) = (self.what, self.started.elapsed());
        if let Some(line) = &mut self.line {
            line.show(elapsed, |width| text(what, done, total, elapsed, width));
        }
    }
}

fn text(what: &str, done: usize, total: usize, elapsed: Duration, width: usize) -> String {
    let (done, total) = (done as u64, total as u64);
    let mut text = format!("{what}: {} of {}", grouped(done), grouped(total));
    let left = u32::try_from(total.saturating_sub(done)).unwrap_or(u32::MAX);
    let each = elapsed.checked_div(u32::try_from(done).unwrap_or(u32::MAX)).unwrap_or_default();
    let left = each.saturating_mul(left);
    if left >= Duration::from_secs(1) {
        text.push_str(&format!(", {} left", short(left)));
    }
    text.truncate(width);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_long_it_will_take() {
        let shown =
            |done, seconds, width| text("Hashing secrets", done, 1_200, Duration::from_secs(seconds), width);
        assert_eq!(shown(400, 30, 80), "Hashing secrets: 400 of 1,200, 1m00s left");
        assert_eq!(shown(1_200, 90, 80), "Hashing secrets: 1,200 of 1,200");
        assert_eq!(shown(400, 30, 20), "Hashing secrets: 400");
        assert_eq!(shown(0, 1, 80), "Hashing secrets: 0 of 1,200");
    }
}
