//! Several cleaners on several hosts against one server: each in a network namespace of its own, with an address of its
//! own, so that they share nothing but the database.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::Uid;
use oauthctl::model::CleanupPolicy;
use serde_json::Value;

use super::draft::Draft;
use super::graph::Graph;
use super::runner::now;
use crate::support::{Database, Instance, Template, binary};

const DOT: Template = Template::Dot341;
const HOSTS: usize = 3;

/// The namespaces of one test, with a cable from each to the machine. Gone with the value.
struct Hosts {
    /// What their names begin with, and their addresses.
    name: String,
    subnet: String,
}

impl Hosts {
    fn new() -> Self {
        assert!(
            Uid::effective().is_root() && Command::new("ip").arg("-V").output().is_ok(),
            "this test makes network namespaces, which takes root and the program `ip`: run the tests as root, and install \
             iproute2 (`sh tests/setup iproute2`)"
        );
        let id = std::process::id();
        let hosts =
            Self { name: format!("oactl{id}"), subnet: format!("10.{}.{}", 200 + id % 50, id / 50 % 250) };
        for host in 0..HOSTS {
            let (space, [outer, inner]) =
                (hosts.space(host), [hosts.cable(host, 'o'), hosts.cable(host, 'i')]);
            ip(&["netns", "add", &space]);
            ip(&["link", "add", &outer, "type", "veth", "peer", "name", &inner]);
            ip(&["link", "set", &inner, "netns", &space]);
            ip(&["addr", "add", &format!("{}/30", hosts.server(host)), "dev", &outer]);
            ip(&["link", "set", &outer, "up"]);
            let address = format!("{}.{}/30", hosts.subnet, 4 * host + 2);
            ip(&["-n", &space, "addr", "add", &address, "dev", &inner]);
            ip(&["-n", &space, "link", "set", &inner, "up"]);
        }
        hosts
    }

    fn space(&self, host: usize) -> String {
        format!("{}-{host}", self.name)
    }

    /// Names of interfaces have 15 characters at most.
    fn cable(&self, host: usize, end: char) -> String {
        format!("{}{end}{host}", self.name)
    }

    /// The address at which a host sees the server.
    fn server(&self, host: usize) -> String {
        format!("{}.{}", self.subnet, 4 * host + 1)
    }

    /// Runs one cleaner on each of so many hosts; returns what they deleted, each, and how long it took.
    fn clean(&self, database: &Database, hosts: usize) -> (Vec<u64>, Duration) {
        let start = Instant::now();
        let children: Vec<_> = (0..hosts)
            .map(|host| {
                let url = format!(
                    "postgres://postgres@{}:5432/{}?sslmode=disable",
                    self.server(host),
                    database.name()
                );
                Command::new("ip")
                    .args(["netns", "exec", &self.space(host)])
                    .arg(binary())
                    .args(["cleartokens", "--database-url", &url, "--as-of", "2026-01-02T03:04:05.6Z"])
                    .args(["--refresh-token-expire", "1h", "--batch-size", "8", "--batch-interval", "25ms"])
                    .args(["--format", "json"])
                    .env_clear()
                    .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
                    .current_dir("/")
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let deleted = children
            .into_iter()
            .map(|child| {
                let output = child.wait_with_output().unwrap();
                let text = [&output.stdout[..], &output.stderr].concat();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
                let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
                assert_eq!(
                    (&outcome["run"]["stop"], &outcome["run"]["locked"]),
                    (&"finished".into(), &0.into())
                );
                outcome["deleted"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum()
            })
            .collect();
        (deleted, start.elapsed())
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in 0..HOSTS {
            let _ = Command::new("ip").args(["link", "del", &self.cable(host, 'o')]).output();
            let _ = Command::new("ip").args(["netns", "del", &self.space(host)]).output();
        }
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments:?}: {said}");
}

#[test]
fn cleaners_on_several_hosts_share_the_work() {
    let policy =
        CleanupPolicy { refresh_token_expire: Some(Duration::from_secs(3600)), ..CleanupPolicy::default() };
    let hosts = Hosts::new();
    let addresses: Vec<String> = (0..HOSTS).map(|host| hosts.server(host)).collect();
    let instance = Instance::start(&[&format!("listen_addresses={}", addresses.join(",")), "autovacuum=off"]);
    let database = instance.database(DOT);
    let draft = Draft::random(77, 700, &policy, now());
    let mut times = Vec::new();
    for count in [1, HOSTS] {
        draft.insert(&database, DOT);
        let before = Graph::read(&database, DOT);
        let after = before.cleared(&policy, now(), &BTreeSet::new());
        let (deleted, time) = hosts.clean(&database, count);
        assert_eq!(Graph::read(&database, DOT), after, "{count} hosts");
        let total: u64 = deleted.iter().sum();
        assert_eq!(total, (before.len() - after.len()) as u64, "each row once: {deleted:?}");
        assert!(deleted.iter().all(|rows| rows * 20 > total), "everybody does a share: {deleted:?}");
        times.push(time);
    }
    assert_eq!(
        database.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"),
        "0"
    );
    // Most of the time goes into the pauses between batches, of which three take at the same time.
    assert!(times[1] < times[0] * 3 / 4, "alone {:?}, together {:?}", times[0], times[1]);
}
