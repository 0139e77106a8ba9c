//! What every verb has at hand: the streams, the global options, the environment, and the way to the database.
//!
//! The only place that reads the process's environment and its randomness. Over 400 lines, because it is where all the
//! layers meet; each function is one meeting.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tokio_util::sync::{CancellationToken, DropGuard};

use super::GlobalArgs;
use super::findings;
use super::interrupted::Interrupted;
use crate::config::{self, Config, Presence, Problems, Source};
use crate::conninfo::{self, Given, Machine, Settings, Sources};
use crate::db::connect::Database;
use crate::db::layout::Layout;
use crate::embedded::{Cluster, Place, Programs, Supervisor};
use crate::error::{Error, Exit};
use crate::model::Policy;
use crate::plan::Finding;
use crate::plan::seal::{Known, Recipe};
use crate::secret::{Entropy, EntropyError, Secret};
use crate::ui::counter::Counter;
use crate::ui::{Chatter, Ui, diagnostics};

/// The file that is read when `--file` names none.
pub const DEFAULT_FILE: &str = "oauth.toml";

/// The largest secret file, in bytes; the column holds 255 characters.
const SECRET_LIMIT: u64 = 4_096;

/// See the module.
pub struct Session {
    /// The streams.
    pub ui: Ui,
    /// `--file`, `--format` and so on.
    pub global: GlobalArgs,
    /// Set by SIGINT or SIGTERM.
    pub interrupted: Interrupted,
    /// What has been found of declared secrets.
    pub known: Known,
}

