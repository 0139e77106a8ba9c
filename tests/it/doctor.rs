//! `doctor` on real databases, healthy ones and ill ones: what it says, and that what it says to type is the cure.

use std::time::Duration;

use insta::assert_snapshot;
use regex::Regex;
use serde_json::Value;
use tokio_postgres::Client;

use super::support::database::Template;
use super::support::rows::everything;
use super::support::sandbox::Output;
use super::support::server::block_on;
use super::support::{Database, Sandbox, server};

const SWAPPED: &str = r#"
[database.tables]
application = "oauth_clients"
access_token = "myauth_accesstoken"
refresh_token = "myauth_refreshtoken"
id_token = "myauth_idtoken"
"#;

/// Everything that can be wrong with a database of one server.
const ILL: &str = "
    BEGIN;
    INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
        VALUES (1, '!', false, 'ops', '', '', '', false, true, now());
    INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, created, updated, resource)
        SELECT '', n, now() - interval '1 day', 'read', now(), now(), '[]' FROM generate_series(1, 20) n;
    CREATE TABLE audit (token_id bigint CONSTRAINT audit_token REFERENCES oauth2_provider_accesstoken (id), note text);
    INSERT INTO audit SELECT id, repeat('x', 1000) FROM oauth2_provider_accesstoken, generate_series(1, 100) LIMIT 2000;
    COMMIT;
    CREATE TABLE \"Consent Log\" (app bigint PRIMARY KEY REFERENCES oauth2_provider_application ON DELETE CASCADE);
    CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
    CREATE TRIGGER keep BEFORE DELETE ON oauth2_provider_grant FOR EACH ROW EXECUTE FUNCTION keep();
    CREATE TRIGGER noted AFTER INSERT ON oauth2_provider_refreshtoken FOR EACH ROW EXECUTE FUNCTION keep();
    ALTER TABLE oauth2_provider_idtoken ENABLE ROW LEVEL SECURITY;
    ALTER TABLE oauth2_provider_accesstoken SET (autovacuum_enabled = off);
    ALTER TABLE oauth2_provider_devicegrant DISABLE TRIGGER ALL;
    DROP INDEX oauth2_provider_accesstoken_application_id_b22886e1;
    ANALYZE;";

/// A role of a test's own: roles belong to the server.
struct Role<'a> {
    name: String,
    database: &'a Database,
}

impl<'a> Role<'a> {
    fn new(database: &'a Database, rights: &str) -> Self {
        let name = format!("role_{}", database.name());
        database.execute(format!("CREATE ROLE {name} LOGIN; {}", rights.replace("ROLE", &name)));
        Self { name, database }
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        self.database.execute(format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name));
    }
}

fn sandbox(database: &Database, template: Template) -> Sandbox {
    let sandbox = Sandbox::with(database);
    if template == Template::Swapped341 {
        sandbox.write("oauth.toml", SWAPPED);
    }
    sandbox
}

/// Versions, pids, durations and sizes differ from run to run; the right to grant parameters came with PostgreSQL 15.
fn steady(output: &Output) -> String {
    normalised(&output.to_string())
}

