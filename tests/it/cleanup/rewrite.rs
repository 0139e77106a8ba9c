//! `strategy = "rewrite"`: the same end state in one transaction, or a refusal by name.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal;
use oauthctl::db::tokens::{Excluded, Phase, Rewrite, TokensError};
use oauthctl::model::{Category, CleanupPolicy, Pace, Strategy, TableRole};
use oauthctl::sweep::{Event, Stop, SweepError, Transient};

use super::batches::any_graph_with;
use super::cases::templates;
use super::draft::Draft;
use super::faults::{Lost, forgetful_proxy};
use super::graph::Graph;
use super::runner::{Runner, now, with_pace};
use crate::support::{Database, Sandbox, Template, eventually, server};

const DOT: Template = Template::Dot341;

fn policy() -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        pace: Pace { strategy: Strategy::Rewrite, ..Pace::default() },
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
        let cases = if template == Template::Main { 25 } else { 5 };
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
            with_pace(policy, |pace| (pace.strategy, pace.max_rows) = (Strategy::Rewrite, None))
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
    let limited = with_pace(policy(), |pace| pace.max_rows = Some(10));
    let text = refusal(&database, DOT, &limited).await;
    let reasons: Vec<&str> =
        text.strip_prefix("the token tables cannot be rewritten: ").unwrap().split("; ").collect();
    assert_eq!(
        reasons,
        [
            "max_rows is set, and a rewrite is all or nothing",
            "trigger audit on oauth2_provider_refreshtoken",
            "public.audit is not one of DOT's tables and refers to them (audit_fk)",
            "children inherits from oauth2_provider_idtoken",
            "publication feed has oauth2_provider_grant: subscribers would see it emptied and every row that stays inserted \
             again",
        ]
    );
    let swapped = filled(Template::Swapped341);
    let text = refusal(&swapped, Template::Swapped341, &policy()).await;
    assert!(text.contains("public.myauth_auditlog is not one of DOT's tables"), "{text}");
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

/// What it waited for may have been a migration: what came with it is not forgotten.
#[tokio::test]
async fn what_has_changed_before_the_lock_is_noticed() {
    let index = "oauth2_provider_idtoken_application_id_08c5ff4f";
    for change in [
        "ALTER TABLE oauth2_provider_idtoken ADD COLUMN tenant text".to_owned(),
        "CREATE TABLE mine (token bigint REFERENCES oauth2_provider_accesstoken (id))".to_owned(),
        "CREATE RULE keep AS ON DELETE TO oauth2_provider_refreshtoken DO ALSO NOTIFY gone".to_owned(),
        format!("DROP INDEX IF EXISTS {index}; CREATE INDEX another ON oauth2_provider_idtoken (expires)"),
    ] {
        let database = filled(DOT);
        let runner = Runner::new(&database, DOT).await;
        let sweeps = runner.sweeps(&policy(), now());
        let client = runner.pool.get().await.unwrap();
        let found = Rewrite::find(&**client, &runner.layout, &sweeps, Excluded::default()).await.unwrap();
        let rewrite = found.unwrap();
        rewrite.assert_same(&**client).await.unwrap();
        database.execute(&change);
        let error = rewrite.assert_same(&**client).await.unwrap_err();
        assert!(matches!(error, TokensError::Altered), "{change}: {error}");
    }
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

/// A COMMIT that is not answered is asked for: what happened is reported once, what did not happen is done again.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_asked_for() {
    let cases: [(Lost, bool); 2] =
        [(|commit| (commit == 0).then_some(true), true), (|commit| (commit == 0).then_some(false), false)];
    for (lost, arrived) in cases {
        let database = filled(DOT);
        let before = Graph::read(&database, DOT);
        let after = before.cleared(&policy(), now(), &BTreeSet::new());
        let directory = tempfile::tempdir().unwrap();
        forgetful_proxy(directory.path(), lost);
        let mut config = tokio_postgres::Config::new();
        config.host_path(directory.path()).port(5432).user(server().user()).dbname(database.name());
        let mut locks = 0;
        let runner = Runner::through(config, DOT).await;
        let outcome = runner
            .watched(&policy(), now(), |event| {
                locks += u32::from(matches!(event, Event::Step { number: 1, elapsed: Duration::ZERO, .. }));
            })
            .await
            .unwrap();
        assert_eq!(
            (outcome.stop.clone(), outcome.unseen, outcome.retries),
            (Stop::Finished, 0, 1),
            "{outcome:?}"
        );
        assert_eq!(locks, if arrived { 1 } else { 2 });
        assert_eq!(usize::try_from(outcome.deleted.total()).unwrap(), before.len() - after.len());
        assert_eq!(Graph::read(&database, DOT), after);
    }
}

