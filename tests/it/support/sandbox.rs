//! Runs the built `oauthctl` as a user would: in a directory with files, with an environment that holds what the
//! test has put there and nothing of the machine's.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oauthctl::embedded::BINDIR_VARIABLE;
use tempfile::TempDir;

use super::schema;
use super::signals;
use super::{Database, binary, environment};

const COUNTED_AT: &str = " counted at ";

/// A temporary directory, which is also the home. Everything in it survives from one run to the next.
#[derive(Debug)]
pub struct Sandbox {
    directory: TempDir,
    variables: Vec<(String, OsString)>,
    database: Option<String>,
}

impl Sandbox {
    /// Without a database: `PGHOST` and the like are not set.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("oauthctl-it-").tempdir().expect("a directory");
        // Where the tests name a PostgreSQL, `--embedded` takes it too.
        let named = environment(BINDIR_VARIABLE).map(|bindir| (BINDIR_VARIABLE.to_owned(), bindir));
        Self { directory, variables: named.into_iter().collect(), database: None }
    }

    /// With libpq's variables set to this database.
    pub fn with(database: &Database) -> Self {
        let mut sandbox = Self::new();
        sandbox.database = Some(database.name().to_owned());
        for (name, value) in database.variables() {
            sandbox.set(name, value);
        }
        sandbox
    }

    /// Sets a variable for every run from here on.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file, and the directories on the way to it. Returns its path.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    /// Reads a file that a run has written. A plan has to be as its schema says.
    pub fn read(&self, name: &str) -> String {
        let text =
            fs::read_to_string(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        schema::check_if_plan(text.as_bytes());
        text
    }

    /// Runs `oauthctl` with these arguments, without input.
    pub fn oauthctl<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        self.command(arguments).run()
    }

    /// A run that can be refined before it starts.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Invocation<'_> {
        signals::heed();
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.path()).env_clear();
        command.env("PATH", environment("PATH").unwrap_or_default());
        command.env("HOME", self.path()).env("LC_ALL", "C.UTF-8");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Invocation { sandbox: self, command, input: Vec::new() }
    }

    /// Replaces what differs from run to run: see [`Output`].
    fn normalise(&self, bytes: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        let mut replace = |what: &str, with: &str| text = text.replace(what, with);
        // macOS: /var is a link, and programs print either.
        let real = self.path().canonicalize().unwrap_or_default();
        replace(&real.to_string_lossy(), "[dir]");
        replace(&self.path().to_string_lossy(), "[dir]");
        if let Some(database) = &self.database {
            replace(database, "[database]");
            replace(&super::server().socket_dir().to_string_lossy(), "[socket]");
        }
        normalise_times(&normalise_pids(&normalise_instants(&text)))
    }
}

/// One run of the binary, before it starts.
#[derive(Debug)]
pub struct Invocation<'a> {
    sandbox: &'a Sandbox,
    command: Command,
    input: Vec<u8>,
}

impl<'a> Invocation<'a> {
    /// Sets a variable for this run.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Unsets a variable for this run.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// What the run reads from its standard input, which is a pipe; empty otherwise.
    #[must_use]
    pub fn input(mut self, text: &str) -> Self {
        self.input = text.as_bytes().to_vec();
        self
    }

    /// The command, to be run by somebody else.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs it to its end.
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Starts it.
    pub fn spawn(self) -> Running<'a> {
        self.spawn_with_stdout(Stdio::piped())
    }

    /// Starts it with another stdout than a pipe that is read to its end.
    pub fn spawn_with_stdout(mut self, stdout: Stdio) -> Running<'a> {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        // It may well end without reading: then the pipe is broken.
        let _ = child.stdin.take().expect("a pipe").write_all(&self.input);
        Running { sandbox: self.sandbox, child }
    }
}

/// A run that has not ended. Nobody reads its output before [`Running::wait`], so it must fit a pipe until then.
#[derive(Debug)]
pub struct Running<'a> {
    sandbox: &'a Sandbox,
    /// The process.
    pub child: Child,
}

