//! What is left when somebody is killed: no process, no damage, and nothing that the next start trips over.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oauthctl::embedded::SUPERVISE;

use super::{
    Holder, THROWAWAY, directory, kept, nothing_is_left_running, process, processes, query, start, used,
};
use crate::support::eventually;

/// Whether no process holds a lock. The kernel takes it from one that dies, at some time after the signal.
fn free(lock: &Path) -> bool {
    File::open(lock).unwrap().try_lock().is_ok()
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
    eventually("no supervisor comes", || !processes(directory.path()).is_empty());
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
    // One that is about to die still has its lock, and a start joins its server.
    eventually("the killed supervisor keeps its lock", || free(&directory.path().join("supervisor.lock")));
    // At once, while the old server may still be there.
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
    // The server first: one that hears of its supervisor's end stops in order, and removes its file.
    kill(process(directory.path(), "postgres -D"), Signal::SIGKILL).unwrap();
    for (pid, _) in processes(directory.path()) {
        // One takes others with it.
        let _ = kill(pid, Signal::SIGKILL);
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
    let mut command = Holder::command(directory.path());
    command.stderr(Stdio::piped());
    let holder = Holder::spawn(command);
    let unfinished = || {
        let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_str().unwrap().starts_with("data.new-")).count()
    };
    eventually("initdb does not run", || unfinished() == 1);
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
    let mut command = Holder::command(directory.path());
    command.process_group(0);
    let mut starter = Holder::spawn(command);
    let socket_dir = starter.socket_dir();
    let mut other = Holder::at(directory.path());
    other.socket_dir();
    let group = Pid::from_raw(-i32::try_from(starter.child.id()).unwrap());
    kill(group, Signal::SIGINT).unwrap();
    // A shell's background jobs, and with them this one perhaps, ignore it.
    kill(group, Signal::SIGTERM).unwrap();
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
        let mut command = Holder::command(THROWAWAY);
        command.env("TMPDIR", parent.path());
        Holder::spawn(command)
    };
    let mut killed = holder();
    killed.socket_dir();
    assert_eq!(left(), 1);
    killed.kill();
    eventually("the directory stays", || left() == 0);

    // Where the supervisor is killed, too, the next one cleans up. It does not touch those in use.
    let (mut abandoned, mut used) = (holder(), holder());
    let place = abandoned.socket_dir().parent().unwrap().to_path_buf();
    used.socket_dir();
    kill(process(&place, SUPERVISE), Signal::SIGKILL).unwrap();
    abandoned.kill();
    nothing_is_left_running(&place);
    // A process that ends loses its command line first, and children of the server never had the place in theirs.
    eventually("the dying keep their locks", || {
        let locks = ["users.lock", "supervisor.lock", "server.lock"];
        locks.iter().all(|lock| free(&place.join(lock)))
    });
    assert_eq!(left(), 2);
    let mut next = holder();
    next.socket_dir();
    assert!(!place.exists());
    assert_eq!(left(), 2);
    next.end();
    used.end();
    assert_eq!(left(), 0);
}
