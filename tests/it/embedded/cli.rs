//! What `oauthctl --embedded` says and does.

use oauthctl::embedded::{BINDIR_VARIABLE, DIRECTORY_VARIABLE, SUPERVISE};

use super::{Holder, directory, processes, query, used};
use crate::support::Sandbox;

const MIGRATE: [&str; 3] = ["migrate", "--provider", "--embedded"];

#[test]
fn a_run_makes_it_and_the_next_one_finds_it() {
    let directory = directory();
    let mut sandbox = Sandbox::new();
    sandbox.set(DIRECTORY_VARIABLE, directory.path());
    let told = |output: &crate::support::sandbox::Output| {
        output.to_string().replace(directory.path().to_str().unwrap(), "[place]")
    };
    // Two at once, on a machine that has none yet.
    let (one, other) = (sandbox.command(&MIGRATE).spawn(), sandbox.command(&MIGRATE).spawn());
    let mut both = [told(&one.wait().exits(0)), told(&other.wait().exits(0))];
    both.sort_by_key(|output| output.contains("is up to date"));
    assert!(both[0].contains("The provider schema of DOT 3.4.1 is in place: V1__dot_3_4_1."), "{both:?}");
    assert!(both[1].contains("The provider schema of DOT 3.4.1 is up to date."), "{both:?}");
    assert_eq!(processes(directory.path()), []);

    insta::assert_snapshot!(told(&sandbox.oauthctl(&MIGRATE)), @r"
    exit: 0
    --- stdout
    The provider schema of DOT 3.4.1 is up to date.
    --- stderr
    Using the embedded PostgreSQL in [place]. It is stopped when no oauthctl uses it any more.
    ");

    let mut holder = Holder::at(directory.path());
    let socket_dir = holder.socket_dir();
    let in_use = sandbox.oauthctl(&[MIGRATE.as_slice(), &["--embedded-reset"]].concat());
    insta::assert_snapshot!(told(&in_use), @r"
    exit: 5
    --- stdout
    --- stderr
    error: the embedded server in [place] is in use by another process
    hint: wait until the other one has ended
    ");
    assert_eq!(query(&socket_dir, "SELECT count(*) FROM auth_user").unwrap(), "0");
    holder.end();

    let reset = sandbox.oauthctl(&[MIGRATE.as_slice(), &["--embedded-reset"]].concat());
    insta::assert_snapshot!(told(&reset), @r"
    exit: 0
    --- stdout
    The provider schema of DOT 3.4.1 is in place: V1__dot_3_4_1.
    --- stderr
    Deleted the embedded PostgreSQL in [place].
    Making an embedded PostgreSQL in [place]. This takes some seconds.
    Made an embedded PostgreSQL in [place]. It is stopped when no oauthctl uses it any more.
    ");
    assert_eq!(processes(directory.path()), []);
}

#[test]
fn without_programs_it_says_what_to_install() {
    let mut sandbox = Sandbox::new();
    sandbox.set(BINDIR_VARIABLE, "/nowhere");
    let output = sandbox.oauthctl(&MIGRATE).exits(5);
    let (first, rest) = output.stderr.split_once('\n').unwrap();
    assert_eq!(first, "error: no PostgreSQL server programs (postgres, initdb) in /nowhere");
    assert!(rest.contains("hint: install "), "{rest}");
    assert!(rest.contains("OAUTHCTL_PG_BINDIR=/path/to/bin"), "{rest}");
}

#[test]
fn data_of_another_version_is_kept_or_discarded() {
    let directory = directory();
    let mut sandbox = Sandbox::new();
    sandbox.set(DIRECTORY_VARIABLE, directory.path());
    used(directory.path());
    std::fs::write(directory.path().join("data/PG_VERSION"), "9.6\n").unwrap();
    let output = sandbox.oauthctl(&MIGRATE).exits(5);
    for expected in [
        "was made by PostgreSQL 9.6, and the programs in ",
        "hint: to keep the data, name the programs of PostgreSQL 9.6: OAUTHCTL_PG_BINDIR=/path/to/bin",
        "hint: to discard the data, add `--embedded-reset`",
    ] {
        assert!(output.stderr.contains(expected), "{output}");
    }
}

#[test]
fn a_supervisor_that_is_told_nonsense_ends() {
    let output = Sandbox::new().oauthctl(&[SUPERVISE, "for-ever", "/bin", "/"]).exits(1);
    assert_eq!(output.to_string(), "exit: 1\n--- stdout\n--- stderr\n");
}
