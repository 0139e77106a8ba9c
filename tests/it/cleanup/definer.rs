//! The functions of `migrate --definer`: as `fk_checks = "set"`, for a role that may not switch triggers off; and what a
//! caller, or an owner of the tables, cannot do with them.

use std::time::Duration;

use insta::assert_snapshot;
use oauthctl::db::layout::Layout;
use oauthctl::db::tokens::definer::{Bounds, Terms, write};
use oauthctl::model::{CleanupPolicy, ClientId, FkChecks, TableRole};
use oauthctl::plan::retention;
use time::Duration as Span;
use tokio_postgres::Config;

use super::batches::any_graph_through;
use super::draft::Draft;
use super::graph::{Graph, names};
use super::runner::{Runner, now, with_pace};
use crate::support::server::block_on;
use crate::support::{Database, Sandbox, Template};

const DOT: Template = Template::Dot341;
const HOUR: Duration = Duration::from_hours(1);

/// A role that may read and write every table, and no more.
pub fn cleaner(database: &Database) -> String {
    let role = format!("cleaner_{}", database.name());
    database.execute(format!(
        "DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; \
         GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    role
}

/// The file for a policy.
fn printed(database: &Database, template: Template, policy: &CleanupPolicy, role: &str) -> String {
    let (config, policy, role) = (database.config(), policy.clone(), role.to_owned());
    block_on(async move {
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let layout = Layout::probe(&client, &names(template)).await.unwrap();
        let available = TableRole::ALL.iter().copied().filter(|role| layout.table(*role).is_some()).collect();
        let sweeps = retention::sweeps(&policy, now(), &available);
        let bounds = Bounds::of(&policy);
        write(&client, &layout, &sweeps, Terms { bounds: &bounds, role: &role }).await.unwrap().unwrap()
    })
}

/// Installs the functions of a policy, for a role that may do nothing else; how it connects.
pub fn install(database: &Database, template: Template, policy: &CleanupPolicy) -> Config {
    let role = cleaner(database);
    database.execute(printed(database, template, policy, &role));
    let mut config = database.config();
    config.user(&role);
    config
}

fn policy() -> CleanupPolicy {
    CleanupPolicy { refresh_token_expire: Some(HOUR), ..CleanupPolicy::default() }
}

/// The same end state, whatever the graph and the settings; on the oldest and newest tables, and with keys that are UUIDs.
#[test]
fn any_graph_ends_as_the_book_says_through_functions() {
    let set = |policy| with_pace(policy, |pace| pace.fk_checks = FkChecks::Set);
    let prepare = |database: &Database| database.execute("DROP TABLE IF EXISTS myauth_auditlog");
    for (template, cases) in
        [(Template::Main, 40), (DOT, 10), (Template::Swapped341, 10), (Template::Dot150, 5)]
    {
        any_graph_through(template, &prepare, cases, &set, &|database, policy| {
            install(database, template, policy)
        });
    }
}

/// A database with sessions, of which the numbers 1 and 2 are expired, and the functions.
struct World {
    database: Database,
    role: String,
}

impl World {
    fn new() -> Self {
        let database = Database::create(DOT);
        let (old, later) = (now() - Span::days(40), now() + Span::days(36_500));
        let mut draft = Draft::default();
        for (number, expires, application) in [(1, old, 1), (2, old, 2), (3, later, 1), (4, later, 2)] {
            draft.refresh.push((number, Some(number), None, application));
            draft.access.push((number, None, None, expires, Some(application)));
        }
        draft.refresh.push((9, None, Some(old), 1));
        draft.insert(&database, DOT);
        install(&database, DOT, &policy());
        let role = cleaner(&database);
        Self { database, role }
    }

    /// What the server says to the role.
    async fn says(&self, sql: &str) -> String {
        let mut config = self.database.config();
        config.user(&self.role);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        match client.simple_query(sql).await {
            Ok(messages) => messages
                .iter()
                .filter_map(|message| match message {
                    tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                    _ => None,
                })
                .collect::<Vec<_>>()
                .join("\n"),
            Err(error) => error.as_db_error().unwrap().message().to_owned(),
        }
    }

    fn left(&self) -> String {
        self.database.value(
            "SELECT (SELECT string_agg(id::text, ',' ORDER BY id) FROM oauth2_provider_accesstoken) || ' / ' || \
             (SELECT string_agg(id::text, ',' ORDER BY id) FROM oauth2_provider_refreshtoken)",
        )
    }
}

const ALL: &str = "1,2,3,4 / 1,2,3,4,9";

/// A call with everything that a caller may choose; each cutoff an expression.
fn call(keys: &str, revoked: &str, idle: &str, expired: &str, excluded: &str) -> String {
    format!(
        "SELECT (o_walked, o_refresh, o_revoked)::text FROM oauthctl_definer.delete_sessions( \
         {keys}, {revoked}, {idle}, {expired}, false, false, {excluded})"
    )
}

#[tokio::test]
async fn a_caller_cannot_delete_what_has_not_expired() {
    let world = World::new();
    let range = "'0', '999999999', NULL";
    let late = "now() + interval '1 second'";
    let hour = "now() - interval '1 hour'";
    for (sql, said) in [
        (call(range, "NULL", "NULL", late, "NULL"), "what expires in the future stays"),
        (call(range, late, "NULL", "now()", "NULL"), "revoked refresh tokens younger than 0 seconds stay"),
        (
            call(range, "NULL", "now()", "now()", "NULL"),
            "refresh tokens whose access tokens have expired younger than 3600 seconds stay",
        ),
        (call(range, "NULL", "'infinity'", "now()", "NULL"), "refresh tokens whose access tokens have expired younger than 3600 seconds stay"),
        (call("'1; DROP TABLE x', '2', NULL", "NULL", "NULL", "now()", "NULL"), "invalid input syntax for type bigint: \"1; DROP TABLE x\""),
        (
            format!("BEGIN ISOLATION LEVEL REPEATABLE READ; {}", call(range, "now()", hour, "now()", "NULL")),
            "this function works in READ COMMITTED only",
        ),
        // Live rows are in the range, and in the list, and stay; so do those of an application that is left alone.
        (call(range, "now()", hour, "now()", "ARRAY['client-1', 'client-2']"), "(0,0,0)"),
        (call("NULL, NULL, '{3,4}'", "now()", hour, "now()", "NULL"), "(0,0,0)"),
        // Nothing of a caller's own session is found before what the functions name.
        (
            format!(
                "CREATE TEMPORARY TABLE oauth2_provider_accesstoken AS SELECT 3 AS id, now() - interval '9 days' AS expires; \
                 SET search_path = pg_temp, public; SET standard_conforming_strings = off; {}",
                call("NULL, NULL, '{3,4}'", "now()", hour, "now()", "NULL")
            ),
            "(0,0,0)",
        ),
        ("SELECT oauthctl_definer.inner_delete_sessions(NULL, NULL, '{}', NULL, NULL, now(), false, false, NULL)".to_owned(),
         "permission denied for function inner_delete_sessions"),
        ("CREATE FUNCTION oauthctl_definer.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'".to_owned(),
         "permission denied for schema oauthctl_definer"),
        ("ALTER FUNCTION oauthctl_definer.delete_sessions RESET ALL".to_owned(),
         "must be owner of function oauthctl_definer.delete_sessions"),
    ] {
        assert_eq!(world.says(&sql).await, said, "{sql}");
        assert_eq!(world.left(), ALL, "{sql}");
    }
    // Whoever was not named may not even call them.
    world.database.execute(format!(
        "CREATE ROLE other_{0}; GRANT other_{0} TO {1}",
        world.database.name(),
        world.role
    ));
    let other =
        format!("SET ROLE other_{}; {}", world.database.name(), call(range, "NULL", "NULL", "now()", "NULL"));
    assert_eq!(world.says(&other).await, "permission denied for schema oauthctl_definer");
    // The setting is back when the function has ended.
    let after = format!(
        "{}; SELECT current_setting('session_replication_role')",
        call(range, "now()", hour, "now()", "ARRAY['client-2']")
    );
    assert_eq!(world.says(&after).await, "(1,1,0)\norigin");
    assert_eq!(world.left(), "2,3,4 / 2,3,4,9");
}

/// The applications that the file leaves alone stand in the functions, whatever the caller says.
#[tokio::test]
async fn what_the_file_leaves_alone_stays() {
    let world = World::new();
    let excluding = CleanupPolicy { exclude_clients: [ClientId::new("client-1")].into(), ..policy() };
    install(&world.database, DOT, &excluding);
    let all = call("'0', '99', NULL", "now()", "now() - interval '1 hour'", "now()", "NULL");
    assert_eq!(world.says(&all).await, "(1,1,0)");
    assert_eq!(world.left(), "1,3,4 / 1,3,4,9");
    // A run that leaves nobody alone is refused: it would end with rows that it must delete.
    let mut config = world.database.config();
    config.user(&world.role);
    let runner = Runner::through(config, DOT).await;
    let set = with_pace(policy(), |pace| pace.fk_checks = FkChecks::Set);
    let failure = runner.run(&set, now()).await.unwrap_err();
    let said = failure.error.to_string();
    assert!(said.ends_with("it leaves all rows of client-1 alone, and this run does not"), "{said}");
}

/// A reference that the caller makes in the same transaction is found, or refused at the end of it.
#[tokio::test]
async fn a_caller_cannot_leave_a_reference_behind() {
    let world = World::new();
    world.database.execute(format!("GRANT INSERT ON oauth2_provider_idtoken TO {}", world.role));
    let gone = call("'1', '1', NULL", "now()", "now() - interval '1 hour'", "now()", "NULL");
    let points = "UPDATE oauth2_provider_accesstoken SET source_refresh_token_id = 1 WHERE id = 3";
    let before = format!("BEGIN; {points}; {gone}; COMMIT");
    assert_eq!(world.says(&before).await, "other rows refer to them");
    let after = format!("BEGIN; {gone}; {points}; COMMIT");
    assert!(world.says(&after).await.contains("violates foreign key constraint"));
    assert_eq!(world.left(), ALL);
    Graph::read(&world.database, DOT).assert_whole();
}

/// What the owner of a table attaches to it runs as the role without login, never as a superuser; a trigger that is
/// always on is no reason to run at all.
#[tokio::test]
async fn an_owner_of_the_tables_gets_no_rights() {
    let world = World::new();
    world.database.execute(
        "CREATE FUNCTION who(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN \
         IF current_setting('session_replication_role') = 'replica' THEN \
             RAISE EXCEPTION 'as %, superuser %', current_user, current_setting('is_superuser'); END IF; RETURN $1; END $$; \
         CREATE INDEX who ON oauth2_provider_accesstoken (who(source_refresh_token_id))",
    );
    world.database.execute("UPDATE oauth2_provider_accesstoken SET source_refresh_token_id = 9 WHERE id = 3");
    let clear = "SELECT o_refresh FROM oauthctl_definer.delete_refresh_tokens('0', '99', NULL, now(), NULL, NULL, true, true, NULL)";
    assert_eq!(world.says(clear).await, "as oauthctl_definer, superuser off");
    world.database.execute(
        "DROP INDEX who; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''it ran''; END'; \
         CREATE TRIGGER always BEFORE UPDATE ON oauth2_provider_accesstoken FOR EACH ROW EXECUTE FUNCTION f(); \
         ALTER TABLE oauth2_provider_accesstoken ENABLE ALWAYS TRIGGER always",
    );
    assert_eq!(world.says(clear).await, "the tables are not those that this function was printed for");
    assert_eq!(world.left(), ALL);
}

/// A schema that somebody else made is not used: they could change what is in it.
#[tokio::test]
async fn it_is_not_installed_where_others_may_change_it() {
    let database = Database::create(DOT);
    let role = cleaner(&database);
    let file = printed(&database, DOT, &policy(), &role);
    let client = database.connect().await;
    client.batch_execute(&format!("CREATE SCHEMA oauthctl_definer AUTHORIZATION {role}")).await.unwrap();
    let said = client.batch_execute(&file).await.unwrap_err();
    assert_eq!(
        said.as_db_error().unwrap().message(),
        "the schema oauthctl_definer belongs to a role that is not a superuser"
    );
    client
        .batch_execute("ROLLBACK; DROP SCHEMA oauthctl_definer; CREATE SCHEMA oauthctl_definer; GRANT CREATE ON SCHEMA oauthctl_definer TO PUBLIC")
        .await
        .unwrap();
    let said = client.batch_execute(&file).await.unwrap_err();
    assert_eq!(
        said.as_db_error().unwrap().message(),
        "others than superusers may create objects in the schema oauthctl_definer"
    );
    client
        .batch_execute(&format!(
            "ROLLBACK; DROP SCHEMA oauthctl_definer; GRANT CREATE ON DATABASE {} TO {role}; SET ROLE {role}",
            database.name()
        ))
        .await
        .unwrap();
    let said = client.batch_execute(&file).await.unwrap_err();
    assert_eq!(said.as_db_error().unwrap().message(), "a superuser has to run this file");
}

/// Once the tables have changed, the functions are refused by name, and `auto` goes on with the triggers.
#[test]
fn changed_tables_are_refused_by_name() {
    let world = World::new();
    let mut sandbox = Sandbox::with(&world.database);
    sandbox.write("oauth.toml", "[cleanup]\nrefresh_token_expire = \"1h\"\n");
    sandbox.set("PGUSER", &world.role);
    let run = |how: &str| {
        ["cleartokens", "--fk-checks", how, "--allow", "fk-checks=set", "--max-rows", "2"].map(str::to_owned)
    };
    sandbox.oauthctl(&run("set")).exits(0);
    let doctor = sandbox.oauthctl(&["doctor", "--for", "cleartokens", "--format", "json"]);
    assert!(doctor.stdout.contains("through the functions of a superuser"), "{doctor}");
    for (change, back) in [
        (
            "CREATE TABLE mine (token bigint CONSTRAINT mine_fk REFERENCES oauth2_provider_accesstoken (id) ON DELETE CASCADE)",
            "DROP TABLE mine",
        ),
        (
            "ALTER TABLE oauth2_provider_grant ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE oauth2_provider_grant DISABLE ROW LEVEL SECURITY",
        ),
    ] {
        world.database.execute(change);
        let refused = sandbox.oauthctl(&run("set")).exits(3);
        assert!(
            refused.stderr.contains("the tables have changed since oauthctl_definer.delete_")
                || refused.stderr.contains("row-level security hides rows"),
            "{change}: {refused}"
        );
        world.database.execute(back);
    }
    world.database.execute("ALTER TABLE oauth2_provider_accesstoken DISABLE TRIGGER ALL");
    let refused = sandbox.oauthctl(&run("set")).exits(3);
    assert!(refused.stderr.contains("the tables have changed since oauthctl_definer.delete_"), "{refused}");
    sandbox.write("oauth.toml", "[cleanup]\nrefresh_token_expire = \"1h\"\nfk_checks = \"set\"\n");
    let doctor = sandbox.oauthctl(&["doctor", "--for", "cleartokens", "--format", "json"]).exits(1);
    assert!(
        doctor.stdout.contains("the tables have changed since oauthctl_definer.delete_sessions"),
        "{doctor}"
    );
    assert!(doctor.stdout.contains("oauthctl migrate --definer --for cleaner_"), "{doctor}");
    let auto = sandbox.oauthctl(&run("auto")).exits(0);
    assert!(
        auto.stderr.contains(
            "Triggers check the references: the role may not set session_replication_role; the tables"
        ),
        "{auto}"
    );
    world.database.execute("ALTER TABLE oauth2_provider_accesstoken ENABLE TRIGGER ALL");
    let not_allowed = sandbox.oauthctl(&["cleartokens", "--fk-checks", "auto"]).exits(0);
    assert!(not_allowed.stderr.contains("\"auto\" needs --allow fk-checks=set for more"), "{not_allowed}");
}

/// Tables on which the triggers do more than look are not printed for.
#[test]
fn what_cannot_be_verified_is_not_printed() {
    let database = Database::create(DOT);
    let sandbox = Sandbox::with(&database);
    let role = cleaner(&database);
    let print = ["migrate", "--definer", "--for", &role];
    database.execute(
        "CREATE TABLE mine (token bigint CONSTRAINT mine_fk REFERENCES oauth2_provider_accesstoken (id)); \
         ALTER TABLE oauth2_provider_grant ENABLE ROW LEVEL SECURITY",
    );
    let refused = sandbox.oauthctl(&print).exits(3);
    assert!(refused.stdout.is_empty(), "{refused}");
    assert!(
        refused.stderr.contains("public.mine is not one of DOT's tables and refers to them (mine_fk)"),
        "{refused}"
    );
    let unknown = sandbox.oauthctl(&["migrate", "--definer", "--for", "nobody at all"]).exits(64);
    assert!(unknown.stderr.contains("there is no role \"nobody at all\""), "{unknown}");
}

/// What a superuser reads before running it.
#[test]
fn the_file_can_be_read() {
    let database = Database::create(DOT);
    let role = cleaner(&database);
    let excluding = CleanupPolicy {
        only: [oauthctl::model::Category::Access, oauthctl::model::Category::Revoked].into(),
        exclude_clients: [ClientId::new("it's $oauthctl$ \u{202e}")].into(),
        ..policy()
    };
    let file = printed(&database, DOT, &excluding, &role).replace(database.name(), "DATABASE");
    let print = regex::Regex::new("'[0-9a-f]{32}'").unwrap();
    assert_snapshot!("definer_file", print.replace_all(&file, "'FINGERPRINT'"));
}
