//! `strategy = "rewrite"`: the same end state in one transaction, or a refusal by name.

use std::collections::BTreeSet;
use std::time::Duration;

use oauthctl::model::{Category, CleanupPolicy, Strategy, TableRole};
use oauthctl::sweep::{Event, Stop, SweepError, Transient};

use super::batches::any_graph_with;
use super::cases::templates;
use super::draft::Draft;
use super::graph::Graph;
use super::runner::{Runner, now};
use crate::support::{Database, Template};

const DOT: Template = Template::Dot341;

fn policy() -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(Duration::from_secs(3600)),
        strategy: Strategy::Rewrite,
        ..CleanupPolicy::default()
    }
}

fn filled(template: Template) -> Database {
    let database = Database::create(template);
    Draft::random(3, 40, &policy(), now()).insert(&database, template);
    database
}

/// On every schema, whatever the settings: the rows and pointers of the other strategy, and the same numbers.
#[test]
fn any_graph_ends_as_the_book_says() {
    for template in templates() {
        let cases = if template == Template::Main { 40 } else { 8 };
        // A third party's table refers to the swapped models' rows: that is refused, see below.
        let prepare = |database: &Database| {
            if template == Template::Swapped341 {
                database.execute("DROP TABLE myauth_auditlog");
            }
        };
        any_graph_with(template, &prepare, cases, &|mut policy| {
            // Applications are refused, see `tests/it/refusals.rs`.
            policy.only.retain(|category| category.role() != TableRole::Application);
            policy.skip.extend([Category::Cimd, Category::Dcr]);
            CleanupPolicy { strategy: Strategy::Rewrite, max_rows: None, ..policy }
        });
    }
}

async fn refusal(database: &Database, template: Template, policy: &CleanupPolicy) -> String {
    let before = Graph::read(database, template);
    let failure = Runner::new(database, template).await.run(policy, now()).await.unwrap_err();
    assert!(matches!(failure.error, SweepError::Rewrite(_)), "{failure:?}");
    assert_eq!(Graph::read(database, template), before);
    failure.error.to_string()
}

#[tokio::test]
async fn what_would_be_lost_is_refused_by_name() {
    let database = filled(DOT);
    database.execute(
        "CREATE TABLE audit (token bigint CONSTRAINT audit_fk REFERENCES oauth2_provider_accesstoken (id)); \
         CREATE TABLE children () INHERITS (oauth2_provider_idtoken); \
         CREATE PUBLICATION feed FOR TABLE oauth2_provider_grant, auth_user; \
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER audit AFTER INSERT ON oauth2_provider_refreshtoken FOR EACH ROW EXECUTE FUNCTION f()",
    );
    let limited = CleanupPolicy { max_rows: Some(10), ..policy() };
    let text = refusal(&database, DOT, &limited).await;
    let reasons: Vec<&str> =
        text.strip_prefix("the token tables cannot be rewritten: ").unwrap().split("; ").collect();
    assert_eq!(
        reasons,
        [
            "max_rows is set, and a rewrite is all or nothing",
            "trigger audit on oauth2_provider_refreshtoken",
            "public.audit is none of DOT's tables and refers to them (audit_fk)",
            "children inherits from oauth2_provider_idtoken",
            "publication feed has oauth2_provider_grant: subscribers would see it emptied and every row that stays inserted \
             again",
        ]
    );
    let swapped = filled(Template::Swapped341);
    let text = refusal(&swapped, Template::Swapped341, &policy()).await;
    assert!(text.contains("public.myauth_auditlog is none of DOT's tables"), "{text}");
}

