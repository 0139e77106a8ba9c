//! Locks of other sessions: what is waited for is said, and no wait lasts for ever. Cleanups have a file of their own.

#[cfg(test)]
mod cleanups;
#[cfg(test)]
mod time_outs;

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::support::sandbox::Output;
use super::support::{Database, Instance, Sandbox, Template, eventually, rows};

const DOT: Template = Template::Dot341;
const TOKENS: &str = "oauth2_provider_accesstoken";
const EXPIRED: &str = "2025-01-01T00:00:00Z";

/// An application of the file's, one that goes, and expired tokens of both.
struct World {
    database: Database,
    sandbox: Sandbox,
}

impl World {
    fn new() -> Self {
        Self::on(Database::create(DOT))
    }

    fn on(database: Database) -> Self {
        rows::user(&database, 1, "ops");
        rows::application(&database, 1, "web", &json!({"name": "Web"}));
        rows::application(&database, 2, "old", &json!({}));
        rows::session(&database, 1, 1, EXPIRED);
        rows::session(&database, 2, 2, EXPIRED);
        let sandbox = Sandbox::with(&database);
        sandbox.write(
            "oauth.toml",
            "[applications.web]\nname = \"Web shop\"\n\n[[removed]]\nclient_id = \"old\"\n\n[cleanup]\n",
        );
        Self { database, sandbox }
    }

    /// A session that has done this in a transaction, and leaves it open.
    async fn holder(&self, sql: &str) -> (Client, i32) {
        let client = self.database.connect().await;
        client.batch_execute(&format!("SET application_name = 'deploy'; BEGIN; {sql}")).await.unwrap();
        let pid = client.query_typed_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        (client, pid)
    }

