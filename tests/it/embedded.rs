//! The embedded server: as whom, where, how many at once, and what is left when somebody is killed.
//!
//! Who uses a server must be a process of its own to be killed: [`Holder`] runs this test program again, with
//! [`a_server_answers_while_it_is_held`] as its only test.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use oauthctl::embedded::{Cluster, DIRECTORY_VARIABLE, EmbeddedError, Place, Purpose, SUPERVISE, Supervisor};
use tempfile::TempDir;
use tokio_postgres::{Config, NoTls};

use crate::support::server::{block_on, programs};
use crate::support::{Sandbox, binary, environment};

/// How long anything may take that nobody waits for.
const DEADLINE: Duration = Duration::from_secs(20);

/// Tells a [`Holder`] where the server is to be; it is thrown away without.
const PLACE: &str = "OAUTHCTL_TEST_PLACE";

/// Tells a [`Holder`] which program is to be the supervisor.
const PROGRAM: &str = "OAUTHCTL_TEST_PROGRAM";

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
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what}: not in {DEADLINE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
fn nothing_is_left_running(directory: &Path) {
    eventually("no process is left", || processes(directory).is_empty());
}

/// A process that uses a server until its stdin ends.
struct Holder {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Holder {
    /// A command that is to run as this process's user.
    fn command() -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("embedded::a_server_answers_while_it_is_held").args(["--exact", "--nocapture"]);
        command
    }

    fn spawn(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program runs");
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }

    fn at(directory: &Path) -> Self {
        let mut command = Self::command();
        command.env(PLACE, directory);
        Self::spawn(command)
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
    let place = match environment(PLACE) {
        Some(directory) if directory == "home" => Place::kept(&environment).unwrap(),
        Some(directory) => kept(Path::new(&directory)),
        None => Place::throwaway(&std::env::temp_dir()).unwrap(),
    };
    let supervisor = environment(PROGRAM).map_or_else(|| binary().to_owned(), PathBuf::from);
    let cluster = Cluster::start(&programs(), &place, &Supervisor::program(supervisor)).unwrap();
    assert_eq!(query(cluster.socket_dir(), "SELECT 'answer'").unwrap(), "answer");
    if environment(PLACE).is_some() || environment(PROGRAM).is_some() {
        println!("\nheld {}", cluster.socket_dir().display());
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
    let socket_dir = cluster.socket_dir().to_owned();
    cluster.stop().unwrap();
    assert!(place.purpose() == Purpose::Kept || !place.directory().exists());
    assert!(!socket_dir.join(".s.PGSQL.5432").exists() || place.purpose() == Purpose::Kept);
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
fn any_user_has_one_in_a_fresh_home_whatever_the_umask() {
    let home = directory();
    let programs = directory();
    // The test program may be where only root can go.
    for (name, program) in [("it", std::env::current_exe().unwrap()), ("oauthctl", binary().to_owned())] {
        fs::copy(program, programs.path().join(name)).unwrap();
    }
    fs::set_permissions(programs.path(), Permissions::from_mode(0o755)).unwrap();
    let run = |umask: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", "umask $1; shift; exec \"$@\"", "sh", umask]);
        command.arg(programs.path().join("it")).args(Holder::command().get_args());
        command.env_clear().env("PATH", environment("PATH").unwrap());
        command.env("HOME", home.path()).env(PLACE, "home").env(PROGRAM, programs.path().join("oauthctl"));
        if Uid::effective().is_root() {
            let nobody = User::from_name("nobody").unwrap().expect("a user nobody");
            chown(home.path(), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
            command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
        }
        Holder::spawn(command)
    };
    let place = home.path().join(".local/share/oauthctl/embedded");
    for (umask, created) in [("0777", true), ("0000", false)] {
        assert_ne!(place.join("data/PG_VERSION").exists(), created, "{umask}");
        let mut holder = run(umask);
        assert_eq!(holder.socket_dir(), place.join("run"));
        for closed in [&place, &place.join("run"), &place.join("data")] {
            assert_eq!(fs::metadata(closed).unwrap().permissions().mode() & 0o777, 0o700, "{umask}");
        }
        holder.end();
    }
    assert_eq!(processes(home.path()), []);
}

#[test]
fn root_has_its_own_place_and_others_have_their_home() {
    let place = |variables: &'static [(&'static str, &'static str)]| {
        Place::kept(&|wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).into())
        })
        .map(|place| place.directory().to_path_buf())
    };
    assert_eq!(
        place(&[(DIRECTORY_VARIABLE, "/some/where"), ("HOME", "/h")]).unwrap(),
        Path::new("/some/where")
    );
    if Uid::effective().is_root() {
        assert_eq!(place(&[("HOME", "/h")]).unwrap(), Path::new("/var/lib/oauthctl/embedded"));
    } else {
        assert_eq!(place(&[("HOME", "/h")]).unwrap(), Path::new("/h/.local/share/oauthctl/embedded"));
        let relative = &[("XDG_DATA_HOME", "x"), ("HOME", "/h")];
        assert_eq!(place(relative).unwrap(), Path::new("/h/.local/share/oauthctl/embedded"));
        let absolute = &[("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(place(absolute).unwrap(), Path::new("/x/oauthctl/embedded"));
        assert!(matches!(place(&[]), Err(EmbeddedError::NoHome)));
    }
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

#[test]
fn a_killed_user_leaves_no_server() {
    let directory = directory();
    used(directory.path());
    let mut holder = Holder::at(directory.path());
    let socket_dir = holder.socket_dir();
    query(&socket_dir, "CREATE TABLE kept AS SELECT 42 AS answer").unwrap();
    holder.kill();
    nothing_is_left_running(directory.path());
    // Stopped in order, not crashed.
    assert!(!directory.path().join("data/postmaster.pid").exists());
    assert!(
        fs::read_to_string(directory.path().join("server.log"))
            .unwrap()
            .contains("database system is shut down")
    );

    // One that is killed before it has the server leaves none either.
    let holder = Holder::at(directory.path());
    eventually("a supervisor", || !processes(directory.path()).is_empty());
    holder.kill();
    nothing_is_left_running(directory.path());
}

#[test]
fn a_killed_supervisor_takes_the_server_with_it_and_the_next_start_recovers() {
    let directory = directory();
    let place = used(directory.path());
    let cluster = start(&place).unwrap();
    query(cluster.socket_dir(), "CREATE TABLE kept AS SELECT 42 AS answer").unwrap();
    kill(process(directory.path(), SUPERVISE), Signal::SIGKILL).unwrap();
    // At once, while the old server is still there.
    let next = start(&place).unwrap();
    assert_eq!(query(next.socket_dir(), "SELECT answer FROM kept").unwrap(), "42");
    drop(cluster);
    assert_eq!(query(next.socket_dir(), "SELECT answer FROM kept").unwrap(), "42");
    next.stop().unwrap();
    assert_eq!(processes(directory.path()), []);
}

#[test]
fn a_killed_server_is_recovered_from() {
    let directory = directory();
    let place = used(directory.path());
    let cluster = start(&place).unwrap();
    query(cluster.socket_dir(), "CREATE TABLE kept AS SELECT 42 AS answer").unwrap();
    let postmaster = process(directory.path(), "postgres -D");
    kill(postmaster, Signal::SIGKILL).unwrap();
    let next = start(&place).unwrap();
    assert_eq!(query(next.socket_dir(), "SELECT answer FROM kept").unwrap(), "42");
    drop((cluster, next));

    // Everybody at once, as when a machine loses its power.
    let mut holder = Holder::at(directory.path());
    let socket_dir = holder.socket_dir();
    query(&socket_dir, "INSERT INTO kept VALUES (43)").unwrap();
    for (pid, _) in processes(directory.path()) {
        kill(pid, Signal::SIGKILL).unwrap();
    }
    holder.kill();
    assert!(directory.path().join("data/postmaster.pid").exists());
    // Meanwhile the pid belongs to somebody else, and the socket is still lying about.
    let pid_file = directory.path().join("data/postmaster.pid");
    let stale = fs::read_to_string(&pid_file).unwrap();
    let (_, rest) = stale.split_once('\n').unwrap();
    fs::write(&pid_file, format!("{}\n{rest}", std::process::id())).unwrap();
    assert!(socket_dir.join(".s.PGSQL.5432").exists());
    let cluster = start(&place).unwrap();
    assert_eq!(query(cluster.socket_dir(), "SELECT sum(answer) FROM kept").unwrap(), "85");
}

#[test]
fn a_killed_initdb_is_begun_again() {
    let directory = directory();
    let mut command = Holder::command();
    command.env(PLACE, directory.path()).stderr(Stdio::piped());
    let holder = Holder::spawn(command);
    let unfinished = || {
        let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_str().unwrap().starts_with("data.new-")).count()
    };
    eventually("initdb runs", || unfinished() == 1);
    kill(process(directory.path(), SUPERVISE), Signal::SIGKILL).unwrap();
    // Its starter notices that it has died, and says so; another start does the whole work.
    let failed = holder.child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&failed.stderr);
    assert!(said.contains("its supervisor ended: signal: 9"), "{said}");
    assert_eq!(unfinished(), 1);
    assert!(!kept(directory.path()).has_data());
    let cluster = start(&kept(directory.path())).unwrap();
    assert!(cluster.created());
    assert_eq!(unfinished(), 0);
}

