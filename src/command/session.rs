//! What every verb has at hand: the streams, the global options, the environment, and the way to the database.
//!
//! The only place that reads the process's environment and its randomness.

pub(super) mod files;
mod reaching;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

use deadpool_postgres::{Object, Transaction};
use nix::errno::Errno;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::findings;
use super::interrupted::Interrupted;
use super::{Format, GlobalArgs};
use crate::config::{self, Config, Presence, Problems, Source};
use crate::db::connect::Database;
use crate::db::error::DbError;
use crate::db::layout::Layout;
use crate::db::patience::{Patience, Readables, Reading};
use crate::embedded::Cluster;
use crate::error::{Error, Exit};
use crate::model::{ClientId, Policy};
use crate::plan::seal::{Known, Recipe};
use crate::plan::{Finding, Plan};
use crate::secret::{Entropy, EntropyError, Secret};
use crate::ui::counter::Counter;
use crate::ui::plan::visible;
use crate::ui::{Chatter, Reader, Ui, diagnostics};

/// The file that is read when `--file` names none.
pub const DEFAULT_FILE: &str = "oauth.toml";

/// How a run ends that a signal has stopped before its first change.
const NOTHING_CHANGED: &str = "interrupted; nothing was changed";

/// See the module.
pub struct Session {
    /// The streams.
    pub ui: Ui,
    /// `--file`, `--format` and so on.
    pub global: GlobalArgs,
    /// Set by SIGHUP, SIGINT or SIGTERM.
    pub interrupted: Interrupted,
    /// What has been found of declared secrets.
    pub known: Known,
    /// The file that was rejected because no client can send its secrets.
    pub flawed: Option<Config>,
}

/// A database with its tables.
pub struct Connected {
    /// The pool.
    pub database: Database,
    /// The tables.
    pub layout: Layout,
    /// How long locks are waited for.
    pub patience: Patience,
    /// The tables that this role may read.
    pub tables: Readables,
    /// Keeps the embedded server running.
    pub embedded: Option<Cluster>,
}

impl Connected {
    /// A snapshot in which nothing can be written. Waits for its tables first, and says so.
    ///
    /// # Errors
    /// When a lock is not free in time.
    pub async fn snapshot<'c>(
        &self,
        client: &'c mut Object,
        reading: Reading,
    ) -> Result<Transaction<'c>, DbError> {
        self.patience.snapshot(client, &self.tables, reading).await
    }
}

/// The process's environment variable, as text; one that is not UTF-8 counts as absent.
#[expect(clippy::disallowed_methods, reason = "here the environment becomes an argument")]
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "here the environment becomes an argument")]
fn variable_os(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The environment and the files that `oauth.toml` may refer to.
#[must_use]
pub fn surroundings() -> config::Surroundings<'static> {
    config::Surroundings { variable: &variable_os, file: &config::read_file }
}

/// The operating system's randomness.
struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(bytes).map_err(|error| EntropyError { reason: error.to_string() })
    }
}

