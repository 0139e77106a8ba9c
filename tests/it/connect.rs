//! Getting in, being refused, and what runs on the connections: against real servers, with `psql` as the judge of
//! which server is chosen.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use oauthctl::conninfo::{Given, Machine, Settings, Sources, resolve};
use oauthctl::db::connect::{ConnectError, Database};
use oauthctl::db::error::{DbError, Meaning};

use super::support;
use super::support::network::{NetworkServer, PASSWORD, SCRAM_PASSWORD, newest_words};
use super::support::server::programs;
use super::support::{Sandbox, Template, eventually};

fn settings_with(text: &str, variables: &[(&str, &str)]) -> Settings {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let machine = Machine::new(|name: &str| variables.get(name).map(|value| (*value).to_owned()));
    let command_line = Some(Given { label: "the test", text });
    resolve(&Sources { command_line, file: None }, &machine).unwrap()
}

fn settings(text: &str) -> Settings {
    settings_with(text, &[("HOME", "/nowhere")])
}

async fn connect(text: &str) -> Result<Database, ConnectError> {
    Database::connect(&settings(text), "oauthctl test", 2).await
}

async fn value(database: &Database, sql: &str) -> String {
    let client = database.get().await.unwrap();
    let messages = client.simple_query(sql).await.unwrap();
    let value = messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    value.unwrap_or_default()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A port on which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn refusals_name_the_target_and_the_cause_and_never_the_password() {
    let server = NetworkServer::start();
    let closed = closed_port();
    // It takes the connection and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let home = tempfile::TempDir::new().unwrap();
    let pgpass = home.path().join("pgpass");
    std::fs::write(&pgpass, "*:*:*:*:hunter2hunter2\n").unwrap();
    std::fs::set_permissions(&pgpass, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let port = server.port();
    let mut said = String::new();
    for (title, text) in [
        ("nobody listens", format!("postgres://u:hunter2hunter2@127.0.0.1:{closed}/app")),
        (
            "nobody listens, two hosts",
            format!("postgres://u:hunter2hunter2@127.0.0.1:{closed},[::1]:{closed}/app"),
        ),
        ("no socket", "host=/nowhere/run dbname=app user=u password=hunter2hunter2".to_owned()),
        ("no such host", "host=db.invalid dbname=app user=u password=hunter2hunter2".to_owned()),
        (
            "silence",
            format!("host=127.0.0.1 port={silent_port} user=u connect_timeout=1 password=hunter2hunter2"),
        ),
        (
            "silence, then nobody",
            format!("host=127.0.0.1,127.0.0.1 port={silent_port},{closed} user=u connect_timeout=1"),
        ),
        (
            "wrong password",
            format!("host=127.0.0.1 port={port} user=scram dbname=postgres password=hunter2hunter2"),
        ),
        (
            "wrong md5 password",
            format!("host=127.0.0.1 port={port} user=md5 dbname=postgres password=hunter2hunter2"),
        ),
        (
            "wrong password from the file",
            format!("host=127.0.0.1 port={port} user=scram dbname=postgres passfile={}", pgpass.display()),
        ),
        ("no password", format!("host=127.0.0.1 port={port} user=scram dbname=postgres")),
        ("no such database", format!("host=127.0.0.1 port={port} user=anyone dbname=nonesuch")),
        (
            "no such user",
            format!("host=127.0.0.1 port={port} user=nobody dbname=postgres password=hunter2hunter2"),
        ),
        (
            "not an option",
            format!("host=127.0.0.1 port={port} user=anyone dbname=postgres options='-c nonesuch=1'"),
        ),
    ] {
        let error = connect(&text).await.err().unwrap();
        for printed in [error.to_string(), format!("{error:?}"), DbError::from(&error).to_string()] {
            assert!(!printed.contains("hunter2"), "{printed}");
        }
        let meaning = DbError::from(&error);
        let retry = if meaning.is_retryable() { ", worth another try" } else { "" };
        writeln!(said, "{title}: {:?}{retry}\n  {error}", meaning.meaning()).unwrap();
    }
    // How the resolver puts it depends on the machine.
    let unknown =
        said.lines().find_map(|line| line.split_once("the host is unknown: ")).unwrap().1.to_owned();
    let said = said
        .replace(&unknown, "[resolver]")
        .replace(&pgpass.display().to_string(), "[pgpass]")
        .replace(&closed.to_string(), "[closed]")
        .replace(&silent_port.to_string(), "[silent]")
        .replace(&port.to_string(), "[port]");
    insta::assert_snapshot!(newest_words(&said));
}

#[tokio::test]
async fn every_way_to_give_a_password_is_taken() {
    let server = NetworkServer::start();
    let home = tempfile::TempDir::new().unwrap();
    let pgpass = home.path().join(".pgpass");
    let escaped = SCRAM_PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    std::fs::write(&pgpass, format!("127.0.0.1:{}:postgres:scram:{escaped}\n", server.port())).unwrap();
    std::fs::set_permissions(&pgpass, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let base = format!("host=127.0.0.1 port={} dbname=postgres", server.port());
    let home = home.path().to_str().unwrap();
    let encoded: String =
        SCRAM_PASSWORD.bytes().flat_map(|byte| format!("%{byte:02X}").into_bytes()).map(char::from).collect();
    for (text, variables) in [
        (format!("{base} user=scram password={}", quoted(SCRAM_PASSWORD)), vec![]),
        (format!("postgres://scram:{encoded}@127.0.0.1:{}/postgres", server.port()), vec![]),
        (format!("{base} user=scram"), vec![("PGPASSWORD", SCRAM_PASSWORD)]),
        (format!("{base} user=scram"), vec![("HOME", home)]),
        (format!("{base} user=md5 password={PASSWORD}"), vec![]),
        (format!("{base} user=clear password={PASSWORD}"), vec![]),
        (
            format!(
                "host={} port={} dbname=postgres user=scram",
                server.socket_dir().display(),
                server.port()
            ),
            vec![("PGPASSWORD", SCRAM_PASSWORD)],
        ),
    ] {
        let settings = settings_with(&text, &variables);
        let database = Database::connect(&settings, "oauthctl test", 1).await.unwrap();
        assert_eq!(value(&database, "SELECT current_user").await, settings.user);
    }
}

#[tokio::test]
async fn the_first_server_that_fits_is_taken_as_psql_takes_it() {
    let primary = NetworkServer::start();
    let standby = primary.standby();
    let (first, second, closed) = (primary.port(), standby.port(), closed_port());
    let name = |port: &str| match port.parse::<u16>() {
        Ok(port) if port == first => "primary",
        Ok(port) if port == second => "standby",
        _ => "nobody",
    };
    let mut table = String::new();
    for wanted in ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] {
        for (title, user, ports) in [
            ("primary, standby", "anyone", [closed, first, second]),
            ("standby, primary", "anyone", [second, closed, first]),
            ("primary alone", "anyone", [first, closed, closed]),
            ("standby alone", "anyone", [second, closed, closed]),
            ("primary, read-only by default", "read_only", [first, closed, closed]),
        ] {
            let ports = ports.map(|port| port.to_string()).join(",");
            let text = format!(
                "host=127.0.0.1,127.0.0.1,127.0.0.1 port={ports} user={user} dbname=postgres target_session_attrs={wanted}"
            );
            let psql = Command::new(programs().program("psql"))
                .env_clear()
                .args(["-XwAt", "-c", "SHOW port", "-d", &text])
                .output()
                .unwrap();
            let psql = String::from_utf8(psql.stdout).unwrap();
            let ours = match connect(&text).await {
                Ok(database) => value(&database, "SHOW port").await,
                Err(_) => String::new(),
            };
            assert_eq!(name(&ours), name(psql.trim()), "{text}");
            writeln!(table, "{wanted:<15} {title:<30} {}", name(&ours)).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn hosts_in_random_order_are_all_tried() {
    let server = NetworkServer::start();
    let ports = format!("{},{}", closed_port(), server.port());
    let text = format!(
        "host=127.0.0.1,127.0.0.1 port={ports} user=anyone dbname=postgres load_balance_hosts=random"
    );
    for _ in 0..5 {
        assert_eq!(value(&connect(&text).await.unwrap(), "SHOW port").await, server.port().to_string());
    }
}

#[tokio::test]
async fn sessions_are_named_and_otherwise_as_the_server_makes_them() {
    let test = support::Database::create(Template::Empty);
    test.execute(format!("ALTER DATABASE {} SET DateStyle = 'SQL, DMY'", test.name()));
    let own = Database::connect(&settings(&test.url()), "oauthctl plan", 1).await.unwrap();
    assert_eq!(value(&own, "SHOW application_name").await, "oauthctl plan");
    assert_eq!(value(&own, "SHOW client_encoding").await, "UTF8");
    // Behind a pooler, whoever gets the session next would have what is set in it.
    let set = "SELECT string_agg(name, ' ' ORDER BY name) FROM pg_settings WHERE source = 'session'";
    assert_eq!(value(&own, set).await, "");
    assert_eq!(value(&own, "SHOW DateStyle").await, "SQL, DMY");

    let variables = [("PGAPPNAME", "nightly"), ("PGOPTIONS", "-c statement_timeout=12s")];
    let named = Database::connect(&settings_with(&test.url(), &variables), "oauthctl plan", 1).await.unwrap();
    assert_eq!(value(&named, "SHOW application_name").await, "nightly");
    assert_eq!(value(&named, "SHOW statement_timeout").await, "12s");
}

#[tokio::test]
async fn the_pool_has_the_size_that_was_asked_for_and_replaces_lost_sessions() {
    let test = support::Database::create(Template::Empty);
    let database = Database::connect(&settings(&test.url()), "oauthctl pool", 2).await.unwrap();
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'oauthctl pool' AND datname = current_database()";
    assert_eq!(test.value(count), "1", "only what is used is opened");
    let (one, other) = (database.get().await.unwrap(), database.get().await.unwrap());
    assert_eq!(test.value(count), "2");
    assert!(tokio::time::timeout(Duration::from_millis(50), database.get()).await.is_err());

    let end = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE application_name = 'oauthctl pool' AND datname = '{}'",
        test.name()
    );
    eventually("the sessions stay", || test.value(&end) == "0");
    let error = one.batch_execute("SELECT 1").await.map_err(DbError::during("asking")).unwrap_err();
    assert!(error.is_connection_lost() && error.is_retryable(), "{error}");
    drop((one, other));
    // A session that has not heard of its end yet comes out of the pool once more; then there is a new one.
    let mut attempts = 0..3;
    while database.get().await.unwrap().batch_execute("SELECT 1").await.is_err() {
        attempts.next().expect("no more than the lost ones");
    }

    // Nobody is let in any more: the pool says so in the words of the connection.
    let elsewhere = support::Database::create(Template::Empty);
    elsewhere.execute(format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", test.name()));
    eventually("the sessions stay", || elsewhere.value(&end) == "0");
    let error = loop {
        match database.get().await {
            // A session that is not known to be gone yet.
            Ok(client) => drop(client.batch_execute("SELECT 1").await),
            Err(error) => break error,
        }
    };
    assert_eq!(*error.meaning(), Meaning::LoginRefused);
    let said = error.to_string();
    assert!(said.starts_with("the server refused the login to postgres://postgres@/test_"), "{said}");
    assert!(said.contains("is not currently accepting connections"), "{said}");
}

#[tokio::test]
async fn what_runs_can_be_cancelled_on_every_kind_of_connection() {
    let Some(server) = NetworkServer::for_tls("connect::what_runs_can_be_cancelled") else { return };
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    server.use_certificate(&certificate.pem(), &key.serialize_pem(), &certificate.pem());
    let socket = format!(
        "host={} port={} user=postgres dbname=postgres",
        server.socket_dir().display(),
        server.port()
    );
    let tcp = format!("host=127.0.0.1 port={} user=anyone dbname=postgres", server.port());
    for text in [socket, format!("{tcp} sslmode=disable"), format!("{tcp} sslmode=require")] {
        let database = connect(&text).await.unwrap();
        let client = database.get().await.unwrap();
        let canceller = database.canceller(&client);
        let pid: i32 = client.query_typed_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        let sleeping = client.batch_execute("SELECT pg_sleep(600)");
        let cancelling = async {
            let asleep =
                format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'");
            while server.psql(&asleep) != "1" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            canceller.cancel().await.unwrap();
        };
        let (slept, ()) = tokio::join!(sleeping, cancelling);
        let error = DbError::new("sleeping", slept.unwrap_err());
        assert_eq!(*error.meaning(), Meaning::QueryCanceled, "{text}");
        assert_eq!(error.to_string(), "sleeping failed: canceling statement due to user request");
        assert!(!error.is_retryable() && !error.is_connection_lost());
    }
}

#[test]
fn the_verbs_say_why_there_is_no_connection() {
    let server = NetworkServer::start();
    let mut sandbox = Sandbox::new();
    sandbox.write("oauth.toml", "");
    let closed = closed_port();
    let mut said = String::new();
    for (title, url) in [
        ("nobody listens", format!("postgres://app:hunter2@127.0.0.1:{closed}/shop")),
        ("no password", format!("postgres://scram@127.0.0.1:{}/postgres", server.port())),
        ("wrong password", format!("postgres://scram:hunter2@127.0.0.1:{}/postgres", server.port())),
        ("no such option", format!("postgres://anyone@127.0.0.1:{}/postgres?sslmod=require", server.port())),
        ("a password with a slash", "postgres://app:hun/ter2@db/shop".to_owned()),
    ] {
        sandbox.set("DATABASE_URL", url);
        let output = sandbox.oauthctl(&["plan"]);
        assert!(!output.to_string().contains("hunter2"), "{output}");
        writeln!(said, "== {title}\n{output}").unwrap();
    }
    let open = sandbox.write(".pgpass", "*:*:*:*:hunter2\n");
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    sandbox.set("DATABASE_URL", format!("postgres://scram@127.0.0.1:{}/postgres", server.port()));
    writeln!(said, "== a password file that others may read\n{}", sandbox.oauthctl(&["plan"])).unwrap();
    let said = said.replace(&closed.to_string(), "[closed]").replace(&server.port().to_string(), "[port]");
    insta::assert_snapshot!(said);
}
