//! Activity of other sessions: open transactions, waiting sessions, and what keeps dead rows from being removed.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use super::{PARTS, oids};
use crate::db::Parameter;
use crate::db::layout::Layout;
use crate::db::query::{self, unsigned};
use crate::model::health::{Beside, LockWait, PreparedTransaction, Slot, Standby, Transaction};

/// The most transactions and waiting sessions that are worth a line.
const SHOWN: i64 = 10;

/// Locks that keep others from writing to a table, or even from reading it.
const BLOCKING: &str = "'AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock'";

/// Transactions of this database that are open for at least `long` or keep others from one of the tables, and sessions
/// that wait for one. Who keeps others away is named even where the role may see no more of it than its lock.
pub async fn beside(client: &impl GenericClient, layout: &Layout, long: Duration) -> Result<Beside, Error> {
    let oids = oids(layout);
    let sql = format!(
        "WITH RECURSIVE {PARTS}, \
         blocking AS (SELECT DISTINCT l.pid FROM pg_locks l \
                      WHERE l.granted AND l.relation IN (SELECT oid FROM part) AND l.mode IN ({BLOCKING}) \
                        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) \
         SELECT a.pid, coalesce(a.usename::text, ''), coalesce(a.application_name, ''), coalesce(a.state, ''), \
                extract(epoch FROM clock_timestamp() - a.xact_start)::float8, \
                ARRAY(SELECT DISTINCT format('%I.%I', n.nspname, c.relname) FROM pg_locks l \
                      JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace \
                      WHERE l.pid = a.pid AND l.granted AND l.relation IN (SELECT oid FROM part) \
                        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                        AND l.mode <> 'AccessShareLock' ORDER BY 1), \
                b.pid IS NOT NULL \
         FROM pg_stat_activity a LEFT JOIN blocking b USING (pid) \
         WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.usesysid IS NOT NULL \
           AND coalesce(a.backend_type, 'client backend') = 'client backend' \
           AND (clock_timestamp() - a.xact_start >= make_interval(secs => $2) OR b.pid IS NOT NULL) \
         ORDER BY b.pid IS NULL, a.xact_start LIMIT $3"
    );
    let parameters: [Parameter<'_>; 3] =
        [(&oids, Type::OID_ARRAY), (&long.as_secs_f64(), Type::FLOAT8), (&SHOWN, Type::INT8)];
    let transactions = query::rows(client, &sql, &parameters, |row| Transaction {
        pid: row.get(0),
        user: row.get(1),
        application: row.get(2),
        state: row.get(3),
        age: row.get::<_, Option<f64>>(4).map(seconds),
        locks: row.get(5),
        blocks: row.get(6),
    })
    .await?;
    let hidden = "SELECT count(*) FROM pg_stat_activity \
                  WHERE datname = current_database() AND usesysid IS NOT NULL \
                  AND query = '<insufficient privilege>'";
    let hidden_sessions = unsigned(query::value(client, hidden, &[]).await?);
    let sql = format!(
        "WITH RECURSIVE {PARTS} \
         SELECT l.pid, format('%I.%I', n.nspname, c.relname), l.mode, pg_blocking_pids(l.pid) \
         FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE NOT l.granted AND l.relation IN (SELECT oid FROM part) AND l.pid <> pg_backend_pid() \
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         ORDER BY l.pid LIMIT $2"
    );
    let waits = query::rows(client, &sql, &[(&oids, Type::OID_ARRAY), (&SHOWN, Type::INT8)], |row| {
        LockWait { pid: row.get(0), table: row.get(1), mode: row.get(2), blockers: row.get(3) }
    })
    .await?;
    Ok(Beside { transactions, hidden_sessions, waits })
}

/// Prepared transactions of this database.
pub async fn prepared(client: &impl GenericClient) -> Result<Vec<PreparedTransaction>, Error> {
    let sql = "SELECT gid, owner::text, extract(epoch FROM clock_timestamp() - prepared)::float8 \
               FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared";
    query::rows(client, sql, &[], |row| PreparedTransaction {
        gid: row.get(0),
        owner: row.get(1),
        age: seconds(row.get(2)),
    })
    .await
}

/// All replication slots.
pub async fn slots(client: &impl GenericClient) -> Result<Vec<Slot>, Error> {
    let sql = "SELECT slot_name::text, active, age(xmin)::bigint, \
                      pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
                                           ELSE pg_current_wal_lsn() END, restart_lsn)::bigint \
               FROM pg_replication_slots ORDER BY 1";
    query::rows(client, sql, &[], |row| Slot {
        name: row.get(0),
        active: row.get(1),
        xmin_age: row.get::<_, Option<i64>>(2).map(unsigned),
        wal_bytes: row.get::<_, Option<i64>>(3).map(unsigned),
    })
    .await
}

/// Standbys that keep dead rows for their own queries.
pub async fn standbys(client: &impl GenericClient) -> Result<Vec<Standby>, Error> {
    let sql = "SELECT application_name, age(backend_xmin)::bigint FROM pg_stat_replication \
               WHERE backend_xmin IS NOT NULL ORDER BY 1";
    query::rows(client, sql, &[], |row| Standby { name: row.get(0), xmin_age: unsigned(row.get(1)) }).await
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
