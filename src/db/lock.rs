//! Who holds a lock that is waited for, as the server shows it.
//!
//! Asked between two waits, on the same connection: while a statement waits, its connection can ask nothing. So the
//! answer is about the sessions that hold (or queue for) a conflicting lock now. Decides nothing.

use std::fmt;

use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{Error, GenericClient};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A table, to read it.
    Read,
    /// A table, to change rows of it.
    Write,
    /// Rows of a table.
    Rows,
    /// A table, for itself alone.
    Exclusive,
}

/// The modes of table locks: the more a session wants, the more of them conflict with it, in this order.
const MODES: [&str; 8] = [
    "AccessExclusiveLock",
    "ExclusiveLock",
    "ShareRowExclusiveLock",
    "ShareLock",
    "RowExclusiveLock",
    "RowShareLock",
    "ShareUpdateExclusiveLock",
    "AccessShareLock",
];

impl Wanted {
    /// The modes of table locks that keep others from it; the sessions that lock rows have one of them too.
    fn conflicting(self) -> &'static [&'static str] {
        match self {
            Self::Read => &MODES[..1],
            Self::Write => &MODES[..4],
            Self::Rows => &MODES[..6],
            Self::Exclusive => &MODES,
        }
    }
}

/// A session or a prepared transaction that holds the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The backend's process id; `None`: a prepared transaction has none.
    pub pid: Option<i32>,
    /// Its `application_name`, or the name of the prepared transaction; `None`: there is none, or it may not be seen.
    pub name: Option<String>,
    /// What it does, as `pg_stat_activity.state` says; `None`: it may not be seen.
    pub state: Option<String>,
    /// Since when its transaction runs, RFC 3339 in UTC; `None`: it may not be seen.
    pub since: Option<String>,
    /// The sessions that it waits for itself: it queues for the lock, and others queue behind it.
    pub behind: Vec<i32>,
}

/// A lock that is not free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// What is waited for.
    pub wanted: Wanted,
    /// The table or index, as SQL writes it; `None`: it cannot be told.
    pub table: Option<String>,
    /// Who holds the lock. With [`Wanted::Rows`] one of them does; otherwise several may.
    pub holders: Vec<Holder>,
}

impl Blocked {
    /// The statement that ends the session which holds the lock, where it is exactly one.
    #[must_use]
    pub fn statement_to_end_it(&self) -> Option<String> {
        self.pid().map(|pid| format!("SELECT pg_terminate_backend({pid})"))
    }

    /// The backend that may be ended to go on, where there is exactly one.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        match self.holders.as_slice() {
            [Holder { behind, .. }] if behind.len() == 1 => behind.first().copied(),
            [Holder { pid, .. }] => *pid,
            _ => None,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, name, state, since, behind } = self;
        match (pid, name) {
            (Some(pid), _) => write!(f, "pid {pid}")?,
            (None, Some(name)) => write!(f, "the prepared transaction \"{name}\"")?,
            (None, None) => f.write_str("a prepared transaction")?,
        }
        let name = name.as_deref().filter(|_| pid.is_some());
        let since = since.as_ref().map(|since| match (state, pid) {
            (Some(state), Some(_)) => format!("{state} since {since}"),
            _ => format!("since {since}"),
        });
        let seen: Vec<&str> = [name, since.as_deref()].into_iter().flatten().collect();
        if !seen.is_empty() {
            write!(f, " ({})", seen.join(", "))?;
        }
        if !behind.is_empty() {
            let pids: Vec<String> = behind.iter().map(ToString::to_string).collect();
            write!(f, ", which itself waits for pid {}", pids.join(" and "))?;
        }
        Ok(())
    }
}

/// Reads well behind "waiting for".
impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lock = match self.wanted {
            Wanted::Rows => "a row lock",
            Wanted::Read | Wanted::Write | Wanted::Exclusive => "a lock",
        };
        f.write_str(lock)?;
        if let Some(table) = &self.table {
            write!(f, " on {table}")?;
        }
        let holders: Vec<String> = self.holders.iter().map(ToString::to_string).collect();
        match (holders.as_slice(), self.wanted) {
            ([], _) => f.write_str(", whose holder cannot be seen"),
            ([one], _) => write!(f, ", held by {one}"),
            (several, Wanted::Rows) => write!(f, ", held by one of {}", several.join("; ")),
            (several, Wanted::Read | Wanted::Write | Wanted::Exclusive) => {
                write!(f, ", held by {}", several.join("; "))
            }
        }
    }
}

/// More sessions are not named.
const NAMED: i64 = 5;

