//! Rows that others hold, change or refer to while a run is under way.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use oauthctl::model::{Category, CleanupPolicy, Pace, TableRole};
use oauthctl::sweep::{Event, Outcome, Stop, SweepError, Transient, Wait};
use time::Duration as Span;

use super::draft::Draft;
use super::graph::{Graph, names};
use super::runner::{Runner, now};
use crate::support::{Database, Template};

const DOT: Template = Template::Dot341;

fn policy() -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        pace: Pace { batch_size: NonZeroU32::new(20).unwrap(), ..Pace::default() },
        ..CleanupPolicy::default()
    }
}

/// So many sessions whose access tokens expired two hours ago, each with an expired ID token.
fn idle_sessions(count: usize) -> Draft {
    let then = now() - Span::hours(2);
    let mut draft = Draft::default();
    for number in 1..=count {
        draft.refresh.push((number, Some(number), None, 1));
        draft.access.push((number, None, Some(number), then, Some(1)));
        draft.others.entry(TableRole::IdToken).or_default().push((number, then, Some(1)));
    }
    draft
}

async fn whole(database: &Database) -> Outcome {
    let outcome = Runner::new(database, DOT).await.run(&policy(), now()).await.unwrap();
    assert_eq!(outcome.stop, Stop::Finished);
    outcome
}

fn cleared(before: &Graph) -> Graph {
    before.cleared(&policy(), now(), &BTreeSet::new())
}

/// Whichever row of a session is locked, the session waits for the second look, and goes with all that depends on it.
#[tokio::test]
async fn a_locked_row_is_skipped_and_comes_back() {
    for table in ["oauth2_provider_refreshtoken", "oauth2_provider_accesstoken", "oauth2_provider_idtoken"] {
        let database = Database::create(DOT);
        idle_sessions(50).insert(&database, DOT);
        let after = cleared(&Graph::read(&database, DOT));
        let holder = database.connect().await;
        holder.batch_execute("BEGIN").await.unwrap();
        holder
            .execute_typed(&format!("SELECT FROM {table} WHERE id IN (7, 8) FOR UPDATE"), &[])
            .await
            .unwrap();
        let (release, released) = tokio::sync::oneshot::channel();
        let rollback = tokio::spawn(async move {
            released.await.unwrap();
            holder.batch_execute("ROLLBACK").await.unwrap();
        });
        let mut release = Some(release);
        let runner = Runner::new(&database, DOT).await;
        let outcome = runner
            .watched(&policy(), now(), |event| {
                if matches!(event, Event::Waiting { reason: Wait::Locks, .. })
                    && let Some(release) = release.take()
                {
                    release.send(()).unwrap();
                }
            })
            .await
            .unwrap();
        rollback.await.unwrap();
        assert_eq!((outcome.stop.clone(), outcome.locked), (Stop::Finished, 0), "{table}: {outcome:?}");
        assert_eq!(outcome.deleted.total(), 150, "{table}");
        assert_eq!(Graph::read(&database, DOT), after, "{table}");
    }
}

/// The rest goes all the same, and the next run takes what was left.
#[tokio::test]
async fn a_row_that_stays_locked_is_counted_and_left() {
    let database = Database::create(DOT);
    idle_sessions(50).insert(&database, DOT);
    let before = Graph::read(&database, DOT);
    let holder = database.connect().await;
    holder
        .batch_execute("BEGIN; SELECT FROM oauth2_provider_refreshtoken WHERE id = 7 FOR UPDATE")
        .await
        .unwrap();
    let outcome = whole(&database).await;
    assert_eq!(outcome.locked, 1);
    let left = Graph::read(&database, DOT);
    left.assert_between(&before, &cleared(&before));
    let keys = |keys: Vec<&String>| keys.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(keys(left.refresh.keys().collect()), ["7"]);
    assert_eq!(keys(left.access.keys().collect()), ["7"]);
    assert_eq!(keys(left.others[&TableRole::IdToken].keys().collect()), ["7"]);
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(whole(&database).await.deleted.total(), 3);
}

