//! Files that a verb is to write: never one that it reads, and never two answers in one file.
//!
//! Compared as the file system has them, so that `./oauth.toml`, a link and a hard link are the file that they name.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::session::Session;
use crate::config::Config;
use crate::error::{Error, Exit};

/// A file to be written, and the flag that names it.
pub struct Output<'a> {
    /// The flag, such as `--out`.
    pub flag: &'static str,
    pub path: &'a Path,
}

impl<'a> Output<'a> {
    /// A flag that may be missing.
    #[must_use]
    pub fn given(flag: &'static str, path: Option<&'a PathBuf>) -> Option<Self> {
        path.map(|path| Self { flag, path })
    }
}

/// Replaces a file, atomically.
///
/// # Errors
/// The file system's.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |error: &io::Error| {
        Error::from_source(Exit::Failed, error).context(format!("cannot write {}", path.display()))
    };
    // A device or a pipe is written to; replacing it would take it away from everybody else. So is a link.
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return std::fs::write(path, text).map_err(|error| failed(&error));
    }
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    // With the permissions of a redirection, which the umask limits: nothing here is secret.
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory.unwrap_or(Path::new(".")))
        .map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}

/// Refuses, before any work, what would replace the configuration, the saved plan or another output.
///
/// # Errors
/// The first collision.
pub fn check(session: &Session, outputs: &[Output<'_>], saved: Option<&Path>) -> Result<(), Error> {
    let file = (session.global.file.as_path(), "the configuration that -f names");
    let inputs: Vec<_> = [file].into_iter().chain(saved.map(|path| (path, "the saved plan"))).collect();
    against(outputs, &inputs)?;
    for (index, first) in outputs.iter().enumerate() {
        if let Some(second) = outputs.iter().skip(index + 1).find(|second| same(first.path, second.path)) {
            let (one, two, path) = (first.flag, second.flag, second.path.display());
            let message = format!("{one} and {two} name the same file, {path}; nothing was done");
            return Err(Error::usage(message).hint("give each a file of its own"));
        }
    }
    Ok(())
}

/// The same for the files that the configuration refers to, which are known once it is read.
///
/// # Errors
/// The first collision.
pub fn check_referred(config: &Config, outputs: &[Output<'_>]) -> Result<(), Error> {
    let inputs: Vec<_> = config
        .files
        .iter()
        .map(|path| (path.as_path(), "a secret that the configuration refers to"))
        .collect();
    against(outputs, &inputs)
}

fn against(outputs: &[Output<'_>], inputs: &[(&Path, &str)]) -> Result<(), Error> {
    for Output { flag, path } in outputs {
        if let Some((_, what)) = inputs.iter().find(|(input, _)| same(path, input)) {
            let message =
                format!("{flag} {} is {what}, and would replace it; nothing was done", path.display());
            return Err(Error::usage(message).hint("name another file"));
        }
    }
    Ok(())
}

/// Whether two paths lead to one file. Devices and pipes take as many answers as there are.
fn same(one: &Path, two: &Path) -> bool {
    match (std::fs::metadata(one), std::fs::metadata(two)) {
        (Ok(one), Ok(two)) => {
            one.is_file() && two.is_file() && (one.dev(), one.ino()) == (two.dev(), two.ino())
        }
        // One of them is there and the other is not.
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        (Err(_), Err(_)) => match (place(one), place(two)) {
            (Ok(one), Ok(two)) => one == two,
            (Ok(_) | Err(_), Err(_)) | (Err(_), Ok(_)) => one == two,
        },
    }
}

/// Where a file that is not there would be.
fn place(path: &Path) -> io::Result<PathBuf> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new(".")).canonicalize()?;
    Ok(directory.join(path.file_name().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn one_file_has_many_names() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::write(at("other"), "").unwrap();
        fs::create_dir(at("sub")).unwrap();
        symlink(at("file"), at("link")).unwrap();
        fs::hard_link(at("file"), at("hard")).unwrap();
        for (one, two, expected) in [
            ("file", "file", true),
            ("file", "sub/../file", true),
            ("file", "link", true),
            ("hard", "link", true),
            ("file", "other", false),
            ("file", "new", false),
            ("new", "sub/../new", true),
            ("new", "newer", false),
            ("nowhere/new", "nowhere/new", true),
            ("sub", "sub", false),
        ] {
            assert_eq!(same(&at(one), &at(two)), expected, "{one} {two}");
        }
        assert!(!same(Path::new("/dev/null"), Path::new("/dev/null")));
    }
}