    async fn locked(&self, table: &str) -> (Client, i32) {
        self.holder(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.oauthctl(arguments)
    }

    /// Starts it, waits until it says that it waits, and returns what it said.
    fn until_it_waits(&self, arguments: &[&str]) -> (super::support::sandbox::Running<'_>, String) {
        let mut running = self.sandbox.command(arguments).spawn();
        let mut lines = BufReader::new(running.child.stderr.take().unwrap()).lines();
        let said = lines.find(|line| line.as_ref().unwrap().to_lowercase().contains("waiting"));
        let said = said.unwrap_or_else(|| panic!("it did not wait: {arguments:?}")).unwrap();
        // The pipe stays open: whoever writes to a closed one fails.
        std::thread::spawn(move || lines.for_each(drop));
        (running, said)
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.raw_stderr.clone()).unwrap()
}

/// Every verb that reads or writes rows of applications, and those of tokens.
const OF_APPLICATIONS: [&[&str]; 4] = [
    &["list", "--no-tokens"],
    &["import", "--all"],
    &["createapplication", "public", "implicit", "--redirect-uris", "https://x.example/"],
    &["plan", "--no-cleanup"],
];
const OF_TOKENS: [&[&str]; 9] = [
    &["plan"],
    &["apply", "--yes"],
    &["list"],
    &["show", "web"],
    &["status"],
    &["status", "--metrics-file", "metrics.prom"],
    &["rotate-secret", "web", "--yes", "--secrets-out", "secrets.json"],
    &["cleartokens"],
    &["cleartokens", "--dry-run"],
];

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_ends_with_6_and_names_the_holder() {
    for (table, verbs) in [("oauth2_provider_application", &OF_APPLICATIONS[..]), (TOKENS, &OF_TOKENS[..])] {
        let world = World::new();
        let before = rows::everything(&world.database, "public");
        let (holder, pid) = world.locked(table).await;
        for verb in verbs {
            let output = world.run(&[&["--lock-timeout", "100ms"], *verb].concat());
            let text = String::from_utf8(output.raw_stdout.clone()).unwrap() + &stderr(&output);
            assert_eq!(output.code, Some(6), "{verb:?}\n{output}");
            let held =
                format!("a lock on public.{table}, held by pid {pid} (deploy, idle in transaction since 20");
            assert!(text.contains(&held), "{verb:?}\n{text}");
            assert!(
                text.contains(&format!("SELECT pg_terminate_backend({pid}) ends it")),
                "{verb:?}\n{text}"
            );
            assert!(!output.to_string().contains("Finished"), "{verb:?}\n{output}");
        }
        holder.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(rows::everything(&world.database, "public"), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_given_back_in_time_delays_and_no_more() {
    for verb in [
        &["plan"][..],
        &["apply", "--yes"],
        &["list"],
        &["status"],
        &["cleartokens"],
        &["cleartokens", "--format", "json"],
    ] {
        let world = World::new();
        let (holder, pid) = world.locked(TOKENS).await;
        let (running, said) = world.until_it_waits(&[verb, &["--lock-timeout", "10m"]].concat());
        if verb.contains(&"json") {
            let said: Value = serde_json::from_str(&said).unwrap();
            assert_eq!(
                (&said["event"], &said["reason"], &said["table"], &said["holders"][0]["pid"]),
                (&"waiting".into(), &"lock".into(), &format!("public.{TOKENS}").into(), &pid.into())
            );
        } else {
            let start = format!(
                "Waiting for a lock on public.{TOKENS}, held by pid {pid} (deploy, idle in transaction since "
            );
            assert!(said.starts_with(&start), "{said}");
        }
        holder.batch_execute("ROLLBACK").await.unwrap();
        running.wait().exits(0);
    }
}

/// A table that is written anew under the lock looks empty to a snapshot from before.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_rewritten_meanwhile_does_not_look_empty() {
    let world = World::new();
    world.database.execute(format!("UPDATE {TOKENS} SET expires = now() + interval '1 day'"));
    let (holder, _) = world.holder(&format!("ALTER TABLE {TOKENS} ALTER COLUMN token TYPE text")).await;
    let (running, _) = world.until_it_waits(&["list", "--format", "json", "--lock-timeout", "10m"]);
    holder.batch_execute("COMMIT").await.unwrap();
    let output = running.wait().exits(0);
    let list: Value = serde_json::from_str(&output.stdout).unwrap();
    let applications = list["applications"].as_array().unwrap();
    let web = applications.iter().find(|application| application["client_id"] == "web").unwrap();
    let live = web["access_tokens"]["live"].clone();
    assert_eq!(live, 1, "{output}");
}

/// Who is behind it in the queue is told too: a migration that waits for a session that was left open.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_queued_for_names_who_is_in_front() {
    let world = World::new();
    let (_reader, first) = world.holder(&format!("SELECT FROM {TOKENS} LIMIT 1")).await;
    let migration = world.database.connect().await;
    let pid: i32 = migration.query_typed_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let altering = tokio::spawn(async move {
        // It is cancelled with its session.
        let _ = migration.batch_execute(&format!("ALTER TABLE {TOKENS} ADD COLUMN x int")).await;
    });
    let queues = format!("SELECT count(*) FROM pg_locks WHERE pid = {pid} AND NOT granted");
    eventually("it does not queue", || world.database.value(queues.clone()) == "1");
    let output = world.run(&["list", "--lock-timeout", "100ms"]).exits(6);
    let text = stderr(&output);
    assert!(text.contains(&format!("held by pid {pid} (")), "{text}");
    assert!(text.contains(&format!(", which itself waits for pid {first}")), "{text}");
    assert!(text.contains(&format!("SELECT pg_terminate_backend({first})")), "{text}");
    world.database.execute(format!("SELECT pg_terminate_backend({pid})"));
    altering.await.unwrap();
}

/// A role without `pg_monitor` sees pids and application names of others, and not since when. Some columns suffice to read
/// the users, and not to lock their table by name.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_sees_little_is_told_what_it_may_see() {
    let world = World::new();
    world.database.execute(
        "DROP ROLE IF EXISTS waiting_reader; CREATE ROLE waiting_reader LOGIN; \
         GRANT USAGE ON SCHEMA public TO waiting_reader; GRANT SELECT ON oauth2_provider_application, \
         oauth2_provider_accesstoken, oauth2_provider_refreshtoken, oauth2_provider_idtoken, oauth2_provider_grant \
         TO waiting_reader; GRANT SELECT (id, username) ON auth_user TO waiting_reader",
    );
    for table in [TOKENS, "auth_user"] {
        let (holder, pid) = world.locked(table).await;
        let output = world
            .sandbox
            .command(&["list", "--lock-timeout", "100ms"])
            .env("PGUSER", "waiting_reader")
            .run()
            .exits(6);
        let held = format!("a lock on public.{table}, held by pid {pid} (deploy), was not free within 100ms");
        assert!(stderr(&output).contains(&held), "{output}");
        holder.batch_execute("ROLLBACK").await.unwrap();
    }
    let list = world.sandbox.command(&["list"]).env("PGUSER", "waiting_reader").run();
    list.exits(0);
    world.database.execute("DROP OWNED BY waiting_reader; DROP ROLE waiting_reader");
}

/// A prepared transaction has no pid.
#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_transaction_is_named() {
    let server = Instance::start(&["max_prepared_transactions=2"]);
    let world = World::on(server.database(DOT));
    world.database.execute(format!(
        "BEGIN; LOCK TABLE {TOKENS} IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'forgotten'"
    ));
    let output = world.run(&["list", "--lock-timeout", "100ms"]).exits(6);
    let text = stderr(&output);
    let held = format!("a lock on public.{TOKENS}, held by the prepared transaction \"forgotten\" (since 20");
    assert!(text.contains(&held), "{text}");
    world.database.execute("ROLLBACK PREPARED 'forgotten'");
}

