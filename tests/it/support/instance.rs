//! A PostgreSQL server of a test's own: with settings that the shared one has not, to be replicated, restarted or
//! killed.
//!
//! It ends with the value, and with the test process however that ends: the server's parent is a shell that waits for the
//! end of its standard input.

use std::fs;
use std::io::Write;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use super::database::{Database, Home, Template};
use super::eventually::PATIENCE;
use super::server::{block_on, programs};

const PORT: u16 = 5432;

/// Ends with the server, and stops it when nobody holds the other end of the pipe any more.
const PARENT: &str = "exec 3<&0; \"$@\" </dev/null 3<&- & pid=$!; { read -r _; kill -QUIT $pid 2>/dev/null; } <&3 & \
    reader=$!; wait $pid; kill $reader 2>/dev/null";

/// See the module.
#[derive(Debug)]
pub struct Instance {
    directory: TempDir,
    settings: Vec<String>,
    parent: Option<Child>,
}

impl Instance {
    /// A new cluster with these settings, running.
    pub fn start(settings: &[&str]) -> Self {
        let mut instance = Self::empty(settings);
        let data = instance.data();
        instance.run(
            "initdb",
            &[
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--no-locale",
                "--no-sync",
                "-D",
                data.to_str().unwrap(),
            ],
        );
        if instance.settings.iter().any(|setting| setting.starts_with("listen_addresses")) {
            // Such a server listens on private cables only.
            let rules = fs::OpenOptions::new().append(true).open(data.join("pg_hba.conf"));
            writeln!(rules.unwrap(), "host all all samenet trust").unwrap();
        }
        instance.resume();
        instance
    }

    /// A streaming replica of this one, running.
    pub fn replica(&self, name: &str) -> Self {
        let mut replica = Self::empty(&[]);
        let (data, host) = (replica.data(), self.directory.path().to_owned());
        // Not what `pg_basebackup -R` writes: a newer one names options that an older server does not know.
        replica.settings = vec![
            format!("cluster_name={name}"),
            "hot_standby=on".to_owned(),
            format!("primary_conninfo=host={} port={PORT} user=postgres", host.display()),
        ];
        replica.run(
            "pg_basebackup",
            &[
                "-h",
                host.to_str().unwrap(),
                "-U",
                "postgres",
                "-D",
                data.to_str().unwrap(),
                "-c",
                "fast",
                "--no-sync",
            ],
        );
        fs::write(data.join("standby.signal"), "").unwrap();
        replica.resume();
        replica
    }

    fn empty(settings: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("oauthctl-pg-").tempdir_in("/tmp").unwrap();
        if let Some(account) = account() {
            chown(directory.path(), Some(account.uid.as_raw()), Some(account.gid.as_raw())).unwrap();
        }
        Self {
            directory,
            settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
            parent: None,
        }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A directory that the server's user may enter, which holds the socket.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let output = self.command(&programs().program(program)).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .current_dir(self.directory.path());
        if let Some(account) = account() {
            command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
        }
        command
    }

    /// Starts the server where it does not run, and waits until it answers.
    pub fn resume(&mut self) {
        // A killed server's backends keep its memory for a moment, and the next one refuses to start beside them.
        let start = Instant::now();
        loop {
            let log = fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.directory.path().join("log"))
                .unwrap();
            let mut command = self.command(Path::new("/bin/sh"));
            command.args(["-c", PARENT, "server"]).arg(programs().program("postgres"));
            command
                .arg("-D")
                .arg(self.data())
                .args(["-p", &PORT.to_string(), "-k"])
                .arg(self.directory.path());
            for setting in ["fsync=off", "full_page_writes=off", "max_connections=50"]
                .into_iter()
                .chain(self.settings.iter().map(String::as_str))
            {
                command.args(["-c", setting]);
            }
            if !self.settings.iter().any(|setting| setting.starts_with("listen_addresses")) {
                command.args(["-c", "listen_addresses="]);
            }
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
            let mut parent = command.spawn().unwrap();
            while start.elapsed() < PATIENCE && parent.try_wait().unwrap().is_none() {
                if self.answers() {
                    self.parent = Some(parent);
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
            drop(parent.stdin.take());
            let _ = parent.wait();
            let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            let is_beside_another = tail.iter().any(|line| line.contains("still in use"));
            assert!(
                is_beside_another && start.elapsed() < PATIENCE,
                "the server does not start:\n{}",
                tail.join("\n")
            );
        }
    }

    fn answers(&self) -> bool {
        let config = self.home().config("postgres");
        block_on(async move {
            let Ok((client, connection)) = config.connect(NoTls).await else { return false };
            let connection = tokio::spawn(connection);
            let answered = client.simple_query("SELECT 1").await.is_ok();
            drop(client);
            let _ = connection.await;
            answered
        })
    }

    /// Stops the server: SIGKILL, or the signals of a fast or an immediate shutdown.
    pub fn stop(&mut self, signal: Signal) {
        let Some(mut parent) = self.parent.take() else { return };
        let pid = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        if let Some(pid) = pid.lines().next().and_then(|line| line.parse().ok()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
        // A fast shutdown keeps statistics and writes everything, unless the parent ends it first.
        let start = Instant::now();
        while signal == Signal::SIGINT
            && start.elapsed() < PATIENCE
            && self.data().join("postmaster.pid").exists()
        {
            thread::sleep(Duration::from_millis(20));
        }
        drop(parent.stdin.take());
        let _ = parent.wait();
    }

    /// Runs statements there, also on a replica.
    pub fn execute(&self, sql: &str) {
        let (config, sql) = (self.home().config("postgres"), sql.to_owned());
        block_on(async move {
            let (client, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(&sql).await.unwrap();
        });
    }

    /// How to get there.
    pub fn home(&self) -> Home {
        Home { socket_dir: self.directory.path().to_owned(), port: PORT, user: "postgres" }
    }

    /// A new database with a template's tables.
    pub fn database(&self, template: Template) -> Database {
        Database::create_at(self.home(), template)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.stop(Signal::SIGQUIT);
    }
}

/// PostgreSQL does not run as root.
pub fn account() -> Option<User> {
    Uid::effective().is_root().then(|| {
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).unwrap())
            .expect("a user `postgres` or `nobody` to run PostgreSQL as")
    })
}
