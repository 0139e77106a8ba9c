//! Two `apply` at once: the one that comes second plans again, and only what was agreed to is done. What a process that
//! has died leaves behind goes with it, or with the statement that is printed.

use insta::assert_snapshot;
use nix::sys::signal::Signal;
use serde_json::json;

use super::apply_failures::{Holder, hold_lock, wait_for_waiter};
use super::support::rows::{application, everything};
use super::support::sandbox::Output;
use super::support::terminal::answered_in_turn;
use super::support::{Database, Sandbox, Template, eventually, not_run};

const FILE: &str = r#"
[applications.one]
name = "After"
[applications.two]
name = "After"
[applications.new]
client_type = "confidential"
authorization_grant_type = "client-credentials"
[[removed]]
client_id = "gone"
"#;

const NAMES: &str =
    "SELECT string_agg(client_id || '=' || name, ' ' ORDER BY client_id) FROM oauth2_provider_application";
const QUESTION: &str = "Type \"yes\" to continue:";

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    for (id, client_id) in [(101, "one"), (102, "two"), (103, "gone")] {
        application(&database, id, client_id, &json!({ "name": "Before" }));
    }
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

/// An `apply` whose plan is made and which waits for the lock; then `meanwhile` happens.
fn overtaken(database: &Database, sandbox: &Sandbox, arguments: &[&str], meanwhile: &str) -> Output {
    let holder = hold_lock(database);
    let waits = [&["apply", "--lock-timeout", "10min"], arguments].concat();
    let running = sandbox.command(&waits).spawn();
    wait_for_waiter(database);
    database.execute(meanwhile);
    drop(holder);
    running.wait()
}

fn masked(output: &Output) -> String {
    let text = output.to_string();
    text.lines().map(|line| line.split(", since 20").next().unwrap().to_owned() + "\n").collect::<String>()
}

#[test]
fn of_two_with_the_same_file_the_second_finds_nothing_left() {
    let (database, sandbox) = world();
    let holder = hold_lock(&database);
    let start = |secrets: &str| {
        let arguments = ["apply", "--yes", "--secrets-out", secrets, "--lock-timeout", "10min"];
        sandbox.command(&arguments).spawn()
    };
    let both = [start("first.json"), start("second.json")];
    eventually("both wait for the lock", || {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'oauthctl apply' \
                       AND datname = current_database() AND query LIKE '%pg_try_advisory_xact_lock%'";
        database.value(waiting) == "2"
    });
    drop(holder);
    let [first, second] = both.map(super::support::sandbox::Running::wait);
    let applied = |output: &Output| output.stdout.contains("Applied: 1 created, 2 updated, 1 deleted");
    let nothing = |output: &Output| output.stdout.contains("No changes. The database matches the file");
    assert_eq!((first.code, second.code), (Some(0), Some(0)), "{first}\n{second}");
    assert!(applied(&first) && nothing(&second) || applied(&second) && nothing(&first), "{first}\n{second}");
    assert_eq!(database.value(NAMES), "new= one=After two=After");
    // Only the secret that was stored is left in a file.
    let left = ["first.json", "second.json"].map(|file| sandbox.path().join(file).exists());
    assert_eq!(left, [applied(&first), applied(&second)]);
}

#[test]
fn yes_goes_on_with_a_part_of_what_was_shown() {
    let (database, sandbox) = world();
    let meanwhile = "UPDATE oauth2_provider_application SET name = 'After' WHERE client_id = 'one'; \
                     DELETE FROM oauth2_provider_application WHERE client_id = 'gone'";
    let output = overtaken(&database, &sandbox, &["--yes", "--secrets-out", "secrets.json"], meanwhile);
    assert_snapshot!("a_part_of_the_plan", masked(&output.exits(0)));
    assert_eq!(database.value(NAMES), "new= one=After two=After");
    assert!(sandbox.read("secrets.json").contains("new"));
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn yes_agrees_to_nothing_that_was_not_shown() {
    let (database, sandbox) = world();
    let meanwhile = "UPDATE oauth2_provider_application SET name = 'Meanwhile' WHERE client_id = 'one'; \
                     INSERT INTO oauth2_provider_application SELECT (jsonb_populate_record(a, \
                     '{\"id\": 900, \"client_id\": \"new\", \"client_type\": \"public\"}')).* \
                     FROM oauth2_provider_application a WHERE client_id = 'two'";
    let output = overtaken(&database, &sandbox, &["--yes", "--secrets-out", "secrets.json"], meanwhile);
    assert_snapshot!("more_than_was_shown", masked(&output.exits(4)));
    assert_eq!(database.value(NAMES), "gone=Before new=Before one=Meanwhile two=Before");
    assert!(!sandbox.path().join("secrets.json").exists());
}

/// What changed is no part of the plan, so there is nothing to ask again.
#[test]
fn the_same_steps_are_not_asked_for_twice() {
    let (database, sandbox) = world();
    let meanwhile = "UPDATE oauth2_provider_application SET updated = now() WHERE client_id = 'one'";
    let output = overtaken(&database, &sandbox, &["--yes", "--secrets-out", "secrets.json"], meanwhile);
    assert_eq!(output.exits(0).stdout.matches("Plan: ").count(), 1);
    assert_eq!(database.value(NAMES), "new= one=After two=After");
}

#[test]
fn a_person_is_asked_again() {
    for (answers, code, names) in [
        (["yes", "no"], 1, "gone=Before one=Meanwhile two=Before"),
        (["yes", "yes"], 0, "new= one=After two=After"),
    ] {
        let (database, sandbox) = world();
        let command = sandbox.command(&["apply"]).into_command();
        let (status, shown) = answered_in_turn(command, QUESTION, |turn| {
            if turn == 0 {
                database.execute(
                    "UPDATE oauth2_provider_application SET name = 'Meanwhile' WHERE client_id = 'one'",
                );
            }
            answers[turn].to_owned()
        });
        assert_eq!((status.code(), database.value(NAMES).as_str()), (Some(code), names), "{shown}");
        assert_eq!(shown.matches(QUESTION).count(), 2, "{shown}");
        assert!(shown.contains("\"Meanwhile\" → \"After\""), "{shown}");
    }
}

#[test]
fn the_new_plan_passes_the_rails() {
    let (database, sandbox) = world();
    sandbox.write("oauth.toml", format!("{FILE}[policy]\nmax_updates = 1\n"));
    database.execute("UPDATE oauth2_provider_application SET name = 'After' WHERE client_id = 'two'");
    let meanwhile = "UPDATE oauth2_provider_application SET name = 'Meanwhile'";
    let output = overtaken(&database, &sandbox, &["--yes", "--secrets-out", "secrets.json"], meanwhile);
    assert!(output.exits(3).stderr.contains("max_updates"), "{}", everything(&database, "public"));
    assert_eq!(database.value(NAMES), "gone=Meanwhile one=Meanwhile two=Meanwhile");
}

#[test]
fn a_saved_plan_is_not_replaced() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    let meanwhile = "UPDATE oauth2_provider_application SET name = 'After' WHERE client_id = 'one'";
    let arguments = ["saved.plan", "--yes", "--secrets-out", "secrets.json"];
    let output = overtaken(&database, &sandbox, &arguments, meanwhile).exits(4);
    assert!(output.stderr.contains("the plan is stale: \"one\" changed since it was made"), "{output}");
    assert_eq!(database.value(NAMES), "gone=Before one=After two=Before");
}

