//! What libpq's rules look at outside the connection string: variables, files, the user.
//!
//! An argument everywhere, so that the rules can be tested without touching the process. [`Machine`] is the real one.

use std::io;
use std::path::{Path, PathBuf};

/// What is known about a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// A regular file.
    pub is_file: bool,
    /// The permission bits, as in `chmod`; 0 where the platform has none.
    pub mode: u32,
}

/// The process environment, the file system and the user, as far as connection settings depend on them.
pub trait Surroundings {
    /// The value of an environment variable.
    fn var(&self, name: &str) -> Option<String>;
    /// The directory in which `.pgpass`, `.pg_service.conf` and `.postgresql` are looked for.
    fn home(&self) -> Option<PathBuf>;
    /// The name of the operating-system user: libpq's default for `user`.
    fn os_user(&self) -> Option<String>;
    /// The text of a file; bytes that are not UTF-8 are replaced.
    fn read(&self, path: &Path) -> io::Result<String>;
    /// Follows symbolic links, as `stat(2)` does.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
}

/// The machine that the process runs on. Only the environment is still an argument.
pub struct Machine<V> {
    var: V,
}

impl<V: Fn(&str) -> Option<String>> Machine<V> {
    /// `var` answers with the value of an environment variable.
    pub const fn new(var: V) -> Self {
        Self { var }
    }
}

impl<V: Fn(&str) -> Option<String>> Surroundings for Machine<V> {
    fn var(&self, name: &str) -> Option<String> {
        (self.var)(name)
    }

    /// `$HOME`, or the account's directory where that is empty (libpq's `pqGetHomeDirectory`).
    fn home(&self) -> Option<PathBuf> {
        match self.var("HOME") {
            Some(home) if !home.is_empty() => Some(PathBuf::from(home)),
            _ => account().map(|(_, directory)| directory),
        }
    }

    fn os_user(&self) -> Option<String> {
        account().map(|(name, _)| name)
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let metadata = std::fs::metadata(path)?;
        Ok(Stat { is_file: metadata.is_file(), mode: mode(&metadata) })
    }
}

/// Name and home directory of the effective user.
#[cfg(unix)]
fn account() -> Option<(String, PathBuf)> {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten()?;
    Some((user.name, user.dir))
}

#[cfg(not(unix))]
fn account() -> Option<(String, PathBuf)> {
    None
}

#[cfg(unix)]
fn mode(metadata: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777
}

#[cfg(not(unix))]
fn mode(_: &std::fs::Metadata) -> u32 {
    0
}

/// Made-up surroundings for tests.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(crate) struct Imagined {
    pub vars: std::collections::BTreeMap<String, String>,
    /// Files with text and mode.
    pub files: std::collections::BTreeMap<PathBuf, (String, u32)>,
}

#[cfg(test)]
impl Imagined {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_var(mut self, name: &str, value: &str) -> Self {
        self.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn with_file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(PathBuf::from(path), (text.to_owned(), 0o600));
        self
    }

    pub(crate) fn with_mode(mut self, path: &str, mode: u32) -> Self {
        self.files.get_mut(Path::new(path)).unwrap().1 = mode;
        self
    }
}

#[cfg(test)]
impl Surroundings for Imagined {
    fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).cloned()
    }

    fn home(&self) -> Option<PathBuf> {
        Some(PathBuf::from("/home/me"))
    }

    fn os_user(&self) -> Option<String> {
        Some("me".to_owned())
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).map(|(text, _)| text.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        match self.files.get(path) {
            Some((_, mode)) => Ok(Stat { is_file: true, mode: *mode }),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