/// Rows, not tables: of the application that changes, and of a token of the application that goes.
#[tokio::test(flavor = "multi_thread")]
async fn apply_names_who_holds_the_row_and_goes_on_when_it_is_free() {
    for row in ["oauth2_provider_application WHERE id = 1", "oauth2_provider_refreshtoken WHERE id = 2"] {
        let world = World::new();
        let (holder, pid) = world.holder(&format!("SELECT FROM {row} FOR UPDATE")).await;
        let before = rows::everything(&world.database, "public");
        let table = row.split(' ').next().unwrap();
        let output = world.run(&["apply", "--yes", "--lock-timeout", "100ms"]).exits(6);
        let text = stderr(&output);
        assert!(
            text.contains(&format!("a row lock on public.{table}, held by pid {pid} (deploy, ")),
            "{text}"
        );
        assert!(text.contains("hint: "), "{text}");
        assert!(text.contains("everything was rolled back"), "{text}");
        assert_eq!(rows::everything(&world.database, "public"), before);
        let (running, said) = world.until_it_waits(&["apply", "--yes", "--lock-timeout", "10m"]);
        assert!(said.contains(&format!("held by pid {pid}")), "{said}");
        holder.batch_execute("ROLLBACK").await.unwrap();
        running.wait().exits(0);
        assert_eq!(world.database.value("SELECT name FROM oauth2_provider_application"), "Web shop");
    }
    let world = World::new();
    let (holder, pid) = world.holder("SELECT FROM oauth2_provider_application WHERE id = 1 FOR UPDATE").await;
    let rotate = ["rotate-secret", "web", "--yes", "--secrets-out", "s.json", "--lock-timeout", "100ms"];
    let output = world.run(&rotate).exits(6);
    assert!(stderr(&output).contains(&format!("held by pid {pid} (deploy, ")), "{output}");
    assert!(!world.sandbox.path().join("s.json").exists());
    drop(holder);
}