#[test]
fn a_terminals_signal_does_not_reach_the_server() {
    let directory = directory();
    used(directory.path());
    let mut command = Holder::command();
    command.env(PLACE, directory.path()).process_group(0);
    let mut starter = Holder::spawn(command);
    let socket_dir = starter.socket_dir();
    let mut other = Holder::at(directory.path());
    other.socket_dir();
    let group = Pid::from_raw(-i32::try_from(starter.child.id()).unwrap());
    kill(group, Signal::SIGINT).unwrap();
    assert!(!starter.child.wait().unwrap().success());
    thread::sleep(Duration::from_millis(300));
    assert_eq!(query(&socket_dir, "SELECT 'still here'").unwrap(), "still here");
    other.end();
    assert_eq!(processes(directory.path()), []);
}

#[test]
fn throwaway_servers_leave_nothing_behind() {
    let parent = directory();
    fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).unwrap();
    let left = || fs::read_dir(parent.path()).unwrap().count();
    let holder = || {
        let mut command = Holder::command();
        command.env("TMPDIR", parent.path()).env(PROGRAM, binary());
        Holder::spawn(command)
    };
    let mut killed = holder();
    killed.socket_dir();
    assert_eq!(left(), 1);
    killed.kill();
    eventually("the directory goes", || left() == 0);

    // Where the supervisor is killed, too, the next one cleans up. It does not touch those in use.
    let (mut abandoned, mut used) = (holder(), holder());
    let place = abandoned.socket_dir().parent().unwrap().to_path_buf();
    used.socket_dir();
    kill(process(&place, SUPERVISE), Signal::SIGKILL).unwrap();
    abandoned.kill();
    nothing_is_left_running(&place);
    assert_eq!(left(), 2);
    let mut next = holder();
    next.socket_dir();
    assert!(!place.exists());
    assert_eq!(left(), 2);
    next.end();
    used.end();
    assert_eq!(left(), 0);
}

