//! `workers = "auto"`.

use std::num::NonZeroU32;
use std::time::Duration;

use oauthctl::model::{CleanupPolicy, Pace, Workers};
use oauthctl::sweep::Stop;

use super::batches::any_graph_with;
use super::draft::Draft;
use super::graph::Graph;
use super::runner::{Runner, now, with_pace};
use crate::support::{Database, Template};

const DOT: Template = Template::Dot341;

fn policy() -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        pace: Pace {
            batch_size: NonZeroU32::new(2).unwrap(),
            // The pauses are most of the time, so a second worker is nearly twice as fast on any machine.
            batch_interval: Duration::from_millis(20),
            workers: Workers::Auto,
            ..Pace::default()
        },
        ..CleanupPolicy::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_added_while_they_make_the_run_faster() {
    let database = Database::create(DOT);
    Draft::random(41, 200, &policy(), now()).insert(&database, DOT);
    let after = Graph::read(&database, DOT).cleared(&policy(), now(), &[].into());
    let outcome = Runner::new(&database, DOT).await.run(&policy(), now()).await.unwrap();
    assert_eq!(outcome.stop, Stop::Finished);
    assert!(outcome.workers >= 2, "{outcome:?}");
    assert!(outcome.available >= outcome.elapsed, "{outcome:?}");
    assert_eq!(Graph::read(&database, DOT), after);
}

/// What is refused to a second worker does not end the run.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_room_for_another_connection_keeps_the_workers_it_has() {
    let database = Database::create(DOT);
    Draft::random(42, 200, &policy(), now()).insert(&database, DOT);
    let role = format!("limited_{}", database.name());
    database.execute(format!(
        "CREATE ROLE {role} LOGIN CONNECTION LIMIT 1; GRANT USAGE ON SCHEMA public TO {role}; \
         GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let mut config = database.config();
    config.user(&role);
    let outcome = Runner::through(config, DOT).await.run(&policy(), now()).await.unwrap();
    assert_eq!(outcome.stop, Stop::Finished);
    assert_eq!(outcome.workers, 1, "{outcome:?}");
    assert!(outcome.deleted.total() > 0);
}

#[test]
fn any_graph_ends_as_the_book_says() {
    let auto = |policy| with_pace(policy, |pace| pace.workers = Workers::Auto);
    any_graph_with(DOT, &|_| {}, 20, &auto);
}
