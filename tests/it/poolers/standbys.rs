//! A hot standby: what reads works there, and a pooler that sends reads to it leads no verb astray.

use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::super::support::pooler::Pooler;
use super::super::support::server::block_on;
use super::super::support::{Database, Instance, Sandbox, Template, not_run};
use super::{FILE, seed, state, without_a_pooler, work};

/// A primary with rows, and a standby that has them too.
fn pair() -> (Database, Instance, Instance) {
    let primary = Instance::start(&["wal_level=replica", "max_wal_senders=5"]);
    let database = primary.database(Template::Dot341);
    seed(&database);
    // Its base backup has the rows.
    let standby = primary.replica("standby");
    (database, standby, primary)
}

/// The verbs that read, and whether the answer depends on nothing but rows.
const READERS: [(bool, &[&str]); 9] = [
    (true, &["list"]),
    (true, &["list", "--format", "json"]),
    (true, &["show", "web"]),
    (true, &["plan", "--as-of", "2026-01-01T00:00:00Z"]),
    (true, &["import", "--all", "--dry-run"]),
    (true, &["import", "other", "-f", "other.toml"]),
    (true, &["cleartokens", "--dry-run", "--as-of", "2026-01-01T00:00:00Z", "--refresh-token-expire", "1h"]),
    (false, &["status"]),
    (false, &["status", "--format", "json"]),
];

#[test]
fn every_verb_that_reads_answers_on_a_standby_as_on_the_primary() {
    let (database, standby, primary) = pair();
    let answers = [&primary, &standby].map(|server| {
        let mut sandbox = Sandbox::with(&database);
        sandbox.write("oauth.toml", FILE);
        sandbox.set("PGHOST", server.home().socket_dir);
        READERS.map(|(_, verb)| sandbox.oauthctl(verb).exits(0).stdout)
    });
    // It says when it has looked.
    let rows = |answer: &str| -> Vec<String> {
        let instant = |line: &&str| !line.contains("as of") && !line.contains("as_of");
        answer.lines().filter(instant).map(str::to_owned).collect()
    };
    for ((by_rows, verb), (primary, standby)) in READERS.iter().zip(answers[0].iter().zip(&answers[1])) {
        assert!(!by_rows || rows(primary) == rows(standby), "{verb:?}\n{standby}");
    }
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("PGHOST", standby.home().socket_dir);
    let doctor = sandbox.oauthctl(&["doctor"]).exits(1);
    assert!(doctor.stdout.contains("This server is a standby"), "{doctor}");
}

/// The standby stands still: whoever reads there reads what was.
#[test]
fn every_verb_works_behind_a_pool_that_sends_reads_to_a_standby() {
    let (database, standby, primary) = pair();
    let Some(pooler) = Pooler::pgpool(&primary.home(), &standby.home()) else {
        return not_run("poolers::standbys", "no Pgpool-II (/usr/sbin/pgpool) here");
    };
    assert!(reads_on_standby(&pooler, &database) > 0, "it balances nothing");
    standby.execute("SELECT pg_wal_replay_pause()");
    work(&pooler.sandbox(&database));
    assert_eq!(state(&database), without_a_pooler());
}

/// Reads a row, and asks how many statements the standby has got.
fn reads_on_standby(pooler: &Pooler, database: &Database) -> u32 {
    let config = pooler.home().config(database.name());
    block_on(async move {
        let (client, connection) = config.connect(NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.simple_query("SELECT client_id FROM oauth2_provider_application").await.unwrap();
        let nodes = client.simple_query("SHOW pool_nodes").await.unwrap();
        let counts = nodes.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) if row.get("role") == Some("standby") => row.get("select_cnt"),
            _ => None,
        });
        let sum = counts.map(|count| count.parse::<u32>().unwrap()).sum();
        drop(client);
        let _ = connection.await;
        sum
    })
}