/// A database with its tables.
pub struct Connected {
    /// The pool.
    pub database: Database,
    /// The tables.
    pub layout: Layout,
    /// Keeps the embedded server running.
    pub embedded: Option<Cluster>,
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
        Self { ui, global, interrupted: Interrupted::default(), known: Known::default() }
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
            verb(self, args).await
        })
    }

    /// The answer, on stdout.
    ///
    /// # Errors
    /// A broken pipe ends quietly: [`Error::is_quiet`].
    pub fn answer(&mut self, text: &str) -> Result<(), Error> {
        self.ui.answer(text).map_err(|error| Error::output(&error))
    }

    /// The answer of a verb whose job is another one: a reader that has gone away does not stop it.
    ///
    /// # Errors
    /// As [`Session::answer`], but for a broken pipe.
    pub fn answer_if_read(&mut self, text: &str) -> Result<(), Error> {
        self.answer(text).or_else(|error| if error.is_quiet() { Ok(()) } else { Err(error) })
    }

    /// Asks for "yes". A signal is no.
    ///
    /// # Errors
    /// The interruption, or the terminal's.
    pub async fn confirm(&mut self, question: &str) -> Result<bool, Error> {
        let failed = |error: &io::Error| Error::from_source(Exit::Failed, error).context("cannot ask");
        self.ui.ask(question).map_err(|error| failed(&error))?;
        let (sender, answer) = tokio::sync::oneshot::channel();
        // A thread of its own: reading a terminal cannot be interrupted, and nobody waits for this one.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().read_line(&mut line).map(|_| matches!(line.trim(), "yes" | "y"));
            // Nobody listens any more after a signal.
            let _ = sender.send(read);
        });
        let interrupted = self.interrupted.clone();
        tokio::select! {
            read = answer => read.unwrap_or(Ok(false)).map_err(|error| failed(&error)),
            exit = interrupted.wait() => Err(Error::new(exit, "interrupted; nothing was changed")),
        }
    }

    /// Shows a secret, once, on stdout.
    ///
    /// # Errors
    /// As [`Session::answer`].
    pub fn reveal(&mut self, label: &str, secret: &Secret) -> Result<(), Error> {
        let line = zeroize::Zeroizing::new(format!("{label}: {}\n", secret.expose()));
        self.ui.answer(&line).map_err(|error| Error::output(&error))
    }

    /// Replaces a file, atomically.
    ///
    /// # Errors
    /// The file system's.
    pub fn write_file(&self, path: &Path, text: &str) -> Result<(), Error> {
        let failed = |error: &io::Error| {
            Error::from_source(Exit::Failed, error).context(format!("cannot write {}", path.display()))
        };
        // A device or a pipe is written to; replacing it would take it away from everybody else. So is a link.
        if std::fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return std::fs::write(path, text).map_err(|error| failed(&error));
        }
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        // As a redirection would make it, for whoever the umask lets read it: nothing here is secret.
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory.unwrap_or(Path::new(".")))
            .map_err(|error| failed(&error))?;
        file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
        file.as_file().sync_all().map_err(|error| failed(&error))?;
        file.persist(path).map_err(|error| failed(&error.error))?;
        Ok(())
    }

    /// Reads a secret from a file; one newline at its end is not part of it.
    ///
    /// # Errors
    /// When the file cannot be read, is empty or is not text that PostgreSQL can store.
    pub fn read_secret(&self, path: &Path) -> Result<Secret, Error> {
        let subject = format!("the secret file {}", path.display());
        let bytes = config::read_file(path, SECRET_LIMIT)
            .map_err(|error| Error::usage(format!("{subject} cannot be read: {error}")))?;
        secret(bytes, &subject)
    }

    /// Reads a secret from stdin, which is no terminal: nobody should see it typed.
    ///
    /// # Errors
    /// As [`Session::read_secret`].
    pub fn read_secret_from_stdin(&self) -> Result<Secret, Error> {
        if io::stdin().is_terminal() {
            return Err(Error::usage(
                "the secret is read from stdin, which is a terminal that would show it",
            )
            .hint("for example: oauthctl hash-secret < secret.txt"));
        }
        let mut bytes = Vec::new();
        let read = io::stdin().lock().take(SECRET_LIMIT + 1).read_to_end(&mut bytes);
        read.map_err(|error| Error::usage(format!("the secret on stdin cannot be read: {error}")))?;
        if bytes.len() as u64 > SECRET_LIMIT {
            return Err(Error::usage("the secret on stdin is too big"));
        }
        secret(bytes, "the secret on stdin")
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
            Err(rejected) => {
                self.show_problems(&rejected.source, &rejected.problems);
                Err(invalid(path, rejected.problems.error_count()))
            }
        }
    }

    /// Shows problems of the file on stderr.
    pub fn show_problems(&mut self, source: &Source, problems: &Problems) {
        let text = diagnostics::render(source, problems);
        if !text.is_empty() {
            self.ui.stderr_line(text);
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

    /// Connects and looks at the tables.
    ///
    /// # Errors
    /// When the database cannot be found, reached or used.
    pub async fn connect(
        &mut self,
        database: &config::Database,
        verb: &str,
        connections: usize,
    ) -> Result<Connected, Error> {
        let (pool, embedded) = self.open(database, verb, connections).await?;
        let client = pool.get().await?;
        let layout = Layout::probe(&**client, &database.tables).await?;
        drop(client);
        Ok(Connected { database: pool, layout, embedded })
    }

    /// Connects, whatever is in the database.
    ///
    /// # Errors
    /// When the database cannot be found or reached.
    pub async fn open(
        &mut self,
        database: &config::Database,
        verb: &str,
        connections: usize,
    ) -> Result<(Database, Option<Cluster>), Error> {
        let (settings, embedded) = self.settings(database)?;
        for warning in &settings.warnings {
            self.ui.warning(format_args!("{warning}."));
        }
        let name = format!("oauthctl {verb}");
        Ok((Database::connect(&settings, &name, connections).await?, embedded))
    }

    /// Where the database is.
    ///
    /// # Errors
    /// When the connection string or a file of libpq's cannot be read, or the embedded server does not start.
    pub fn settings(&mut self, database: &config::Database) -> Result<(Settings, Option<Cluster>), Error> {
        let machine = Machine::new(variable);
        if self.global.embedded {
            let cluster = self.start_embedded()?;
            let text = format!(
                "host='{}' port={} user={} dbname=postgres sslmode=disable",
                cluster.socket_dir().display(),
                cluster.port(),
                cluster.user()
            );
            let given = Given { label: "--embedded", text: &text };
            let settings = conninfo::resolve(&Sources { command_line: Some(given), file: None }, &machine)?;
            return Ok((settings, Some(cluster)));
        }
        if database.unresolved && self.global.database_url.is_none() && variable("DATABASE_URL").is_none() {
            let file = self.global.file.display();
            return Err(Error::usage(format!("what [database] url in {file} refers to is missing"))
                .hint("set the variable, or name the database with --database-url"));
        }
        let sources = Sources {
            command_line: self
                .global
                .database_url
                .as_deref()
                .map(|text| Given { label: "--database-url", text }),
            file: database.url.as_ref().map(|url| Given { label: "[database] url", text: url.expose() }),
        };
        Ok((conninfo::resolve(&sources, &machine)?, None))
    }

    fn start_embedded(&mut self) -> Result<Cluster, Error> {
        let programs = Programs::find(&variable_os)?;
        let place = Place::kept(&variable_os)?;
        if self.global.embedded_reset && place.reset()? {
            self.ui
                .status(format_args!("Deleted the embedded PostgreSQL in {}.", place.directory().display()));
        }
        let supervisor = Supervisor::this_program().map_err(|error| {
            Error::from_source(Exit::Failed, &error).context("cannot start this program again")
        })?;
        let cluster = Cluster::start(&programs, &place, &supervisor)?;
        let what =
            if cluster.created() { "Made an embedded PostgreSQL" } else { "Using the embedded PostgreSQL" };
        self.ui.status(format_args!("{what} in {}.", cluster.directory().display()));
        Ok(cluster)
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
        Error::new(exit, "interrupted; nothing was changed")
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

    /// Asks the server to cancel what `client` is doing when a signal comes; dropped, it no longer does.
    #[must_use]
    pub fn cancel_on_signal(&self, connected: &Connected, client: &tokio_postgres::Client) -> DropGuard {
        let canceller = connected.database.canceller(client);
        let (signalled, done) = (self.interrupted.token.clone(), CancellationToken::new());
        let guard = done.clone().drop_guard();
        tokio::spawn(async move {
            tokio::select! {
                () = signalled.cancelled() => {
                    canceller.cancel_or_warn().await;
                }
                () = done.cancelled() => {}
            }
        });
        guard
    }
}

/// A secret out of the bytes of a file; one newline at their end is not part of it.
fn secret(mut bytes: Vec<u8>, subject: &str) -> Result<Secret, Error> {
    let failed = |why: &str| Error::usage(format!("{subject} {why}"));
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    let secret = Secret::from_utf8(bytes).map_err(|_| failed("is not UTF-8 text"))?;
    match secret.expose() {
        "" => Err(failed("is empty")),
        text if text.contains('\0') => Err(failed("contains a NUL byte")),
        _ => Ok(secret),
    }
}

fn invalid(path: &Path, errors: u64) -> Error {
    let count = crate::ui::plan::plural(errors, "problem");
    Error::usage(format!("{} has {count}; nothing was changed", path.display()))
}
