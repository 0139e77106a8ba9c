//! `apply` when something goes wrong in the middle: the rows are as they were, the exit code says what happened, and
//! the next run does the work.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use insta::assert_snapshot;
use nix::sys::signal::Signal;
use serde_json::json;

use super::support::database::Template;
use super::support::rows::{application, everything, session, user};
use super::support::{Database, Sandbox, eventually, server};

/// An update, a creation and a deletion with tokens.
const FILE: &str = r#"
[provider]
client_secret_iterations = 1
[applications.changed]
name = "After"
[applications.new]
client_type = "confidential"
authorization_grant_type = "client-credentials"
client_secret = { hash = "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=" }
[[removed]]
client_id = "gone"
"#;

const APPLY: [&str; 2] = ["apply", "--yes"];

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "ops");
    application(&database, 101, "changed", &json!({ "name": "Before" }));
    application(&database, 102, "gone", &json!({}));
    session(&database, 10, 102, "2099-01-01T00:00:00Z");
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

/// After a failure the rows are the same, and once the cause is gone the same command does the work.
fn nothing_happened_and_the_next_run_succeeds(
    database: &Database,
    sandbox: &Sandbox,
    before: &str,
    remedy: &str,
) {
    assert_eq!(before, everything(database, "public"));
    database.execute(remedy);
    sandbox.oauthctl(&APPLY).exits(0);
    let names =
        "SELECT string_agg(client_id || '=' || name, ' ' ORDER BY 1) FROM oauth2_provider_application";
    assert_eq!(database.value(names), "changed=After new=");
    assert_eq!(database.value("SELECT count(*) FROM oauth2_provider_accesstoken"), "0");
}

/// A trigger that runs this PL/pgSQL.
fn trigger(database: &Database, when: &str, body: &str) {
    database.execute(format!(
        "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NEW; END $$;"
    ));
    database.execute(format!("{when} ON oauth2_provider_application FOR EACH ROW EXECUTE FUNCTION fault()"));
}

#[test]
fn a_statement_fails() {
    let (database, sandbox) = world();
    trigger(&database, "CREATE TRIGGER fault BEFORE INSERT", "RAISE EXCEPTION 'no new applications today'");
    let before = everything(&database, "public");
    assert_snapshot!(sandbox.oauthctl(&APPLY));
    let remedy = "DROP TRIGGER fault ON oauth2_provider_application";
    nothing_happened_and_the_next_run_succeeds(&database, &sandbox, &before, remedy);
}

/// A trigger may put the row into its message, in the file's case with a secret in clear.
#[test]
fn a_trigger_that_quotes_the_row_shows_no_secret() {
    let (database, mut sandbox) = world();
    let block = "[applications.new]\nclient_type = \"confidential\"\n\
                 authorization_grant_type = \"client-credentials\"\nclient_secret = { env = \"NEW_SECRET\" }\n";
    sandbox.set("NEW_SECRET", "correct-horse-battery");
    for (row, hash) in [("in clear", "hash_client_secret = false\n"), ("hashed", "")] {
        trigger(
            &database,
            "CREATE TRIGGER fault BEFORE INSERT",
            "RAISE EXCEPTION 'no: %', NEW USING HINT = NEW::text",
        );
        sandbox.write("oauth.toml", format!("{block}{hash}"));
        let output = sandbox.oauthctl(&APPLY).exits(1);
        assert!(output.stderr.contains("failed: no: ("), "{row}: {output}");
        assert!(output.stderr.contains('…'), "{row}: {output}");
        let error = output.stderr.split("error: ").nth(1).unwrap();
        let stored = ["correct-horse", "00$", "="];
        assert!(stored.iter().all(|secret| !error.contains(secret)), "{row}: {output}");
        database.execute("DROP TRIGGER fault ON oauth2_provider_application; DROP FUNCTION fault");
    }
}

