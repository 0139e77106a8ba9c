//! A network of a test's own: namespaces of Linux, with cables between them. No privilege is needed where an ordinary
//! user may have a user namespace, and nothing is left behind, because the kernel removes it with its last process.
//!
//! A test runs itself again inside: [`run_again_inside`]. There it is alone with its network, and may use `ip` and
//! [`Host`]s.

use std::fs;
use std::process::{Child, Command, Stdio};

use nix::unistd::Uid;

use super::{environment, eventually, not_run};

/// Tells the second run that it is the one inside.
const INSIDE: &str = "OAUTHCTL_TEST_INSIDE";

/// What the tests do inside. `nsenter` and `unshare` come with `ip` in every distribution.
const PROBE: &str =
    "ip link set lo up && ip link add cable0 type veth peer name cable1 && unshare --net true";

/// Runs a test again, in a network of its own; returns whether this is that second run. A machine that forbids it has
/// the test reported as not run.
pub fn run_again_inside(test: &str) -> bool {
    if environment(INSIDE).is_some() {
        // By way of it, a server before PostgreSQL 15 collects its statistics.
        ip(&["link", "set", "lo", "up"]);
        return true;
    }
    if let Err(reason) = possible() {
        let subject = test.rsplit_once("::").map_or(test, |(module, _)| module);
        not_run(subject, &reason);
        return false;
    }
    let output = inside(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "inside, {test} failed:\n{said}");
    false
}

/// Why this machine forbids it.
fn possible() -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("only Linux has network namespaces".to_owned());
    }
    for program in ["unshare", "nsenter", "ip"] {
        let there = Command::new(program).arg("-V").env("PATH", path()).output();
        assert!(
            there.is_ok(),
            "this test needs the program `{program}`: `sh tests/setup iproute2` installs it"
        );
    }
    let output = inside("sh").args(["-c", PROBE]).output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let namespaces = if Uid::effective().is_root() { "network" } else { "unprivileged user" };
    Err(format!("{namespaces} namespaces are not allowed: {}", said.lines().next().unwrap_or_default()))
}

/// An ordinary user stays who they are, because PostgreSQL does not run as root, and gets root's rights over what is
/// inside.
fn inside(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("unshare");
    if !Uid::effective().is_root() {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    command.args(["--net", "--"]).arg(program).env("PATH", path()).stdin(Stdio::null());
    command
}

/// An ordinary user's `PATH` may lack the place of `ip`.
fn path() -> String {
    let path = environment("PATH").unwrap_or_default();
    format!("{}:/usr/sbin:/sbin", path.to_string_lossy())
}

/// Another machine, as far as the network is concerned: a namespace at the other end of a cable.
#[derive(Debug)]
pub struct Host {
    /// Holds the namespace.
    process: Child,
    /// The address at which the host sees this side.
    pub server: String,
}

impl Host {
    /// One with an address of its own, which depends on the number.
    pub fn new(number: usize) -> Self {
        // It ends with its standard input, and so with this process.
        let process = Command::new("unshare")
            .args(["--net", "--", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let host = Self { process, server: format!("10.0.{number}.1") };
        host.wait_until_apart();
        let (outer, inner) = (format!("outer{number}"), format!("inner{number}"));
        ip(&["link", "add", &outer, "type", "veth", "peer", "name", &inner]);
        ip(&["link", "set", &inner, "netns", &host.process.id().to_string()]);
        ip(&["addr", "add", &format!("{}/24", host.server), "dev", &outer]);
        ip(&["link", "set", &outer, "up"]);
        host.ip(&["addr", "add", &format!("10.0.{number}.2/24"), "dev", &inner]);
        host.ip(&["link", "set", &inner, "up"]);
        host
    }

    /// Until then it is still in the namespace of this process.
    fn wait_until_apart(&self) {
        let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).unwrap();
        let process = self.process.id().to_string();
        eventually("it gets no namespace", || namespace(&process) != namespace("self"));
    }

    /// Runs a program there.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.process.id().to_string(), "--net", "--"]).arg(program);
        command
    }

    fn ip(&self, arguments: &[&str]) {
        succeed(self.command("ip").args(arguments));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn ip(arguments: &[&str]) {
    succeed(Command::new("ip").args(arguments));
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
