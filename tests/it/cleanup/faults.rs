//! Servers, connections and triggers that fail in the middle of a run.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oauthctl::db::tokens::TokensError;
use oauthctl::model::{CleanupPolicy, Pace};
use oauthctl::sweep::{Event, Stop, SweepError, Transient};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::draft::Draft;
use super::graph::Graph;
use super::runner::{Runner, now};
use crate::support::{Database, Template, server};

const DOT: Template = Template::Main;

fn policy(batch_size: u32) -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        pace: Pace { batch_size: NonZeroU32::new(batch_size).unwrap(), ..Pace::default() },
        ..CleanupPolicy::default()
    }
}

/// A graph with what will be left of it.
fn filled(seed: u64) -> (Database, Graph, Graph) {
    let database = Database::create(DOT);
    Draft::random(seed, 40, &policy(1), now()).insert(&database, DOT);
    let before = Graph::read(&database, DOT);
    let after = before.cleared(&policy(1), now(), &BTreeSet::new());
    assert!(before.len() > after.len() + 20);
    (database, before, after)
}

fn terminate_others(database: &Database) {
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

#[tokio::test]
async fn a_killed_backend_is_replaced_between_batches() {
    let (database, _, after) = filled(1);
    let mut killed = 0;
    let outcome = Runner::new(&database, DOT)
        .await
        .watched(&policy(3), now(), |event| {
            if matches!(event, Event::Batch(batch) if batch.deleted.total() > 0) && killed < 3 {
                killed += 1;
                terminate_others(&database);
            }
        })
        .await
        .unwrap();
    assert_eq!((killed, outcome.stop), (3, Stop::Finished));
    assert!(outcome.retries >= 3);
    assert_eq!(Graph::read(&database, DOT), after);
}

/// When a trigger fires.
#[derive(Clone, Copy)]
enum When {
    InTheBatch,
    AtCommit,
}

/// Something that happens inside the transaction of every third batch, of the first nine.
fn sabotage(database: &Database, when: When, what: &str) {
    let (kind, deferred) = match when {
        When::InTheBatch => ("TRIGGER", ""),
        When::AtCommit => ("CONSTRAINT TRIGGER", "DEFERRABLE INITIALLY DEFERRED"),
    };
    let tables = ["refreshtoken", "accesstoken", "idtoken", "grant"].map(|table| {
        format!(
            "CREATE {kind} sabotage AFTER DELETE ON oauth2_provider_{table} {deferred} \
             FOR EACH ROW EXECUTE FUNCTION sabotage();"
        )
    });
    database.execute(format!(
        "CREATE SEQUENCE batches; \
         CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS $$ \
         DECLARE number bigint; \
         BEGIN \
             IF current_setting('test.transaction', true) IS DISTINCT FROM txid_current()::text THEN \
                 PERFORM set_config('test.transaction', txid_current()::text, true); \
                 number := nextval('batches'); \
                 IF number % 3 = 0 AND number < 10 THEN {what} END IF; \
             END IF; \
             RETURN NULL; \
         END $$; {}",
        tables.concat()
    ));
}

async fn survives(when: When, what: &str, reason: Transient, seed: u64) {
    for batch_size in [2, 7] {
        let (database, before, after) = filled(seed);
        sabotage(&database, when, what);
        let mut reasons = Vec::new();
        let outcome = Runner::new(&database, DOT)
            .await
            .watched(&policy(batch_size), now(), |event| {
                // Random graphs have pointers where DOT's rows have none: the first one is met once, and then expected.
                if let Event::Retry { reason, .. } = event
                    && reason != Transient::Referenced
                {
                    reasons.push(reason);
                    Graph::read(&database, DOT).assert_between(&before, &after);
                }
            })
            .await
            .unwrap();
        assert_eq!(outcome.stop, Stop::Finished, "{what}");
        assert_eq!(reasons, [reason; 3], "{what}");
        assert_eq!(usize::try_from(outcome.deleted.total()).unwrap(), before.len() - after.len(), "{what}");
        assert_eq!(Graph::read(&database, DOT), after, "{what}");
    }
}

#[tokio::test]
async fn a_backend_that_dies_in_a_batch_or_at_its_commit_loses_and_doubles_nothing() {
    let die = "PERFORM pg_terminate_backend(pg_backend_pid());";
    survives(When::InTheBatch, die, Transient::Disconnected, 2).await;
    survives(When::AtCommit, die, Transient::Disconnected, 3).await;
}

#[tokio::test]
async fn serialization_failures_and_deadlocks_are_tried_again() {
    let raise = |code: &str| format!("RAISE EXCEPTION 'no' USING ERRCODE = '{code}';");
    survives(When::InTheBatch, &raise("40001"), Transient::Changed, 4).await;
    survives(When::InTheBatch, &raise("40P01"), Transient::Deadlock, 5).await;
    survives(When::InTheBatch, &raise("55P03"), Transient::Locked, 6).await;
    survives(When::AtCommit, &raise("40001"), Transient::Changed, 7).await;
}

/// Which COMMITs, by their number from 0, are not answered: `Some(true)`, it arrives; `Some(false)`, not even that.
pub type Lost = fn(u32) -> Option<bool>;

/// A way to the server on which some COMMITs are lost, or their answers.
pub fn forgetful_proxy(directory: &Path, lost: Lost) {
    let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).unwrap();
    let real = server().socket_dir().join(format!(".s.PGSQL.{}", server().port()));
    let commits = Arc::new(AtomicU32::new(0));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (mut server, commits) = (UnixStream::connect(&real).await.unwrap(), commits.clone());
            tokio::spawn(async move {
                let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
                loop {
                    tokio::select! {
                        read = client.read(&mut up) => {
                            let Ok(length @ 1..) = read else { break };
                            let commit = up[..length].windows(7).any(|bytes| bytes == b"COMMIT\0");
                            let lost = commit.then(|| lost(commits.fetch_add(1, Ordering::Relaxed))).flatten();
                            if lost != Some(false) {
                                server.write_all(&up[..length]).await.unwrap();
                            }
                            if lost == Some(true) {
                                let answer = server.read(&mut down).await.unwrap();
                                assert!(answer > 0);
                            }
                            if lost.is_some() {
                                break;
                            }
                        }
                        read = server.read(&mut down) => {
                            let Ok(length @ 1..) = read else { break };
                            client.write_all(&down[..length]).await.unwrap();
                        }
                    }
                }
            });
        }
    });
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_asked_for() {
    let (database, before, after) = filled(9);
    let directory = tempfile::tempdir().unwrap();
    forgetful_proxy(directory.path(), |commit| (commit % 3 == 2).then_some(true));
    let mut config = tokio_postgres::Config::new();
    config.host_path(directory.path()).port(5432).user(server().user()).dbname(database.name());
    let outcome = Runner::through(config, DOT).await.run(&policy(5), now()).await.unwrap();
    assert_eq!((outcome.stop.clone(), outcome.unseen), (Stop::Finished, 0));
    assert!(outcome.retries > 2, "{outcome:?}");
    assert_eq!(usize::try_from(outcome.deleted.total()).unwrap(), before.len() - after.len(), "{outcome:?}");
    assert_eq!(Graph::read(&database, DOT), after);
}

