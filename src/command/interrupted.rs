//! SIGHUP, SIGINT and SIGTERM: the first asks for a graceful end, the second ends the process at once.
//!
//! Verbs look at the token between steps and batches. A signal that the starter has made ignored stays ignored: `nohup`
//! does that with SIGHUP, and a shell without job control with the SIGINT of what runs in the background. Knows nothing
//! of what the verbs do.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::OnceLock;

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{Error, Exit};

/// What is listened to, and the exit code that says which one came.
const SIGNALS: [(Signal, Exit); 3] = [
    (Signal::SIGHUP, Exit::HungUp),
    (Signal::SIGINT, Exit::Interrupted),
    (Signal::SIGTERM, Exit::Terminated),
];

/// Whether one of them came.
#[derive(Clone, Debug, Default)]
pub struct Interrupted {
    /// Cancelled by the first.
    pub token: CancellationToken,
    /// Cancel requests: see [`Interrupted::settled`].
    pub requests: TaskTracker,
    first: Arc<OnceLock<Exit>>,
    /// How the message of [`Interrupted::stopped`] ends.
    unchanged: &'static str,
}

impl Interrupted {
    /// Nothing came yet. `unchanged`: how a message ends that stops the verb before its first change.
    #[must_use]
    pub fn new(unchanged: &'static str) -> Self {
        Self { unchanged, ..Self::default() }
    }

    /// The error of work that a signal has stopped before anything was changed.
    #[must_use]
    pub fn stopped(&self) -> Error {
        self.ended(self.exit().unwrap_or(Exit::Interrupted))
    }

    /// The same with the exit code of a signal that did not arrive yet.
    #[must_use]
    pub fn ended(&self, exit: Exit) -> Error {
        Error::new(exit, format!("interrupted{}", self.unchanged))
    }

    /// The exit code that says which signal it was; `None`: none came.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        self.token.is_cancelled().then(|| self.first.get().copied().unwrap_or(Exit::Interrupted))
    }

    /// Waits for a signal; returns the exit code that says which one.
    pub async fn wait(&self) -> Exit {
        self.token.cancelled().await;
        self.exit().unwrap_or(Exit::Interrupted)
    }

    /// Does all the work, and waits for the answers to the cancel requests. Where the process ends before, PgBouncer 1.18
    /// ends too.
    pub async fn settled<T>(&self, work: impl Future<Output = T>) -> T {
        let done = work.await;
        self.requests.close();
        self.requests.wait().await;
        done
    }

    /// Does something that changes nothing, and gives it up when a signal comes.
    ///
    /// # Errors
    /// The work's, or that it was interrupted.
    pub async fn or<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            done = work => done,
            exit = self.wait() => Err(self.ended(exit)),
        }
    }

    /// Starts to listen. The first signal asks for a graceful end; a second one ends the process at once.
    pub fn listen(&self) -> io::Result<()> {
        let (sender, mut signals) = mpsc::unbounded_channel();
        // Read before the first handler is there: a handler takes the place of "ignored".
        let ignored = Ignored::of_this_process();
        for (wanted, exit) in SIGNALS.into_iter().filter(|(wanted, _)| !ignored.contains(*wanted)) {
            let mut stream = signal(SignalKind::from_raw(wanted as i32))?;
            let sender = sender.clone();
            tokio::spawn(async move {
                // The receiver is there as long as the runtime is.
                while stream.recv().await.is_some() && sender.send(exit).is_ok() {}
            });
        }
        let this = self.clone();
        tokio::spawn(async move {
            while let Some(exit) = signals.recv().await {
                this.note(exit);
            }
        });
        Ok(())
    }

    fn note(&self, exit: Exit) {
        if self.first.set(exit).is_err() {
            end_at_once(exit);
        }
        self.token.cancel();
    }
}

#[expect(clippy::disallowed_methods, reason = "the user asked twice; the server rolls back")]
fn end_at_once(exit: Exit) {
    std::process::exit(i32::from(exit as u8));
}

/// The signals that this process ignores.
struct Ignored(u64);

impl Ignored {
    /// As Linux tells it. Elsewhere it cannot be asked without `unsafe`, and no signal counts as ignored.
    fn of_this_process() -> Self {
        Self::read(&fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    /// From the lines of `/proc/self/status`: a mask in which bit 0 is signal 1.
    fn read(status: &str) -> Self {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        Self(mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default())
    }

    fn contains(&self, signal: Signal) -> bool {
        self.0 >> (signal as i32 - 1) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_begins_with_signal_one() {
        let ignored = Ignored::read("SigBlk:\t0000000000000006\nSigIgn:\t0000000000001003\nSigCgt:\t0\n");
        assert!(ignored.contains(Signal::SIGHUP) && ignored.contains(Signal::SIGINT));
        assert!(ignored.contains(Signal::SIGPIPE) && !ignored.contains(Signal::SIGTERM));
        assert!(!Ignored::read("").contains(Signal::SIGHUP));
    }
}