fn normalised(text: &str) -> String {
    let mut text = text.replace(env!("CARGO_PKG_VERSION"), "[version]");
    text = text.replace(server().user(), "[user]").replace("[user]://", "postgres://");
    for (pattern, with) in [
        (r#"(PostgreSQL |"version": ")[0-9][^"\n]*?(\.\n|")"#, "$1[number]$2"),
        (r"(pid = |pg_terminate_backend\()[0-9]+", "$1[pid]"),
        (r"for\s+[0-9]+ seconds?", "for [time]"),
        (r"'[0-9-]{10}T[0-9:.]+Z'::timestamptz", "'[instant]'::timestamptz"),
        (r"(RI_ConstraintTrigger_[ac]_)[0-9]+", "$1[oid]"),
        (r"\([0-9]+(\.[0-9]+)? (B|kB)\)", "([size])"),
        (r"(?s)note     privileges    [^\n]*? may not use `fk_checks.*?\n(ok|note|problem)", "$1"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
    }
    text
}

/// A sentence with a pid or a duration in it is broken where their lengths say.
fn unwrapped(output: &Output) -> String {
    normalised(&Regex::new(r"\n {23}").unwrap().replace_all(&output.to_string(), " "))
}

fn findings(output: &Output) -> Vec<Value> {
    // As it was printed: what is normalised cannot be typed.
    let document: Value = serde_json::from_slice(&output.raw_stdout).unwrap();
    document["findings"].as_array().unwrap().clone()
}

/// What is a problem, but for one that is real and everywhere: the tests' own server has no autovacuum.
fn problems(output: &Output) -> Vec<String> {
    let mut problems: Vec<String> = findings(output)
        .into_iter()
        .filter(|finding| finding["verdict"] == "problem")
        .map(|finding| finding["found"].as_str().unwrap().to_owned())
        .collect();
    let before = problems.len();
    problems.retain(|problem| problem != "autovacuum is off on this server.");
    assert_eq!(problems.len() + 1, before, "{output}");
    problems
}

/// The SQL that the findings propose; the server's own settings are left alone.
fn cures(output: &Output) -> Vec<String> {
    let findings = findings(output);
    let remedies = findings.iter().flat_map(|finding| finding["remedies"].as_array().unwrap());
    remedies
        .filter(|remedy| remedy["kind"] == "sql")
        .map(|remedy| remedy["text"].as_str().unwrap().to_owned())
        .filter(|sql| !sql.starts_with("ALTER SYSTEM"))
        .collect()
}

/// Types a command, outside of any transaction.
fn type_in(database: &Database, command: &str) -> Result<(), String> {
    let (config, typed) = (database.config(), command.to_owned());
    block_on(async move {
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.simple_query(&typed).await.map(drop).map_err(|error| format!("{typed}: {error:?}"))
    })
}

/// A session that holds a transaction open until it is dropped.
fn holding(database: &Database, sql: &str) -> Client {
    let (config, sql) = (database.config(), format!("BEGIN; {sql}"));
    block_on(async move {
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&sql).await.unwrap();
        client
    })
}

#[test]
fn a_healthy_database_of_every_version_has_no_problem() {
    for template in
        [Template::Dot150, Template::Dot240, Template::Dot341, Template::Main, Template::Swapped341]
    {
        let database = Database::create(template);
        let sandbox = sandbox(&database, template);
        assert_snapshot!(format!("healthy_{template:?}"), steady(&sandbox.oauthctl(&["doctor"])));
        assert_eq!(problems(&sandbox.oauthctl(&["doctor", "--format", "json"])), [""; 0]);
    }
}

#[test]
fn what_is_wrong_is_named_with_what_to_type() {
    let database = Database::create(Template::Dot341);
    database.execute(ILL);
    // The duplicates make it fail half-way.
    let broken = "CREATE UNIQUE INDEX CONCURRENTLY broken ON oauth2_provider_accesstoken (scope)";
    type_in(&database, broken).unwrap_err();
    let idle = holding(&database, "DELETE FROM oauth2_provider_grant");
    let sandbox = sandbox(&database, Template::Dot341);
    let before = everything(&database, "public");
    let output = sandbox.oauthctl(&["doctor", "--long-transaction", "0"]).exits(1);
    assert_snapshot!("ill", unwrapped(&output));
    let json = sandbox.oauthctl(&["doctor", "--long-transaction", "0", "--format", "json"]).exits(1);
    assert_snapshot!("ill_json", steady(&json));
    assert_eq!(before, everything(&database, "public"));

    // Typed one after the other, the commands are the cure. The duplicates are still there, so REINDEX cannot be: this is
    // what the other command is for.
    for cure in cures(&json).iter().filter(|cure| !cure.starts_with("REINDEX")) {
        type_in(&database, cure).unwrap();
    }
    assert!(block_on(async move { idle.simple_query("SELECT 1").await.is_err() }), "it was terminated");
    let cured = sandbox.oauthctl(&["doctor", "--format", "json"]).exits(1);
    assert_eq!(
        problems(&cured),
        [
            "2,000 rows of public.audit (token_id) refer to access tokens that cleanup would delete, by audit_token."
        ]
    );
    sandbox.oauthctl(&["cleartokens", "-q", "--skip", "access"]).exits(0);
    database.execute("DELETE FROM audit");
    assert_eq!(problems(&sandbox.oauthctl(&["doctor", "--format", "json"])), [""; 0]);
}

/// On a server of its own, which has autovacuum.
#[test]
fn a_database_in_good_health_ends_well() {
    let mut sandbox = Sandbox::new();
    sandbox.set("OAUTHCTL_EMBEDDED_DIR", sandbox.path().join("postgresql"));
    sandbox.oauthctl(&["migrate", "--provider", "--ledger", "--embedded"]).exits(0);
    let output = sandbox.oauthctl(&["doctor", "--embedded", "-q"]).exits(0);
    assert!(output.stdout.contains("No problem, "), "{output}");
}

#[test]
fn what_a_role_lacks_can_be_granted() {
    let database = Database::create(Template::Dot341);
    let sandbox = sandbox(&database, Template::Dot341);
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    let role = Role::new(
        &database,
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO ROLE; GRANT UPDATE, DELETE ON oauth2_provider_grant TO ROLE; \
         ALTER TABLE oauth2_provider_idtoken ENABLE ROW LEVEL SECURITY; REVOKE SELECT ON auth_user FROM ROLE",
    );
    let doctor =
        |more: &[&str]| sandbox.command(&[&["doctor"], more].concat()).env("PGUSER", &role.name).run();
    let output = doctor(&[]).exits(1);
    assert_snapshot!("a_role_with_too_little", steady(&output).replace("role_[database]", "[role]"));
    // A role that plans needs no more than this, but for the policy that hides rows.
    let planner = doctor(&["--for", "plan", "--format", "json"]).exits(1);
    let hidden = format!("Policies may hide rows of public.oauth2_provider_idtoken from {}.", role.name);
    assert_eq!(problems(&planner), [hidden]);
    // Whoever may look sees the same from outside.
    let from_outside = sandbox.oauthctl(&["doctor", "--role", &role.name, "--format", "json"]).exits(1);
    let of_role = |output: &Output| -> Vec<Value> {
        let checks = ["privileges", "ledger", "row_security"];
        findings(output)
            .into_iter()
            .filter(|finding| checks.contains(&finding["check"].as_str().unwrap()))
            .collect()
    };
    let json = doctor(&["--format", "json"]).exits(1);
    assert_eq!(of_role(&from_outside), of_role(&json));
    for cure in cures(&json) {
        type_in(&database, &cure).unwrap();
    }
    assert_eq!(problems(&doctor(&["--format", "json"])), [""; 0]);
}

#[test]
fn a_role_that_does_not_exist_is_a_mistake() {
    let database = Database::create(Template::Dot341);
    let output =
        sandbox(&database, Template::Dot341).oauthctl(&["doctor", "--role", "nobody-here"]).exits(64);
    assert!(output.stderr.contains("there is no role \"nobody-here\""), "{output}");
}

/// Somebody holds the table so that not even its size can be read: all else is told, and who that is, however young its
/// transaction is and however little the role may see of it.
#[test]
fn a_table_that_is_locked_does_not_keep_it_waiting() {
    let database = Database::create(Template::Dot341);
    let sandbox = sandbox(&database, Template::Dot341);
    let holder = holding(
        &database,
        "SET LOCAL application_name = 'manage.py'; LOCK oauth2_provider_accesstoken IN ACCESS EXCLUSIVE MODE",
    );
    let output = sandbox.oauthctl(&["doctor", "--long-transaction", "1h"]).exits(1);
    assert_snapshot!("locked", unwrapped(&output));
    let role = Role::new(&database, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO ROLE");
    let doctor = ["doctor", "--for", "plan", "--format", "json"];
    let of_others = sandbox.command(&doctor).env("PGUSER", &role.name).run().exits(1);
    let found = findings(&of_others).into_iter().filter(|finding| finding["verdict"] == "problem");
    let found = found.map(|finding| finding["found"].as_str().unwrap().to_owned());
    let named: Vec<String> = found.filter(|found| found.contains("manage.py")).collect();
    assert_eq!(named.len(), 1, "{of_others}");
    assert!(
        named[0]
            .ends_with(", manage.py) is in a transaction, with locks on public.oauth2_provider_accesstoken."),
        "{named:?}"
    );
    let json = sandbox.oauthctl(&["doctor", "--format", "json"]).exits(1);
    let cures = cures(&json);
    let cure = cures.iter().find(|cure| cure.contains("pg_terminate_backend")).unwrap();
    type_in(&database, cure).unwrap();
    assert!(block_on(async move { holder.simple_query("SELECT 1").await.is_err() }), "it was terminated");
    assert_eq!(problems(&sandbox.oauthctl(&["doctor", "--format", "json"])), [""; 0]);
}

#[test]
fn an_old_transaction_has_an_age() {
    let database = Database::create(Template::Dot341);
    let sandbox = sandbox(&database, Template::Dot341);
    let holder = holding(&database, "SELECT 1");
    std::thread::sleep(Duration::from_millis(1_100));
    let problems = |limit: &str| {
        problems(&sandbox.oauthctl(&["doctor", "--long-transaction", limit, "--format", "json"]).exits(1))
    };
    assert_eq!(problems("1h"), [""; 0]);
    assert_eq!(problems("1s").len(), 1);
    drop(holder);
}

#[test]
fn partitions_are_looked_at_one_by_one() {
    let database = Database::create(Template::Dot341);
    database.execute(
        "ALTER TABLE oauth2_provider_idtoken RENAME TO old; \
         ALTER TABLE oauth2_provider_accesstoken DROP CONSTRAINT oauth2_provider_acce_id_token_id_85db651b_fk_oauth2_pr; \
         CREATE TABLE oauth2_provider_idtoken (LIKE old) PARTITION BY HASH (id); \
         CREATE TABLE p0 PARTITION OF oauth2_provider_idtoken FOR VALUES WITH (MODULUS 2, REMAINDER 0); \
         CREATE TABLE p1 PARTITION OF oauth2_provider_idtoken FOR VALUES WITH (MODULUS 2, REMAINDER 1); \
         ALTER TABLE oauth2_provider_idtoken ADD PRIMARY KEY (id), \
             ADD FOREIGN KEY (application_id) REFERENCES oauth2_provider_application; \
         ALTER TABLE p1 SET (autovacuum_enabled = off); DROP TABLE old; \
         CREATE INDEX ON p0 (expires)",
    );
    let output = sandbox(&database, Template::Dot341).oauthctl(&["doctor"]).exits(1);
    assert_snapshot!("partitions", steady(&output));
}

#[test]
fn where_nobody_answers_the_report_says_what_was_tried() {
    let mut sandbox = Sandbox::new();
    sandbox.set("PGHOST", sandbox.path().join("nowhere"));
    sandbox.set("PGUSER", "app");
    assert_snapshot!("unreachable", unwrapped(&sandbox.oauthctl(&["doctor"]).exits(5)));
    assert_snapshot!("unreachable_json", steady(&sandbox.oauthctl(&["doctor", "--format", "json"]).exits(5)));
}

#[test]
fn a_database_without_dot_is_a_problem_of_its_own() {
    let database = Database::create(Template::Empty);
    let output = sandbox(&database, Template::Empty).oauthctl(&["doctor"]).exits(1);
    assert_snapshot!("no_tables", steady(&output));
    let swapped = Database::create(Template::Swapped341);
    let output = Sandbox::with(&swapped).oauthctl(&["doctor"]).exits(1);
    assert!(output.stdout.contains("Are the models swapped?"), "{output}");
}
