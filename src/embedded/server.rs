//! The two programs that the supervisor runs: `initdb`, once, and `postgres`.
//!
//! Both get an empty environment (none of the user's `PG…` variables or secrets), a working directory that they can
//! enter, the account that they are to run as, and on Linux the kernel's promise to end them with the supervisor.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use super::account::Account;
use super::place::{SHORT_RUN, UNFINISHED, is_unfinished, new_directory};
use super::{At, EmbeddedError, Place, Programs, Purpose};

/// The name of the superuser of every embedded server.
pub(super) const SUPERUSER: &str = "postgres";

/// The port: of no meaning but to name the socket, which is in a directory of its own.
pub(super) const PORT: u16 = 5432;

/// How much of the server's log an error quotes, in bytes.
const QUOTED_LOG: u64 = 4096;

/// Settings of every embedded server.
const SETTINGS: &[&str] = &["listen_addresses=", "wal_level=minimal", "max_wal_senders=0"];

/// Settings of a server with temporary data.
const THROWAWAY_SETTINGS: &[&str] =
    &["fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=200"];

/// Everything that is needed to run the programs in a place.
pub(super) struct Server<'a> {
    pub(super) programs: &'a Programs,
    pub(super) place: &'a Place,
    pub(super) account: Option<&'a Account>,
}