/// An access token that names a deleted refresh token as its source would have to be changed: so the refresh token stays
/// as long as that access token is locked.
#[tokio::test]
async fn a_refresh_token_stays_while_the_pointer_to_it_cannot_be_cleared() {
    let database = Database::create(DOT);
    let mut draft = Draft::default();
    for number in 1..=30 {
        draft.refresh.push((number, None, Some(now() - Span::days(1)), 1));
        draft.access.push((number, Some(number), None, now() + Span::hours(1), Some(1)));
    }
    draft.insert(&database, DOT);
    let holder = database.connect().await;
    holder
        .batch_execute("BEGIN; SELECT FROM oauth2_provider_accesstoken WHERE id = 9 FOR UPDATE")
        .await
        .unwrap();
    let outcome = whole(&database).await;
    assert_eq!((outcome.locked, outcome.detached, outcome.deleted.get(Category::Revoked)), (1, 29, 29));
    let left = Graph::read(&database, DOT);
    left.assert_whole();
    assert_eq!(left.refresh.keys().collect::<Vec<_>>(), ["9"]);
    assert_eq!(left.access["9"].source.as_deref(), Some("9"));
}

/// What the token endpoint does with a session that the cleaner is after, as DOT does it: refresh token first, then
/// access token, both locked, and then one of these changes. The session must survive each.
const CHANGES: [&str; 4] = [
    // The access token is renewed in place (ROTATE_REFRESH_TOKEN off).
    "UPDATE oauth2_provider_accesstoken SET expires = '2026-01-02 05:00Z' WHERE id = 7",
    // The refresh token is revoked a moment after the instant of the run.
    "UPDATE oauth2_provider_refreshtoken SET revoked = '2026-01-02 03:04:06Z' WHERE id = 7",
    // The session gets another access token.
    "INSERT INTO oauth2_provider_accesstoken SELECT 999, token || 'n', '2026-01-02 05:00Z', scope, application_id, \
         user_id, created, updated, NULL, NULL, token_checksum || 'n', resource \
         FROM oauth2_provider_accesstoken WHERE id = 7; \
     UPDATE oauth2_provider_refreshtoken SET access_token_id = 999 WHERE id = 7",
    // Only the expiry of the old access token moves, by a client that does not lock the refresh token.
    "UPDATE oauth2_provider_accesstoken SET expires = '2026-01-02 02:04:05.600001Z' WHERE id = 7",
];

#[tokio::test]
async fn a_session_that_is_used_between_selection_and_deletion_survives() {
    for (number, change) in CHANGES.into_iter().enumerate() {
        // The change is committed while the run waits for the row, before it gives up waiting, and when it looks again.
        for pause in [Some(20), Some(60), None] {
            let database = Database::create(DOT);
            idle_sessions(30).insert(&database, DOT);
            let user = database.connect().await;
            let locks = "BEGIN; SELECT FROM oauth2_provider_refreshtoken WHERE id = 7 FOR UPDATE; \
                         SELECT FROM oauth2_provider_accesstoken WHERE id = 7 FOR UPDATE;";
            let locks = if number == 3 { "BEGIN;" } else { locks };
            user.batch_execute(&format!("{locks} {change}")).await.unwrap();
            let (looking, looked) = tokio::sync::oneshot::channel();
            let commit = tokio::spawn(async move {
                match pause {
                    Some(pause) => tokio::time::sleep(Duration::from_millis(pause)).await,
                    None => looked.await.unwrap_or_default(),
                }
                user.batch_execute("COMMIT").await.unwrap();
            });
            let mut looking = Some(looking);
            let runner = Runner::new(&database, DOT).await;
            let outcome = runner
                .watched(&policy(), now(), |event| {
                    if matches!(event, Event::Waiting { reason: Wait::Locks, .. })
                        && let Some(looking) = looking.take()
                    {
                        // Nobody listens where the commit has its own time.
                        let _ = looking.send(());
                    }
                })
                .await
                .unwrap();
            drop(looking);
            commit.await.unwrap();
            assert_eq!(outcome.stop, Stop::Finished, "{change}");
            let left = Graph::read(&database, DOT);
            left.assert_whole();
            assert_eq!(left.refresh.keys().collect::<Vec<_>>(), ["7"], "{change}, {pause:?}: {outcome:?}");
            // What is left is what the same instant says of the rows as they are now.
            assert_eq!(cleared(&left), left, "{change}, {pause:?}");
        }
    }
}

