//! What it costs to delete a backlog: time, WAL, and what it leaves to VACUUM. A model with few numbers, which were
//! measured; `docs/design/scale.md` says how well it fits, and what it says of larger tables. Pure.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers of rows and bytes are far below 2^53, and not negative"
)]

use std::time::Duration;

use crate::model::health::{PastRun, Vacuumed, Vacuuming};
use crate::model::{FkChecks, Pace, Strategy, TableRole};

/// A smaller number of rows is a matter of seconds.
pub const WORTH_SAYING: u64 = 1_000_000;

/// The start of the program, the connection, the first look at the tables.
const START: f64 = 0.3;

/// To read a row and find that it stays or goes, in seconds.
const PER_ROW_READ: f64 = 0.5e-6;

/// To delete a row, in seconds, with the triggers of the foreign keys, and with one query for each batch.
const PER_ROW_DELETED: f64 = 12e-6;
const PER_ROW_DELETED_SET: f64 = 4.6e-6;

/// What each further worker adds to the speed of the first one, while there are cores for them.
const FURTHER_WORKER: f64 = 0.95;

/// WAL of a deleted row, in bytes: its record, its share of the commit, and pointers to it that are set to NULL.
const WAL_PER_ROW: f64 = 171.0;

/// WAL of the first change of a block after a checkpoint.
const WAL_PER_BLOCK: f64 = 8_192.0;

/// A run of the ledger tells a rate if it deleted this many rows: in a smaller one, reading takes most of the time.
const TELLING: u64 = 100_000;

/// Before PostgreSQL 17: bytes of a dead row, and the most memory that VACUUM takes for them.
const BYTES_OF_DEAD: f64 = 6.0;
const MOST_MEMORY: u64 = 1 << 30;

/// From PostgreSQL 17 on: bytes of a block with dead rows, at most.
const BYTES_OF_DEAD_BLOCK: f64 = 64.0;

/// How long a row takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// As in `docs/performance.md`, for the workers and checks of this policy.
    Default,
    /// Seconds per row of the last runs in the ledger, with their own settings.
    Measured(f64),
}

/// What a run will cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    pub rows: u64,
    pub time: Duration,
    pub rate: Rate,
    /// Number of connections, for the default rate.
    pub workers: u32,
    /// What the run writes, in bytes.
    pub wal: u64,
    /// How often VACUUM will read all indexes of a table, for each table that loses rows.
    pub index_passes: Vec<(TableRole, u32)>,
}

impl Rate {
    /// The rate of the runs that deleted much, if there are some.
    #[must_use]
    pub fn of(runs: &[PastRun]) -> Self {
        let telling = runs.iter().filter(|run| run.verb == "cleartokens" && run.rows() >= TELLING);
        let each = telling.filter_map(|run| {
            let took = Duration::try_from(run.finished? - run.started).ok()?;
            Some((took.as_secs_f64(), run.rows() as f64))
        });
        let (seconds, rows) = each.fold((0.0, 0.0), |(s, r), (seconds, rows)| (s + seconds, r + rows));
        if rows > 0.0 && seconds > 0.0 { Self::Measured(seconds / rows) } else { Self::Default }
    }

    /// Seconds per row.
    #[must_use]
    pub fn per_row(self, fk_checks: FkChecks, workers: u32) -> f64 {
        let alone = match fk_checks {
            // Whether the run may do without triggers is not known yet.
            FkChecks::Triggers | FkChecks::Auto => PER_ROW_DELETED,
            FkChecks::Set => PER_ROW_DELETED_SET,
        };
        match self {
            Self::Default => alone / (1.0 + FURTHER_WORKER * f64::from(workers.max(1) - 1)),
            Self::Measured(seconds) => seconds,
        }
    }
}

/// What it costs to delete these rows of the tables. `None`: they are few, or the tables are rewritten, which is
/// another matter.
#[must_use]
pub fn cost(deleted: &[(TableRole, u64)], vacuuming: &Vacuuming, pace: &Pace, rate: Rate) -> Option<Cost> {
    let rows: u64 = deleted.iter().map(|(_, rows)| rows).sum();
    if rows < WORTH_SAYING || pace.strategy == Strategy::Rewrite {
        return None;
    }
    let tables: Vec<(&Vacuumed, f64)> = deleted
        .iter()
        .filter(|(_, rows)| *rows > 0)
        .filter_map(|(role, rows)| {
            Some((vacuuming.tables.iter().find(|table| table.role == *role)?, *rows as f64))
        })
        .collect();
    let workers = pace.workers.fewest();
    let read = match rate {
        Rate::Default => {
            tables.iter().map(|(table, rows)| table.rows.unwrap_or(*rows)).sum::<f64>() * PER_ROW_READ
        }
        Rate::Measured(_) => 0.0,
    };
    let seconds = START + read + rows as f64 * rate.per_row(pace.fk_checks, workers);
    Some(Cost {
        rows,
        time: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
        rate,
        workers,
        wal: tables.iter().map(|(table, rows)| wal(table.blocks, *rows)).sum::<f64>() as u64,
        index_passes: tables
            .iter()
            .map(|(table, rows)| (table.role, index_passes(touched(table.blocks, *rows), *rows, vacuuming)))
            .collect(),
    })
}

/// Blocks that lose a row, where the rows are anywhere.
fn touched(blocks: f64, rows: f64) -> f64 {
    if blocks <= 0.0 { 0.0 } else { blocks * (1.0 - (-rows / blocks).exp()) }
}

fn wal(blocks: f64, rows: f64) -> f64 {
    rows * WAL_PER_ROW + touched(blocks, rows) * WAL_PER_BLOCK
}

/// VACUUM reads all indexes each time when its memory is full of dead rows, and once at the end.
fn index_passes(blocks: f64, rows: f64, vacuuming: &Vacuuming) -> u32 {
    let (needed, memory) = if vacuuming.compact {
        (blocks * BYTES_OF_DEAD_BLOCK, vacuuming.memory)
    } else {
        (rows * BYTES_OF_DEAD, vacuuming.memory.min(MOST_MEMORY))
    };
    (needed / memory.max(1) as f64).ceil().max(1.0) as u32
}

#[cfg(test)]
mod tests;