#[test]
fn a_constraint_fails_at_the_end_of_the_transaction() {
    let (database, sandbox) = world();
    let when = "CREATE CONSTRAINT TRIGGER fault AFTER INSERT";
    database.execute(
        "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE foreign_key_violation USING MESSAGE = 'a deferred check says no'; END $$",
    );
    database.execute(format!(
        "{when} ON oauth2_provider_application DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fault()"
    ));
    let before = everything(&database, "public");
    assert_snapshot!(sandbox.oauthctl(&APPLY));
    let remedy = "DROP TRIGGER fault ON oauth2_provider_application";
    nothing_happened_and_the_next_run_succeeds(&database, &sandbox, &before, remedy);
}

#[test]
fn a_write_touches_no_row() {
    let (database, sandbox) = world();
    database.execute(
        "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
         CREATE TRIGGER fault BEFORE UPDATE ON oauth2_provider_application FOR EACH ROW EXECUTE FUNCTION fault()",
    );
    let before = everything(&database, "public");
    assert_snapshot!(sandbox.oauthctl(&APPLY));
    let remedy = "DROP TRIGGER fault ON oauth2_provider_application";
    nothing_happened_and_the_next_run_succeeds(&database, &sandbox, &before, remedy);
}

#[test]
fn what_is_written_does_not_last() {
    let (database, sandbox) = world();
    trigger(&database, "CREATE TRIGGER fault BEFORE UPDATE", "NEW.name := 'Meddled'");
    assert_snapshot!(sandbox.oauthctl(&APPLY));
}

#[test]
fn the_backend_is_killed() {
    let (database, sandbox) = world();
    trigger(
        &database,
        "CREATE TRIGGER fault BEFORE UPDATE",
        "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60)",
    );
    let before = everything(&database, "public");
    assert_snapshot!(sandbox.oauthctl(&APPLY));
    let remedy = "DROP TRIGGER fault ON oauth2_provider_application";
    nothing_happened_and_the_next_run_succeeds(&database, &sandbox, &before, remedy);
}

/// Forwards connections to the server, and cuts the one that commits: before the server reads COMMIT, or after it
/// has answered.
pub(super) fn cutting_proxy(directory: &Path, forward_commit: bool) {
    let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).unwrap();
    let target = server().socket_dir().join(format!(".s.PGSQL.{}", server().port()));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let upstream = UnixStream::connect(&target).unwrap();
            thread::spawn(move || relay(&client, &upstream, forward_commit));
        }
    });
}

fn relay(client: &UnixStream, upstream: &UnixStream, forward_commit: bool) {
    let (mut from_client, mut to_client) = (client.try_clone().unwrap(), client.try_clone().unwrap());
    let (mut to_server, mut from_server) = (upstream.try_clone().unwrap(), upstream.try_clone().unwrap());
    let muted = Arc::new(AtomicBool::new(false));
    let unheard = Arc::clone(&muted);
    let answers = thread::spawn(move || {
        let mut buffer = [0; 8_192];
        while let Ok(length @ 1..) = from_server.read(&mut buffer) {
            if !unheard.load(Ordering::SeqCst) && to_client.write_all(&buffer[..length]).is_err() {
                return;
            }
        }
    });
    let mut buffer = [0; 8_192];
    // The read-only transactions before the plan commit as well; those that write are preceded by the lock.
    let mut writes = false;
    while let Ok(length @ 1..) = from_client.read(&mut buffer) {
        let bytes = &buffer[..length];
        let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        writes |= has(b"pg_try_advisory_xact_lock");
        if writes && has(b"COMMIT") {
            if forward_commit {
                // The client must not see the answer, and not ask before the server has committed and hung up.
                muted.store(true, Ordering::SeqCst);
                let _ = to_server.write_all(bytes);
                let _ = to_server.shutdown(std::net::Shutdown::Write);
                let _ = answers.join();
            }
            let _ = client.shutdown(std::net::Shutdown::Both);
            let _ = upstream.shutdown(std::net::Shutdown::Both);
            return;
        }
        if to_server.write_all(bytes).is_err() {
            return;
        }
    }
}

