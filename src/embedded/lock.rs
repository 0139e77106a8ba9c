//! The `flock` locks that processes around one server know each other by. See the module above for the protocol.
//!
//! A lock belongs to the open file: it ends with the last descriptor of it, in whichever process. Therefore the two
//! locks that children inherit are never unlocked explicitly; that would take them away from the child.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The names under which a lock file is prepared, before it gets its own.
pub(super) const PREPARED: &str = ".lock-";

/// Opens a lock file, and creates it where it is missing: with mode 0600 under every umask, and never visible half
/// made. Lock files are never deleted while their directory lives; two processes would hold "the" lock at once.
pub(super) fn open(path: &Path) -> io::Result<File> {
    match open_existing(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    let file = tempfile::Builder::new().prefix(PREPARED).tempfile_in(directory)?;
    file.as_file().set_permissions(Permissions::from_mode(0o600))?;
    match file.persist_noclobber(path) {
        Ok(file) => Ok(file),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => open_existing(path),
        Err(error) => Err(error.error),
    }
}

/// Opens a lock file that is there. Writable, because an exclusive lock on NFS needs that.
pub(super) fn open_existing(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Takes the lock for this open file alone, if it is free.
pub(super) fn try_exclusive(file: &File) -> io::Result<bool> {
    taken(file.try_lock())
}

/// Takes the lock together with other shared holders, if it is free for that.
pub(super) fn try_shared(file: &File) -> io::Result<bool> {
    taken(file.try_lock_shared())
}

fn taken(result: Result<(), TryLockError>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
