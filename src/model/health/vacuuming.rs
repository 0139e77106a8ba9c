//! What VACUUM will have to work with after a cleanup.

use crate::model::TableRole;

/// A token table, as VACUUM goes through it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vacuumed {
    pub role: TableRole,
    /// Of 8 kB.
    pub blocks: f64,
    /// About how many rows; `None`: it was never analysed.
    pub rows: Option<f64>,
    /// Of its partitions, those of the one that has most.
    pub indexes: u32,
}

/// The tables and the memory for dead rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Vacuuming {
    pub tables: Vec<Vacuumed>,
    /// `autovacuum_work_mem`, or else `maintenance_work_mem`, in bytes.
    pub memory: u64,
    /// Whether dead rows are kept in a compact form (PostgreSQL 17). Older servers take 6 bytes for each, of at most 1 GB.
    pub compact: bool,
}