/// Asks who holds locks that conflict on these tables, their indexes and partitions; `None`: on any table.
///
/// # Errors
/// The server's.
pub async fn blocked(
    client: &impl GenericClient,
    tables: Option<&[Oid]>,
    wanted: Wanted,
) -> Result<Blocked, Error> {
    let tables = tables.map(<[Oid]>::to_vec);
    let rows = client
        .query_typed(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), l.pid, \
                    coalesce(nullif(a.application_name, ''), p.gid), a.state, \
                    pg_catalog.to_char(coalesce(a.xact_start, p.prepared) AT TIME ZONE 'UTC', \
                                       'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
                    CASE WHEN l.granted THEN '{}'::int[] ELSE pg_catalog.pg_blocking_pids(l.pid) END \
             FROM pg_catalog.pg_locks l \
             JOIN pg_catalog.pg_class c ON c.oid = l.relation \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
             LEFT JOIN pg_catalog.pg_prepared_xacts p \
               ON l.pid IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_locks x WHERE x.locktype = 'transactionid' \
                                            AND x.virtualtransaction = l.virtualtransaction \
                                            AND x.transactionid = p.transaction) \
             WHERE l.locktype = 'relation' AND l.mode = ANY ($2) AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() \
               AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
               AND ($1 IS NULL OR l.relation = ANY ($1) \
                    OR EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid = l.relation AND i.indrelid = ANY ($1)) \
                    OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = l.relation AND i.inhparent = ANY ($1))) \
               AND (l.granted OR l.mode = 'AccessExclusiveLock') \
               AND (l.mode NOT IN ('RowExclusiveLock', 'RowShareLock') OR NOT $3 \
                    OR EXISTS (SELECT FROM pg_catalog.pg_locks x WHERE x.locktype = 'transactionid' AND x.granted \
                               AND x.virtualtransaction = l.virtualtransaction)) \
             ORDER BY l.granted DESC, c.relkind IN ('i', 'I'), coalesce(a.xact_start, p.prepared), l.pid, 1 LIMIT $4",
            &[
                (&tables, Type::OID_ARRAY),
                (&wanted.conflicting(), Type::TEXT_ARRAY),
                (&(wanted == Wanted::Rows), Type::BOOL),
                (&NAMED, Type::INT8),
            ],
        )
        .await?;
    let table: Option<String> = rows.first().map(|row| row.get(0));
    let mut holders: Vec<Holder> = Vec::new();
    for row in rows.iter().filter(|row| table.as_deref() == Some(row.get(0))) {
        let holder = Holder {
            pid: row.get(1),
            name: row.get(2),
            state: row.get(3),
            since: row.get(4),
            behind: row.get(5),
        };
        // One session may have several modes.
        if !holders.contains(&holder) {
            holders.push(holder);
        }
    }
    // A queued session is named only if no session holds the lock.
    if holders.iter().any(|holder| holder.behind.is_empty()) {
        holders.retain(|holder| holder.behind.is_empty());
    }
    Ok(Blocked { wanted, table, holders })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: Option<i32>) -> Holder {
        Holder { pid, name: None, state: None, since: None, behind: Vec::new() }
    }

    fn told(wanted: Wanted, holders: Vec<Holder>) -> String {
        Blocked { wanted, table: Some("public.t".to_owned()), holders }.to_string()
    }

    #[test]
    fn whoever_holds_it_is_named_as_far_as_the_role_may_see() {
        let seen = Holder {
            name: Some("manage.py".to_owned()),
            state: Some("idle in transaction".to_owned()),
            since: Some("2026-01-02T03:04:05Z".to_owned()),
            ..holder(Some(7))
        };
        assert_eq!(
            told(Wanted::Read, vec![seen.clone()]),
            "a lock on public.t, held by pid 7 (manage.py, idle in transaction since 2026-01-02T03:04:05Z)"
        );
        assert_eq!(told(Wanted::Read, vec![holder(Some(7))]), "a lock on public.t, held by pid 7");
        let prepared = Holder { pid: None, state: None, ..seen };
        assert_eq!(
            told(Wanted::Write, vec![prepared]),
            "a lock on public.t, held by the prepared transaction \"manage.py\" (since 2026-01-02T03:04:05Z)"
        );
        assert_eq!(told(Wanted::Write, Vec::new()), "a lock on public.t, whose holder cannot be seen");
        assert_eq!(
            told(Wanted::Rows, vec![holder(Some(7)), holder(Some(8))]),
            "a row lock on public.t, held by one of pid 7; pid 8"
        );
        let queued = Holder { behind: vec![9], ..holder(Some(8)) };
        let blocked = Blocked { wanted: Wanted::Read, table: None, holders: vec![queued] };
        assert_eq!(blocked.to_string(), "a lock, held by pid 8, which itself waits for pid 9");
        assert_eq!(blocked.pid(), Some(9));
    }
}
