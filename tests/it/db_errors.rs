//! What PostgreSQL's errors mean, and that no value of a row gets into their text: real ones, provoked.

use std::fmt::Write;
use std::time::Duration;

use oauthctl::conninfo::{Given, Machine, Sources, resolve};
use oauthctl::db::connect::Database;
use oauthctl::db::error::{Constraint, DbError, Meaning};

use super::support;
use super::support::Template;

async fn connect(test: &support::Database) -> Database {
    let url = test.url();
    let command_line = Some(Given { label: "the test", text: &url });
    let settings = resolve(&Sources { command_line, file: None }, &Machine::new(|_: &str| None)).unwrap();
    Database::connect(&settings, "oauthctl test", 2).await.unwrap()
}

#[tokio::test]
async fn errors_have_a_meaning_and_no_values() {
    const SECRET: &str = "s3cr3t-value";
    let test = support::Database::create(Template::Empty);
    test.execute(
        "CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE NOT NULL, size int CHECK (size < 10)); \
         CREATE TABLE child (parent_id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED, note varchar(3)); \
         INSERT INTO parent VALUES (1, 's3cr3t-value', 1); INSERT INTO child VALUES (1); \
         CREATE ROLE errors_lowly; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         $$BEGIN RAISE EXCEPTION 'no' USING DETAIL = 's3cr3t-value'; END$$; \
         CREATE TRIGGER refuse BEFORE DELETE ON child EXECUTE FUNCTION refuse()",
    );
    let database = connect(&test).await;
    let client = database.dedicated().await.unwrap();
    let mut said = String::new();
    for sql in [
        "INSERT INTO parent VALUES (2, 's3cr3t-value', 1)",
        "DELETE FROM parent",
        "INSERT INTO child VALUES (7)",
        "INSERT INTO parent VALUES (3, NULL, 1)",
        "INSERT INTO parent VALUES (3, 's3cr3t-value', 10)",
        "INSERT INTO child VALUES (1, 's3cr3t-value')",
        "SELECT 's3cr3t-value'::int",
        "SELECT '{\"a\": s3cr3t-value'::json",
        "DELETE FROM child",
        "SELECT * FROM nonesuch",
        "SET SESSION AUTHORIZATION errors_lowly; SELECT * FROM parent",
        "BEGIN READ ONLY; DELETE FROM child; COMMIT",
        "SET statement_timeout = 1; SELECT pg_sleep(10)",
        "nonsense",
    ] {
        let error = client.batch_execute(sql).await.map_err(DbError::during("it")).unwrap_err();
        client.batch_execute("ROLLBACK; RESET SESSION AUTHORIZATION; RESET statement_timeout").await.unwrap();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
        writeln!(said, "{} {:?}: {error}", error.sqlstate().unwrap(), error.meaning()).unwrap();
    }
    test.execute("DROP OWNED BY errors_lowly; DROP ROLE errors_lowly");
    insta::assert_snapshot!(said);

    let violated = client.batch_execute("INSERT INTO child VALUES (7)").await.map_err(DbError::during("it"));
    let constraint = Constraint { name: "child_parent_id_fkey".to_owned(), table: "child".to_owned() };
    assert_eq!(*violated.unwrap_err().meaning(), Meaning::ForeignKeyViolation(constraint));
}

#[tokio::test]
async fn conflicts_are_worth_another_try() {
    let test = support::Database::create(Template::Empty);
    test.execute("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0), (2, 0)");
    let database = connect(&test).await;
    let (one, other) = (database.get().await.unwrap(), database.get().await.unwrap());
    let failure = |result: Result<(), tokio_postgres::Error>| DbError::new("the update", result.unwrap_err());

    one.batch_execute("BEGIN; UPDATE t SET n = 1 WHERE id = 1").await.unwrap();
    let locked = failure(other.batch_execute("SELECT 1 FROM t WHERE id = 1 FOR UPDATE NOWAIT").await);
    assert_eq!(*locked.meaning(), Meaning::LockNotAvailable);
    assert!(locked.is_retryable());

    other.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM t").await.unwrap();
    one.batch_execute("COMMIT").await.unwrap();
    let serialization = failure(other.batch_execute("UPDATE t SET n = 2 WHERE id = 1").await);
    assert_eq!(*serialization.meaning(), Meaning::Serialization);
    assert!(serialization.is_retryable() && !serialization.is_connection_lost());
    other.batch_execute("ROLLBACK").await.unwrap();

    one.batch_execute("BEGIN; SET LOCAL deadlock_timeout = '10ms'; UPDATE t SET n = 1 WHERE id = 1")
        .await
        .unwrap();
    other
        .batch_execute("BEGIN; SET LOCAL deadlock_timeout = '1h'; UPDATE t SET n = 1 WHERE id = 2")
        .await
        .unwrap();
    let waiting = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) \
                   WHERE NOT granted AND datname = current_database()";
    let (first, _) = tokio::join!(
        async {
            // Only the one that waits with the short time-out looks for deadlocks; it has to be the second one to wait.
            while test.value(waiting) == "0" {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let result = one.batch_execute("UPDATE t SET n = 1 WHERE id = 2").await;
            one.batch_execute("ROLLBACK").await.unwrap();
            result
        },
        other.batch_execute("UPDATE t SET n = 1 WHERE id = 1"),
    );
    let deadlock = failure(first);
    assert_eq!(*deadlock.meaning(), Meaning::Deadlock);
    assert!(deadlock.is_retryable());
    assert!(deadlock.to_string().starts_with("the update failed: deadlock detected\nProcess "), "{deadlock}");
}
