//! Replaces the file that people edit: all of it or nothing, with its permissions, behind its links, and never over a
//! change that was made meanwhile.

use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use crate::error::{Error, Exit};

/// The permissions of a new file, before the umask.
const NEW: u32 = 0o666;

/// Writes `text` to the file that held `before`; `None`: there was none.
pub fn rewrite(path: &Path, before: Option<&str>, text: &str) -> Result<(), Error> {
    replace(path, before, text).map_err(|error| match error {
        Failure::Io(error) => {
            Error::from_source(Exit::Failed, &error).context(format!("cannot write {}", path.display()))
        }
        Failure::Changed => {
            Error::new(Exit::Failed, format!("{} was changed meanwhile; nothing was written", path.display()))
                .hint("run the command again")
        }
        Failure::Directory(directory, kind) => {
            let directory = directory.display();
            let why = match kind {
                io::ErrorKind::NotFound => format!("the directory {directory} does not exist"),
                kind => format!("no file can be made in {directory}: {kind}"),
            };
            Error::new(Exit::Failed, format!("cannot write {}: {why}", path.display()))
        }
        Failure::NotAFile => {
            Error::new(Exit::Failed, format!("cannot write {}: it is no regular file", path.display()))
        }
    })
}

enum Failure {
    Io(io::Error),
    Directory(PathBuf, io::ErrorKind),
    Changed,
    NotAFile,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn replace(path: &Path, before: Option<&str>, text: &str) -> Result<(), Failure> {
    let target = target(path)?;
    let there = match fs::metadata(&target) {
        Ok(metadata) if metadata.is_file() => Some(metadata),
        Ok(_) => return Err(Failure::NotAFile),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let directory = target.parent().filter(|directory| !directory.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let permissions = fs::Permissions::from_mode(NEW);
    let mut file = tempfile::Builder::new()
        .prefix(".oauth-")
        .permissions(permissions)
        .tempfile_in(directory)
        .map_err(|error| Failure::Directory(directory.to_owned(), error.kind()))?;
    if let Some(metadata) = &there {
        keep(file.as_file(), metadata)?;
    }
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    let now = there.is_some().then(|| fs::read(&target)).transpose()?;
    if now.as_deref() != before.map(str::as_bytes) {
        return Err(Failure::Changed);
    }
    match there {
        Some(_) => file.persist(&target),
        None => file.persist_noclobber(&target),
    }
    .map_err(|error| {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            Failure::Changed
        } else {
            Failure::Io(error.error)
        }
    })?;
    // The name is safe once the directory is.
    File::open(directory)?.sync_all()?;
    Ok(())
}

/// What a chain of links leads to; also where that does not exist yet.
fn target(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(link) => path = path.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Permissions and, as far as this user may give files away, the owner.
fn keep(file: &File, metadata: &Metadata) -> io::Result<()> {
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (metadata.uid(), metadata.gid()) {
        // Before the permissions: giving a file away clears some. Who may not gets a file of their own.
        let _ = fchown(file, Some(metadata.uid()), Some(metadata.gid()));
    }
    file.set_permissions(metadata.permissions())
}
