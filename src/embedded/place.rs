//! The directory of one server: what is in it, who may get in, and how it is emptied.
//!
//! ```text
//! users.lock supervisor.lock server.lock    see the module above
//! address                                   the directory of the socket, while the server answers
//! data/  run/                               the server's own: its data, its socket
//! server.log                                what the server said since its last start
//! ```
//!
//! As root, `data` and `run` belong to the account that the server runs as, and the rest to root: that account can
//! not plant a link where root writes.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Uid;
use strum::{EnumString, IntoStaticStr};

use super::account::Account;
use super::{At, EmbeddedError, account, lock};

/// Names the directory of the embedded server, instead of the one under the user's data.
pub const DIRECTORY_VARIABLE: &str = "OAUTHCTL_EMBEDDED_DIR";

/// Where root's is: under no home, because the server's user can enter none.
const ROOT_DIRECTORY: &str = "/var/lib/oauthctl/embedded";

/// What directories of throwaway servers are called.
const THROWAWAY: &str = "oauthctl-pg-";

/// What the directory is called that holds the socket where a path in the place's own directory would not do.
pub(super) const SHORT_RUN: &str = "/tmp/oauthctl-run-";

/// The longest path of a Unix socket is 103 bytes on macOS and 107 on Linux.
const SOCKET_PATH_LIMIT: usize = 103;

/// How long a stop may take before a reset, or the last user, gives up waiting for it.
pub(super) const STOP_LIMIT: Duration = Duration::from_mins(1);

/// What is awaited of the processes of a server whose supervisor is dead.
pub(super) const LEFTOVER: &str = "left processes behind that did not end";

/// How often the state of a lock is looked at.
pub(super) const POLL: Duration = Duration::from_millis(10);

/// What a server is for, which decides how careful it is with its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "lowercase")]
pub enum Purpose {
    /// `--embedded`: the data survives the server, the machine's crash, and everything but a reset.
    Kept,
    /// Tests: no fsync, no autovacuum; everything is removed when the last user has gone.
    Throwaway,
}

impl Purpose {
    pub(super) const fn name(self) -> &'static str {
        self.into_str()
    }

    /// What stops the server: in PostgreSQL's fast mode, or in immediate mode where its data is temporary.
    pub(super) const fn stop_signal(self) -> Signal {
        match self {
            Self::Kept => Signal::SIGINT,
            Self::Throwaway => Signal::SIGQUIT,
        }
    }
}

/// The directory of one server, which may not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    directory: PathBuf,
    purpose: Purpose,
}

