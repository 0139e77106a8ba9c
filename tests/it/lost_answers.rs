//! Connections that end in the middle: the reason that the server gave is told, and a COMMIT without an answer is looked
//! into over a new connection.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use insta::assert_snapshot;
use oauthctl::conninfo::{Given, Machine, Sources, resolve};
use oauthctl::db::connect::Database as Connected;
use oauthctl::db::error::{DbError, Meaning};
use serde_json::json;

use super::apply_failures::cutting_proxy;
use super::support::database::Template;
use super::support::instance::Instance;
use super::support::rows::application;
use super::support::{Database, Sandbox, eventually, server};

/// The server ends the session while no statement runs; the next statement says why.
#[tokio::test]
async fn the_reason_that_came_between_two_statements_is_told() {
    let test = Database::create(Template::Empty);
    let url = test.url();
    let command_line = Some(Given { label: "the test", text: &url });
    let settings = resolve(&Sources { command_line, file: None }, &Machine::new(|_: &str| None)).unwrap();
    let database = Connected::connect(&settings, "oauthctl test", 2).await.unwrap();
    let client = database.get().await.unwrap();
    client.batch_execute("BEGIN").await.unwrap();
    let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                  WHERE datname = current_database() AND application_name = 'oauthctl test'";
    assert_eq!(test.value(others), "1");
    eventually("the session stays", || test.value(others) == "0");
    let lost = client.batch_execute("SELECT 1").await.map_err(DbError::during("the work")).unwrap_err();
    assert_eq!(lost.to_string(), "the work failed: terminating connection due to administrator command");
    assert_eq!(*lost.meaning(), Meaning::AdminShutdown);
    assert!(lost.is_connection_lost());
}

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    application(&database, 101, "old", &json!({ "client_secret": "before", "user_id": null }));
    let sandbox = Sandbox::with(&database);
    (database, sandbox)
}

const ROTATE: [&str; 5] = ["rotate-secret", "old", "--yes", "--secrets-out", "secrets.json"];
const CREATE: [&str; 5] = ["createapplication", "confidential", "client-credentials", "--client-id", "made"];

/// Behind the proxy; whether the COMMIT arrives is the only difference.
fn run(
    arguments: &[&str],
    arrives: bool,
    prepare: &str,
) -> (Database, super::support::sandbox::Output, bool) {
    let (database, mut sandbox) = world();
    database.execute(prepare);
    let proxy = tempfile::tempdir().unwrap();
    cutting_proxy(proxy.path(), arrives);
    sandbox.set("PGHOST", proxy.path());
    sandbox.set("PGPORT", "5432");
    let output = sandbox.oauthctl(arguments);
    let kept = sandbox.path().join("secrets.json").exists();
    (database, output, kept)
}

fn secret(database: &Database) -> String {
    database.value("SELECT client_secret FROM oauth2_provider_application WHERE client_id = 'old'")
}

#[test]
fn a_commit_that_arrived_is_found_out() {
    let (database, output, kept) = run(&ROTATE, true, "SELECT 1");
    assert_snapshot!("rotated_after_all", output.exits(0));
    assert!(kept);
    assert_ne!(secret(&database), "before");
    let (database, output, _) = run(&CREATE, true, "SELECT 1");
    let output = output.exits(0);
    assert!(
        output.stdout.starts_with("New application made created successfully.\nclient_secret: "),
        "{output}"
    );
    assert_eq!(database.value("SELECT count(*) FROM oauth2_provider_application"), "2");
}

#[test]
fn a_commit_that_did_not_arrive_is_found_out() {
    let (database, output, kept) = run(&ROTATE, false, "SELECT 1");
    assert_snapshot!("not_rotated", output.exits(1));
    assert!(!kept, "the secret was never stored");
    assert_eq!(secret(&database), "before");
    let (database, output, _) = run(&CREATE, false, "SELECT 1");
    assert_snapshot!("not_created", output.exits(1));
    assert_eq!(database.value("SELECT count(*) FROM oauth2_provider_application"), "1");
}