/// Names and definitions of all indexes and constraints, and of what hangs on the tables, are what they were; their
/// files are new and small.
#[tokio::test]
async fn the_tables_are_what_they_were() {
    let definitions = "SELECT pg_get_indexdef(indexrelid), indisunique, indisvalid FROM pg_index i \
                       JOIN pg_class c ON c.oid = i.indrelid WHERE relname LIKE 'oauth2%' \
                       UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid), \
                           condeferrable, convalidated FROM pg_constraint WHERE conrelid::regclass::text LIKE 'oauth2%' \
                       UNION ALL SELECT relname || relacl::text, relhastriggers, relispartition FROM pg_class \
                           WHERE relname LIKE 'oauth2%' AND relacl IS NOT NULL ORDER BY 1";
    let database = filled(DOT);
    database.execute(
        "COMMENT ON CONSTRAINT oauth2_provider_accesstoken_id_token_id_key ON oauth2_provider_accesstoken IS 'mine'; \
         CREATE INDEX by_year ON oauth2_provider_grant (extract(year FROM expires AT TIME ZONE 'UTC')); \
         CREATE INDEX partial ON oauth2_provider_refreshtoken (revoked DESC) INCLUDE (user_id) WHERE revoked IS NOT NULL; \
         CREATE INDEX filled ON oauth2_provider_refreshtoken (created) WITH (fillfactor = 70); \
         GRANT SELECT ON oauth2_provider_grant TO PUBLIC",
    );
    let (before, file) = (database.table(definitions), "SELECT pg_relation_filenode('partial')");
    let node = database.value(file);
    assert_eq!(Runner::new(&database, DOT).await.run(&policy(), now()).await.unwrap().stop, Stop::Finished);
    assert_eq!(database.table(definitions), before);
    assert_ne!(database.value(file), node);
    assert_eq!(
        database.value(
            "SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint \
             WHERE conname = 'oauth2_provider_accesstoken_id_token_id_key'"
        ),
        "mine"
    );
}

/// Grants alone concern nobody else's tables: those are neither locked nor written.
#[tokio::test]
async fn only_tables_that_belong_together_are_rewritten() {
    let database = filled(DOT);
    let file = "SELECT pg_relation_filenode('oauth2_provider_accesstoken')";
    let (before, node) = (Graph::read(&database, DOT), database.value(file));
    let only = CleanupPolicy { only: [Category::Grants].into(), ..policy() };
    let after = before.cleared(&only, now(), &BTreeSet::new());
    assert_eq!(Runner::new(&database, DOT).await.run(&only, now()).await.unwrap().stop, Stop::Finished);
    assert_eq!(Graph::read(&database, DOT), after);
    assert_eq!(database.value(file), node);
}

/// It waits a second for its locks, lets the others pass, and tries again. Identity columns go on where they were.
#[tokio::test]
async fn a_reader_is_waited_for() {
    let database = filled(DOT);
    database.execute("ALTER SEQUENCE oauth2_provider_grant_id_seq RESTART 5000");
    let after = Graph::read(&database, DOT).cleared(&policy(), now(), &BTreeSet::new());
    let holder = database.connect().await;
    holder.batch_execute("BEGIN; SELECT count(*) FROM oauth2_provider_idtoken").await.unwrap();
    let (release, released) = tokio::sync::oneshot::channel();
    let rollback = tokio::spawn(async move {
        released.await.unwrap();
        holder.batch_execute("ROLLBACK").await.unwrap();
    });
    let mut release = Some(release);
    let runner = Runner::new(&database, DOT).await;
    let outcome = runner
        .watched(&policy(), now(), |event| {
            if matches!(event, Event::Retry { reason: Transient::Locked, .. })
                && let Some(release) = release.take()
            {
                release.send(()).unwrap();
            }
        })
        .await
        .unwrap();
    rollback.await.unwrap();
    assert_eq!(
        (outcome.stop.clone(), outcome.batches, outcome.retries),
        (Stop::Finished, 1, 1),
        "{outcome:?}"
    );
    assert_eq!(Graph::read(&database, DOT), after);
    assert_eq!(database.value("SELECT nextval('oauth2_provider_grant_id_seq')"), "5000");
}

/// Who may not switch triggers off has them look at every row that is put back; the end is the same.
#[tokio::test]
async fn an_ordinary_role_can_do_it_too() {
    let database = filled(DOT);
    let after = Graph::read(&database, DOT).cleared(&policy(), now(), &BTreeSet::new());
    let role = format!("rewriter_{}", database.name());
    database.execute(format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let mut config = database.config();
    config.user(&role);
    let runner = Runner::through(config, DOT).await;
    let failure = runner.run(&policy(), now()).await.unwrap_err();
    assert!(
        failure.error.to_string().contains("the role may not truncate oauth2_provider_accesstoken"),
        "{failure}"
    );
    database.execute(format!("GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO {role}"));
    assert_eq!(runner.run(&policy(), now()).await.unwrap().stop, Stop::Finished);
    drop(runner);
    assert_eq!(Graph::read(&database, DOT), after);
    database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