impl Place {
    /// Where `--embedded` keeps its data: `OAUTHCTL_EMBEDDED_DIR`; else `/var/lib/oauthctl/embedded` for root; else
    /// `oauthctl/embedded` in `XDG_DATA_HOME` or `~/.local/share`.
    pub fn kept(env: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, EmbeddedError> {
        if let Some(directory) = env(DIRECTORY_VARIABLE).filter(|value| !value.is_empty()) {
            let directory = std::path::absolute(&directory).at("find", &directory)?;
            return Ok(Self { directory, purpose: Purpose::Kept });
        }
        if account::is_root() {
            return Ok(Self { directory: ROOT_DIRECTORY.into(), purpose: Purpose::Kept });
        }
        // The XDG specification has relative paths ignored.
        let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = absolute("XDG_DATA_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
            .ok_or(EmbeddedError::NoHome)?;
        Ok(Self { directory: data.join("oauthctl/embedded"), purpose: Purpose::Kept })
    }

    /// A new directory for a server that leaves nothing behind: in `temporary`, or in `/tmp` where the server's
    /// user cannot enter that. Removes what killed supervisors have left there.
    pub fn throwaway(temporary: &Path) -> Result<Self, EmbeddedError> {
        let closed = Account::for_data(Path::new(""))?.is_some_and(|user| user.can_enter(temporary).is_err());
        let parent = if closed { Path::new("/tmp") } else { temporary };
        remove_abandoned(parent);
        let directory = new_directory(parent, THROWAWAY)?;
        close(&directory)?;
        Ok(Self { directory, purpose: Purpose::Throwaway })
    }

    /// A place that another process has prepared.
    pub(super) fn at(directory: PathBuf, purpose: Purpose) -> Self {
        Self { directory, purpose }
    }

    /// The directory that holds all files of the server.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it is for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whether there is data in it, of any version.
    #[must_use]
    pub fn has_data(&self) -> bool {
        self.data().join("PG_VERSION").exists()
    }

    /// Removes the data, waiting for a server that is just stopping. Returns whether there was any.
    /// Fails with [`EmbeddedError::InUse`] while another process uses the server.
    pub fn reset(&self) -> Result<bool, EmbeddedError> {
        let Ok(users) = lock::open_existing(&self.users_lock()) else { return Ok(false) };
        let supervisor = open_lock(&self.supervisor_lock())?;
        let start = Instant::now();
        while !self.locked(lock::try_exclusive(&supervisor))? {
            if self.in_use(&users)? {
                return Err(EmbeddedError::InUse { directory: self.directory.clone() });
            }
            self.wait(start, STOP_LIMIT, "did not stop")?;
        }
        let server = open_lock(&self.server_lock())?;
        while !self.locked(lock::try_exclusive(&server))? {
            self.wait(start, STOP_LIMIT, LEFTOVER)?;
        }
        let existed = self.has_data();
        self.remove_address();
        for entry in fs::read_dir(&self.directory).at("list", &self.directory)?.flatten() {
            let name = entry.file_name();
            if name == "data" || name == "run" || is_unfinished(&name) {
                fs::remove_dir_all(entry.path()).at("remove", entry.path())?;
            }
        }
        Ok(existed)
    }

    /// Creates the directory, closed to others, and makes sure that it is ours and that the server can enter it.
    pub(super) fn prepare(&self) -> Result<(), EmbeddedError> {
        create_closed(&self.directory)?;
        if !self.users_lock().exists() {
            let mut entries = fs::read_dir(&self.directory).at("list", &self.directory)?.flatten();
            let ours = |name: OsString| name.as_bytes().starts_with(lock::PREPARED.as_bytes());
            // Another process may have prepared it between the two looks.
            if entries.any(|entry| !ours(entry.file_name())) && !self.users_lock().exists() {
                return Err(EmbeddedError::Foreign { directory: self.directory.clone() });
            }
            // An empty directory that was made before, perhaps with other permissions.
            close(&self.directory)?;
        }
        match Account::for_data(&self.data())? {
            Some(account) => account.can_enter(&self.directory),
            None => Ok(()),
        }
    }

    /// Whether a process uses the server, given an open `users.lock` of the caller that holds no lock.
    /// A supervisor that is stopping and a process that only looks do not count.
    pub(super) fn in_use(&self, users: &File) -> Result<bool, EmbeddedError> {
        // Exclusive: no process at all. Shared, but not exclusive: others. Neither: the supervisor is stopping.
        let is_free = self.locked(lock::try_exclusive(users))?;
        let others = !is_free && self.locked(lock::try_shared(users))?;
        users.unlock().at("unlock", self.users_lock())?;
        Ok(others)
    }

    /// Names the place in an error of the lock functions.
    pub(super) fn locked(&self, result: io::Result<bool>) -> Result<bool, EmbeddedError> {
        result.at("lock a file in", &self.directory)
    }

    /// Sleeps for a moment; fails when `limit` has passed since `start`, with what has been awaited.
    pub(super) fn wait(
        &self,
        start: Instant,
        limit: Duration,
        awaited: &'static str,
    ) -> Result<(), EmbeddedError> {
        if start.elapsed() >= limit {
            return Err(EmbeddedError::Timeout { directory: self.directory.clone(), awaited, waited: limit });
        }
        thread::sleep(POLL);
        Ok(())
    }

    /// The directory of the socket, if a supervisor has announced it.
    pub(super) fn read_address(&self) -> Option<PathBuf> {
        fs::read(self.address()).ok().map(|bytes| PathBuf::from(OsString::from_vec(bytes)))
    }

    /// Announces the directory of the socket, complete or not at all.
    pub(super) fn write_address(&self, socket_dir: &Path) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(lock::PREPARED).tempfile_in(&self.directory)?;
        io::Write::write_all(&mut file, socket_dir.as_os_str().as_bytes())?;
        file.as_file().set_permissions(Permissions::from_mode(0o600))?;
        file.persist(self.address())?;
        Ok(())
    }

    /// Takes an announcement back, and the short directory that it may have named.
    pub(super) fn remove_address(&self) {
        if let Some(socket_dir) = self.read_address() {
            if socket_dir.as_os_str().as_bytes().starts_with(SHORT_RUN.as_bytes()) {
                let _ = fs::remove_dir_all(socket_dir);
            }
            let _ = fs::remove_file(self.address());
        }
    }

    /// Whether a socket in `run` would have a path that is too long for the system, or that would be read as
    /// something else: a comma separates hosts in libpq and directories in PostgreSQL, a space ends a word, and so on.
    pub(super) fn run_is_awkward(&self) -> bool {
        let path = self.run().join(".s.PGSQL.5432");
        let bytes = path.as_os_str().as_bytes();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(byte);
        bytes.len() > SOCKET_PATH_LIMIT || !bytes.iter().all(plain)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(super) fn run(&self) -> PathBuf {
        self.directory.join("run")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    pub(super) fn users_lock(&self) -> PathBuf {
        self.directory.join("users.lock")
    }

    pub(super) fn supervisor_lock(&self) -> PathBuf {
        self.directory.join("supervisor.lock")
    }

    pub(super) fn server_lock(&self) -> PathBuf {
        self.directory.join("server.lock")
    }

    fn address(&self) -> PathBuf {
        self.directory.join("address")
    }
}

/// What `initdb` works in, until it is done.
pub(super) const UNFINISHED: &str = "data.new-";

/// Whether a killed `initdb` has left this behind.
pub(super) fn is_unfinished(name: &OsStr) -> bool {
    name.as_bytes().starts_with(UNFINISHED.as_bytes())
}

/// Makes a directory with mode 0700 and a name that begins like this.
pub(super) fn new_directory(parent: &Path, prefix: &str) -> Result<PathBuf, EmbeddedError> {
    let mut builder = tempfile::Builder::new();
    let made = builder.prefix(prefix).permissions(Permissions::from_mode(0o700)).tempdir_in(parent);
    Ok(made.at("create a directory in", parent)?.keep())
}

/// Opens a lock file, and creates it where it is missing.
pub(super) fn open_lock(path: &Path) -> Result<File, EmbeddedError> {
    lock::open(path).at("open", path)
}

/// The directories of root let the server's user through to `data` and `run`; those of other users are closed. Set
/// after the creation, because the umask may have taken more away.
fn close(directory: &Path) -> Result<(), EmbeddedError> {
    let mode = if account::is_root() { 0o711 } else { 0o700 };
    fs::set_permissions(directory, Permissions::from_mode(mode)).at("set the mode of", directory)
}

/// Creates a directory and what is missing above it, with exactly this mode under every umask.
fn create_closed(directory: &Path) -> Result<(), EmbeddedError> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        create_closed(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => close(directory),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        Err(error) => Err(error).at("create", directory),
    }
}

/// Removes the directories of throwaway servers whose users and whose supervisor are all dead. A live supervisor
/// removes its own. One that is being set up has no `supervisor.lock` before its user holds `users.lock`; one whose
/// server is still dying has a `server.lock` that is not free.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let ours = || {
            fs::symlink_metadata(entry.path())
                .is_ok_and(|metadata| metadata.uid() == Uid::effective().as_raw())
        };
        if !entry.file_name().as_bytes().starts_with(THROWAWAY.as_bytes()) || !ours() {
            continue;
        }
        let place = Place::at(entry.path(), Purpose::Throwaway);
        let lock = |path: PathBuf| {
            lock::open_existing(&path).ok().filter(|file| lock::try_exclusive(file).unwrap_or(false))
        };
        let Some(_supervisor) = lock(place.supervisor_lock()) else { continue };
        let Some(_users) = lock(place.users_lock()) else { continue };
        if !place.server_lock().exists() || lock(place.server_lock()).is_some() {
            place.remove_address();
            let _ = fs::remove_dir_all(place.directory());
        }
    }
}
