//! What a server is busy with that a cleanup makes worse: WAL, checkpoints, the archiver, replication slots, vacuum.
//!
//! Reads views of statistics and judges nothing. Positions in the write-ahead log are bytes since its beginning.

use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{Client, Error, GenericClient};

use super::query::{self, unsigned};
use super::{ON_PRIMARY, Parameter};

/// The end of the WAL that has been written into the server's memory.
pub async fn written(client: &impl GenericClient) -> Result<u64, Error> {
    let sql = format!("{ON_PRIMARY} SELECT (pg_catalog.pg_current_wal_insert_lsn() - '0/0')::int8");
    Ok(unsigned(query::value(client, &sql, &[]).await?))
}

/// A replication slot, and how much WAL the server keeps for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub name: String,
    /// Whether its consumer is connected.
    pub active: bool,
    /// From its position to the end of the WAL, in bytes.
    pub held: u64,
    /// Where the WAL begins that the server keeps for it.
    pub position: u64,
}

/// The slot that holds back most; `None`: none holds anything. A slot that the server has given up holds nothing.
pub async fn largest_slot(client: &impl GenericClient) -> Result<Option<Slot>, Error> {
    let sql = format!(
        "{ON_PRIMARY} SELECT slot_name::text, active, \
                (pg_catalog.pg_current_wal_insert_lsn() - restart_lsn)::int8, (restart_lsn - '0/0')::int8 \
         FROM pg_catalog.pg_replication_slots WHERE restart_lsn IS NOT NULL ORDER BY restart_lsn LIMIT 1"
    );
    let row = client.query_typed_opt(&sql, &[]).await?;
    Ok(row.map(|row| Slot {
        name: row.get(0),
        active: row.get(1),
        held: unsigned(row.get(2)),
        position: unsigned(row.get(3)),
    }))
}

/// Where the archiver is. Segments are numbered from the beginning of the WAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archiver {
    /// Whether there is one (`archive_mode`).
    pub on: bool,
    /// The segment that is written now.
    pub current: u64,
    /// The segment that was archived last; `None`: none since the server's statistics begin.
    pub last: Option<u64>,
}

/// `pg_ls_waldir()`, which would show the queue itself, is not for ordinary roles.
pub async fn archiver(client: &impl GenericClient) -> Result<Archiver, Error> {
    let sql = format!(
        "{ON_PRIMARY} SELECT pg_catalog.current_setting('archive_mode') <> 'off', \
                (SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size'), \
                pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), last_archived_wal \
         FROM pg_catalog.pg_stat_archiver"
    );
    let row = client.query_typed_one(&sql, &[]).await?;
    let size = unsigned(row.get(1));
    Ok(Archiver {
        on: row.get(0),
        current: segment(row.get(2), size).unwrap_or_default(),
        last: row.get::<_, Option<&str>>(3).and_then(|name| segment(name, size)),
    })
}

/// The number of a segment: its file is called by time line, and by its number in two parts. `None`: another file, such as
/// a history.
fn segment(file: &str, size: u64) -> Option<u64> {
    let part = |from: usize| u64::from_str_radix(file.get(from..from + 8)?, 16).ok();
    let per_part = (1_u64 << 32).checked_div(size)?;
    part(0)?;
    Some(part(8)? * per_part + part(16)?)
}

/// What the checkpointer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    /// How many checkpoints were requested, by sessions or because much WAL was written, and not begun by the clock.
    pub requested: u64,
    /// Pages that checkpoints have written.
    pub pages: u64,
    /// Whether one runs now; `None`: this role may not see that.
    pub running: Option<bool>,
}

/// Reads that. PostgreSQL 17 moved the counters to a view of their own.
pub async fn checkpoints(client: &impl GenericClient, version: i32) -> Result<Checkpoints, Error> {
    let counters = if version < 170_000 {
        "checkpoints_req, buffers_checkpoint FROM pg_catalog.pg_stat_bgwriter"
    } else {
        "num_requested, buffers_written FROM pg_catalog.pg_stat_checkpointer"
    };
    let sql = format!(
        "{ON_PRIMARY} SELECT (SELECT wait_event IS DISTINCT FROM 'CheckpointerMain' FROM pg_catalog.pg_stat_activity \
                              WHERE backend_type = 'checkpointer' LIMIT 1), {counters}"
    );
    let row = client.query_typed_one(&sql, &[]).await?;
    Ok(Checkpoints { running: row.get(0), requested: unsigned(row.get(1)), pages: unsigned(row.get(2)) })
}

