//! `fk_checks = "set"`: nothing dangles although no trigger looks, and where that could not be promised it is refused.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use oauthctl::model::{Category, CleanupPolicy, FkChecks, Pace, TableRole};
use oauthctl::sweep::{Event, Stop, SweepError, Transient};
use time::Duration as Span;
use tokio_postgres::error::SqlState;

use super::definer::install;
use super::draft::Draft;
use super::graph::Graph;
use super::runner::{Runner, now};
use crate::support::{Database, Template};

const DOT: Template = Template::Dot341;

/// Who switches the triggers off: the run, by its own right, or the functions of `migrate --definer`.
#[derive(Clone, Copy)]
enum By {
    Right,
    Functions,
}

async fn runner(database: &Database, by: By) -> Runner {
    match by {
        By::Right => Runner::new(database, DOT).await,
        By::Functions => Runner::through(install(database, DOT, &policy(1, 1)), DOT).await,
    }
}

fn policy(batch_size: u32, workers: u32) -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        pace: Pace {
            batch_size: NonZeroU32::new(batch_size).unwrap(),
            workers: NonZeroU32::new(workers).unwrap().into(),
            fk_checks: FkChecks::Set,
            ..Pace::default()
        },
        ..CleanupPolicy::default()
    }
}

/// Idle sessions, revoked refresh tokens, lonely access and ID tokens, all doomed, and as many access tokens that stay.
pub(super) fn crowd(count: usize) -> Draft {
    let (then, later) = (now() - Span::hours(2), now() + Span::hours(1));
    let mut draft = Draft::default();
    let ids = draft.others.entry(TableRole::IdToken).or_default();
    for number in 1..=count {
        ids.push((number, then, Some(1)));
        ids.push((count + number, then, Some(1)));
        draft.refresh.push((number, Some(number), None, 1));
        draft.access.push((number, None, Some(number), then, Some(1)));
        draft.refresh.push((count + number, None, Some(then), 1));
        draft.access.push((count + number, None, None, then, Some(1)));
        draft.access.push((2 * count + number, None, None, later, Some(1)));
    }
    draft
}

/// Sessions that make references to doomed rows as fast as they can, in every way that DOT's columns allow, while two
/// workers delete those rows. Each reference either comes first, then its row stays or the pointer is cleared, or it
/// comes too late, then the server refuses it. Nothing dangles, whoever wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn references_that_appear_during_a_run_never_dangle() {
    never_dangle(By::Right).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn references_that_appear_during_a_run_through_functions_never_dangle() {
    never_dangle(By::Functions).await;
}

