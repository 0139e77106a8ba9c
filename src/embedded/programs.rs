//! Finds the PostgreSQL programs that are installed here.
//!
//! A server needs `postgres` and `initdb` from one directory; a client-only installation has neither. Debian keeps
//! them off the `PATH`, Homebrew and the vendor packages have directories of their own, so all of these are
//! searched. Nothing is downloaded, and nothing is run except `postgres --version`.

use std::env::split_paths;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, Stdio};

/// Names the directory of the programs where the search would not find them, or would find others.
pub const BINDIR_VARIABLE: &str = "OAUTHCTL_PG_BINDIR";

/// Where packages put the programs, with `*` for the version.
const PACKAGED: &[&str] = if cfg!(target_os = "macos") {
    &[
        "/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
        "/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
        "/Applications/Postgres.app/Contents/Versions/*/bin",
        "/opt/local/lib/postgresql*/bin", // MacPorts
        "/Library/PostgreSQL/*/bin",      // the vendor's installer
    ]
} else {
    &[
        "/usr/lib/postgresql/*/bin", // Debian, Ubuntu
        "/usr/pgsql-*/bin",          // PGDG on Red Hat
        "/usr/lib/postgresql*/bin",  // SUSE
        "/usr/libexec/postgresql*",  // Alpine
        "/usr/bin",                  // Fedora, Arch
        "/usr/local/pgsql/bin",      // built from source
    ]
};

/// Package managers, by the program that shows that one is there, and what installs a server with it.
const PACKAGE_MANAGERS: &[(&str, &str)] = &[
    ("/usr/bin/apt-get", "apt-get install postgresql"),
    ("/usr/bin/dnf", "dnf install postgresql-server"),
    ("/usr/bin/zypper", "zypper install postgresql-server"),
    ("/usr/bin/pacman", "pacman -S postgresql"),
    ("/sbin/apk", "apk add postgresql"),
    ("/opt/homebrew/bin/brew", "brew install postgresql@17"),
    ("/usr/local/bin/brew", "brew install postgresql@17"),
];

/// A directory that holds `postgres` and `initdb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    bindir: PathBuf,
}

/// No directory with both programs was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no PostgreSQL server programs (postgres, initdb) in {}", listed(searched))]
pub struct NotFound {
    /// Every directory that was looked into, in order, and the patterns for those of packages.
    pub searched: Vec<PathBuf>,
    /// The command of this system's package manager that would install them, where one was recognised.
    pub install: Option<&'static str>,
}

