//! The last lines of what a program writes to stderr.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;

/// How many lines are kept.
const LINES: usize = 10;

/// How many bytes are kept.
const BYTES: usize = 8_192;

/// Reads all of it, and keeps the end.
pub(super) struct Tail {
    kept: Arc<Mutex<VecDeque<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Tail {
    pub(super) fn of(stderr: Option<ChildStderr>) -> Self {
        let kept = Arc::default();
        let reader = stderr.map(|stderr| tokio::spawn(read(stderr, Arc::clone(&kept))));
        Self { kept, reader }
    }

    /// The last lines; waits this long for the end of the stream.
    pub(super) async fn lines(mut self, linger: Duration) -> Vec<String> {
        if let Some(reader) = &mut self.reader {
            // One that goes on is of no interest.
            let _ = tokio::time::timeout(linger, reader).await;
        }
        let kept: Vec<u8> =
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        last_lines(&String::from_utf8_lossy(&kept))
    }
}

async fn read(mut stderr: ChildStderr, kept: Arc<Mutex<VecDeque<u8>>>) {
    let mut buffer = [0; 4_096];
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(buffer.iter().take(length));
        let surplus = kept.len().saturating_sub(BYTES);
        kept.drain(..surplus);
    }
}

fn last_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let surplus = lines.len().saturating_sub(LINES);
    lines.into_iter().skip(surplus).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_that_say_something_are_kept() {
        let text: String = (1..=30).map(|number| format!("line {number}\n\n")).collect();
        let lines = last_lines(&text);
        assert_eq!((lines.len(), lines[0].as_str(), lines[9].as_str()), (10, "line 21", "line 30"));
        assert!(last_lines("\n \n").is_empty());
    }
}