/// Where nobody answers any more, the advice tells the two outcomes apart.
#[test]
fn a_server_that_cannot_be_asked() {
    const SHUT: &str = "CREATE FUNCTION shut() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN UPDATE pg_database SET datallowconn = false WHERE datname = current_database(); RETURN NEW; END $$; \
        CREATE TRIGGER shut BEFORE INSERT OR UPDATE ON oauth2_provider_application FOR EACH ROW EXECUTE FUNCTION shut()";
    let elsewhere = Database::create(Template::Empty);
    for (name, arguments) in [("unknown_rotation", ROTATE), ("unknown_creation", CREATE)] {
        let (database, output, kept) = run(&arguments, true, SHUT);
        elsewhere.execute(format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", database.name()));
        let filters = [
            (r"`updated` is \S+ or", "`updated` is [instant] or"),
            (r"client_secret: \w+", "client_secret: [secret]"),
        ];
        insta::with_settings!({ filters => filters }, { assert_snapshot!(name, output.exits(1)); });
        assert_eq!(kept, name == "unknown_rotation");
        assert_ne!(
            secret(&database) + &database.value("SELECT count(*) FROM oauth2_provider_application"),
            "before1"
        );
    }
}

/// Cuts the first connection that sends this, once.
fn cutting_once(directory: &Path, needle: &'static str) {
    let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).unwrap();
    let target = server().socket_dir().join(format!(".s.PGSQL.{}", server().port()));
    let cut = Arc::new(AtomicBool::new(false));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let upstream = UnixStream::connect(&target).unwrap();
            let (mut from_server, mut to_client) =
                (upstream.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
            let cut = Arc::clone(&cut);
            thread::spawn(move || {
                let (mut client, mut upstream) = (client, upstream);
                let mut buffer = vec![0; 65_536];
                while let Ok(length @ 1..) = client.read(&mut buffer) {
                    let sends_it =
                        buffer[..length].windows(needle.len()).any(|part| part == needle.as_bytes());
                    if sends_it && !cut.swap(true, Ordering::SeqCst)
                        || upstream.write_all(&buffer[..length]).is_err()
                    {
                        let _ = client.shutdown(std::net::Shutdown::Both);
                        let _ = upstream.shutdown(std::net::Shutdown::Both);
                        return;
                    }
                }
            });
        }
    });
}

/// The reads that come before the first batch: the catalogue, the clock, the session, the statistics.
#[test]
fn cleartokens_reads_again() {
    for needle in
        ["AS want(name, n)", "SELECT clock_timestamp()", "default_transaction_read_only", "reltuples"]
    {
        let database = Database::create(Template::Dot341);
        application(&database, 101, "old", &json!({ "user_id": null }));
        database.execute(
            "INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, created, updated, resource) \
             SELECT '', n, now() - interval '1 day', '', now(), now(), '[]' FROM generate_series(1, 20) n",
        );
        let mut sandbox = Sandbox::with(&database);
        let proxy = tempfile::tempdir().unwrap();
        cutting_once(proxy.path(), needle);
        sandbox.set("PGHOST", proxy.path());
        sandbox.set("PGPORT", "5432");
        let output = sandbox.oauthctl(&["cleartokens", "--refresh-token-expire", "14d"]).exits(0);
        assert_eq!(
            database.value("SELECT count(*) FROM oauth2_provider_accesstoken"),
            "0",
            "{needle}: {output}"
        );
    }
}

/// Nobody else would say that a standby has not got what was committed.
#[test]
fn what_the_server_warns_of_at_a_commit_is_shown() {
    let instance = Instance::start(&["max_wal_senders=5"]);
    let database = instance.database(Template::Dot341);
    application(&database, 101, "old", &json!({ "name": "Before", "user_id": null }));
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", "[applications.old]\nname = \"After\"\n");
    database.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    database.execute("SELECT pg_reload_conf()");
    let running = sandbox.command(&["apply", "--yes"]).spawn();
    let waiting = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    eventually("COMMIT does not wait", || database.value(waiting) != "0");
    assert_snapshot!("not_replicated", running.wait().exits(0));
    assert_eq!(database.value("SELECT name FROM oauth2_provider_application"), "After");
    // The end of the test would wait as well.
    database.execute("ALTER SYSTEM RESET synchronous_standby_names");
    database.execute("SELECT pg_reload_conf()");
}