impl Running<'_> {
    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).expect("the process is there");
    }

    /// The same for one that may have ended.
    pub fn signal_if_alive(&mut self, signal: Signal) {
        if self.child.try_wait().unwrap().is_none() {
            self.signal(signal);
        }
    }

    /// Waits for its end. A plan in JSON has to be as its schema says.
    pub fn wait(self) -> Output {
        let output = self.child.wait_with_output().expect("the binary ends");
        schema::check_if_plan(&output.stdout);
        Output {
            code: output.status.code(),
            stdout: self.sandbox.normalise(&output.stdout),
            stderr: self.sandbox.normalise(&output.stderr),
            raw_stdout: output.stdout,
            raw_stderr: output.stderr,
        }
    }
}

/// What a run did. Its `Display` is exit code, stdout and stderr in one text, made for snapshots: the sandbox's path is
/// `[dir]`, the database `[database]`, its socket `[socket]`, a pid (`pid 4711`) `pid [pid]`, and a duration with a
/// fraction (`1.25s`, `3.1ms`) `[time]`. Durations without one are left: those are settings.
#[derive(Debug)]
pub struct Output {
    /// `None`: ended by a signal.
    pub code: Option<i32>,
    /// The answer, normalised.
    pub stdout: String,
    /// Everything else, normalised.
    pub stderr: String,
    /// The answer, byte for byte.
    pub raw_stdout: Vec<u8>,
    /// Everything else, byte for byte.
    pub raw_stderr: Vec<u8>,
}

impl Output {
    /// Fails the test, showing everything, unless this was the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n{self}");
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(out, "exit: {code}")?,
            None => writeln!(out, "exit: signal")?,
        }
        let part = |text: &str| {
            if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}⏎\n") }
        };
        write!(out, "--- stdout\n{}--- stderr\n{}", part(&self.stdout), part(&self.stderr))
    }
}

/// The instants that the database's clock has given, and no other.
fn normalise_instants(text: &str) -> String {
    let mut parts = text.split(COUNTED_AT);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.find("Z.").map_or(part, |end| &part[end + 1..]);
        format!("{text}{COUNTED_AT}[instant]{rest}")
    })
}

fn normalise_pids(text: &str) -> String {
    let mut parts = text.split("pid ");
    let mut normalised = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|character: char| character.is_ascii_digit());
        normalised.push_str("pid ");
        normalised.push_str(if rest.len() < part.len() { "[pid]" } else { "" });
        normalised.push_str(rest);
    }
    normalised
}

fn normalise_times(text: &str) -> String {
    let mut normalised = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
        let number = rest[start..]
            .trim_start_matches(|character: char| character.is_ascii_digit() || character == '.');
        let end = rest.len() - number.len();
        let unit = ["ms", "µs", "ns", "s"].into_iter().find(|unit| {
            let after = number.strip_prefix(unit).map(|after| after.chars().next());
            after.is_some_and(|next| next.is_none_or(|next| !next.is_alphanumeric()))
        });
        let fraction = rest[start..end].split('.').filter(|digits| !digits.is_empty()).count() == 2;
        normalised.push_str(&rest[..start]);
        match unit {
            Some(unit) if fraction => {
                normalised.push_str("[time]");
                rest = &rest[end + unit.len()..];
            }
            _ => {
                normalised.push_str(&rest[start..end]);
                rest = &rest[end..];
            }
        }
    }
    normalised + rest
}

#[test]
fn what_differs_from_run_to_run_is_normalised() {
    assert_eq!(
        normalise_times("took 1.25s, 0.3ms (14d, 500ms, 1.2.3, v3.1s)"),
        "took [time], [time] (14d, 500ms, 1.2.3, v[time])"
    );
    assert_eq!(normalise_pids("held by pid 4711 (pid x)"), "held by pid [pid] (pid x)");
}
