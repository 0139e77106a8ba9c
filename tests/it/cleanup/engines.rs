//! Servers that are not quite PostgreSQL, by the marks by which they are recognised.

use std::time::Duration;

use oauthctl::db::engine::recognise;
use oauthctl::model::{CleanupPolicy, Engine};
use oauthctl::sweep::{Stop, SweepError};

use super::draft::Draft;
use super::graph::Graph;
use super::runner::{Runner, now, with_pace};
use crate::support::{Database, Sandbox, Template};

const DOT: Template = Template::Dot341;

fn policy() -> CleanupPolicy {
    CleanupPolicy { refresh_token_expire: Some(Duration::from_hours(1)), ..CleanupPolicy::default() }
}

fn filled() -> Database {
    let database = Database::create(DOT);
    Draft::random(41, 40, &policy(), now()).insert(&database, DOT);
    database
}

#[tokio::test]
async fn aurora_is_cleaned_but_its_readers_cannot_be_waited_for() {
    let database = filled();
    database.execute("CREATE FUNCTION aurora_version() RETURNS text LANGUAGE sql AS $$SELECT '15.4.1'$$");
    let before = Graph::read(&database, DOT);
    let runner = Runner::new(&database, DOT).await;
    let waiting = with_pace(policy(), |pace| pace.max_replica_lag = Some(Duration::from_secs(1)));
    let refused = runner.run(&waiting, now()).await.unwrap_err();
    assert_eq!(
        refused.error.to_string(),
        "Amazon Aurora does not show its replicas in pg_stat_replication, so `max_replica_lag` cannot wait for them"
    );
    assert_eq!(Graph::read(&database, DOT), before);
    assert_eq!(runner.run(&policy(), now()).await.unwrap().stop, Stop::Finished);
}

#[tokio::test]
async fn tables_that_citus_distributes_are_refused_and_others_are_not() {
    let database = filled();
    let before = Graph::read(&database, DOT);
    database.execute(
        "SET allow_system_table_mods = on; \
         INSERT INTO pg_extension SELECT 99999, 'citus', extowner, extnamespace, false, '12.1' FROM pg_extension LIMIT 1; \
         CREATE TABLE pg_dist_partition (logicalrelid regclass); \
         INSERT INTO pg_dist_partition VALUES ('oauth2_provider_accesstoken'), ('auth_user')",
    );
    let runner = Runner::new(&database, DOT).await;
    let client = runner.pool.get().await.unwrap();
    let managed = vec!["\"public\".\"oauth2_provider_accesstoken\"".to_owned()];
    assert_eq!(recognise(&**client, Some(&runner.layout)).await.unwrap(), Engine::Citus { managed });
    drop(client);
    let refused = runner.run(&policy(), now()).await.unwrap_err();
    assert!(
        matches!(&refused.error, SweepError::Engine(why) if why.starts_with("Citus distributes")),
        "{refused}"
    );
    assert_eq!(Graph::read(&database, DOT), before);
    let output = Sandbox::with(&database).oauthctl(&["cleartokens", "--refresh-token-expire", "1h"]).exits(3);
    assert!(
        output.stderr.contains("docs/engines.md says why, and what to do instead; nothing was deleted"),
        "{output}"
    );
    database.execute("DELETE FROM pg_dist_partition WHERE logicalrelid <> 'auth_user'::regclass");
    assert_eq!(runner.run(&policy(), now()).await.unwrap().stop, Stop::Finished);
}
