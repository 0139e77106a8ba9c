//! How a cleanup runs: how fast, how much, how long, and with which statements.

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::EnumString;

/// Who makes sure that no row refers to a deleted one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FkChecks {
    /// The foreign keys' own triggers, one call per row.
    #[default]
    Triggers,
    /// The cleaner, one query per batch, with those triggers switched off.
    Set,
    /// The cleaner, where it is allowed and the role may, by its own right or by the functions of `migrate --definer`; else
    /// the triggers.
    Auto,
}

/// How rows go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Strategy {
    /// Deleted, in small transactions.
    #[default]
    Batches,
    /// With their tables: the rows that stay are put aside and put back, in one transaction under an exclusive lock.
    Rewrite,
}

/// How many connections delete in parallel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    Fixed(NonZeroU32),
    /// As many as make the run faster.
    Auto,
}

impl Workers {
    /// A worker more must make the run faster by a fifth, so there are hardly ever more than six.
    const MOST_OF_AUTO: u32 = 8;

    /// The most that may work at the same time.
    #[must_use]
    pub const fn most(self) -> u32 {
        match self {
            Self::Fixed(count) => count.get(),
            Self::Auto => Self::MOST_OF_AUTO,
        }
    }

    /// The fewest that work at the same time: what an estimate may count on.
    #[must_use]
    pub const fn fewest(self) -> u32 {
        match self {
            Self::Fixed(count) => count.get(),
            Self::Auto => 1,
        }
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self::Fixed(NonZeroU32::MIN)
    }
}

impl From<NonZeroU32> for Workers {
    fn from(count: NonZeroU32) -> Self {
        Self::Fixed(count)
    }
}

/// The part of `[cleanup]`, and of `cleartokens`' flags, that says how rows are deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    /// The most rows that one transaction deletes; the ceiling where `target_batch_time` adapts it. (A refresh token and
    /// its access token go together: two at least.)
    pub batch_size: NonZeroU32,
    /// Pause between batches; zero is none.
    pub batch_interval: Duration,
    /// The batch duration to aim for; `None`: always `batch_size` rows.
    pub target_batch_time: Option<Duration>,
    /// Sleep this multiple of each batch's time; zero is none.
    pub nice_ratio: f64,
    /// Stop after this long; `None`: no limit.
    pub max_duration: Option<Duration>,
    /// Stop when this number of rows is deleted, or one less, so as not to tear a pair apart; `None`: no limit.
    pub max_rows: Option<u64>,
    /// Wait while a replica is further behind than this; `None`: do not look at replicas.
    pub max_replica_lag: Option<Duration>,
    /// Wait while the server writes more bytes of WAL a second than this, and while a requested checkpoint runs; `None`: do
    /// not look.
    pub max_wal_rate: Option<u64>,
    /// Have a table vacuumed each time that this number of its rows is deleted; `None`: leave that to autovacuum.
    pub vacuum_every: Option<u64>,
    /// Wait while a replication slot holds back more bytes of WAL than this; `None`: do not look at slots.
    pub max_slot_lag: Option<u64>,
    /// Wait while more WAL segments than this are to be archived; `None`: do not look at the archiver.
    pub max_archive_backlog: Option<u64>,
    /// Number of connections that delete in parallel, each in batches of its own.
    pub workers: Workers,
    /// Who looks at references.
    pub fk_checks: FkChecks,
    /// Whether rows are deleted or tables rewritten.
    pub strategy: Strategy,
}

impl Pace {
    /// More connections than this never help; it is a typing error.
    pub const MOST_WORKERS: u32 = 64;

    /// DOT's `CLEAR_EXPIRED_TOKENS_BATCH_SIZE`.
    pub const DEFAULT_BATCH_SIZE: NonZeroU32 = NonZeroU32::MIN.saturating_add(9_999);

    /// The keys of the settings that need a server with PostgreSQL's own WAL, where they are set.
    #[must_use]
    pub fn settings_of_wal(&self) -> Vec<&'static str> {
        [
            (self.max_replica_lag.is_some(), "max_replica_lag"),
            (self.max_wal_rate.is_some(), "max_wal_rate"),
            (self.max_slot_lag.is_some(), "max_slot_lag"),
            (self.max_archive_backlog.is_some(), "max_archive_backlog"),
        ]
        .into_iter()
        .filter_map(|(is_set, key)| is_set.then_some(key))
        .collect()
    }

    /// The same with the triggers where no `--allow` permits more.
    #[must_use]
    pub fn with_consent(self, allowed: bool) -> Self {
        let auto = self.fk_checks == FkChecks::Auto && !allowed;
        Self { fk_checks: if auto { FkChecks::Triggers } else { self.fk_checks }, ..self }
    }

    /// The same for a run that has taken this long already.
    #[must_use]
    pub fn after(self, elapsed: Duration) -> Self {
        Self { max_duration: self.max_duration.map(|max| max.saturating_sub(elapsed)), ..self }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            batch_size: Self::DEFAULT_BATCH_SIZE,
            batch_interval: Duration::ZERO,
            target_batch_time: None,
            nice_ratio: 0.0,
            max_duration: None,
            max_rows: None,
            max_replica_lag: None,
            max_wal_rate: None,
            vacuum_every: None,
            max_slot_lag: None,
            max_archive_backlog: None,
            workers: Workers::default(),
            fk_checks: FkChecks::default(),
            strategy: Strategy::default(),
        }
    }
}
