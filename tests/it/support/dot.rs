//! Python interpreters that have the real Django OAuth Toolkit, for the tests that compare with it.
//!
//! They are virtual environments in `target/`; the first test that asks for one makes it with pip (about 15 seconds)
//! while the others, in this process and in any other, wait for a file lock. Variables name interpreters that have the
//! packages already, for machines without a network.

use std::fs::{self, File};
use std::path::{self, Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::fcntl::{Flock, FlockArg};

use super::server::programs;
use super::{Database, Template, environment};

/// Which Django OAuth Toolkit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 1.5.0, on the last Django that it runs on.
    Oldest,
    /// 3.4.1, on the last Django that runs on this PostgreSQL.
    Newest,
}

impl Release {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Oldest, Self::Newest];

    /// The interpreter to run on a database.
    ///
    /// # Panics
    /// When there is no Python 3.10 or newer, or the package index cannot be reached. The message says what to do.
    pub fn python(self) -> PathBuf {
        match self {
            Self::Oldest => Environment::Oldest,
            Self::Newest if has_old_django() => Environment::NewestOnDjango42,
            Self::Newest => Environment::Newest,
        }
        .python()
    }

    /// A script in `tests/conformance`, with Django's settings there, on a database.
    pub fn script(self, database: &Database, script: &str) -> Command {
        let mut command = Command::new(self.python());
        command
            .args(["-X", "utf8", script])
            .current_dir("tests/conformance")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(database.variables());
        command
    }

    /// A database of a test's own as this release's `migrate` leaves it.
    pub fn migrated(self) -> Database {
        static OLDEST: OnceLock<Database> = OnceLock::new();
        static NEWEST: OnceLock<Database> = OnceLock::new();
        let template = match self {
            Self::Oldest => &OLDEST,
            Self::Newest => &NEWEST,
        };
        let template = template.get_or_init(|| {
            let database = Database::create(Template::Empty);
            self.manage(&database, &["migrate", "--verbosity", "0"], &[]);
            database
        });
        template.copy()
    }

    /// Runs `manage.py` there; returns what it printed.
    #[track_caller]
    pub fn manage(self, database: &Database, arguments: &[&str], environment: &[(&str, String)]) -> String {
        let mut command = self.script(database, "manage.py");
        command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        let output = command.output().expect("the interpreter runs");
        let log = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "manage.py {arguments:?}\n{log}");
        log
    }
}

/// Whether the newest release runs on Django 4.2 here: Django 5.2 needs PostgreSQL 14.
pub fn has_old_django() -> bool {
    static MAJOR: OnceLock<u32> = OnceLock::new();
    *MAJOR.get_or_init(|| programs().major().unwrap().parse().unwrap()) < 14
}

/// The newest release on the newest Django, where no database is needed.
pub fn dot_python() -> PathBuf {
    Environment::Newest.python()
}

#[derive(Clone, Copy, Debug)]
enum Environment {
    Oldest,
    Newest,
    NewestOnDjango42,
}

impl Environment {
    /// What it holds. A change here makes a new environment.
    fn requirements(self) -> &'static [&'static str] {
        match self {
            Self::Oldest => &["django-oauth-toolkit==1.5.0", "Django==4.2.*", "psycopg[binary]"],
            Self::Newest => &[
                "django-oauth-toolkit==3.4.1",
                "Django==5.2.*",
                "psycopg[binary]",
                "argon2-cffi==25.1.*",
                "bcrypt==5.0.*",
                "prometheus_client==0.25.*",
            ],
            Self::NewestOnDjango42 => &[
                "django-oauth-toolkit==3.4.1",
                "Django==4.2.*",
                "psycopg[binary]",
                "argon2-cffi==25.1.*",
                "bcrypt==5.0.*",
            ],
        }
    }

    fn imports(self) -> &'static str {
        match self {
            Self::Oldest => "import django, oauth2_provider, psycopg",
            Self::Newest => "import argon2, bcrypt, django, oauth2_provider, prometheus_client, psycopg",
            Self::NewestOnDjango42 => "import argon2, bcrypt, django, oauth2_provider, psycopg",
        }
    }

    /// The variable that names an interpreter, and the directory of the one that is made otherwise.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Oldest => ("OAUTHCTL_TEST_PYTHON_OLDEST", "dot-venv-oldest"),
            Self::Newest => ("OAUTHCTL_TEST_PYTHON", "dot-venv"),
            Self::NewestOnDjango42 => ("OAUTHCTL_TEST_PYTHON_DJANGO42", "dot-venv-django42"),
        }
    }

    fn python(self) -> PathBuf {
        static OLDEST: OnceLock<PathBuf> = OnceLock::new();
        static NEWEST: OnceLock<PathBuf> = OnceLock::new();
        static NEWEST_ON_DJANGO42: OnceLock<PathBuf> = OnceLock::new();
        let python = match self {
            Self::Oldest => &OLDEST,
            Self::Newest => &NEWEST,
            Self::NewestOnDjango42 => &NEWEST_ON_DJANGO42,
        };
        python.get_or_init(|| self.find_or_make()).clone()
    }

    fn find_or_make(self) -> PathBuf {
        let (variable, name) = self.names();
        if let Some(python) = environment(variable) {
            let python = PathBuf::from(python);
            run(Command::new(&python).args(["-c", self.imports()]));
            return python;
        }
        // `CARGO_TARGET_TMPDIR` is `<target directory>/tmp`, where this was built.
        let built = || Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
        let target =
            environment("CARGO_TARGET_DIR").map_or_else(built, |target| path::absolute(target).unwrap());
        let directory = target.join(name);
        let lock_file = File::create(target.join(format!("{name}.lock"))).unwrap();
        let _lock = Flock::lock(lock_file, FlockArg::LockExclusive).map_err(|(_, error)| error).unwrap();

        let python = directory.join("bin").join("python");
        // Written last: an environment without it is one that an interrupted run left behind.
        let complete = directory.join("complete");
        let wanted = self.requirements().join("\n");
        if fs::read_to_string(&complete).is_ok_and(|found| found == wanted) {
            return python;
        }
        if directory.exists() {
            fs::remove_dir_all(&directory).unwrap();
        }
        run(Command::new("python3").args(["-m", "venv"]).arg(&directory));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(self.requirements()));
        fs::write(&complete, wanted).unwrap();
        python
    }
}

fn run(command: &mut Command) {
    let hint = "the conformance tests need python3 (3.10 or newer) with venv, and PyPI; or in OAUTHCTL_TEST_PYTHON \
        an interpreter with argon2-cffi, bcrypt, Django 5.2, django-oauth-toolkit 3.4.1, prometheus_client \
        and psycopg, for PostgreSQL 13 one with Django 4.2 in OAUTHCTL_TEST_PYTHON_DJANGO42, and \
        in OAUTHCTL_TEST_PYTHON_OLDEST one with django-oauth-toolkit 1.5.0, Django 4.2 and psycopg";
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}\n{hint}"));
    let log = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?} failed:\n{}\n{hint}", String::from_utf8_lossy(&log));
}
