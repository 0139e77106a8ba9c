//! Tables as PostgreSQL keeps them: sizes, statistics, indexes, triggers, references.

use time::OffsetDateTime;

use crate::model::{TableRole, Treatment};

/// A DOT table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    pub role: TableRole,
    pub name: String,
    /// Whether it is partitioned.
    pub partitioned: bool,
    /// `ENABLE ROW LEVEL SECURITY`.
    pub row_security: bool,
    /// Whether that hides rows from this role.
    pub hides_rows: bool,
    /// What holds the rows: the table itself, or its partitions.
    pub parts: Vec<Part>,
}

/// A table with rows of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    /// The table with its TOAST, without its indexes.
    pub table_bytes: u64,
    pub index_bytes: u64,
    /// The file with the rows alone.
    pub heap_bytes: u64,
    /// About how much of it the rows need, by their statistics; `None`: not known.
    pub needed_bytes: Option<u64>,
    /// Whether the role may write it anew: it owns the table, or may `MAINTAIN` it (PostgreSQL 17 and later).
    pub maintained: bool,
    /// About how many rows; `None`: it was never analysed.
    pub rows: Option<u64>,
    /// Estimated number of dead row versions.
    pub dead_rows: u64,
    /// Rows inserted since PostgreSQL began to count.
    pub inserted: u64,
    /// When it was last vacuumed, by hand or by autovacuum.
    pub vacuumed: Option<OffsetDateTime>,
    /// When autovacuum last did.
    pub autovacuumed: Option<OffsetDateTime>,
    /// Whether autovacuum is switched off for it.
    pub autovacuum_off: bool,
    /// More dead rows than this, and autovacuum should come.
    pub dead_limit: u64,
    /// Transactions since its oldest row was frozen.
    pub xid_age: u64,
    pub indexes: Vec<Index>,
}

/// An index of a token table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    pub name: String,
    /// The first column that it has; `None`: an expression.
    pub leading: Option<String>,
    /// The condition of a partial index.
    pub predicate: Option<String>,
    /// Whether it can be used.
    pub valid: bool,
    /// Whether it is being built at this moment.
    pub building: bool,
    /// Whether PostgreSQL can build it again beside its users: not if it is that of an exclusion constraint.
    pub concurrent: bool,
    pub bytes: u64,
}

/// How far the building of an index has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuild {
    /// What the server does, in PostgreSQL's words, such as `building index: scanning table`.
    pub phase: String,
    /// Blocks done, and how many there are in this phase; 0: not known.
    pub blocks: (u64, u64),
    /// The session whose transaction it waits for.
    pub waits_for: Option<i32>,
}

/// A trigger or a rule that DOT did not create, or a disabled check of a foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    User {
        table: String,
        name: String,
        /// Whether it can keep rows from being deleted.
        before_delete: bool,
    },
    /// A rewrite rule.
    Rule { table: String, name: String },
    /// The triggers that check foreign keys are off.
    Unchecked {
        table: String,
        /// A foreign key that is not checked.
        constraint: String,
        /// Its triggers that are off.
        triggers: Vec<String>,
    },
}

/// A foreign key that points at a DOT table.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts of the catalogue, which do not depend on each other"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    pub constraint: String,
    /// The table that has it.
    pub table: String,
    /// The column that refers.
    pub column: String,
    pub to: TableRole,
    /// The column there.
    pub to_column: String,
    /// Whether the table is one of DOT's own.
    pub own: bool,
    /// Whether an index finds the referring rows.
    pub indexed: bool,
    /// Whether the table is partitioned, so that an index cannot be built concurrently.
    pub partitioned: bool,
    /// Whether its existing rows have been checked.
    pub validated: bool,
    /// What is done with rows that refer to one that goes.
    pub treatment: Treatment,
    /// Whether a file says so.
    pub declared: bool,
    /// How a file names the column.
    pub name: String,
    /// Whether the column takes no NULL.
    pub not_null: bool,
    /// About how many rows the table has.
    pub rows: Option<u64>,
    /// Its size; of a partitioned table, nothing.
    pub bytes: u64,
}

/// Settings of the server that vacuuming depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Autovacuum {
    /// `autovacuum`.
    pub on: bool,
    /// `track_counts`, without which autovacuum sees nothing.
    pub counting: bool,
    /// `autovacuum_freeze_max_age`.
    pub freeze_max_age: u64,
    /// The server's clock.
    pub now: OffsetDateTime,
}

impl Storage {
    /// The table with its TOAST, without its indexes.
    #[must_use]
    pub fn table_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.table_bytes).sum()
    }

    /// The size of all its indexes, in bytes.
    #[must_use]
    pub fn index_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.index_bytes).sum()
    }

    /// Estimated number of dead row versions.
    #[must_use]
    pub fn dead_rows(&self) -> u64 {
        self.parts.iter().map(|part| part.dead_rows).sum()
    }

    /// Rows inserted since PostgreSQL began to count.
    #[must_use]
    pub fn inserted(&self) -> u64 {
        self.parts.iter().map(|part| part.inserted).sum()
    }

    /// When it was last vacuumed, and whether autovacuum did; of the part for which that is longest ago.
    #[must_use]
    pub fn vacuumed(&self) -> Option<(OffsetDateTime, bool)> {
        let last = |part: &Part| {
            let by_hand = part.vacuumed.map(|at| (at, false));
            by_hand.max(part.autovacuumed.map(|at| (at, true)))
        };
        self.parts.iter().map(last).min().flatten()
    }
}