#[test]
fn awkward_paths() {
    let parent = directory();
    fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).unwrap();
    let odd = parent.path().join("a, \"b\" 'c' é");
    let cluster = start(&kept(&odd)).unwrap();
    assert_eq!(cluster.socket_dir(), odd.join("run"));
    assert_eq!(query(cluster.socket_dir(), "SELECT 1").unwrap(), "1");
    drop(cluster);

    // Too long for the path of a socket.
    let long = parent.path().join("x".repeat(120));
    let cluster = start(&kept(&long)).unwrap();
    let socket_dir = cluster.socket_dir().to_owned();
    assert!(socket_dir.starts_with("/tmp"), "{}", socket_dir.display());
    assert_eq!(fs::metadata(&socket_dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(query(&socket_dir, "SELECT 1").unwrap(), "1");
    drop(cluster);
    assert!(!socket_dir.exists());
}

#[test]
fn what_cannot_be_is_said() {
    let directory = directory();
    let path = directory.path().display().to_string();
    let told = |place: &Place| match start(place) {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string().replace(&path, "[dir]"),
    };
    let bindir = programs().bindir().display().to_string();
    let major = programs().major().unwrap();

    let foreign = directory.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "").unwrap();
    assert_eq!(told(&kept(&foreign)), "[dir]/foreign is not empty, and no embedded server has been there");
    assert!(!kept(&foreign).reset().unwrap());
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);

    let made = directory.path().join("made");
    fs::create_dir(&made).unwrap();
    let place = used(&made);
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let data = place.directory().join("data");
    fs::write(data.join("postgresql.auto.conf"), "no_such_setting = 1\n").unwrap();
    let error = told(&place);
    let (before, after) = error.split_once("postgres: exit status: 1\n").expect(&error);
    assert_eq!(before, "the embedded server in [dir]/made did not start: ");
    assert!(after.contains("unrecognized configuration parameter \"no_such_setting\""), "{error}");

    fs::write(data.join("PG_VERSION"), "9.6\n").unwrap();
    assert_eq!(
        told(&place),
        format!(
            "the data in [dir]/made was made by PostgreSQL 9.6, and the programs in {bindir} are PostgreSQL {major}: \
             keep it by naming the directory of PostgreSQL 9.6 in OAUTHCTL_PG_BINDIR, or discard it with \
             --embedded-reset"
        )
    );
    assert!(place.reset().unwrap());

    if Uid::effective().is_root() {
        let closed = directory.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        let expected = "cannot enter [dir]/closed, which is on the way to [dir]/closed/inside";
        assert!(told(&kept(&closed.join("inside"))).ends_with(expected));
    }
}

#[test]
fn a_supervisor_that_is_told_nonsense_ends() {
    let output = Sandbox::new().oauthctl(&[SUPERVISE, "for-ever", "/bin", "/"]).exits(1);
    assert_eq!(output.to_string(), "exit: 1\n--- stdout\n--- stderr\n");
}
