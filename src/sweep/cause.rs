//! Why a run waits between batches, and what it was asked to watch and cannot. Values only.

use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};

/// What a run waits for, as it was measured last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A replica is too far behind (`max_replica_lag`).
    Replica {
        /// The one that is furthest behind.
        replica: String,
        /// By how much; `None`: not known, but at least by what was written before the run began.
        lag: Option<Duration>,
        most: Duration,
    },
    /// The server has written more WAL than its share of the time (`max_wal_rate`).
    WalRate {
        /// Bytes a second.
        most: u64,
    },
    /// A requested checkpoint runs (`max_wal_rate`).
    Checkpoint,
    /// A replication slot holds back too much WAL (`max_slot_lag`).
    Slot {
        slot: String,
        /// Whether its consumer is connected.
        active: bool,
        /// How many bytes the server keeps for it.
        held: u64,
        most: u64,
    },
    /// Too many segments are to be archived (`max_archive_backlog`).
    Archiver { segments: u64, most: u64 },
    /// A table is vacuumed (`vacuum_every`).
    Vacuum {
        table: String,
        /// Whether the run itself does it.
        own: bool,
    },
}

/// The kinds of [`Cause`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub enum Kind {
    Replica,
    WalRate,
    Checkpoint,
    Slot,
    Archiver,
    Vacuum,
}

impl Kind {
    /// All, in order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// What scripts read.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.into_str()
    }
}

impl Cause {
    /// What kind it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Replica { .. } => Kind::Replica,
            Self::WalRate { .. } => Kind::WalRate,
            Self::Checkpoint => Kind::Checkpoint,
            Self::Slot { .. } => Kind::Slot,
            Self::Archiver { .. } => Kind::Archiver,
            Self::Vacuum { .. } => Kind::Vacuum,
        }
    }
}

/// How long a run waited, by kind; sums over its workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited([Duration; Kind::ALL.len()]);

impl Waited {
    /// The time of one kind.
    #[must_use]
    pub const fn get(&self, kind: Kind) -> Duration {
        self.0[kind as usize]
    }

    /// Adds time to a kind.
    pub fn add(&mut self, kind: Kind, time: Duration) {
        self.0[kind as usize] += time;
    }

    /// The time of all kinds.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }

    /// Every kind with its time, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, Duration)> + '_ {
        Kind::ALL.iter().map(|kind| (*kind, self.get(*kind)))
    }
}

/// Something that the settings ask for and that is not to be had here. The run goes on without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwatched {
    /// This role may not see how far these replicas are.
    Replicas { hidden: u64 },
    /// This role may not see whether a checkpoint runs.
    Checkpoints,
    /// The server archives nothing (`archive_mode`).
    Archiver,
    /// This role may not vacuum these tables.
    Vacuum {
        tables: Vec<String>,
        /// Whether the server has the privilege `MAINTAIN` (from PostgreSQL 17).
        maintain: bool,
        /// Whether the role sees a vacuum of others, for which the run then waits.
        sees: bool,
    },
}