/// A lock on a whole table: nothing can be done, and the run says so instead of going on for ever.
#[tokio::test]
async fn a_run_that_gets_nowhere_ends() {
    let database = Database::create(DOT);
    idle_sessions(5).insert(&database, DOT);
    let before = Graph::read(&database, DOT);
    database.execute(
        "CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS \
         $$BEGIN RAISE EXCEPTION 'held by a test' USING ERRCODE = 'lock_not_available'; END$$; \
         CREATE TRIGGER busy AFTER DELETE ON oauth2_provider_refreshtoken EXECUTE FUNCTION busy()",
    );
    let outcome = Runner::new(&database, DOT).await.run(&policy(), now()).await.unwrap();
    let Stop::NoProgress { batches, reason, detail } = &outcome.stop else { panic!("{outcome:?}") };
    assert_eq!((*batches, *reason, detail.as_str()), (10, Transient::Locked, "held by a test"));
    assert_eq!(Graph::read(&database, DOT), before);
}

/// Foreign rows are found before the first delete; those that refer to rows that stay are in nobody's way.
#[tokio::test]
async fn rows_of_unknown_tables_that_refer_to_doomed_rows_are_named() {
    let template = Template::Swapped341;
    let database = Database::create(template);
    let mut draft = idle_sessions(5);
    draft.access.push((6, None, None, now() + Span::hours(1), Some(1)));
    draft.insert(&database, template);
    let (application, token) = (
        names(template).name(TableRole::Application).to_owned(),
        names(template).name(TableRole::AccessToken).to_owned(),
    );
    let audit = |condition: &str| {
        format!(
            "INSERT INTO myauth_auditlog (app_id, token_id) \
             SELECT (SELECT min(id::text)::uuid FROM {application}), id FROM {token} WHERE {condition}"
        )
    };
    database.execute(audit("expires > '2026-01-02 03:30Z'"));
    database.execute(audit("expires < '2026-01-02 03:00Z' LIMIT 2"));
    let before = Graph::read(&database, template);
    let runner = Runner::new(&database, template).await;
    let failure = runner.run(&policy(), now()).await.unwrap_err();
    let SweepError::BlockingRows(blocking) = &failure.error else { panic!("{failure:?}") };
    assert_eq!(blocking.len(), 1);
    assert_eq!(blocking[0].rows, 2);
    assert_eq!(
        failure.error.to_string(),
        "2 rows of public.myauth_auditlog refer to rows of public.myauth_accesstoken that would be deleted (column \
         token_id, constraint myauth_auditlog_token_id_a7c3bf29_fk_myauth_accesstoken_id)"
    );
    assert_eq!(Graph::read(&database, template), before);
    // Without access tokens nothing of theirs is touched.
    let skipping = CleanupPolicy { skip: [Category::Access].into(), ..policy() };
    assert_eq!(runner.run(&skipping, now()).await.unwrap().deleted.get(Category::Expired), 5);
    database.execute(format!(
        "DELETE FROM myauth_auditlog USING {token} t WHERE t.id = token_id AND t.expires < now()"
    ));
    database.execute(audit("expires > '2026-01-02 03:30Z'"));
    assert_eq!(runner.run(&policy(), now()).await.unwrap().stop, Stop::Finished);
    assert_eq!(Graph::read(&database, template).access.len(), 1);
}

/// A reference that appears during the run is no surprise at COMMIT: that batch is rolled back and the run ends by name.
#[tokio::test]
async fn a_foreign_row_that_appears_meanwhile_ends_the_run_and_loses_nothing() {
    let database = Database::create(DOT);
    idle_sessions(30).insert(&database, DOT);
    database.execute(
        "CREATE TABLE audit (token_id bigint CONSTRAINT audit_token REFERENCES oauth2_provider_accesstoken (id) \
         DEFERRABLE INITIALLY DEFERRED)",
    );
    let before = Graph::read(&database, DOT);
    let runner = Runner::new(&database, DOT).await;
    let mut inserted = false;
    let outcome = runner
        .watched(&policy(), now(), |event| {
            if matches!(event, Event::Batch(_)) && !inserted {
                inserted = true;
                database.execute("INSERT INTO audit VALUES (25)");
            }
        })
        .await
        .unwrap();
    let left = Graph::read(&database, DOT);
    left.assert_between(&before, &cleared(&before));
    assert!(left.access.contains_key("25") && left.refresh.contains_key("25"), "{outcome:?}");
    assert!(matches!(outcome.stop, Stop::NoProgress { reason: Transient::Referenced, .. }), "{outcome:?}");
}