/// A trigger that fails for good ends the run; the rows of that batch are as they were, those before it are gone.
#[tokio::test]
async fn a_failing_trigger_rolls_its_batch_back_and_ends_the_run() {
    let (database, before, after) = filled(7);
    sabotage(&database, When::InTheBatch, "RAISE EXCEPTION 'not this one';");
    let failure = Runner::new(&database, DOT).await.run(&policy(4), now()).await.unwrap_err();
    assert_eq!(failure.outcome.batches, 2);
    let SweepError::Tokens(TokensError::Database(error)) = &failure.error else { panic!("{failure:?}") };
    assert_eq!(error.message(), "not this one");
    let current = Graph::read(&database, DOT);
    current.assert_between(&before, &after);
    assert_eq!(before.len() - current.len(), usize::try_from(failure.outcome.deleted.total()).unwrap());
    database.execute("DROP FUNCTION sabotage CASCADE");
    let outcome = Runner::new(&database, DOT).await.run(&policy(4), now()).await.unwrap();
    assert_eq!(outcome.stop, Stop::Finished);
    assert_eq!(Graph::read(&database, DOT), after);
}

/// A trigger that keeps a row without an error would make every run look complete.
#[tokio::test]
async fn a_vetoing_trigger_is_noticed() {
    let (database, before, after) = filled(8);
    database.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER keep BEFORE DELETE ON oauth2_provider_accesstoken FOR EACH ROW EXECUTE FUNCTION keep()",
    );
    let failure = Runner::new(&database, DOT).await.run(&policy(10_000), now()).await.unwrap_err();
    assert!(failure.error.to_string().contains("a trigger or a rule keeps"), "{failure}");
    Graph::read(&database, DOT).assert_between(&before, &after);
}
