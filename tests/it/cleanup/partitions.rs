//! Token tables that are partitioned, and token tables with row-level security: DOT's end state, or a refusal before the
//! first delete.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use oauthctl::db::layout::{Layout, LayoutError};
use oauthctl::model::{CleanupPolicy, Pace, TableNames};
use oauthctl::sweep::{Stop, SweepError};

use super::draft::Draft;
use super::graph::Graph;
use super::runner::{Runner, now};
use crate::support::{Database, Template};

const DOT: Template = Template::Dot341;
const TABLES: [&str; 3] =
    ["oauth2_provider_accesstoken", "oauth2_provider_refreshtoken", "oauth2_provider_idtoken"];

fn policy(batch_size: u32) -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        pace: Pace { batch_size: NonZeroU32::new(batch_size).unwrap(), ..Pace::default() },
        ..CleanupPolicy::default()
    }
}

/// Makes the table a partitioned one of the same name, with the foreign keys from and to it as Django declares them, but
/// for the unique columns: PostgreSQL wants the partition key in every unique constraint.
pub fn partition(database: &Database, table: &str, by: &str, partitions: &[&str]) {
    let children: String = partitions
        .iter()
        .enumerate()
        .map(|(number, bounds)| {
            format!("CREATE TABLE {table}_{number} PARTITION OF {table} FOR VALUES {bounds};")
        })
        .collect();
    // The constraints are written down before the table makes way, and made again afterwards.
    let foreign_keys: Vec<String> = database
        .rows(format!(
            "SELECT format('ALTER TABLE %s ADD %s', conrelid::regclass, \
             pg_get_constraintdef(oid)) \
             FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND '{table}'::regclass IN (conrelid, confrelid) ORDER BY oid"
        ))
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    database.execute(format!(
        "CREATE TABLE parted (LIKE {table} INCLUDING IDENTITY INCLUDING DEFAULTS, PRIMARY KEY (id)) PARTITION BY {by}; \
         DROP TABLE {table} CASCADE; ALTER TABLE parted RENAME TO {table}; {children} {};",
        foreign_keys.join(";")
    ));
    // What Django's indexes are for.
    for column in ["application_id", "access_token_id", "source_refresh_token_id", "id_token_id"] {
        let there = database.value(format!(
            "SELECT count(*) FROM information_schema.columns WHERE table_name = '{table}' AND column_name = '{column}'"
        ));
        if there == "1" {
            database.execute(format!("CREATE INDEX ON {table} ({column})"));
        }
    }
}

async fn ends_as_dot_does(database: &Database, seed: u64, batch_size: u32, what: &str) {
    let policy = policy(batch_size);
    Draft::random(seed, 60, &policy, now()).insert(database, DOT);
    let before = Graph::read(database, DOT);
    let after = before.cleared(&policy, now(), &BTreeSet::new());
    assert!(after.len() + 20 < before.len(), "the seed makes something to delete");
    let runner = Runner::new(database, DOT).await;
    let counted = runner.count(&policy, now()).await;
    let outcome = runner.run(&policy, now()).await.unwrap_or_else(|failure| panic!("{what}: {failure}"));
    assert_eq!((outcome.stop, outcome.deleted), (Stop::Finished, counted), "{what}");
    assert_eq!(Graph::read(database, DOT), after, "{what}");
}

#[tokio::test]
async fn partitioned_tables_end_in_the_same_state() {
    let hash =
        ["WITH (MODULUS 3, REMAINDER 0)", "WITH (MODULUS 3, REMAINDER 1)", "WITH (MODULUS 3, REMAINDER 2)"];
    let range = ["FROM (0) TO (20)", "FROM (20) TO (40)", "FROM (40) TO (1000)"];
    for (by, partitions) in [("HASH (id)", hash), ("RANGE (id)", range)] {
        let database = Database::create(DOT);
        for table in TABLES {
            partition(&database, table, by, &partitions);
        }
        for (seed, batch_size) in [(31, 4), (32, 7), (33, 10_000)] {
            ends_as_dot_does(&database, seed, batch_size, &format!("{by}, batches of {batch_size}")).await;
        }
    }
}

/// A trigger on one partition only can keep rows as well as one on the table.
#[tokio::test]
async fn a_veto_on_a_partition_is_noticed() {
    let database = Database::create(DOT);
    let halves = ["WITH (MODULUS 2, REMAINDER 0)", "WITH (MODULUS 2, REMAINDER 1)"];
    partition(&database, TABLES[0], "HASH (id)", &halves);
    database.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER keep BEFORE DELETE ON oauth2_provider_accesstoken_1 FOR EACH ROW EXECUTE FUNCTION keep()",
    );
    Draft::random(34, 60, &policy(10_000), now()).insert(&database, DOT);
    let failure = Runner::new(&database, DOT).await.run(&policy(10_000), now()).await.unwrap_err();
    assert!(failure.error.to_string().contains("a trigger or a rule keeps"), "{failure}");
    Graph::read(&database, DOT).assert_whole();
}

/// Partitions by time need the time in the primary key. Then rows have no single column that names them, and foreign keys
/// cannot refer to them: not a DOT table any more.
#[tokio::test]
async fn partitions_by_time_are_refused_by_name() {
    let database = Database::create(DOT);
    database.execute(
        "CREATE TABLE parted (LIKE oauth2_provider_accesstoken, PRIMARY KEY (id, expires)) PARTITION BY RANGE (expires); \
         DROP TABLE oauth2_provider_accesstoken CASCADE; ALTER TABLE parted RENAME TO oauth2_provider_accesstoken",
    );
    let client = database.connect().await;
    let error = Layout::probe(&client, &TableNames::default()).await.unwrap_err();
    assert!(matches!(error, LayoutError::NoKey { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "table \"public\".\"oauth2_provider_accesstoken\" has no single-column primary key"
    );
}

#[tokio::test]
async fn row_level_security_is_refused_where_it_hides_rows_and_ignored_where_it_does_not() {
    for table in TABLES {
        let database = Database::create(DOT);
        Draft::random(35, 60, &policy(100), now()).insert(&database, DOT);
        let role = format!("rls_{}", database.name());
        database.execute(format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA public TO {role}; \
             GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}; \
             ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; \
             CREATE POLICY halves ON {table} TO {role} USING (id % 2 = 0)"
        ));
        let before = Graph::read(&database, DOT);
        let mut config = database.config();
        config.user(&role);
        let hidden = Runner::through(config, DOT).await.run(&policy(100), now()).await.unwrap_err();
        let SweepError::RowSecurity(tables) = &hidden.error else { panic!("{hidden:?}") };
        assert_eq!(tables, &[format!("\"public\".\"{table}\"")]);
        assert_eq!(Graph::read(&database, DOT), before, "nothing was deleted");
        // The owner of the table, here a superuser, sees everything.
        ends_as_dot_does(&database, 36, 100, table).await;
        database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    }
}
