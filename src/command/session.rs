//! What every verb has at hand: the streams, the global options, the environment, and the way to the database.
//!
//! The only place that reads the process's environment, its clock and its randomness, and that listens to signals.

use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Format, GlobalArgs};
use crate::config::Config;
use crate::db::connect::Database;
use crate::db::layout::Layout;
use crate::error::{Error, Exit};
use crate::hasher::Hasher;
use crate::model::ClientId;
use crate::plan::Finding;
use crate::plan::seal::Recipe;
use crate::secret::{Entropy, EntropyError, Secret};
use crate::ui::Ui;

/// See the module.
pub struct Session {
    /// The streams.
    pub ui: Ui,
    /// `--file`, `--format` and so on.
    pub global: GlobalArgs,
    /// Set by SIGINT or SIGTERM.
    pub interrupted: Interrupted,
}

/// A database with its tables.
pub struct Connected {
    /// The pool.
    pub database: Database,
    /// The tables.
    pub layout: Layout,
}

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

    /// Starts to listen. The first signal asks for a graceful end; a second one ends the process at once.
    fn listen(&self) -> io::Result<()> {
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
                    #[expect(clippy::disallowed_methods, reason = "the user asked twice; the server rolls back")]
                    std::process::exit(i32::from(exit as u8));
                }
                this.terminated.store(terminated, Ordering::Relaxed);
                this.token.cancel();
            }
        });
        Ok(())
    }
}
