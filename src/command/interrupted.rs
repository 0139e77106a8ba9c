//! SIGINT and SIGTERM: the first asks for a graceful end, the second ends the process at once.
//!
//! Verbs look at the token between steps and batches. Knows nothing of what they do.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Exit};

/// SIGINT and SIGTERM.
#[derive(Clone, Debug, Default)]
pub struct Interrupted {
    /// Cancelled by either.
    pub token: CancellationToken,
    terminated: Arc<AtomicBool>,
}

impl Interrupted {
    /// The exit code that says which signal it was; `None`: none came.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        self.token.is_cancelled().then(|| {
            if self.terminated.load(Ordering::Relaxed) { Exit::Terminated } else { Exit::Interrupted }
        })
    }

    /// Waits for a signal; returns the exit code that says which one.
    pub async fn wait(&self) -> Exit {
        self.token.cancelled().await;
        self.exit().unwrap_or(Exit::Interrupted)
    }

    /// Does something that changes nothing, and gives it up when a signal comes.
    ///
    /// # Errors
    /// The work's, or that it was interrupted.
    pub async fn or<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            done = work => done,
            exit = self.wait() => Err(Error::new(exit, "interrupted; nothing was changed")),
        }
    }

    /// Starts to listen. The first signal asks for a graceful end; a second one ends the process at once.
    pub fn listen(&self) -> io::Result<()> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                let terminated = tokio::select! {
                    _ = interrupt.recv() => false,
                    _ = terminate.recv() => true,
                };
                if this.token.is_cancelled() {
                    let exit = if terminated { Exit::Terminated } else { Exit::Interrupted };
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "the user asked twice; the server rolls back"
                    )]
                    std::process::exit(i32::from(exit as u8));
                }
                this.terminated.store(terminated, Ordering::Relaxed);
                this.token.cancel();
            }
        });
        Ok(())
    }
}