impl Server<'_> {
    /// Runs `initdb` where there is no data yet: in a directory beside, which is renamed when it is complete.
    pub(super) fn initialise(&self) -> Result<(), EmbeddedError> {
        let directory = self.place.directory();
        for entry in fs::read_dir(directory).at("list", directory)?.flatten() {
            if is_unfinished(&entry.file_name()) {
                fs::remove_dir_all(entry.path()).at("remove", entry.path())?;
            }
        }
        if self.place.has_data() {
            return Ok(());
        }
        let unfinished = self.directory_for_server(directory, UNFINISHED)?;
        let mut command = self.command("initdb", Signal::SIGKILL);
        command.arg("-D").arg(&unfinished).args([
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "-U",
            SUPERUSER,
        ]);
        if self.place.purpose() == Purpose::Throwaway {
            command.arg("--no-sync");
        }
        let program = self.programs.program("initdb");
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(|source| EmbeddedError::Program { program, source })?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            let report = format!("initdb: {}\n{}", output.status, String::from_utf8_lossy(&said).trim());
            let _ = fs::remove_dir_all(&unfinished);
            return Err(self.failed(report));
        }
        fs::rename(&unfinished, self.place.data()).at("rename", &unfinished)?;
        File::open(directory).and_then(|parent| parent.sync_all()).at("sync", directory)
    }

    /// Makes the directory of the socket anew, without what a killed server has left in it.
    pub(super) fn socket_dir(&self) -> Result<PathBuf, EmbeddedError> {
        let run = self.place.run();
        if run.exists() {
            fs::remove_dir_all(&run).at("remove", &run)?;
        }
        if self.place.run_is_awkward() {
            let (parent, prefix) = SHORT_RUN.rsplit_once('/').unwrap_or(("/tmp", SHORT_RUN));
            return self.directory_for_server(Path::new(parent), prefix);
        }
        let made = self.directory_for_server(self.place.directory(), "run.new-")?;
        fs::rename(&made, &run).at("rename", &made)?;
        Ok(run)
    }

    /// Starts the server, with an open `server.lock` to hold for as long as one of its processes lives.
    pub(super) fn start(&self, socket_dir: &Path, server_lock: File) -> Result<Child, EmbeddedError> {
        let stale = self.place.data().join("postmaster.pid");
        if stale.exists() {
            fs::remove_file(&stale).at("remove", &stale)?;
        }
        let log = self.place.log();
        let output =
            OpenOptions::new().create(true).truncate(true).write(true).open(&log).at("open", &log)?;
        output.set_permissions(Permissions::from_mode(0o600)).at("close to others", &log)?;
        let errors = output.try_clone().at("open", &log)?;
        let mut command = self.command("postgres", self.place.purpose().stop_signal());
        command.arg("-D").arg(self.place.data()).arg("-p").arg(PORT.to_string());
        command.arg("-k").arg(socket_dir);
        let purpose = if self.place.purpose() == Purpose::Throwaway { THROWAWAY_SETTINGS } else { &[] };
        for setting in SETTINGS.iter().chain(purpose) {
            command.arg("-c").arg(setting);
        }
        let program = self.programs.program("postgres");
        command
            .stdin(server_lock)
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|source| EmbeddedError::Program { program, source })
    }

    /// Stops a server that has outlived its supervisor. `pg_ctl` sends the signal with the account's own rights.
    pub(super) fn stop_leftover(&self) -> Result<(), EmbeddedError> {
        let program = self.programs.program("pg_ctl");
        self.command("pg_ctl", Signal::SIGKILL)
            .args(["stop", "--no-wait", "-m", "fast", "-D"])
            .arg(self.place.data())
            .stdin(Stdio::null())
            .output()
            .map(drop)
            .map_err(|source| EmbeddedError::Program { program, source })
    }

    /// Whether the server answers: line 8 of its pid file says so. The lock file of this very start is meant;
    /// [`Server::start`] removes older ones.
    pub(super) fn is_ready(&self) -> bool {
        fs::read(self.place.data().join("postmaster.pid")).is_ok_and(|file| {
            file.split(|byte| *byte == b'\n').nth(7).is_some_and(|line| line.starts_with(b"ready"))
        })
    }

    /// The end of the server's log, as an error.
    pub(super) fn ended(&self, how: &str) -> EmbeddedError {
        let quoted = File::open(self.place.log()).and_then(|mut log| {
            let length = log.metadata()?.len();
            log.seek(SeekFrom::Start(length.saturating_sub(QUOTED_LOG)))?;
            let mut end = Vec::new();
            log.read_to_end(&mut end)?;
            Ok(end)
        });
        self.failed(format!(
            "postgres: {how}\n{}",
            String::from_utf8_lossy(&quoted.unwrap_or_default()).trim()
        ))
    }

    fn failed(&self, report: String) -> EmbeddedError {
        EmbeddedError::Failed { directory: self.place.directory().to_path_buf(), report }
    }

    fn command(&self, name: &str, on_death: Signal) -> Command {
        let mut command = Command::new(self.programs.program(name));
        command.env_clear().envs([("LC_ALL", "C"), ("TZ", "UTC")]).env("PATH", self.programs.bindir());
        command.current_dir(self.place.directory());
        if let Some(account) = self.account {
            account.run(&mut command);
        }
        die_with_parent(&mut command, on_death);
        command
    }

    /// A new directory with mode 0700 that belongs to the account.
    fn directory_for_server(&self, parent: &Path, prefix: &str) -> Result<PathBuf, EmbeddedError> {
        let directory = new_directory(parent, prefix)?;
        if let Some(account) = self.account {
            account.own(&directory)?;
        }
        Ok(directory)
    }
}

/// Has the kernel send a signal to the program when the thread that starts it dies. That must be a thread that lives
/// as long as its process: the supervisor has only one. Elsewhere than on Linux there is no such service.
#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command, signal: Signal) {
    use std::os::unix::process::CommandExt;
    let parent = nix::unistd::getpid();
    let ask_the_kernel = move || {
        nix::sys::prctl::set_pdeathsig(signal)?;
        // The parent may have died before that call, which then came too late.
        if nix::unistd::getppid() == parent { Ok(()) } else { Err(nix::errno::Errno::ESRCH.into()) }
    };
    #[expect(
        unsafe_code,
        reason = "the closure runs between fork and exec: it makes two system calls, and takes no lock or memory"
    )]
    unsafe {
        command.pre_exec(ask_the_kernel);
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command, _: Signal) {}
