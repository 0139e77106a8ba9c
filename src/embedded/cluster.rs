//! One use of an embedded server: starts it or attaches to it, and lets go of it.
//!
//! Holding a [`Cluster`] is holding `users.lock`: as long as one is held, by whichever process, the server runs.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use super::place::{STOP_LIMIT, open_lock};
use super::server::{PORT, SUPERUSER};
use super::{At, EmbeddedError, Place, Programs, Supervisor, lock};

/// How long a start may take: `initdb` on a slow disk, or the recovery of a crashed server.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How long a server may take to answer, once it has said that it is ready.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A running server. Dropping it releases the server, and waits for its end if no other process uses it.
#[derive(Debug)]
pub struct Cluster {
    place: Place,
    socket_dir: PathBuf,
    users: File,
    supervisor: Option<Child>,
    created: bool,
    released: bool,
}

impl Cluster {
    /// Starts the server of this place, or attaches to it where it runs already. Blocks until it answers.
    pub fn start(programs: &Programs, place: &Place, supervisor: &Supervisor) -> Result<Self, EmbeddedError> {
        place.prepare()?;
        let start = Instant::now();
        let users = open_lock(&place.users_lock())?;
        while !place.locked(lock::try_shared(&users))? {
            place.wait(start, STOP_LIMIT, "did not stop, so that it could be started again,")?;
        }
        let mut cluster = Self {
            place: place.clone(),
            socket_dir: PathBuf::new(),
            users,
            supervisor: None,
            created: false,
            released: false,
        };
        loop {
            let supervisor_lock = open_lock(&place.supervisor_lock())?;
            if place.locked(lock::try_exclusive(&supervisor_lock))? {
                cluster.start_supervisor(programs, supervisor, supervisor_lock)?;
            } else if let Some(socket_dir) = place.read_address().filter(|directory| answers(directory)) {
                cluster.socket_dir = socket_dir;
                return Ok(cluster);
            }
            place.wait(start, START_LIMIT, "did not answer")?;
        }
    }

    /// There is no supervisor: a first one is started. Where this process's own has ended, its last words are the
    /// error.
    fn start_supervisor(
        &mut self,
        programs: &Programs,
        supervisor: &Supervisor,
        supervisor_lock: File,
    ) -> Result<(), EmbeddedError> {
        self.place.remove_address();
        if let Some(mut ended) = self.supervisor.take() {
            let mut report = String::new();
            if let Some(mut said) = ended.stdout.take() {
                said.read_to_string(&mut report)
                    .at("read what was said by the supervisor of", self.directory())?;
            }
            let status = ended.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            let report = if report.is_empty() { format!("its supervisor ended: {status}") } else { report };
            return Err(EmbeddedError::Failed { directory: self.directory().to_path_buf(), report });
        }
        check_version(programs, &self.place)?;
        self.created = !self.place.has_data();
        self.supervisor = Some(supervisor.start(programs, &self.place, supervisor_lock)?);
        Ok(())
    }

    /// The directory of the Unix socket: what libpq calls the host.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The port, which only names the socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        PORT
    }

    /// The superuser; it needs no password.
    #[must_use]
    pub fn user(&self) -> &'static str {
        SUPERUSER
    }

    /// The directory that the data is kept in.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.place.directory()
    }

    /// Whether this start made the data: it is empty.
    #[must_use]
    pub fn created(&self) -> bool {
        self.created
    }

    /// Releases the server. If no other process uses it, waits until it has stopped: up to a minute, then fails.
    pub fn stop(mut self) -> Result<(), EmbeddedError> {
        self.release()
    }

    fn release(&mut self) -> Result<(), EmbeddedError> {
        if std::mem::replace(&mut self.released, true) {
            return Ok(());
        }
        self.users.unlock().at("unlock a file in", self.place.directory())?;
        // Opened afresh, like every lock here that is only looked at. Gone with its directory: stopped.
        let Ok(supervisor) = lock::open_existing(&self.place.supervisor_lock()) else {
            return self.reap();
        };
        let start = Instant::now();
        while !self.place.locked(lock::try_shared(&supervisor))? {
            if self.place.in_use(&self.users)? {
                return Ok(());
            }
            self.place.wait(start, STOP_LIMIT, "did not stop")?;
        }
        self.reap()
    }

    /// Collects the exit status of a supervisor that has ended, so that it does not stay as a zombie.
    fn reap(&mut self) -> Result<(), EmbeddedError> {
        if let Some(mut supervisor) = self.supervisor.take() {
            supervisor.wait().at("wait for the supervisor of", self.place.directory())?;
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // `stop` returns the error; here there is nowhere to return it.
        let _ = self.release();
    }
}

/// Whether the server answers: who is killed takes no announcement back. A connection alone says nothing; backends
/// that outlive their postmaster for a moment keep its socket open. What is asked is the protocol's `SSLRequest`,
/// which a postmaster answers with one byte.
fn answers(socket_dir: &Path) -> bool {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    let ask = || {
        let mut stream = UnixStream::connect(socket_dir.join(format!(".s.PGSQL.{PORT}")))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.write_all(&SSL_REQUEST)?;
        stream.read_exact(&mut [0])
    };
    ask().is_ok()
}

/// A server of one major version cannot read the data of another.
fn check_version(programs: &Programs, place: &Place) -> Result<(), EmbeddedError> {
    let found = programs
        .major()
        .map_err(|source| EmbeddedError::Program { program: programs.program("postgres"), source })?;
    let Ok(data) = fs::read_to_string(place.data().join("PG_VERSION")) else { return Ok(()) };
    if data.trim() == found {
        return Ok(());
    }
    Err(EmbeddedError::Version {
        directory: place.directory().to_path_buf(),
        data: data.trim().to_owned(),
        bindir: programs.bindir().to_path_buf(),
        programs: found,
    })
}
