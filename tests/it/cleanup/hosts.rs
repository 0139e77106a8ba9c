//! Several cleaners on several hosts against one server: each in a network namespace of its own, with an address of its
//! own, so that they share nothing but the database.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use oauthctl::model::CleanupPolicy;
use serde_json::Value;

use super::draft::Draft;
use super::graph::Graph;
use super::runner::now;
use crate::support::namespace::{Host, run_again_inside};
use crate::support::{Database, Instance, Template, binary};

const DOT: Template = Template::Dot341;
const HOSTS: usize = 3;

/// No cleaner commits its first batch before each of them has one: so all of them have a share, however late one begins.
/// A sequence says who has come: its value is seen at once by all, and no rollback takes it back.
const MEETING: &str = "\
    CREATE SEQUENCE met_0; CREATE SEQUENCE met_1; CREATE SEQUENCE met_2; \
    CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$ \
    BEGIN \
        PERFORM setval('met_' || split_part(host(inet_client_addr()), '.', 3), 1); \
        WHILE EXISTS (SELECT FROM pg_sequences WHERE sequencename LIKE 'met_%' AND last_value IS NULL) LOOP \
            PERFORM pg_sleep(0.01); \
        END LOOP; \
        RETURN NULL; \
    END $$; \
    CREATE TRIGGER meet AFTER DELETE ON oauth2_provider_refreshtoken FOR EACH ROW EXECUTE FUNCTION meet()";

/// Runs one cleaner on each host; returns how many rows each of them deleted.
fn clean(hosts: &[Host], database: &Database) -> Vec<u64> {
    let children: Vec<_> = hosts
        .iter()
        .map(|host| {
            let url = format!("postgres://postgres@{}:5432/{}?sslmode=disable", host.server, database.name());
            host.command(binary())
                .args(["cleartokens", "--database-url", &url, "--as-of", "2026-01-02T03:04:05.6Z"])
                .args(["--refresh-token-expire", "1h", "--batch-size", "8", "--format", "json"])
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
    children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            let text = [&output.stdout[..], &output.stderr].concat();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
            let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
            let run = &outcome["run"];
            assert_eq!((&run["stop"], &run["locked"]), (&"finished".into(), &0.into()), "{outcome}");
            outcome["deleted"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum()
        })
        .collect()
}

#[test]
fn cleaners_on_several_hosts_share_the_work() {
    if !run_again_inside("cleanup::hosts::cleaners_on_several_hosts_share_the_work") {
        return;
    }
    let policy =
        CleanupPolicy { refresh_token_expire: Some(Duration::from_hours(1)), ..CleanupPolicy::default() };
    let hosts: Vec<Host> = (0..HOSTS).map(Host::new).collect();
    let addresses: Vec<&str> = hosts.iter().map(|host| host.server.as_str()).collect();
    let instance = Instance::start(&[&format!("listen_addresses={}", addresses.join(",")), "autovacuum=off"]);
    let database = instance.database(DOT);
    Draft::random(77, 700, &policy, now()).insert(&database, DOT);
    database.execute(MEETING);
    let before = Graph::read(&database, DOT);
    let after = before.cleared(&policy, now(), &BTreeSet::new());
    let deleted = clean(&hosts, &database);
    assert_eq!(Graph::read(&database, DOT), after);
    let total: u64 = deleted.iter().sum();
    assert_eq!(total, (before.len() - after.len()) as u64, "each row once: {deleted:?}");
    assert!(deleted.iter().all(|rows| *rows > 0), "each host does a share: {deleted:?}");
    database.settle_statistics();
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(database.value(deadlocks), "0");
}
