//! The tables that oauthctl makes: the same as Django's, only where Django is not, and once.

use std::error::Error;
use std::time::Duration;

use oauthctl::db::migrations::{self, MigrateError, Migrated, ledger_installed};
use tokio_postgres::Client;

use crate::support::server::server_program;
use crate::support::{Database, Template};

const PROVIDER: &str = "V1__dot_3_4_1";
const LEDGER: [&str; 5] =
    ["V1__ledger", "V2__table_measurement", "V3__identity", "V4__cleanup_position", "V5__run_step"];

async fn migrate_provider(client: &mut Client, schema: &str) -> Result<Migrated, MigrateError> {
    migrations::migrate_provider(client, schema, Duration::from_mins(1)).await
}

async fn migrate_ledger(client: &mut Client) -> Result<Migrated, MigrateError> {
    migrations::migrate_ledger(client, Duration::from_mins(1)).await
}

/// An error with its causes, as the program would print it.
fn told(error: &dyn Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", told(cause)));
    format!("{error}{}", cause.unwrap_or_default())
}

fn refused(result: Result<Migrated, MigrateError>) -> String {
    told(&result.expect_err("a refusal"))
}

/// The provider's tables as `pg_dump` sees them, without what depends on the version of `pg_dump`.
fn dump(database: &Database, schema: &str) -> String {
    let output = server_program("pg_dump")
        .args(["--schema-only", "--no-owner", "--no-privileges", "--dbname", database.name()])
        .args(["--table", &format!("{schema}.auth_user"), "--table", &format!("{schema}.oauth2_provider_*")])
        .output()
        .expect("pg_dump runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    statements(&String::from_utf8(output.stdout).unwrap())
}

/// A dump without comments, psql's commands, settings and empty lines.
fn statements(dump: &str) -> String {
    let left_out = ["--", "\\", "SET ", "SELECT pg_catalog.set_config"];
    dump.lines()
        .filter(|line| !line.is_empty() && !left_out.iter().any(|start| line.starts_with(start)))
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[tokio::test]
async fn the_provider_schema_is_what_django_makes() {
    let (ours, django) = (Database::create(Template::Empty), Database::create(Template::Dot341));
    let migrated = migrate_provider(&mut ours.connect().await, "public").await.unwrap();
    assert_eq!(migrated.applied, [PROVIDER]);
    let made = dump(&ours, "public");
    assert_eq!(made, dump(&django, "public"));
    // And that is the captured file, as far as this server's version writes its dumps as that one did.
    if django.major() == 15 {
        assert_eq!(made, statements(Template::Dot341.sql()));
    }
    assert_eq!(made.matches("CREATE TABLE").count(), 7);
    assert_eq!(made.matches("FOREIGN KEY").count(), 13);
}

#[tokio::test]
async fn twice_is_once() {
    let database = Database::create(Template::Empty);
    let mut client = database.connect().await;
    assert_eq!(migrate_provider(&mut client, "public").await.unwrap().applied, [PROVIDER]);
    assert!(!ledger_installed(&client).await.unwrap());
    assert_eq!(migrate_ledger(&mut client).await.unwrap().applied, LEDGER);
    assert!(ledger_installed(&client).await.unwrap());
    let before = database.table("SELECT relname, oid FROM pg_class WHERE relname !~ '^pg_' ORDER BY 1");
    assert!(migrate_provider(&mut client, "public").await.unwrap().applied.is_empty());
    assert!(migrate_ledger(&mut client).await.unwrap().applied.is_empty());
    assert_eq!(
        before,
        database.table("SELECT relname, oid FROM pg_class WHERE relname !~ '^pg_' ORDER BY 1")
    );
    let history = "SELECT version, name FROM oauthctl.provider_migrations";
    assert_eq!(database.table(history), "1 | dot_3_4_1");
    assert_eq!(
        database.table("SELECT version, name FROM oauthctl.ledger_migrations"),
        "1 | ledger\n2 | table_measurement\n3 | identity\n4 | cleanup_position\n5 | run_step"
    );
}

#[tokio::test]
async fn schemas_have_tables_and_histories_of_their_own() {
    let database = Database::create(Template::Empty);
    let mut client = database.connect().await;
    let long = "s".repeat(60);
    for schema in ["public", "auth", "Own \"Schema\"", &long] {
        assert_eq!(migrate_provider(&mut client, schema).await.unwrap().applied, [PROVIDER], "{schema}");
        assert!(migrate_provider(&mut client, schema).await.unwrap().applied.is_empty(), "{schema}");
    }
    assert_eq!(dump(&database, "auth").replace("auth.", "public."), dump(&database, "public"));
    let tables =
        "SELECT count(DISTINCT table_schema) FROM information_schema.tables WHERE table_name = 'auth_user'";
    assert_eq!(database.value(tables), "4");
    let histories =
        "SELECT relname FROM pg_class WHERE relname ~ '^provider_migrations' AND relkind = 'r' ORDER BY 1";
    assert_eq!(database.rows(histories).len(), 4);
}

#[tokio::test]
async fn the_session_is_given_back_as_it_was() {
    let database = Database::create(Template::Empty);
    let mut client = database.connect().await;
    client.batch_execute("SET search_path TO elsewhere, public").await.unwrap();
    migrate_provider(&mut client, "auth").await.unwrap().applied.truncate(0);
    assert!(migrate_provider(&mut client, "pg_catalog").await.is_err());
    let row = client.query_typed_one("SELECT current_setting('search_path')", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "elsewhere, public");
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    let row = client.query_typed_one(locks, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runners_at_once_do_the_work_once() {
    let database = Database::create(Template::Empty);
    let mut runners = Vec::new();
    for _ in 0..4 {
        let mut client = database.connect().await;
        runners.push(tokio::spawn(async move {
            let provider = migrate_provider(&mut client, "public").await.unwrap();
            let ledger = migrate_ledger(&mut client).await.unwrap();
            provider.applied.len() + ledger.applied.len()
        }));
    }
    let mut applied = 0;
    for runner in runners {
        applied += runner.await.unwrap();
    }
    assert_eq!(applied, 6);
}

#[tokio::test]
async fn a_runner_that_has_to_wait_too_long_names_the_other() {
    let database = Database::create(Template::Empty);
    let other = database.connect().await;
    let key = i64::from_be_bytes(*b"oauthctl");
    other
        .batch_execute(&format!("SET application_name TO 'other'; SELECT pg_advisory_lock({key})"))
        .await
        .unwrap();
    let mut client = database.connect().await;
    let error = refused(migrations::migrate_ledger(&mut client, Duration::from_millis(100)).await);
    let (before, after) = error.split_once("held by pid ").unwrap();
    assert_eq!(before, "the lock of this database's migrations was not free in 100ms: ");
    assert!(after.contains(", other, connected since 2"), "{error}");
    other.execute_typed("SELECT pg_advisory_unlock_all()", &[]).await.unwrap();
    assert_eq!(migrate_ledger(&mut client).await.unwrap().applied, LEDGER);
}

#[tokio::test]
async fn tables_of_others_are_in_the_way() {
    for template in Template::VERSIONS {
        let database = Database::create(template);
        let before = dump(&database, "public");
        let error = refused(migrate_provider(&mut database.connect().await, "public").await);
        assert!(
            error.starts_with(
                "schema public has tables that oauthctl did not make: auth_user, oauth2_provider_"
            )
        );
        assert_eq!(dump(&database, "public"), before);
    }
    // Elsewhere in the same database there is room.
    let database = Database::create(Template::Dot341);
    assert_eq!(migrate_provider(&mut database.connect().await, "auth").await.unwrap().applied, [PROVIDER]);
    // A swapped model has another name, but Django's own table is there.
    let database = Database::create(Template::Empty);
    database.execute("CREATE TABLE django_migrations (id bigint); CREATE TABLE oauth_clients (id bigint)");
    let error = refused(migrate_provider(&mut database.connect().await, "public").await);
    assert_eq!(error, "schema public has tables that oauthctl did not make: django_migrations");
}

#[tokio::test]
async fn a_schema_that_django_has_taken_over_is_djangos() {
    let database = Database::create(Template::Empty);
    let mut client = database.connect().await;
    assert_eq!(migrate_provider(&mut client, "public").await.unwrap().applied, [PROVIDER]);
    database.execute("CREATE TABLE django_migrations (id bigint)");
    let error = refused(migrate_provider(&mut client, "public").await);
    assert_eq!(error, "schema public has tables that oauthctl did not make: django_migrations");
}

#[tokio::test]
async fn tables_that_have_gone_are_missed() {
    let database = Database::create(Template::Empty);
    let mut client = database.connect().await;
    assert_eq!(migrate_provider(&mut client, "public").await.unwrap().applied, [PROVIDER]);
    database.execute("DROP TABLE oauth2_provider_devicegrant");
    assert_eq!(
        refused(migrate_provider(&mut client, "public").await),
        "oauthctl.provider_migrations says that the provider tables were made, but schema public lacks \
         oauth2_provider_devicegrant"
    );
}

#[tokio::test]
async fn a_newer_and_an_edited_history_are_refused() {
    let database = Database::create(Template::Empty);
    let mut client = database.connect().await;
    assert_eq!(migrate_ledger(&mut client).await.unwrap().applied, LEDGER);
    database.execute(
        "INSERT INTO oauthctl.ledger_migrations \
         SELECT 7, 'of_tomorrow', applied_on, checksum FROM oauthctl.ledger_migrations WHERE version = 1",
    );
    assert_eq!(
        refused(migrate_ledger(&mut client).await),
        "oauthctl.ledger_migrations is at V7__of_tomorrow, and this version of oauthctl knows nothing after V5"
    );
    database.execute("DELETE FROM oauthctl.ledger_migrations WHERE version = 7");
    database.execute("UPDATE oauthctl.ledger_migrations SET checksum = '1' WHERE version = 1");
    assert_eq!(
        refused(migrate_ledger(&mut client).await),
        "oauthctl.ledger_migrations has another V1__ledger than this version of oauthctl: it was edited, there or here"
    );
}

#[tokio::test]
async fn a_failure_leaves_nothing_and_names_its_cause() {
    let database = Database::create(Template::Empty);
    // A sequence with the name of an index of ours: the tables before it are made, and then it fails.
    database.execute("CREATE SEQUENCE oauth2_provider_grant_code_49ab4ddf_like");
    let mut client = database.connect().await;
    assert_eq!(
        refused(migrate_provider(&mut client, "public").await),
        "cannot run the migrations of oauthctl.provider_migrations: error applying migrations: db error: \
         ERROR: relation \"oauth2_provider_grant_code_49ab4ddf_like\" already exists"
    );
    assert_eq!(database.rows("SELECT FROM pg_tables WHERE schemaname = 'public'").len(), 0);
    database.execute("DROP SEQUENCE oauth2_provider_grant_code_49ab4ddf_like");
    assert_eq!(migrate_provider(&mut client, "public").await.unwrap().applied, [PROVIDER]);
}

#[tokio::test]
async fn a_role_without_rights_can_look_for_the_ledger() {
    let database = Database::create(Template::Empty);
    assert_eq!(migrate_ledger(&mut database.connect().await).await.unwrap().applied, LEDGER);
    let mut client = database.connect().await;
    client.batch_execute("CREATE ROLE looker_of_migrations; SET ROLE looker_of_migrations").await.unwrap();
    assert!(ledger_installed(&client).await.unwrap());
    let error = refused(migrate_provider(&mut client, "elsewhere").await);
    assert!(error.starts_with("creating a schema failed: permission denied for database"), "{error}");
}

#[tokio::test]
async fn the_ledger_explains_itself() {
    let database = Database::create(Template::Empty);
    assert_eq!(migrate_ledger(&mut database.connect().await).await.unwrap().applied, LEDGER);
    let silent = "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0 \
                  WHERE c.relnamespace = 'oauthctl'::regnamespace AND c.relkind = 'r' AND c.relname !~ '_migrations$' \
                  AND NOT (a.attname = 'id') AND col_description(c.oid, a.attnum) IS NULL";
    assert_eq!(database.table(silent), "");
    database.execute("INSERT INTO oauthctl.run (verb, who, version) VALUES ('apply', 'ops@ci', '0.1.0')");
    let run = "SELECT id, db_user, finished_at, outcome, counts FROM oauthctl.run";
    assert_eq!(database.table(run), "1 | postgres | ∅ | ∅ | {}");
    // Finished without an outcome is no state to be in.
    let mut client = database.connect().await;
    assert!(client.execute_typed("UPDATE oauthctl.run SET finished_at = now()", &[]).await.is_err());
    let transaction = client.transaction().await.unwrap();
    let done =
        "UPDATE oauthctl.run SET finished_at = now(), outcome = 'succeeded', counts = '{\"created\": 1}'";
    assert_eq!(transaction.execute_typed(done, &[]).await.unwrap(), 1);
}
