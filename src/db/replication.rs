//! How far the replicas of a server are behind.
//!
//! Reads `pg_stat_replication` and judges nothing. Positions in the write-ahead log are bytes since its beginning.

use std::time::Duration;

use tokio_postgres::{Error, GenericClient};

use super::query::unsigned;

/// What a primary knows of its replicas at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replication {
    /// The end of the log that is safely on the primary's disk.
    pub end: u64,
    /// Replicas that take part: those that stream or catch up. A base backup is none, nor is a log archiver.
    pub replicas: Vec<Replica>,
    /// How many there are of which this role may see no more than that.
    pub hidden: u64,
}

/// A replica, or a subscriber of logical replication.
#[derive(Clone, Debug, PartialEq)]
pub struct Replica {
    /// Its `application_name`, or else its address.
    pub name: String,
    /// What it has replayed.
    pub replayed: u64,
    /// The delay that the server measured last. It is as old as the replica's last report, and the last value stays for
    /// a while when there is nothing to replay.
    pub measured: Option<Duration>,
    /// A subscriber of logical replication. It confirms positions when it likes, so only the measured delay counts.
    pub logical: bool,
}

/// Reads how far each replica is.
pub async fn look(client: &impl GenericClient) -> Result<Replication, Error> {
    let sql = "WITH log AS MATERIALIZED (SELECT (pg_catalog.pg_current_wal_flush_lsn() - '0/0')::int8 AS flushed) \
               SELECT log.flushed, s.pid IS NOT NULL, s.state IS NULL, \
                      coalesce(nullif(s.application_name, ''), pg_catalog.host(s.client_addr), 'pid ' || s.pid), \
                      (s.replay_lsn - '0/0')::int8, extract(epoch FROM s.replay_lag)::float8, \
                      EXISTS (SELECT FROM pg_catalog.pg_replication_slots l \
                              WHERE l.active_pid = s.pid AND l.slot_type = 'logical') \
               FROM log LEFT JOIN pg_catalog.pg_stat_replication s \
                 ON s.state IS NULL OR s.state IN ('streaming', 'catchup') AND s.replay_lsn IS NOT NULL";
    let rows = client.query_typed(sql, &[]).await?;
    let mut replication = Replication::default();
    for row in rows {
        replication.end = unsigned(row.get(0));
        match (row.get(1), row.get(2)) {
            (false, _) => {}
            (true, true) => replication.hidden += 1,
            (true, false) => replication.replicas.push(Replica {
                name: row.get(3),
                replayed: unsigned(row.get(4)),
                measured: row
                    .get::<_, Option<f64>>(5)
                    .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
                logical: row.get(6),
            }),
        }
    }
    Ok(replication)
}