/// The space is back on the disk, and the tables have statistics and a visibility map again.
#[tokio::test]
async fn space_is_returned_and_statistics_are_there() {
    let database = filled(DOT);
    database.execute(
        "CREATE TEMPORARY TABLE g AS SELECT * FROM oauth2_provider_grant LIMIT 1; \
         INSERT INTO oauth2_provider_grant OVERRIDING SYSTEM VALUE \
             SELECT (jsonb_populate_record(g, jsonb_build_object('id', 1000000 + n, 'code', n::text, 'expires', \
                     '2020-01-01', 'redirect_uri', repeat('x', 500)))).* FROM g, generate_series(1, 20000) n; \
         ANALYZE",
    );
    let size = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname IN ('oauth2_provider_refreshtoken', \
                'oauth2_provider_accesstoken', 'oauth2_provider_idtoken', 'oauth2_provider_grant')";
    let measured = || database.value(size).parse::<u64>().unwrap();
    let before = measured();
    let outcome = Runner::new(&database, DOT).await.run(&policy(), now()).await.unwrap();
    let disk = outcome.disk.unwrap();
    assert_eq!((disk.before, disk.after), (before, measured()));
    assert!(disk.before > 10_000_000 && disk.after < 1_000_000, "{disk:?}");
    // Not `relallvisible`: sessions that have just connected to the server change it.
    let told = "SELECT bool_and(reltuples >= 0), bool_and(last_vacuum IS NOT NULL AND last_analyze IS NOT NULL) \
                FROM pg_class JOIN pg_stat_user_tables ON relid = oid WHERE pg_class.relname IN \
                ('oauth2_provider_refreshtoken', 'oauth2_provider_accesstoken', 'oauth2_provider_idtoken', \
                 'oauth2_provider_grant')";
    // Before PostgreSQL 15 a process of its own collects them.
    eventually("the statistics do not come", || database.table(told) == "t | t");
}

/// Every step is told, in order, and who may not vacuum is told what to do.
#[tokio::test]
async fn every_step_is_told() {
    let database = filled(DOT);
    let role = format!("stepper_{}", database.name());
    // ALL has MAINTAIN from PostgreSQL 17 on.
    database.execute(format!("CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO {role}"));
    let mut config = database.config();
    config.user(&role);
    let runner = Runner::through(config, DOT).await;
    let (mut steps, mut reasons) = (Vec::new(), Vec::new());
    let outcome = runner
        .watched(&policy(), now(), |event| match event {
            Event::Step { phase, number, of, elapsed, .. } if elapsed.is_zero() => {
                steps.push((phase, number, of));
            }
            Event::Unvacuumed { reason } => reasons.push(reason.to_owned()),
            _ => {}
        })
        .await
        .unwrap();
    assert_eq!(outcome.stop, Stop::Finished);
    let phases: Vec<Phase> = steps.iter().map(|(phase, ..)| *phase).collect();
    let expected = [
        [Phase::PutAside; 4].as_slice(),
        &[Phase::CatchUp, Phase::Empty],
        &[Phase::PutBack; 4],
        &[Phase::Vacuum],
    ]
    .concat();
    assert_eq!(phases, expected);
    assert!(steps.iter().enumerate().all(|(index, (_, number, of))| *number == index + 1 && *of == 11));
    assert_eq!(
        reasons,
        [
            "the role does not own oauth2_provider_accesstoken, oauth2_provider_grant, oauth2_provider_idtoken, \
          oauth2_provider_refreshtoken"
        ]
    );
    drop(runner);
    database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// A signal cancels a statement that would take an hour; nothing has happened.
#[test]
fn a_signal_cancels_the_running_statement() {
    for (signal, code) in [(Signal::SIGHUP, 129), (Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let database = filled(DOT);
        let before = Graph::read(&database, DOT);
        database.execute(
            "ALTER TABLE oauth2_provider_accesstoken ADD CONSTRAINT slow CHECK (pg_sleep(3600) IS NOT NULL) NOT VALID",
        );
        let sandbox = Sandbox::with(&database);
        let arguments = ["cleartokens", "--as-of", "2026-01-02T03:04:05.6Z", "--refresh-token-expire", "1h"];
        let rewrite = ["--strategy", "rewrite", "--allow", "rewrite"];
        let running = sandbox.command(&[&arguments[..], &rewrite].concat()).spawn();
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        eventually("it does not come to the slow statement", || database.value(sleeping) != "0");
        // It ends before the statement would.
        running.signal(signal);
        let output = running.wait().exits(code);
        assert!(output.stdout.contains("Stopped: interrupted."), "{output}");
        assert_eq!(Graph::read(&database, DOT), before);
    }
}

/// What a run prints in a pipe, and what scripts get.
#[test]
fn what_it_prints() {
    let run = |format: &str| {
        let database = filled(DOT);
        let sandbox = Sandbox::with(&database);
        let arguments = ["cleartokens", "--as-of", "2026-01-02T03:04:05.6Z", "--refresh-token-expire", "1h"];
        let rewrite = ["--strategy", "rewrite", "--allow", "rewrite", "--format", format];
        sandbox.oauthctl(&[&arguments[..], &rewrite].concat()).exits(0)
    };
    insta::assert_snapshot!(steady(&run("text")));
    let output = run("json");
    let outcome: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(outcome["run"]["bytes_after"].as_u64() > Some(0), "{output}");
    for step in 1..=11 {
        assert!(
            output.stderr.contains(&format!("\"event\":\"step\",\"number\":{step},\"of\":11")),
            "{output}"
        );
    }
}

fn steady(output: &crate::support::sandbox::Output) -> String {
    let mut text = output.to_string();
    while let Some(end) = text.find(" rows/s, ") {
        let start = text[..end].rfind('(').map_or(0, |open| open + 1);
        text.replace_range(start..end + " rows/s, ".len(), "");
    }
    let disk = text.find("On disk: ").map(|start| (start, start + text[start..].find('\n').unwrap_or(0)));
    if let Some((start, end)) = disk {
        text.replace_range(start..end, "On disk: [bytes] before, [bytes] after.");
    }
    text
}