async fn never_dangle(by: By) {
    const COUNT: usize = 1_500;
    let database = Database::create(DOT);
    crowd(COUNT).insert(&database, DOT);
    let over = Arc::new(AtomicBool::new(false));
    let (made, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..3_u64)
        .map(|writer| {
            let config = database.config();
            let (over, made, refused) = (over.clone(), made.clone(), refused.clone());
            tokio::spawn(async move {
                let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ writer;
                while !over.load(Ordering::Relaxed) {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    let stays = 2 * COUNT as u64 + 1 + state % COUNT as u64;
                    let doomed = 1 + (state >> 20) % COUNT as u64;
                    let statement = match state >> 60 {
                        0..4 => format!(
                            "UPDATE oauth2_provider_accesstoken SET source_refresh_token_id = {doomed} WHERE id = {stays}"
                        ),
                        4..8 => format!(
                            "UPDATE oauth2_provider_accesstoken SET source_refresh_token_id = {} WHERE id = {stays}",
                            COUNT as u64 + doomed
                        ),
                        8..12 => format!(
                            "UPDATE oauth2_provider_accesstoken SET id_token_id = {} WHERE id = {stays}",
                            COUNT as u64 + doomed
                        ),
                        _ => format!(
                            "INSERT INTO oauth2_provider_refreshtoken (token, access_token_id, application_id, user_id, \
                                 created, updated, token_family, token_checksum, resource) \
                             SELECT gen_random_uuid(), {}, application_id, user_id, created, updated, NULL, \
                                 gen_random_uuid(), '[]' FROM oauth2_provider_refreshtoken LIMIT 1",
                            COUNT as u64 + doomed
                        ),
                    };
                    match client.batch_execute(&statement).await {
                        Ok(()) => made.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            let code = error.code().cloned().unwrap();
                            let expected = [
                                SqlState::FOREIGN_KEY_VIOLATION,
                                SqlState::UNIQUE_VIOLATION,
                                SqlState::T_R_DEADLOCK_DETECTED,
                            ];
                            assert!(expected.contains(&code), "{error:?}: {statement}");
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            })
        })
        .collect();
    let runner = runner(&database, by).await;
    let mut met = 0_u32;
    let outcome = runner
        .watched(&policy(60, 2), now(), |event| {
            met += u32::from(matches!(
                event,
                Event::Retry { reason: Transient::Referenced | Transient::Locked, .. }
            ));
        })
        .await
        .unwrap();
    over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(outcome.stop, Stop::Finished, "{outcome:?}");
    Graph::read(&database, DOT).assert_whole();
    let (made, refused) = (made.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    assert!(made > 50 && refused > 50 && met > 0, "made {made}, refused {refused}, met {met}");
    // What the writers kept alive is all that is left.
    let before = Graph::read(&database, DOT);
    let after = before.cleared(&policy(60, 2), now(), &std::collections::BTreeSet::new());
    assert_eq!(runner.run(&policy(60, 2), now()).await.unwrap().stop, Stop::Finished);
    assert_eq!(Graph::read(&database, DOT), after);
}

/// The batch that deleted a row while somebody made a reference to it is rolled back, and its rows are looked at again.
#[tokio::test]
async fn a_reference_that_came_first_keeps_its_row() {
    for by in [By::Right, By::Functions] {
        came_first(by).await;
    }
}

async fn came_first(by: By) {
    let database = Database::create(DOT);
    crowd(20).insert(&database, DOT);
    let before = Graph::read(&database, DOT);
    let holder = database.connect().await;
    // The check of the new reference holds a lock on ID token 27 until COMMIT.
    holder
        .batch_execute(
            "BEGIN; SET CONSTRAINTS ALL IMMEDIATE; \
             UPDATE oauth2_provider_accesstoken SET id_token_id = 27 WHERE id = 41",
        )
        .await
        .unwrap();
    let runner = runner(&database, by).await;
    let (commit, committed) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        committed.await.unwrap();
        holder.batch_execute("COMMIT").await.unwrap();
    });
    let mut commit = Some(commit);
    let outcome = runner
        .watched(&policy(1_000, 1), now(), |event| {
            if matches!(event, Event::Retry { reason: Transient::Locked, .. })
                && let Some(commit) = commit.take()
            {
                commit.send(()).unwrap();
            }
        })
        .await
        .unwrap();
    task.await.unwrap();
    assert_eq!(outcome.deleted.get(Category::Id), 39);
    let left = Graph::read(&database, DOT);
    left.assert_whole();
    assert_eq!(left.others[&TableRole::IdToken].keys().collect::<Vec<_>>(), ["27"]);
    assert_eq!(before.access.len() - left.access.len(), 40);
}

async fn refused(prepare: &str) -> String {
    let database = Database::create(DOT);
    crowd(3).insert(&database, DOT);
    database.execute(prepare);
    let before = Graph::read(&database, DOT);
    let failure = Runner::new(&database, DOT).await.run(&policy(10, 1), now()).await.unwrap_err();
    assert!(matches!(failure.error, SweepError::FkChecks(_)), "{failure:?}");
    assert_eq!(Graph::read(&database, DOT), before);
    failure.error.to_string()
}

#[tokio::test]
async fn what_triggers_would_do_is_never_left_out() {
    let (access, refresh) = ("oauth2_provider_accesstoken", "oauth2_provider_refreshtoken");
    let function = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';";
    for (prepare, reason) in [
        (
            format!(
                "{function} CREATE TRIGGER audit AFTER DELETE ON {access} FOR EACH ROW EXECUTE FUNCTION f()"
            ),
            format!("trigger audit on {access}"),
        ),
        (
            format!("CREATE RULE keep AS ON DELETE TO {refresh} DO ALSO NOTIFY gone"),
            format!("rule keep on {refresh}"),
        ),
        (
            format!("CREATE TABLE mine (token bigint CONSTRAINT mine_fk REFERENCES {access} (id))"),
            "public.mine is not one of DOT's tables and refers to them (mine_fk)".to_owned(),
        ),
        (
            format!(
                "ALTER TABLE {refresh} ADD CONSTRAINT c FOREIGN KEY (access_token_id) REFERENCES {access} ON DELETE SET NULL"
            ),
            format!("constraint c of public.{refresh} is not as DOT makes it"),
        ),
    ] {
        assert_eq!(refused(&prepare).await, format!("triggers cannot be switched off here: {reason}"));
    }
}

/// Between the reading of the layout and the run somebody may have thought for long about a question.
#[tokio::test]
async fn a_foreign_key_that_has_just_been_made_is_seen() {
    let database = Database::create(DOT);
    crowd(3).insert(&database, DOT);
    let runner = Runner::new(&database, DOT).await;
    database.execute(
        "CREATE TABLE mine (token bigint CONSTRAINT mine_fk REFERENCES oauth2_provider_accesstoken (id)); \
         INSERT INTO mine SELECT id FROM oauth2_provider_accesstoken",
    );
    let before = Graph::read(&database, DOT);
    let failure = runner.run(&policy(10, 1), now()).await.unwrap_err();
    let said = failure.error.to_string();
    assert!(said.contains("constraint mine_fk of") && said.contains("made during the run"), "{said}");
    assert_eq!(Graph::read(&database, DOT), before);
}

/// Who may not switch triggers off is told before anything is deleted; who was given that right, needs no superuser.
#[tokio::test]
async fn the_right_to_switch_triggers_off_can_be_granted() {
    let database = Database::create(DOT);
    crowd(3).insert(&database, DOT);
    let before = Graph::read(&database, DOT);
    let role = format!("cleaner_{}", database.name());
    database.execute(format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let mut config = database.config();
    config.user(&role);
    let runner = Runner::through(config, DOT).await;
    let failure = runner.run(&policy(10, 1), now()).await.unwrap_err();
    assert_eq!(
        failure.error.to_string(),
        "triggers cannot be switched off here: the role may not set session_replication_role"
    );
    assert_eq!(Graph::read(&database, DOT), before);
    if database.major() >= 15 {
        database.execute(format!("GRANT SET ON PARAMETER session_replication_role TO {role}"));
        assert_eq!(runner.run(&policy(10, 1), now()).await.unwrap().deleted.total(), 18);
        database.execute(format!("REVOKE SET ON PARAMETER session_replication_role FROM {role}"));
    }
    drop(runner);
    database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
