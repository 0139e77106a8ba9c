//! A real PostgreSQL server for `--embedded`, and for the tests, from the programs that are installed here.
//!
//! This module must not know what the server is for: no tables, no SQL, no flags. It hands out the directory of a
//! Unix socket. The server listens on nothing else; the directory admits its owner and root only, and that is why
//! `trust` is enough inside.
//!
//! # Who starts the server, who stops it
//!
//! Several processes may use one server, each may be killed at any moment, and the last one out must stop it. No
//! process that uses the server can be trusted with that, so it belongs to a *supervisor*: this program again, run
//! with [`SUPERVISE`], in a session of its own, which is the parent of the postmaster. What the processes know
//! of each other is `flock` locks on three files, and nothing else. The kernel drops such a lock with the last
//! process that holds it, however it dies; they need no clean-up, and no pid is ever believed.
//!
//! | lock | held by | so |
//! |---|---|---|
//! | `users.lock`, shared | every [`Cluster`] | the supervisor stops the server when it gets the exclusive lock |
//! | `supervisor.lock` | the supervisor, from its birth | there is one: it inherits the lock, locked, as its stdin |
//! | `server.lock` | postmaster and backends, as their stdin | who gets it knows that none of them lives any more |
//!
//! - *Start*: take `users.lock` shared, so that no supervisor can stop from here on. Then, until it is done: the process that
//!   gets `supervisor.lock` removes `address` (a leftover: no process supervises) and starts a supervisor; a process that
//!   does not get it waits for `address`, which the supervisor writes when the server answers.
//! - *Twice at once*: both hold `users.lock`; one of them starts the supervisor; the other attaches. The supervisor
//!   is neither's, and gets its exclusive lock when both have gone, in whichever order.
//! - *A user is killed*: its lock goes, and the supervisor sees no difference to an orderly end. Where the starter is
//!   killed half-way, either it still held `supervisor.lock`, which goes with it, or the supervisor has it and
//!   finds, once the server is up, that no process wants it.
//! - *The supervisor is killed*: on Linux the kernel then stops the postmaster (`PR_SET_PDEATHSIG`). The next start
//!   gets `supervisor.lock`, and its supervisor waits for `server.lock` before it touches the data; elsewhere, where
//!   the kernel has no such service, it stops the leftover with `pg_ctl`.
//! - *The server is killed*: the supervisor waits for `server.lock`, that is for the last backend, and ends; with
//!   the lock in hand, the next one removes the stale pid file and sockets, and PostgreSQL recovers its data.
//! - *`initdb` is killed*: it worked in a directory beside, which becomes `data` by a rename when it is complete.
//! - *Ctrl-C*: the terminal signals its foreground process group; supervisor and server are in another session.

mod account;
mod cluster;
mod lock;
mod place;
mod programs;
mod server;
mod supervisor;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use cluster::Cluster;
pub use place::{DIRECTORY_VARIABLE, Place, Purpose};
pub use programs::{BINDIR_VARIABLE, NotFound, Programs};
pub use supervisor::{SUPERVISE, Supervisor, supervise};

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Neither `XDG_DATA_HOME` nor `HOME` says where a user's data lives.
    #[error(
        "no directory for the embedded server: neither XDG_DATA_HOME nor HOME is set to an absolute path"
    )]
    NoHome,
    /// The place, or something in it, cannot be created, read, locked or removed.
    #[error("cannot {attempted} {}", path.display())]
    Directory {
        /// What was tried, as a verb.
        attempted: &'static str,
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The place holds files that are not ours. Nothing was touched.
    #[error("{} is not empty, and no embedded server has been there", directory.display())]
    Foreign { directory: PathBuf },
    /// PostgreSQL refuses to run as root, and the account that it would run as cannot get to the place.
    #[error("user {account} cannot enter {}, which is on the way to {}", closed.display(), directory.display())]
    Unreachable {
        directory: PathBuf,
        /// The directory on the way there that is closed to the account.
        closed: PathBuf,
        /// The name of the account.
        account: String,
    },
    /// `initdb` wants a user name, and this process has none.
    #[error("uid {uid} has no entry in the user database, which PostgreSQL needs")]
    NoAccount {
        /// The effective uid of this process.
        uid: u32,
    },
    /// PostgreSQL refuses to run as root, and there is no other user to run it as.
    #[error("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")]
    OnlyRoot,
    /// One of the programs cannot be run.
    #[error("cannot run {}", program.display())]
    Program { program: PathBuf, source: io::Error },
    /// The data was made by another major version than the programs that are here.
    #[error(
        "the data in {} was made by PostgreSQL {data}, and the programs in {} are PostgreSQL {programs}",
        directory.display(), bindir.display()
    )]
    Version {
        directory: PathBuf,
        /// The major version in its `PG_VERSION`.
        data: String,
        /// Where the programs are.
        bindir: PathBuf,
        /// Their major version.
        programs: String,
    },
    /// The server did not start.
    #[error("the embedded server in {} did not start: {report}", directory.display())]
    Failed {
        directory: PathBuf,
        /// What the programs said.
        report: String,
    },
    /// The server was not there, or not gone, in time.
    #[error("the embedded server in {} {awaited} in {}s", directory.display(), waited.as_secs())]
    Timeout {
        directory: PathBuf,
        /// What it did not do.
        awaited: &'static str,
        /// The time that it was given.
        waited: Duration,
    },
    /// A reset was asked for while another process uses the server.
    #[error("the embedded server in {} is in use by another process", directory.display())]
    InUse { directory: PathBuf },
}

/// Says what was being done to which path when an I/O error came.
trait At<T> {
    fn at(self, attempted: &'static str, path: impl Into<PathBuf>) -> Result<T, EmbeddedError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, attempted: &'static str, path: impl Into<PathBuf>) -> Result<T, EmbeddedError> {
        self.map_err(|source| EmbeddedError::Directory { attempted, path: path.into(), source })
    }
}