/// What reads rows and locks them gets along with a `CREATE INDEX`; what writes them does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_may_not_be_written_names_its_holder() {
    let verbs: [&[&str]; 3] = [
        &["apply", "--yes", "--target", "web"],
        &["rotate-secret", "web", "--yes", "--secrets-out", "s.json"],
        &[
            "createapplication",
            "public",
            "implicit",
            "--redirect-uris",
            "https://x.example/",
            "--client-id",
            "new",
        ],
    ];
    let world = World::new();
    world.database.execute(
        "UPDATE oauth2_provider_application SET client_type = 'confidential'; \
         SELECT setval(pg_get_serial_sequence('oauth2_provider_application', 'id'), 100)",
    );
    let before = rows::everything(&world.database, "public");
    for mode in ["SHARE", "SHARE ROW EXCLUSIVE"] {
        let (holder, pid) =
            world.holder(&format!("LOCK TABLE oauth2_provider_application IN {mode} MODE")).await;
        for verb in verbs {
            let output = world.run(&[verb, &["--lock-timeout", "100ms"]].concat()).exits(6);
            let held = format!("held by pid {pid} (deploy, ");
            assert!(stderr(&output).contains(&held), "{mode} {verb:?}\n{output}");
            // Its backend may outlive it for a moment, with the lock of `apply`.
            let ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^oauthctl ' \
                        AND datname = current_database()";
            eventually("it does not end", || world.database.value(ours) == "0");
        }
        let (running, said) = world.until_it_waits(&["apply", "--yes", "--lock-timeout", "10m"]);
        assert!(said.contains(&format!("held by pid {pid}")), "{said}");
        running.signal(Signal::SIGTERM);
        running.wait().exits(143);
        assert_eq!(rows::everything(&world.database, "public"), before);
        holder.batch_execute("ROLLBACK").await.unwrap();
    }
}

/// The ledger also notes how large the tables are, which takes a lock on each.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_run_is_noted_though_the_tables_cannot_be_measured() {
    let world = World::new();
    world.run(&["migrate", "--ledger"]).exits(0);
    world.database.execute("SELECT setval(pg_get_serial_sequence('oauth2_provider_application', 'id'), 100)");
    let create = [
        "createapplication",
        "public",
        "implicit",
        "--redirect-uris",
        "https://x.example/",
        "--lock-timeout",
        "10m",
    ];
    let noted = || {
        world.database.table(
            "SELECT r.outcome, r.finished_at IS NOT NULL, count(m) > 0 FROM oauthctl.run r \
             LEFT JOIN oauthctl.table_measurement m ON m.run_id = r.id WHERE r.verb = 'createapplication' \
             GROUP BY r.id ORDER BY r.id",
        )
    };
    let (holder, _) = world.locked(TOKENS).await;
    let output = world.run(&create).exits(0);
    assert!(!stderr(&output).contains("warning"), "{output}");
    let first = noted();
    holder.batch_execute("ROLLBACK").await.unwrap();
    world.run(&create).exits(0);
    insta::assert_snapshot!("runs_with_and_without_a_measurement", format!("{first}\n\n{}", noted()));
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_and_the_ledger_wait_no_longer_than_that() {
    let world = World::new();
    world.run(&["migrate", "--ledger"]).exits(0);
    let (holder, _) = world.locked("oauthctl.ledger_migrations").await;
    let output = world.run(&["migrate", "--ledger", "--lock-timeout", "100ms"]).exits(6);
    assert!(output.stderr.contains("hint: "), "{output}");
    holder.batch_execute("ROLLBACK").await.unwrap();
    let (holder, _) = world.locked("oauthctl.run").await;
    let output = world.run(&["cleartokens", "--lock-timeout", "100ms"]).exits(6);
    assert!(output.stderr.contains("a lock on oauthctl.run, held by pid "), "{output}");
    holder.batch_execute("ROLLBACK").await.unwrap();
}

#[test]
fn the_time_is_given_before_or_after_the_verb_and_as_other_durations() {
    let world = World::new();
    for time in ["1", "0", "0s", "1h30m", "250ms"] {
        world.run(&["--lock-timeout", time, "list"]).exits(0);
        world.run(&["list", "--lock-timeout", time]).exits(0);
    }
    for time in ["-1", "", "soon", "1month"] {
        world.run(&["list", "--lock-timeout", time]).exits(64);
    }
}
