//! The embedded server: its data, how many share it, and in the modules below: what is left when somebody is killed,
//! where it may be and as whom it runs, and what `oauthctl --embedded` makes of it.
//!
//! Who uses a server must be a process of its own to be killed: [`Holder`] runs this test program again, with
//! [`a_server_answers_while_it_is_held`] as its only test.

mod cli;
mod killed;
mod places;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use nix::unistd::Pid;
use oauthctl::embedded::{Cluster, DIRECTORY_VARIABLE, EmbeddedError, Place, Purpose, Supervisor};
use tempfile::TempDir;
use tokio_postgres::{Config, NoTls};

use crate::support::server::{block_on, programs};
use crate::support::{binary, environment, eventually};

/// Tells a [`Holder`] where the server is to be, or that it is to be thrown away.
const HOLD: &str = "OAUTHCTL_TEST_HOLD";

/// The value of [`HOLD`] for a server that is thrown away.
const THROWAWAY: &str = "throwaway";

/// A directory that the server of any user can be in.
fn directory() -> TempDir {
    tempfile::Builder::new().prefix("oauthctl-it-").tempdir().unwrap()
}

fn kept(directory: &Path) -> Place {
    Place::kept(&|name| (name == DIRECTORY_VARIABLE).then(|| directory.into())).unwrap()
}

fn start(place: &Place) -> Result<Cluster, EmbeddedError> {
    Cluster::start(&programs(), place, &Supervisor::program(binary()))
}

/// Makes this the directory of a server that has run before. Unpacking one is cheaper than another `initdb`.
fn used(directory: &Path) -> Place {
    static ARCHIVE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let original = self::directory();
        drop(start(&kept(original.path())).unwrap());
        let output =
            Command::new("tar").arg("-C").arg(original.path()).args(["-cf", "-", "."]).output().unwrap();
        assert!(output.status.success());
        output.stdout
    });
    let mut tar = Command::new("tar");
    let mut tar = tar.arg("-C").arg(directory).args(["-xpf", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    tar.stdin.take().unwrap().write_all(&ARCHIVE).unwrap();
    assert!(tar.wait().unwrap().success());
    kept(directory)
}

/// Runs statements on the server behind a socket; the first column of the last row, if there is one.
fn query(socket_dir: &Path, sql: &'static str) -> Result<String, tokio_postgres::Error> {
    let mut config = Config::new();
    config.host_path(socket_dir).port(5432).user("postgres").dbname("postgres");
    block_on(async move {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        let mut answer = String::new();
        for message in client.simple_query(sql).await? {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                row.get(0).unwrap_or_default().clone_into(&mut answer);
            }
        }
        Ok(answer)
    })
}

/// The processes that name the directory in their command line: the supervisor, `initdb`, and the postmaster.
fn processes(directory: &Path) -> Vec<(Pid, String)> {
    let mut all: Vec<(Pid, String)> = Vec::new();
    if Path::new("/proc/self/cmdline").exists() {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            all.push((Pid::from_raw(pid), String::from_utf8_lossy(&command).replace('\0', " ")));
        }
    } else {
        let output = Command::new("ps").args(["-A", "-ww", "-o", "pid=", "-o", "args="]).output().unwrap();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let (pid, command) = line.trim().split_once(' ').unwrap();
            all.push((Pid::from_raw(pid.parse().unwrap()), command.to_owned()));
        }
    }
    all.retain(|(_, command)| command.contains(directory.to_str().unwrap()));
    all
}

fn process(directory: &Path, name: &str) -> Pid {
    let all = processes(directory);
    all.iter().find(|(_, command)| command.contains(name)).unwrap_or_else(|| panic!("no {name} in {all:?}")).0
}

#[track_caller]
fn nothing_is_left_running(directory: &Path) {
    eventually("processes are left", || processes(directory).is_empty());
}

/// A process that uses a server until its stdin ends.
struct Holder {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Holder {
    fn command(place: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("embedded::a_server_answers_while_it_is_held").args(["--exact", "--nocapture"]);
        command.env(HOLD, place);
        command
    }

    fn spawn(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program runs");
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }

    fn at(directory: &Path) -> Self {
        Self::spawn(Self::command(directory))
    }

    /// Waits until it has the server, and returns the directory of the socket.
    fn socket_dir(&mut self) -> PathBuf {
        let mut line = String::new();
        while self.stdout.read_line(&mut line).unwrap() > 0 {
            if let Some(socket_dir) = line.trim_end().strip_prefix("held ") {
                return socket_dir.into();
            }
            line.clear();
        }
        panic!("the holder ended: {:?}", self.child.wait());
    }

    /// Has it end in its own time.
    fn end(mut self) {
        drop(self.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_server_answers_while_it_is_held() {
    let hold = environment(HOLD);
    let place = match &hold {
        Some(directory) if directory != THROWAWAY => kept(Path::new(directory)),
        _ => Place::throwaway(&std::env::temp_dir()).unwrap(),
    };
    let cluster = start(&place).unwrap();
    let socket_dir = cluster.socket_dir().to_owned();
    assert_eq!(query(&socket_dir, "SELECT 'answer'").unwrap(), "answer");
    if hold.is_some() {
        println!("\nheld {}", socket_dir.display());
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
    cluster.stop().unwrap();
    assert!(place.purpose() == Purpose::Kept || !place.directory().exists());
}

#[test]
fn data_survives_until_a_reset() {
    let directory = directory();
    let place = kept(directory.path());
    assert!(!place.reset().unwrap());
    let cluster = start(&place).unwrap();
    assert!(cluster.created());
    assert_eq!((cluster.directory(), cluster.user(), cluster.port()), (directory.path(), "postgres", 5432));
    query(cluster.socket_dir(), "CREATE TABLE kept AS SELECT 42 AS answer").unwrap();
    let settings =
        "SELECT concat_ws(' ', current_setting('fsync'), current_setting('listen_addresses') = '')";
    assert_eq!(query(cluster.socket_dir(), settings).unwrap(), "on t");
    cluster.stop().unwrap();
    assert_eq!(processes(directory.path()), []);

    let cluster = start(&place).unwrap();
    assert!(!cluster.created());
    assert_eq!(query(cluster.socket_dir(), "SELECT answer FROM kept").unwrap(), "42");
    let error = place.reset().unwrap_err();
    let expected =
        format!("the embedded server in {} is in use by another process", directory.path().display());
    assert_eq!(error.to_string(), expected);
    drop(cluster);

    assert!(place.has_data());
    assert!(place.reset().unwrap());
    assert!(!place.has_data());
    assert!(!place.reset().unwrap());
    let cluster = start(&place).unwrap();
    assert!(cluster.created());
    assert!(query(cluster.socket_dir(), "SELECT answer FROM kept").is_err());
}

#[test]
fn several_at_once_share_one_and_the_last_one_stops_it() {
    let directory = directory();
    let mut holders: Vec<Holder> = (0..4).map(|_| Holder::at(directory.path())).collect();
    let started = "SELECT pg_postmaster_start_time()";
    let mut seen: Vec<String> = Vec::new();
    for holder in &mut holders {
        seen.push(query(&holder.socket_dir(), started).unwrap());
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    // Two of them are killed, whoever has started it; one goes by itself.
    let socket_dir = directory.path().join("run");
    holders.remove(0).kill();
    holders.remove(0).end();
    holders.remove(0).kill();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(query(&socket_dir, started).unwrap(), seen[0]);
    holders.remove(0).end();
    assert_eq!(processes(directory.path()), []);
}
