//! A Python interpreter that has the real Django OAuth Toolkit, for the tests that compare with it.
//!
//! The virtual environment lives in `target/dot-venv`; the first test that asks for it makes it with pip (about
//! 15 seconds) while the others, in this process and in any other, wait for a file lock. `OAUTHCTL_TEST_PYTHON`
//! names an interpreter that has the packages already, for machines without a network.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::fcntl::{Flock, FlockArg};

/// What the environment holds. A change here makes a new environment.
const REQUIREMENTS: [&str; 6] = [
    "django-oauth-toolkit==3.4.1",
    "Django==5.2.*",
    "psycopg[binary]",
    "argon2-cffi==25.1.*",
    "bcrypt==5.0.*",
    "prometheus_client==0.25.*",
];

/// The interpreter to run: `import argon2, bcrypt, django, oauth2_provider, prometheus_client, psycopg` works in it.
///
/// # Panics
/// When there is no Python 3.10 or newer, or the package index cannot be reached. The message says what to do.
pub fn dot_python() -> PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(find_or_make).clone()
}

fn find_or_make() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "the only way to tell a test something is its environment")]
    if let Some(python) = std::env::var_os("OAUTHCTL_TEST_PYTHON") {
        let python = PathBuf::from(python);
        run(Command::new(&python)
            .args(["-c", "import argon2, bcrypt, django, oauth2_provider, prometheus_client, psycopg"]));
        return python;
    }
    // `CARGO_TARGET_TMPDIR` is `<target directory>/tmp`.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let directory = target.join("dot-venv");
    let lock_file = File::create(target.join("dot-venv.lock")).unwrap();
    let _lock = Flock::lock(lock_file, FlockArg::LockExclusive).map_err(|(_, error)| error).unwrap();

    let python = directory.join("bin").join("python");
    // Written last: an environment without it is one that an interrupted run left behind.
    let complete = directory.join("complete");
    let wanted = REQUIREMENTS.join("\n");
    if fs::read_to_string(&complete).is_ok_and(|found| found == wanted) {
        return python;
    }
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&directory));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(REQUIREMENTS));
    fs::write(&complete, wanted).unwrap();
    python
}

fn run(command: &mut Command) {
    let hint = "the conformance tests need python3 (3.10 or newer) with venv, and PyPI; or in OAUTHCTL_TEST_PYTHON \
        an interpreter with argon2-cffi, bcrypt, Django, django-oauth-toolkit 3.4.1, prometheus_client and psycopg";
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}\n{hint}"));
    let log = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?} failed:\n{}\n{hint}", String::from_utf8_lossy(&log));
}