/// What a role may do and see, which does not change during a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// `server_version_num`.
    pub version: i32,
    /// Whether the role sees what other sessions do.
    pub sees_activity: bool,
    /// The tables that it may vacuum, of those that were asked about.
    pub may_vacuum: Vec<Oid>,
}

/// Reads that. Who may vacuum: the owners of the table and of the database, and since PostgreSQL 17 a role that may `MAINTAIN`
/// the table (`vacuum_is_permitted_for_relation()` in PostgreSQL's source).
pub async fn standing(client: &impl GenericClient, tables: &[Oid]) -> Result<Standing, Error> {
    let sql = format!(
        "{ON_PRIMARY} SELECT pg_catalog.current_setting('server_version_num')::int4, \
                pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')"
    );
    let row = client.query_typed_one(&sql, &[]).await?;
    let (version, sees_activity) = (row.get(0), row.get(1));
    let maintain =
        if version < 170_000 { "false" } else { "pg_catalog.has_table_privilege(c.oid, 'MAINTAIN')" };
    let sql = format!(
        "{ON_PRIMARY} SELECT c.oid FROM pg_catalog.pg_class c, pg_catalog.pg_database d \
         WHERE c.oid = ANY($1) AND d.datname = pg_catalog.current_database() \
           AND (pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.pg_has_role(d.datdba, 'USAGE') OR {maintain})"
    );
    let parameters: [Parameter<'_>; 1] = [(&tables, Type::OID_ARRAY)];
    let may_vacuum = query::rows(client, &sql, &parameters, |row| row.get(0)).await?;
    Ok(Standing { version, sees_activity, may_vacuum })
}

/// A vacuum that runs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vacuuming {
    pub table: Oid,
    /// Changes while it makes progress. While it reads an index, PostgreSQL does not say how far it has come, and this
    /// changes each time.
    pub mark: u64,
}

/// Vacuums of these tables by other sessions, autovacuum's among them.
pub async fn vacuuming(client: &impl GenericClient, tables: &[Oid]) -> Result<Vec<Vacuuming>, Error> {
    let sql = format!(
        "{ON_PRIMARY} SELECT relid, CASE WHEN phase IN ('vacuuming indexes', 'cleaning up indexes') \
                THEN (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::int8 \
                ELSE heap_blks_scanned + heap_blks_vacuumed + index_vacuum_count END \
         FROM pg_catalog.pg_stat_progress_vacuum \
         WHERE relid = ANY($1) AND datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()"
    );
    let parameters: [Parameter<'_>; 1] = [(&tables, Type::OID_ARRAY)];
    query::rows(client, &sql, &parameters, |row| Vacuuming { table: row.get(0), mark: unsigned(row.get(1)) })
        .await
}

/// Vacuums a table, named in SQL, outside of a transaction. A table whose lock is not free is left out. The empty end of
/// the file is kept: to give that back takes a lock that excludes readers, here and on every standby. `beside`: how many
/// processes may help.
pub async fn vacuum(client: &Client, table: &str, beside: u32) -> Result<(), Error> {
    client.batch_execute(&format!("VACUUM (SKIP_LOCKED, TRUNCATE false, PARALLEL {beside}) {table}")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_numbered_across_the_parts_of_their_names() {
        let size = 16 << 20;
        assert_eq!(segment("000000010000000000000002", size), Some(2));
        assert_eq!(segment("0000000300000001000000FF", size), Some(511));
        assert_eq!(segment("000000010000000000000002.00000028.backup", size), Some(2));
        assert_eq!(segment("000000010000000100000000", 1 << 30), Some(4));
        assert_eq!(segment("00000002.history", size), None);
        assert_eq!(segment("000000010000000000000002", 0), None);
    }
}