const BACKENDS: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'oauthctl apply' \
                        AND datname = current_database()";

/// An `apply` that holds the lock of all, and waits for a row until `Holder` is dropped.
fn stuck<'a>(database: &Database, sandbox: &'a Sandbox) -> (Holder, super::support::sandbox::Running<'a>) {
    let holder = Holder::new(database, "LOCK oauth2_provider_application IN SHARE MODE");
    let arguments = ["apply", "--yes", "--secrets-out", "stuck.json", "--lock-timeout", "10min"];
    let running = sandbox.command(&arguments).spawn();
    eventually("it waits for the table", || {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = \
                       (SELECT oid FROM pg_database WHERE datname = current_database())";
        database.value(waiting) == "1"
    });
    (holder, running)
}

/// The process is stopped, as if its machine had gone: its server notices nothing.
#[test]
fn the_printed_statement_ends_the_session_that_holds_the_lock() {
    let (database, sandbox) = world();
    let (holder, mut dead) = stuck(&database, &sandbox);
    dead.signal(Signal::SIGSTOP);
    let apply = |limit: &str| {
        let arguments = ["apply", "--yes", "--secrets-out", "secrets.json", "--lock-timeout", limit];
        sandbox.oauthctl(&arguments)
    };
    let refused = apply("100ms").exits(6);
    assert!(refused.stderr.contains("another oauthctl is applying to this database"), "{refused}");
    let stderr = String::from_utf8(refused.raw_stderr).unwrap();
    let statement = stderr.split('`').find(|text| text.starts_with("SELECT pg_terminate_backend(")).unwrap();
    assert_eq!(database.value(statement), "t");
    drop(holder);
    eventually("its session ends", || database.value(BACKENDS) == "0");
    apply("10s").exits(0);
    assert_eq!(database.value(NAMES), "new= one=After two=After");
    dead.signal(Signal::SIGCONT);
    dead.signal_if_alive(Signal::SIGKILL);
    dead.wait();
}

#[test]
fn a_session_ends_with_its_client() {
    let (database, sandbox) = world();
    if database.major() < 14 || cfg!(not(target_os = "linux")) {
        not_run("two_applies::a_session_ends_with_its_client", "this server does not look at its clients");
        return;
    }
    let (holder, killed) = stuck(&database, &sandbox);
    killed.signal(Signal::SIGKILL);
    killed.wait();
    // The table is locked all the time: it is not the end of the wait that ends the session.
    eventually("the session goes with its client", || database.value(BACKENDS) == "0");
    drop(holder);
    sandbox.oauthctl(&["apply", "--yes", "--secrets-out", "secrets.json"]).exits(0);
}

/// A role that asks for it more often keeps that, and the setting ends with the transaction.
#[test]
fn what_a_role_has_set_stays() {
    let (database, sandbox) = world();
    if database.major() < 14 {
        not_run("two_applies::what_a_role_has_set_stays", "PostgreSQL 13 has no such setting");
        return;
    }
    database.execute(
        "CREATE TABLE seen (setting text); \
         CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         INSERT INTO seen VALUES (current_setting('client_connection_check_interval')); RETURN NEW; END $$; \
         CREATE TRIGGER look AFTER INSERT ON oauth2_provider_application FOR EACH ROW EXECUTE FUNCTION look()",
    );
    let apply = |options: &str| {
        database.execute("DELETE FROM seen; DELETE FROM oauth2_provider_application WHERE client_id = 'new'");
        let path = sandbox.path().join("secrets.json");
        if path.exists() {
            std::fs::remove_file(path).unwrap();
        }
        let arguments = ["apply", "--yes", "--secrets-out", "secrets.json"];
        sandbox.command(&arguments).env("PGOPTIONS", options).run().exits(0);
        database.value("SELECT setting FROM seen")
    };
    assert_eq!(apply("-c client_connection_check_interval=7s"), "7s");
    if cfg!(target_os = "linux") {
        assert_eq!(apply(""), "1s");
    }
}
