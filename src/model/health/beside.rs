//! Activity of other sessions: transactions, locks, and what keeps dead rows from being removed.

use std::time::Duration;

/// Everything that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Transactions that keep others from a DOT table, then those that have been open for too long; oldest first.
    pub transactions: Vec<Transaction>,
    /// Sessions of this database whose transactions this role may not see.
    pub hidden_sessions: u64,
    /// Sessions that wait for a lock on a DOT table.
    pub waits: Vec<LockWait>,
}

/// An open transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub pid: i32,
    pub user: String,
    pub application: String,
    /// `active`, `idle in transaction` and so on; empty where the role may not see it.
    pub state: String,
    /// For how long it has been open; `None`: the role may not see it.
    pub age: Option<Duration>,
    /// The DOT tables that it holds more than a reader's lock on.
    pub locks: Vec<String>,
    /// Whether one of these locks keeps others from writing or even from reading.
    pub blocks: bool,
}

/// A session that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockWait {
    pub pid: i32,
    pub table: String,
    /// The lock that it wants, such as `AccessExclusiveLock`.
    pub mode: String,
    /// The backends that it waits for.
    pub blockers: Vec<i32>,
}

/// A transaction that was prepared and neither committed nor rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedTransaction {
    pub gid: String,
    pub owner: String,
    pub age: Duration,
}

/// A replication slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub name: String,
    /// Whether a client is connected to it.
    pub active: bool,
    /// How many transactions back it keeps dead rows.
    pub xmin_age: Option<u64>,
    /// How much WAL it keeps.
    pub wal_bytes: Option<u64>,
}

/// A standby that keeps dead rows for its own queries (`hot_standby_feedback`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standby {
    pub name: String,
    /// How many transactions back.
    pub xmin_age: u64,
}