impl Session {
    /// Opens the streams as the global options ask.
    #[must_use]
    pub fn new(global: GlobalArgs) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()))
            .unwrap_or_default()
            .to_ascii_lowercase();
        let unicode = locale.contains("utf-8") || locale.contains("utf8");
        let dumb = variable("TERM").is_none_or(|term| term == "dumb");
        let chatter = if global.quiet { Chatter::Quiet } else { Chatter::Normal };
        let ui = Ui::new(global.color, chatter, unicode, dumb);
        Self { ui, global, interrupted: Interrupted::default(), known: Known::default(), flawed: None }
    }

    /// Runs a verb that waits for the database, with signals listened to.
    ///
    /// # Errors
    /// The verb's.
    pub fn block_on<'a, A, F>(
        &'a mut self,
        verb: impl FnOnce(&'a mut Self, &'a A) -> F,
        args: &'a A,
    ) -> Result<Exit, Error>
    where
        F: Future<Output = Result<Exit, Error>>,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Error::from_source(Exit::Failed, &error))?;
        runtime.block_on(async {
            self.interrupted.listen().map_err(|error| Error::from_source(Exit::Failed, &error))?;
            self.interrupted.clone().settled(verb(self, args)).await
        })
    }

    /// The answer, on stdout. A reader that has gone away changes nothing: neither what follows nor the exit code.
    ///
    /// # Errors
    /// Any other reason why stdout cannot be written.
    pub fn answer(&mut self, text: &str) -> Result<(), Error> {
        self.ui.answer(text).map(|_| ()).map_err(|error| unwritable(&error))
    }

    /// The same for people: broken between words on a terminal. With another format than text, exactly as it is.
    ///
    /// # Errors
    /// As [`Session::answer`].
    pub fn tell(&mut self, text: &str) -> Result<(), Error> {
        match self.global.format {
            Format::Text => self.ui.tell(text).map(|_| ()).map_err(|error| unwritable(&error)),
            Format::Json | Format::Markdown | Format::Sarif | Format::Github => self.answer(text),
        }
    }

    /// Asks for "yes". A signal is no.
    ///
    /// # Errors
    /// The interruption, or the terminal's.
    pub async fn confirm(&mut self, question: &str) -> Result<bool, Error> {
        // What hangs up may be seen at either side of the terminal before its SIGHUP arrives.
        let failed = |error: &io::Error| match error.raw_os_error() {
            Some(errno) if errno == Errno::EIO as i32 => Error::new(Exit::HungUp, NOTHING_CHANGED),
            _ => Error::from_source(Exit::Failed, error).context("cannot ask"),
        };
        self.ui.ask(question).map_err(|error| failed(&error))?;
        let (sender, answer) = tokio::sync::oneshot::channel();
        // A thread of its own: reading a terminal cannot be interrupted, and nothing joins this one.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().read_line(&mut line).map(|_| line.trim() == "yes");
            // After a signal the receiver is gone.
            let _ = sender.send(read);
        });
        let interrupted = self.interrupted.clone();
        let read = tokio::select! {
            biased;
            exit = interrupted.wait() => return Err(Error::new(exit, NOTHING_CHANGED)),
            read = answer => read.unwrap_or(Ok(false)),
        };
        let read = read.map_err(|error| failed(&error))?;
        // The end of what is no terminal any more is no answer.
        if io::stdin().is_terminal() { Ok(read) } else { Err(Error::new(Exit::HungUp, NOTHING_CHANGED)) }
    }

    /// Shows a secret, once, on stdout. Warns if stdout was closed: the secret cannot be shown again.
    ///
    /// # Errors
    /// As [`Session::answer`].
    pub fn reveal(&mut self, label: &str, client_id: &ClientId, secret: &Secret) -> Result<(), Error> {
        let line = zeroize::Zeroizing::new(format!("{label}: {}\n", secret.expose()));
        self.reveal_text(&line, client_id)
    }

    /// The same for a text that has the secret of an application in it.
    ///
    /// # Errors
    /// As [`Session::answer`].
    pub fn reveal_text(&mut self, text: &str, client_id: &ClientId) -> Result<(), Error> {
        let reader = self.ui.answer(text).map_err(|error| unwritable(&error))?;
        if reader == Reader::Gone {
            let name = visible(client_id.as_str());
            self.ui.warning(format_args!("the secret of {name} was not read: stdout was closed."));
            self.ui.hint(format_args!("`oauthctl rotate-secret {name}` makes a new one"));
        }
        Ok(())
    }

    /// Reads the file with its secrets.
    ///
    /// # Errors
    /// Shows every problem, and returns that there were some.
    pub fn load(&mut self) -> Result<Config, Error> {
        let path = self.global.file.clone();
        let bytes = config::read(&path).map_err(|error| {
            let missing = error.kind() == io::ErrorKind::NotFound;
            let problem = Error::usage(format!("cannot read {}: {error}", path.display()));
            if missing {
                problem.hint("`oauthctl init` writes a starter file; -f names another one")
            } else {
                problem
            }
        })?;
        self.parse(bytes, &path, Presence::Required)
    }

    /// Reads where the database is, from the file if there is one; its secrets need not be at hand.
    ///
    /// # Errors
    /// As [`Session::load_without_secrets`].
    pub fn load_database(&mut self) -> Result<config::Database, Error> {
        Ok(self.load_without_secrets()?.database)
    }

    /// Reads the file if there is one, for verbs that need no secret of it.
    ///
    /// # Errors
    /// As [`Session::load`], but for a missing file of the default name.
    pub fn load_without_secrets(&mut self) -> Result<Config, Error> {
        let path = self.global.file.clone();
        match config::read(&path) {
            Ok(bytes) => self.parse(bytes, &path, Presence::Optional),
            Err(error) if error.kind() == io::ErrorKind::NotFound && path == Path::new(DEFAULT_FILE) => {
                self.parse(Vec::new(), &path, Presence::Optional)
            }
            Err(_) => self.load(),
        }
    }

    /// Reads the file for a verb that changes it and needs no secret of it; a file that is not there is an empty one.
    ///
    /// # Errors
    /// As [`Session::load`], but for a missing file.
    pub fn load_if_there(&mut self) -> Result<(Config, bool), Error> {
        let path = self.global.file.clone();
        match config::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok((self.parse(Vec::new(), &path, Presence::Optional)?, false))
            }
            Ok(bytes) => Ok((self.parse(bytes, &path, Presence::Optional)?, true)),
            Err(_) => Ok((self.load()?, true)),
        }
    }

    fn parse(&mut self, bytes: Vec<u8>, path: &Path, presence: Presence) -> Result<Config, Error> {
        match config::load(bytes, path, surroundings(), presence) {
            Ok(config) => {
                // With optional secrets the warnings are about what this verb does not need.
                if !config.problems.is_empty() && presence == Presence::Required {
                    self.show_problems(&config.source, &config.problems);
                }
                Ok(config)
            }
            Err(mut rejected) => {
                if let Some(mut config) = rejected.flawed.take_if(|_| presence == Presence::Optional) {
                    config.forget_unsendable();
                    return Ok(config);
                }
                self.show_problems(&rejected.source, &rejected.problems);
                let errors = rejected.problems.error_count();
                self.flawed = rejected.flawed;
                Err(invalid(path, errors))
            }
        }
    }

    /// Shows problems of the file on stderr.
    pub fn show_problems(&mut self, source: &Source, problems: &Problems) {
        let text = diagnostics::render(source, problems);
        if !text.is_empty() {
            self.ui.problems(&text);
        }
    }

    /// Shows the planner's findings at the lines that asked for them.
    #[must_use]
    pub fn report_findings(&mut self, config: &Config, findings: &[Finding]) -> Error {
        let problems = findings::problems(config, findings, &self.owner(&config.policy));
        self.show_problems(&config.source, &problems);
        let count = crate::ui::plan::plural(problems.error_count(), "problem");
        let path = config.source.path().display();
        Error::usage(format!("this database cannot be as {path} says: {count}; nothing was changed"))
    }

    /// Warns at the lines that declare a secret which the project has encrypted in the database.
    pub fn report_foreign(&mut self, config: &Config, plan: &Plan) {
        self.show_problems(&config.source, &findings::foreign(config, plan));
    }

    /// How secrets are made here.
    #[must_use]
    pub fn recipe(&self, config: &Config) -> Recipe {
        let provider = &config.provider;
        let length = usize::from(provider.client_secret_generator_length.get());
        Recipe { hasher: provider.client_secret_hasher, length, threads: self.threads() }
    }

    /// The cores.
    #[must_use]
    pub fn threads(&self) -> NonZeroUsize {
        std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
    }

    /// Counts on the terminal what is hashed, and stops that when a signal comes.
    pub fn watch(&self, what: &'static str) -> impl FnMut(usize, usize) -> ControlFlow<()> + use<> {
        let (mut counter, token) = (Counter::new(&self.ui, what), self.interrupted.token.clone());
        move |done, total| {
            counter.advance(done, total);
            if token.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }

    /// The error of work that a signal has stopped before anything was changed.
    #[must_use]
    pub fn stopped(&self) -> Error {
        let exit = self.interrupted.exit().unwrap_or(Exit::Interrupted);
        Error::new(exit, NOTHING_CHANGED)
    }

    /// The operating system's randomness.
    #[must_use]
    pub fn entropy(&self) -> impl Entropy + use<> {
        SystemEntropy
    }

    /// Whose applications these are in the ledger: what the file calls itself, else its path as it was given.
    #[must_use]
    pub fn owner(&self, policy: &Policy) -> String {
        let path = || self.global.file.display().to_string();
        policy.owner.clone().unwrap_or_else(path)
    }

    /// Asks the server to cancel what `client` is doing when a signal comes; dropped, it no longer does. A request may
    /// then still be on its way: see [`Session::give_back`].
    #[must_use]
    pub fn cancel_on_signal(&self, connected: &Connected, client: &tokio_postgres::Client) -> DropGuard {
        let canceller = connected.database.canceller(client);
        let (signalled, done) = (self.interrupted.token.clone(), CancellationToken::new());
        let guard = done.clone().drop_guard();
        self.interrupted.requests.spawn(async move {
            tokio::select! {
                biased;
                () = done.cancelled() => {}
                () = signalled.cancelled() => canceller.cancel_or_warn().await,
            }
        });
        guard
    }

    /// Gives a session back after [`Session::cancel_on_signal`] was dropped, or closes it if a signal came: a late cancel
    /// request would meet the next statement on it, such as the one that notes the end of the run.
    pub fn give_back(&self, client: deadpool_postgres::Object) {
        if self.interrupted.token.is_cancelled() {
            drop(deadpool_postgres::Object::take(client));
        }
    }
}

fn unwritable(error: &io::Error) -> Error {
    Error::from_source(Exit::Failed, error).context("cannot write the answer")
}

fn invalid(path: &Path, errors: u64) -> Error {
    let count = crate::ui::plan::plural(errors, "problem");
    Error::usage(format!("{} has {count}; nothing was changed", path.display()))
}
