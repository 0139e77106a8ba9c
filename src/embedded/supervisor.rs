//! The process between the users of a server and the server: `oauthctl __embedded-supervisor`.
//!
//! It runs `initdb` and `postgres`, announces the address, and stops the server when the last user has gone. Its
//! stdin is the locked `supervisor.lock`; its stdout goes to its starter and says why there will be no server. It
//! has one thread, because the server is to die with the thread that starts it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, close, setsid};

use super::account::Account;
use super::place::{LEFTOVER, POLL, STOP_LIMIT, open_lock};
use super::server::Server;
use super::{At, EmbeddedError, Place, Programs, Purpose, lock};

/// The first argument that makes this program a supervisor. `main` must look for it before anything else, and call
/// [`supervise`] with the ones that follow.
pub const SUPERVISE: &str = "__embedded-supervisor";

/// How often a running supervisor looks whether it is still wanted.
const IDLE_POLL: Duration = Duration::from_millis(50);

/// How long a leftover server may take to die with its supervisor before it is asked to.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);

/// How to run a supervisor.
#[derive(Clone, Debug)]
pub struct Supervisor {
    program: PathBuf,
}

impl Supervisor {
    /// This very program; on Linux also if its file has been replaced or removed meanwhile.
    pub fn this_program() -> io::Result<Self> {
        let program =
            if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
        Ok(Self { program })
    }

    /// Another program that calls [`supervise`] when its first argument is [`SUPERVISE`].
    #[must_use]
    pub fn program(path: impl Into<PathBuf>) -> Self {
        Self { program: path.into() }
    }

    /// Starts a supervisor that owns the lock of this open file from its birth.
    pub(super) fn start(
        &self,
        programs: &Programs,
        place: &Place,
        supervisor_lock: fs::File,
    ) -> Result<Child, EmbeddedError> {
        Command::new(&self.program)
            .arg0("oauthctl")
            .arg(SUPERVISE)
            .arg(place.purpose().name())
            .arg(programs.bindir())
            .arg(place.directory())
            // It outlives us: nothing of our environment (there are secrets in it) and none of our files.
            .env_clear()
            .current_dir(place.directory())
            .stdin(supervisor_lock)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| EmbeddedError::Program { program: self.program.clone(), source })
    }
}

/// Runs as the supervisor until no process needs the server. `arguments` are those that follow [`SUPERVISE`].
pub fn supervise(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    detach();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let [purpose, bindir, directory] = arguments.as_slice() else { return ExitCode::FAILURE };
    let Some(Ok(purpose)) = purpose.to_str().map(str::parse) else { return ExitCode::FAILURE };
    let place = Place::at(directory.into(), purpose);
    match serve(&Programs::at(bindir.into()), &place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The starter may be gone already; then nothing reads this.
            let _ = io::stdout().write_all(report(&error).as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// The text for the starter: the programs' own words, or the error with its causes.
fn report(error: &EmbeddedError) -> String {
    if let EmbeddedError::Failed { report, .. } = error {
        return report.clone();
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Leaves the starter's session, so that its terminal's signals do not come here, and closes every file that the
/// starter itself had inherited: a reader of the other end of such a pipe must not wait for us.
fn detach() {
    // Fails for the leader of a process group, which a child that was just started is not.
    let _ = setsid();
    umask(Mode::from_bits_truncate(0o077));
    let inherited: Vec<i32> = fs::read_dir("/dev/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > 2)
        .collect();
    for descriptor in inherited {
        let _ = close(descriptor);
    }
}

fn serve(programs: &Programs, place: &Place) -> Result<(), EmbeddedError> {
    let account = Account::for_data(&place.data())?;
    let server = Server { programs, place, account: account.as_ref() };
    let server_lock = wait_for_leftover(&server)?;
    server.initialise()?;
    let socket_dir = server.socket_dir()?;
    let mut postmaster = server.start(&socket_dir, server_lock)?;
    let outcome = serve_users(&server, &socket_dir, &mut postmaster);
    stop(place.purpose(), &mut postmaster);
    place.remove_address();
    if place.purpose() == Purpose::Throwaway {
        let _ = fs::remove_dir_all(place.directory());
    }
    outcome.map(drop)
}

/// Gets `server.lock`, which the processes of a server that was left behind still hold. They die with their
/// supervisor or postmaster; where the kernel does not see to that, they are asked to.
fn wait_for_leftover(server: &Server<'_>) -> Result<fs::File, EmbeddedError> {
    let place = server.place;
    let file = open_lock(&place.server_lock())?;
    let start = Instant::now();
    let mut asked = false;
    while !place.locked(lock::try_exclusive(&file))? {
        if !asked && start.elapsed() >= LEFTOVER_GRACE {
            server.stop_leftover()?;
            asked = true;
        }
        place.wait(start, STOP_LIMIT, LEFTOVER)?;
    }
    Ok(file)
}

/// Announces the server when it answers, and returns when no process uses it any more: with the exclusive lock, on
/// which new users wait. Fails when the server ends by itself.
fn serve_users(
    server: &Server<'_>,
    socket_dir: &Path,
    postmaster: &mut Child,
) -> Result<fs::File, EmbeddedError> {
    let place = server.place;
    let users = open_lock(&place.users_lock())?;
    let mut announced = false;
    loop {
        if let Ok(Some(status)) = postmaster.try_wait() {
            return Err(server.ended(&status.to_string()));
        }
        if !announced && server.is_ready() {
            place.write_address(socket_dir).at("write to", place.directory())?;
            announced = true;
        }
        if place.locked(lock::try_exclusive(&users))? {
            return Ok(users);
        }
        thread::sleep(if announced { IDLE_POLL } else { POLL });
    }
}

/// Stops the server in PostgreSQL's fast mode, or in immediate mode if its data is temporary. After a while it uses the
/// next stronger mode. Returns when it has gone. Only this process waits for the child, so its pid cannot have been
/// given to another process.
fn stop(purpose: Purpose, postmaster: &mut Child) {
    let Ok(pid) = i32::try_from(postmaster.id()).map(Pid::from_raw) else { return };
    for signal in [purpose.stop_signal(), Signal::SIGQUIT, Signal::SIGKILL] {
        let start = Instant::now();
        // Again and again: a postmaster that has only just begun ignores what a background job's shell ignores, and one
        // that is stopping already does not mind.
        while start.elapsed() < STOP_LIMIT {
            if !matches!(postmaster.try_wait(), Ok(None)) {
                return;
            }
            let _ = kill(pid, signal);
            thread::sleep(IDLE_POLL);
        }
    }
}