#[test]
fn the_connection_is_lost_before_commit_arrives() {
    let (database, mut sandbox) = world();
    let proxy = tempfile::tempdir().unwrap();
    cutting_proxy(proxy.path(), false);
    let before = everything(&database, "public");
    sandbox.set("PGHOST", proxy.path());
    sandbox.set("PGPORT", "5432");
    assert_snapshot!(sandbox.oauthctl(&APPLY));
    let direct = Sandbox::with(&database);
    direct.write("oauth.toml", FILE);
    nothing_happened_and_the_next_run_succeeds(&database, &direct, &before, "SELECT 1");
}

#[test]
fn the_connection_is_lost_after_commit_arrived() {
    let (database, mut sandbox) = world();
    let proxy = tempfile::tempdir().unwrap();
    cutting_proxy(proxy.path(), true);
    sandbox.set("PGHOST", proxy.path());
    sandbox.set("PGPORT", "5432");
    let output = sandbox.oauthctl(&APPLY).exits(0);
    assert!(output.stderr.contains("The changes were committed."), "{output}");
    let direct = Sandbox::with(&database);
    direct.write("oauth.toml", FILE);
    direct.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn another_apply_holds_the_lock() {
    let (database, sandbox) = world();
    let before = everything(&database, "public");
    let holder = hold_lock(&database);
    let mut arguments = APPLY.to_vec();
    arguments.extend(["--lock-timeout", "300ms"]);
    let output = sandbox.oauthctl(&arguments).exits(6);
    assert!(output.stderr.contains("(oauthctl test)"), "{output}");
    assert_eq!(before, everything(&database, "public"));
    drop(holder);
    sandbox.oauthctl(&APPLY).exits(0);
}

#[test]
fn the_rows_change_while_the_plan_waits() {
    let (database, sandbox) = world();
    let holder = hold_lock(&database);
    let mut arguments = APPLY.to_vec();
    arguments.extend(["--lock-timeout", "60s"]);
    let running = sandbox.command(&arguments).spawn();
    wait_for_waiter(&database);
    database.execute("UPDATE oauth2_provider_application SET name = 'Meanwhile' WHERE client_id = 'changed'");
    let before = everything(&database, "public");
    drop(holder);
    insta::with_settings!({ filters => [(r"since \S+Z", "since [instant]")] }, {
        assert_snapshot!(running.wait());
    });
    assert_eq!(before, everything(&database, "public"));
}

#[test]
fn signals_end_an_apply_that_waits() {
    for (signal, code) in [(Signal::SIGHUP, 129), (Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let (database, sandbox) = world();
        let before = everything(&database, "public");
        // A lock that the first UPDATE waits for, and the plan does not.
        let holder = Holder::new(&database, "LOCK oauth2_provider_application IN SHARE MODE");
        let running = sandbox.command(&APPLY).spawn();
        wait_for(
            &database,
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        );
        running.signal(signal);
        running.wait().exits(code);
        drop(holder);
        assert_eq!(before, everything(&database, "public"));
    }
}

/// A transaction of another session, open until it is dropped.
pub struct Holder {
    release: std::sync::mpsc::Sender<()>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Holder {
    pub fn new(database: &Database, sql: &str) -> Self {
        let (release, released) = std::sync::mpsc::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (mut config, sql) = (database.config(), sql.to_owned());
        config.application_name("oauthctl test");
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
                let connection = tokio::spawn(connection);
                client.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
                ready.send(()).unwrap();
                let _ = released.recv();
                client.batch_execute("ROLLBACK").await.unwrap();
                drop(client);
                connection.await.unwrap().unwrap();
            });
        });
        is_ready.recv().unwrap();
        Self { release, thread: Some(thread) }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.release.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(super) fn hold_lock(database: &Database) -> Holder {
    let table = database.value("SELECT 'oauth2_provider_application'::regclass::oid::int");
    Holder::new(database, &format!("SELECT pg_advisory_xact_lock(x'6f617574'::int, {table})"))
}

pub(super) fn wait_for_waiter(database: &Database) {
    wait_for(
        database,
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'oauthctl apply' \
         AND state = 'idle in transaction' AND query LIKE '%pg_locks%' AND datname = current_database()",
    );
}

/// Polls until a count is not zero.
pub fn wait_for(database: &Database, count: &str) {
    eventually(format!("{count} stays 0"), || database.value(count) != "0");
}
