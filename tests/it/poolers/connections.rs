//! How many connections a verb takes: one, unless applications with many tokens are deleted.

use nix::sys::signal::Signal;

use super::super::support::pooler::Pooler;
use super::super::support::{Database, Sandbox, Template};
use super::{FILE, seed, state, work, work_after};

/// A role that may connect once.
fn limited(database: &Database) -> String {
    let role = format!("one_{}", database.name());
    database.execute(format!(
        "CREATE ROLE {role} LOGIN SUPERUSER; ALTER ROLE {role} CONNECTION LIMIT 1; ALTER ROLE {role} NOSUPERUSER; \
         GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}; \
         GRANT CREATE, TEMPORARY ON DATABASE {name} TO {role}; \
         DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
           EXECUTE format('ALTER TABLE %I OWNER TO {role}', t); END LOOP; END $$",
        name = database.name(),
    ));
    role
}

#[test]
fn one_connection_is_enough_for_every_verb() {
    let database = Database::create(Template::Dot341);
    seed(&database);
    let role = limited(&database);
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("PGUSER", role.as_str());
    // The server counts a session until its process has gone, and a verb does not wait for that. A database is copied only
    // when nobody is connected to it any more.
    work_after(&sandbox, || drop(database.copy()));
    drop_role(&database, &role);

    // The same with a pooler that gives a client its one connection for as long as it stays.
    let other = Database::create(Template::Dot341);
    seed(&other);
    let bouncer = Pooler::bouncer(&other.home(), "session", 1);
    work(&bouncer.sandbox(&other));
    assert_eq!(state(&database), state(&other));
}

fn drop_role(database: &Database, role: &str) {
    database
        .execute(format!("REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_deletion_in_batches_says_that_it_takes_two() {
    let database = Database::create(Template::Dot341);
    seed(&database);
    database.execute(
        "INSERT INTO oauth2_provider_grant (user_id, code, application_id, expires, redirect_uri, scope, created, updated, \
           code_challenge, code_challenge_method, nonce, claims, resource) \
         SELECT 1, 'code-' || n, 103, now(), '', '', now(), now(), '', '', '', '', '[]' FROM generate_series(1, 10001) n",
    );
    let role = limited(&database);
    let mut sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    sandbox.set("PGUSER", role.as_str());
    let apply = ["apply", "--yes", "--secrets-out", "made.json"];
    let refused = sandbox.oauthctl(&apply).exits(5);
    let text = refused.stderr.replace(&role, "[role]");
    let text: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("error")).collect();
    insta::assert_snapshot!("a_second_connection_is_refused", text.join("\n"));
    assert!(!sandbox.path().join("made.json").exists());
    assert_eq!(
        database.value("SELECT count(*) FROM oauth2_provider_application WHERE client_id = 'api'"),
        "0"
    );
    database.execute(format!("ALTER ROLE {role} CONNECTION LIMIT 2"));
    sandbox.oauthctl(&apply).exits(0);
    drop_role(&database, &role);
}

#[test]
fn a_cancel_request_takes_no_connection() {
    let database = Database::create(Template::Dot341);
    seed(&database);
    let role = limited(&database);
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("PGUSER", role.as_str());
    interrupt(&database, &sandbox);
    drop_role(&database, &role);
}

/// PgBouncer 1.18 ends, for all its clients, where the one that sends the request does not wait.
#[test]
fn a_cancel_request_takes_no_place_in_a_pool_and_does_no_harm_there() {
    let database = Database::create(Template::Dot341);
    seed(&database);
    for mode in ["session", "transaction"] {
        let bouncer = Pooler::bouncer(&database.home(), mode, 1);
        interrupt(&database, &bouncer.sandbox(&database));
    }
}

/// Interrupts an `apply` whose update does not end; the next run finds everything as it was.
fn interrupt(database: &Database, sandbox: &Sandbox) {
    sandbox.write("oauth.toml", FILE);
    database.execute(STALL);
    let apply = sandbox.command(&["apply", "--yes", "--no-cleanup", "--secrets-out", "made.json"]).spawn();
    let stalled =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while database.value(stalled) == "0" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    apply.signal(Signal::SIGINT);
    apply.wait().exits(130);
    assert!(!sandbox.path().join("made.json").exists());
    database.execute("DROP FUNCTION stall CASCADE");
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(2);
}

/// An update that ends only when it is cancelled.
const STALL: &str = "CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS \
     'BEGIN PERFORM pg_sleep(600); RETURN NEW; END'; \
     CREATE TRIGGER stall BEFORE UPDATE ON oauth2_provider_application FOR EACH ROW EXECUTE FUNCTION stall()";