fn listed(directories: &[PathBuf]) -> String {
    directories.iter().map(|directory| directory.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl Programs {
    /// Searches, in this order: `OAUTHCTL_PG_BINDIR` (alone, where it is set), the `PATH`, what `pg_config` says,
    /// and the places of the usual packages, newest version first.
    pub fn find(env: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, NotFound> {
        if let Some(directory) = env(BINDIR_VARIABLE).filter(|value| !value.is_empty()) {
            let directory = absolute(&directory).unwrap_or_else(|_| PathBuf::from(directory));
            return Self::first_of(vec![directory]);
        }
        let path = env("PATH").unwrap_or_default();
        let mut candidates = beside_initdb(&path);
        candidates.extend(said_by_pg_config(&path));
        candidates.extend(packaged(Path::new("/")));
        Self::first_of(candidates).map_err(|mut not_found| {
            let patterns = PACKAGED.iter().map(PathBuf::from);
            let unseen: Vec<_> = patterns.filter(|path| !not_found.searched.contains(path)).collect();
            not_found.searched.extend(unseen);
            not_found
        })
    }

    fn first_of(candidates: Vec<PathBuf>) -> Result<Self, NotFound> {
        let mut searched = Vec::new();
        for directory in candidates {
            if directory.join("postgres").is_file() && directory.join("initdb").is_file() {
                return Ok(Self { bindir: directory });
            }
            if !searched.contains(&directory) {
                searched.push(directory);
            }
        }
        let install = PACKAGE_MANAGERS
            .iter()
            .find(|(program, _)| Path::new(program).exists())
            .map(|(_, command)| *command);
        Err(NotFound { searched, install })
    }

    /// The programs of a directory that has been searched before, by another process.
    pub(super) fn at(bindir: PathBuf) -> Self {
        Self { bindir }
    }

    /// The directory that holds them.
    #[must_use]
    pub fn bindir(&self) -> &Path {
        &self.bindir
    }

    /// The path of one of the programs.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.bindir.join(name)
    }

    /// The major version, as a data directory's `PG_VERSION` gives it (`15`; `9.6` for those old ones).
    /// Fails where the program cannot be run, or answers with something else.
    pub fn major(&self) -> io::Result<String> {
        let output = Command::new(self.program("postgres"))
            .arg("--version")
            .stdin(Stdio::null())
            .env_clear()
            .output()?;
        let answer = String::from_utf8_lossy(&output.stdout);
        major_of(&answer).ok_or_else(|| io::Error::other(format!("it calls itself {:?}", answer.trim())))
    }
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → `15`. Betas are `18beta1`.
fn major_of(answer: &str) -> Option<String> {
    let version = answer.split_once("(PostgreSQL) ")?.1;
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let mut parts = version.split('.');
    let major = number(parts.next()?);
    match major.parse::<u32>().ok()? {
        ..10 => Some(format!("{major}.{}", number(parts.next()?))),
        10.. => Some(major),
    }
}

/// The directories on the `PATH` that have an `initdb`, with its links followed: where Debian's alternatives or a
/// site's own links put one on the `PATH`, the other programs are beside the real one.
fn beside_initdb(path: &OsStr) -> Vec<PathBuf> {
    split_paths(path)
        .filter(|directory| directory.is_absolute())
        .filter_map(|directory| fs::canonicalize(directory.join("initdb")).ok())
        .filter_map(|initdb| initdb.parent().map(Path::to_path_buf))
        .collect()
}

/// What `pg_config --bindir` answers. Absent without a `pg_config` on the `PATH`.
fn said_by_pg_config(path: &OsStr) -> Option<PathBuf> {
    let directories = split_paths(path).filter(|directory| directory.is_absolute());
    let program = directories.map(|directory| directory.join("pg_config")).find(|file| file.is_file())?;
    let output =
        Command::new(program).arg("--bindir").env("PATH", path).stdin(Stdio::null()).output().ok()?;
    let answer = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(answer.trim())).filter(|directory| directory.is_absolute())
}

/// Every packaged directory that exists under `root`: newest version first, then the ones without a version.
fn packaged(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = Vec::new();
    for pattern in PACKAGED {
        let relative = pattern.trim_start_matches('/');
        let Some((before, after)) = relative.split_once('*') else {
            found.push((Vec::new(), root.join(relative)));
            continue;
        };
        // "usr/pgsql-" is the directory "usr" and the beginning "pgsql-" of a name in it.
        let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
        for entry in fs::read_dir(root.join(parent)).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if let Some(version) =
                name.to_str().and_then(|name| name.strip_prefix(prefix)).and_then(version_key)
            {
                found.push((version, entry.path().join(after.trim_start_matches('/'))));
            }
        }
    }
    found.sort_by(|(left, _), (right, _)| right.cmp(left));
    found.into_iter().map(|(_, directory)| directory).collect()
}

/// `9.6` sorts before `15`. `None` for a name that is not a version.
fn version_key(name: &str) -> Option<Vec<u32>> {
    name.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn install(directory: &Path) {
        fs::create_dir_all(directory).unwrap();
        for program in ["postgres", "initdb"] {
            fs::write(directory.join(program), "").unwrap();
        }
    }

    fn env_of(variables: &[(&'static str, &Path)]) -> impl Fn(&str) -> Option<OsString> + use<> {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, value.as_os_str().to_owned())).collect();
        move |wanted| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
    }

    #[test]
    fn the_variable_wins_and_is_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (chosen, on_path) = (directory.path().join("chosen"), directory.path().join("path"));
        install(&on_path);
        let env = env_of(&[(BINDIR_VARIABLE, &chosen), ("PATH", &on_path)]);
        assert_eq!(Programs::find(&env).unwrap_err().searched, std::slice::from_ref(&chosen));
        install(&chosen);
        assert_eq!(Programs::find(&env).unwrap().bindir(), chosen);
    }

    #[test]
    fn links_on_the_path_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let (real, links) = (root.join("lib/15/bin"), root.join("bin"));
        install(&real);
        fs::create_dir(&links).unwrap();
        symlink(real.join("initdb"), links.join("initdb")).unwrap();
        assert_eq!(Programs::find(&env_of(&[("PATH", &links)])).unwrap().bindir(), real);
    }

    #[test]
    #[cfg(not(target_os = "macos"))]
    fn the_newest_packaged_version_comes_first() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for path in ["usr/lib/postgresql/9.6/bin", "usr/lib/postgresql/15/bin", "usr/pgsql-17/bin"] {
            install(&root.join(path));
        }
        fs::create_dir_all(root.join("usr/lib/postgresql/common")).unwrap();
        let found = packaged(root);
        let expected =
            ["usr/pgsql-17/bin", "usr/lib/postgresql/15/bin", "usr/lib/postgresql/9.6/bin", "usr/bin"];
        assert_eq!(found[..4], expected.map(|path| root.join(path)));
    }

    #[test]
    fn a_client_only_installation_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("psql"), "").unwrap();
        let error = Programs::find(&env_of(&[(BINDIR_VARIABLE, directory.path())])).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("no PostgreSQL server programs (postgres, initdb) in {}", directory.path().display())
        );
    }

    #[test]
    fn versions() {
        for (answer, major) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some("15")),
            ("postgres (PostgreSQL) 18beta1\n", Some("18")),
            ("postgres (PostgreSQL) 9.6.24\n", Some("9.6")),
            ("postgres (EnterpriseDB) 15\n", None),
            ("", None),
        ] {
            assert_eq!(major_of(answer).as_deref(), major, "{answer:?}");
        }
    }
}
