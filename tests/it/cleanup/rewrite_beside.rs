//! `strategy = "rewrite"` beside sessions that write: before the lock they go on, and the tables have what they left.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use oauthctl::db::tokens::Phase;
use oauthctl::model::{CleanupPolicy, Pace, Strategy, TableRole};
use oauthctl::sweep::{Event, Stop, Transient};

use super::graph::Graph;
use super::runner::{Runner, now};
use super::silent::crowd;
use crate::support::{Database, PATIENCE, Template};

const DOT: Template = Template::Dot341;

fn policy() -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        pace: Pace { strategy: Strategy::Rewrite, ..Pace::default() },
        ..CleanupPolicy::default()
    }
}

/// What other sessions change between the putting aside and the lock is as they left it, and what follows from it too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_before_the_lock_is_seen() {
    const COUNT: usize = 30;
    let database = Database::create(DOT);
    crowd(COUNT).insert(&database, DOT);
    database.execute(
        // A row that stays and points to a refresh token that goes.
        "UPDATE oauth2_provider_accesstoken SET source_refresh_token_id = 7 WHERE id = 67; \
         UPDATE oauth2_provider_accesstoken SET source_refresh_token_id = 8 WHERE id = 68",
    );
    let new = "INSERT INTO oauth2_provider_refreshtoken (id, token, access_token_id, application_id, user_id, created, \
               updated, token_family, token_checksum, resource) SELECT 1000 + id, gen_random_uuid(), id, 1, 1, created, \
               updated, NULL, gen_random_uuid(), '[]' FROM oauth2_provider_accesstoken";
    let changes = [
        // An idle session is renewed: it stays, with what points to it.
        "UPDATE oauth2_provider_accesstoken SET expires = now() + interval '1 day' WHERE id IN (7, 9)".to_owned(),
        // Sessions begin; one refers to an access token that goes, and one access token to an ID token that goes.
        format!("{new} WHERE id IN (61, 62, 35)"),
        "UPDATE oauth2_provider_accesstoken SET id_token_id = 36 WHERE id = 63".to_owned(),
        // Users log out.
        "DELETE FROM oauth2_provider_refreshtoken WHERE id = 10; DELETE FROM oauth2_provider_accesstoken WHERE id IN (10, 64)"
            .to_owned(),
        // What stays is changed, and stays as it is now.
        "UPDATE oauth2_provider_accesstoken SET scope = 'changed' WHERE id = 65".to_owned(),
        // A row that goes is changed, and goes.
        "UPDATE oauth2_provider_accesstoken SET scope = 'changed' WHERE id = 40".to_owned(),
    ];
    let runner = Runner::new(&database, DOT).await;
    let mut expected = None;
    let outcome = runner
        .watched(&policy(), now(), |event| {
            if let Event::Step { phase: Phase::PutAside, table: Some(TableRole::Grant), elapsed, .. } = event
                && elapsed.is_zero()
            {
                for change in &changes {
                    database.execute(change);
                }
                let changed = Graph::read(&database, DOT);
                expected = Some((changed.len(), changed.cleared(&policy(), now(), &BTreeSet::new())));
            }
        })
        .await
        .unwrap();
    assert_eq!(outcome.stop, Stop::Finished);
    let left = Graph::read(&database, DOT);
    left.assert_whole();
    let (before, expected) = expected.unwrap();
    assert_eq!(left, expected);
    assert_eq!(usize::try_from(outcome.deleted.total()).unwrap(), before - expected.len());
    let rows = "SELECT (SELECT scope FROM oauth2_provider_accesstoken WHERE id = 65) || ' ' || string_agg(id || '<' || \
                coalesce(source_refresh_token_id::text, '-'), ' ' ORDER BY id) FROM oauth2_provider_accesstoken \
                WHERE id IN (7, 10, 35, 64, 67, 68)";
    assert_eq!(database.value(rows), "changed 7<- 67<7 68<-");
}

/// Sessions that write as fast as they can, while one rewrite follows another: what they have committed is there, what
/// they have deleted is not, and nothing dangles.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_that_others_commit_is_lost() {
    const COUNT: u64 = 600;
    let database = Database::create(DOT);
    crowd(usize::try_from(COUNT).unwrap()).insert(&database, DOT);
    database.execute("ALTER TABLE oauth2_provider_refreshtoken ALTER id RESTART 100000; ALTER TABLE oauth2_provider_accesstoken ALTER id RESTART 100000");
    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..3_u64)
        .map(|writer| {
            let (config, over) = (database.config(), over.clone());
            tokio::spawn(async move {
                let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                let (mut there, mut gone) = (BTreeSet::new(), BTreeSet::new());
                let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ writer;
                while !over.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    // Each writer has keys of its own.
                    let key = 1 + (state >> 20) % (COUNT / 3) * 3 + writer % 3;
                    let statement = match state >> 62 {
                        0 => "INSERT INTO oauth2_provider_accesstoken (token, expires, scope, application_id, user_id, created, \
                              updated, token_checksum, resource) SELECT gen_random_uuid(), now() + interval '1 day', '', 1, 1, \
                              now(), now(), gen_random_uuid(), '[]' RETURNING id".to_owned(),
                        1 => format!("UPDATE oauth2_provider_accesstoken SET expires = now() + interval '1 day' WHERE id = {key} RETURNING id"),
                        2 => format!("UPDATE oauth2_provider_accesstoken SET scope = scope || 'x' WHERE id = {} RETURNING id", 2 * COUNT + key),
                        _ => format!("DELETE FROM oauth2_provider_accesstoken WHERE id = {} RETURNING id", 2 * COUNT + key),
                    };
                    for message in client.simple_query(&statement).await.unwrap() {
                        if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                            let id: u64 = row.get(0).unwrap().parse().unwrap();
                            if statement.starts_with("DELETE") {
                                gone.insert(id);
                                there.remove(&id);
                            } else {
                                there.insert(id);
                            }
                        }
                    }
                }
                (there, gone)
            })
        })
        .collect();
    let runner = Runner::new(&database, DOT).await;
    let (started, mut finished) = (Instant::now(), 0);
    while finished < 8 {
        let outcome = runner.run(&policy(), now()).await.unwrap();
        match outcome.stop {
            Stop::Finished => finished += 1,
            // Where each statement of these takes long, the rewrite is the one that gives way.
            Stop::NoProgress { reason: Transient::Locked, .. } => {}
            other => panic!("{other:?}"),
        }
        assert!(started.elapsed() < PATIENCE, "it does not get its locks");
    }
    over.store(true, Ordering::Relaxed);
    let (mut there, mut gone) = (BTreeSet::new(), BTreeSet::new());
    for writer in writers {
        let (more, less) = writer.await.unwrap();
        there.extend(more);
        gone.extend(less);
    }
    let left = Graph::read(&database, DOT);
    left.assert_whole();
    let left: BTreeSet<u64> = left.access.keys().map(|id| id.parse().unwrap()).collect();
    assert!(there.len() > 100 && gone.len() > 20, "{} and {}", there.len(), gone.len());
    assert_eq!(there.difference(&left).collect::<Vec<_>>(), Vec::<&u64>::new());
    assert_eq!(gone.intersection(&left).collect::<Vec<_>>(), Vec::<&u64>::new());
}
