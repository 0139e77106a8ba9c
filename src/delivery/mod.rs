//! Generated secrets reach people once: through a file that only its owner can read.
//!
//! The file is made before anything is committed and written and synced before the commit, because a file too many
//! can be deleted, but a secret that was never shown cannot be brought back. Unless it is kept, it goes again when
//! the [`Delivery`] does. An existing file is never touched, and a symbolic link never followed. Knows nothing of
//! plans and databases.

mod format;

#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

pub use format::{Format, Unfit};

use crate::secret::Secret;

/// A file for secrets: readable and writable by its owner only, and removed on drop unless kept.
#[must_use = "the file is removed when this is dropped"]
#[derive(Debug)]
pub struct Delivery {
    path: PathBuf,
    format: Format,
    file: File,
    kept: bool,
}

impl Delivery {
    /// Whether a file of this name could be delivered to: its extension and its directory. For before anything is done.
    ///
    /// # Errors
    /// When the extension is unknown, or there is no such directory.
    pub fn check_path(path: &Path) -> Result<(), DeliveryError> {
        Format::of(path).ok_or_else(|| DeliveryError::Extension { path: path.to_owned() })?;
        let directory = directory_of(path);
        if directory.is_dir() {
            return Ok(());
        }
        Err(DeliveryError::NoDirectory { path: path.to_owned(), directory: directory.to_owned() })
    }

    /// Whether the name is free. Called when it is known that there are secrets, and before the user is asked.
    ///
    /// # Errors
    /// When anything has that name already.
    pub fn check_free(path: &Path) -> Result<(), DeliveryError> {
        match fs::symlink_metadata(path) {
            Ok(_) => Err(creation_error(path, io::ErrorKind::AlreadyExists.into())),
            // What is wrong otherwise is said when the file is made.
            Err(_) => Ok(()),
        }
    }

    /// Makes the file, empty and with mode 0600 from the start. The extension decides the [`Format`].
    ///
    /// # Errors
    /// When the extension is unknown, when anything has that name already, or the file cannot be made.
    pub fn prepare(path: &Path) -> Result<Self, DeliveryError> {
        let format = Format::of(path).ok_or_else(|| DeliveryError::Extension { path: path.to_owned() })?;
        let mut options = OpenOptions::new();
        // `create_new` is O_EXCL: it neither opens what exists nor follows a link, not even one that leads nowhere.
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| creation_error(path, error))?;
        Ok(Self { path: path.to_owned(), format, file, kept: false })
    }

    /// Writes the secrets, sorted by client id, and waits until they are on the disk. What was written before is
    /// replaced.
    ///
    /// # Errors
    /// When the format cannot hold a client id or a secret, or the disk fails. The file is then of no use.
    pub fn write(&mut self, secrets: &[(&str, &Secret)]) -> Result<(), DeliveryError> {
        let text = self
            .format
            .render(&self.path, secrets)
            .map_err(|reason| DeliveryError::Unfit { path: self.path.clone(), reason })?;
        self.store(text.as_bytes()).map_err(|source| DeliveryError::Write { path: self.path.clone(), source })
    }

    /// Leaves the file where it is.
    pub fn keep(mut self) {
        self.kept = true;
    }

    fn store(&mut self, text: &[u8]) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text)?;
        self.file.sync_all()?;
        sync_directory(&self.path)
    }

    /// Whether the name still leads to the file that was made here.
    #[cfg(unix)]
    fn is_ours(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        match (self.file.metadata(), fs::symlink_metadata(&self.path)) {
            (Ok(made), Ok(found)) => (made.dev(), made.ino()) == (found.dev(), found.ino()),
            _ => false,
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, reason = "other systems do not let an open file be replaced")]
    fn is_ours(&self) -> bool {
        true
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.kept && self.is_ours() {
            // A failure here needs no action: the secrets in the file were never stored.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the file's name survive a crash, where the system can.
fn sync_directory(path: &Path) -> io::Result<()> {
    // A directory that can be written but not read cannot be synced either.
    let Ok(directory) = File::open(directory_of(path)) else { return Ok(()) };
    match directory.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

fn creation_error(path: &Path, source: io::Error) -> DeliveryError {
    let path = path.to_owned();
    if source.kind() != io::ErrorKind::AlreadyExists {
        return DeliveryError::Create { path, source };
    }
    let what = match fs::symlink_metadata(&path) {
        Ok(found) if found.is_symlink() => Obstacle::Symlink,
        Ok(found) if found.is_dir() => Obstacle::Directory,
        _ => Obstacle::File,
    };
    DeliveryError::Exists { path, what }
}

/// What has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
pub enum Obstacle {
    /// A file, or another thing with a content.
    #[strum(to_string = "the file exists already and is not overwritten")]
    File,
    #[strum(to_string = "it is a directory")]
    Directory,
    /// A symbolic link, wherever it leads.
    #[strum(to_string = "it is a symbolic link, which is not followed")]
    Symlink,
}

/// Why secrets could not be delivered. Never shows one.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The name does not say what to write.
    #[error("cannot tell the format of {}: its name must end in .json, .env, .yaml or .yml", path.display())]
    Extension {
        /// The file asked for.
        path: PathBuf,
    },
    /// There is nowhere to make it.
    #[error("cannot create {}: there is no directory {}", path.display(), directory.display())]
    NoDirectory {
        /// The file asked for.
        path: PathBuf,
        /// Where it would be.
        directory: PathBuf,
    },
    /// The name is taken.
    #[error("cannot create {}: {what}", path.display())]
    Exists {
        /// The file asked for.
        path: PathBuf,
        what: Obstacle,
    },
    /// The system refused to make the file.
    #[error("cannot create {}: {source}", path.display())]
    Create {
        /// The file asked for.
        path: PathBuf,
        source: io::Error,
    },
    /// The system refused to write to it.
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The format cannot hold a name or a value.
    #[error("cannot write {}: {reason}", path.display())]
    Unfit {
        path: PathBuf,
        /// Which, and why.
        reason: Unfit,
    },
}
