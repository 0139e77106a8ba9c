//! Token cleanup: what may go, by which settings.
//!
//! Defaults and meanings are those of DOT 3.4.1's `OAUTH2_PROVIDER` settings. Instants are not here: the policy is
//! relative, `plan::retention` fixes the cutoffs.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;
use strum::VariantArray;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::application::ClientId;
use super::tables::TableRole;

/// A kind of rows that cleanup deletes, in the order in which DOT does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, VariantArray,
)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Refresh tokens revoked at or before the cutoff.
    Revoked,
    /// Refresh tokens without an access token, not revoked (DOT 3.4.1).
    Orphaned,
    /// Refresh tokens whose access token expired longer ago than the refresh-token lifetime.
    Expired,
    /// Expired access tokens that no refresh token points at.
    Access,
    /// Expired ID tokens that no access token points at.
    Id,
    /// Expired authorization codes.
    Grants,
    /// Expired pushed authorization requests (RFC 9126), where the table exists.
    Par,
    /// Expired device grants (RFC 8628); beyond DOT.
    Device,
    /// Applications of client ID metadata documents that expired and hold nothing live; DOT 3.4.1's
    /// `clearcimdapplications`.
    Cimd,
    /// Dynamically registered applications (RFC 7591) that nobody ever authorised; beyond DOT.
    Dcr,
}

impl Category {
    /// All, in order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// What users write in `only` and `--only`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Orphaned => "orphaned",
            Self::Expired => "expired",
            Self::Access => "access",
            Self::Id => "id",
            Self::Grants => "grants",
            Self::Par => "par",
            Self::Device => "device",
            Self::Cimd => "cimd",
            Self::Dcr => "dcr",
        }
    }

    /// The inverse of [`Category::key`].
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|category| category.key() == key)
    }

    /// The table that loses the rows.
    #[must_use]
    pub const fn role(self) -> TableRole {
        match self {
            Self::Revoked | Self::Orphaned | Self::Expired => TableRole::RefreshToken,
            Self::Access => TableRole::AccessToken,
            Self::Id => TableRole::IdToken,
            Self::Grants => TableRole::Grant,
            Self::Par => TableRole::ParRequest,
            Self::Device => TableRole::DeviceGrant,
            Self::Cimd | Self::Dcr => TableRole::Application,
        }
    }

    /// What people read.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Revoked => "revoked refresh tokens",
            Self::Orphaned => "orphaned refresh tokens",
            Self::Expired => "expired refresh tokens",
            Self::Access => "expired access tokens",
            Self::Id => "expired ID tokens",
            Self::Grants => "expired authorization codes",
            Self::Par => "expired pushed authorization requests",
            Self::Device => "expired device grants",
            Self::Cimd => "expired CIMD applications",
            Self::Dcr => "unused dynamically registered applications",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}

/// Who makes sure that no row refers to a deleted one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FkChecks {
    /// The foreign keys' own triggers, one call per row.
    #[default]
    Triggers,
    /// The cleaner, one query per batch, with those triggers switched off.
    Set,
}

impl FkChecks {
    /// The inverse of what users write.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        match key {
            "triggers" => Some(Self::Triggers),
            "set" => Some(Self::Set),
            _ => None,
        }
    }
}

/// How rows go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Deleted, in small transactions.
    #[default]
    Batches,
    /// With their tables: the rows that stay are put aside and put back, in one transaction under an exclusive lock.
    Rewrite,
}

impl Strategy {
    /// The inverse of what users write.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        match key {
            "batches" => Some(Self::Batches),
            "rewrite" => Some(Self::Rewrite),
            _ => None,
        }
    }
}

/// `[cleanup]`, and `cleartokens`' flags.
#[derive(Clone, Debug)]
pub struct CleanupPolicy {
    /// `REFRESH_TOKEN_EXPIRE_SECONDS`; `None` is off: refresh tokens never age-expire.
    pub refresh_token_expire: Option<Duration>,
    /// `REFRESH_TOKEN_GRACE_PERIOD_SECONDS`; zero is off.
    pub refresh_token_grace_period: Duration,
    pub refresh_token_reuse_protection: bool,
    /// Rows a transaction; the ceiling where `target_batch_time` adapts it.
    pub batch_size: NonZeroU32,
    /// Pause between batches; zero is none.
    pub batch_interval: Duration,
    /// The batch duration to aim for; `None`: always `batch_size` rows.
    pub target_batch_time: Option<Duration>,
    /// Sleep this multiple of each batch's time; zero is none.
    pub nice_ratio: f64,
    /// Stop after this long; `None`: no limit.
    pub max_duration: Option<Duration>,
    /// Stop when this number of rows is deleted; `None`: no limit.
    pub max_rows: Option<u64>,
    /// How many connections delete at the same time, each in batches of its own.
    pub workers: NonZeroU32,
    /// Who looks at references.
    pub fk_checks: FkChecks,
    /// Whether rows are deleted or tables rewritten.
    pub strategy: Strategy,
    /// The categories to clean; empty: all that DOT's `cleartokens` deletes.
    pub only: BTreeSet<Category>,
    /// The categories not to clean.
    pub skip: BTreeSet<Category>,
    /// Whether [`Category::Device`] is cleaned too.
    pub device_grants: bool,
    /// Whether [`Category::Cimd`] is cleaned too.
    pub cimd_applications: bool,
    /// [`Category::Dcr`]: how old an application must be to count as unused; `None`: they stay.
    pub dcr_min_age: Option<Duration>,
    /// Wait while a replica is further behind than this; `None`: whatever the replicas do.
    pub max_replica_lag: Option<Duration>,
    /// Applications whose rows are left alone.
    pub exclude_clients: BTreeSet<ClientId>,
    /// Applications that the file declares: they are not deleted, whatever becomes of their tokens.
    pub declared: BTreeSet<ClientId>,
}

impl CleanupPolicy {
    /// More connections than this never help; it is a typing error.
    pub const MOST_WORKERS: u32 = 64;

    /// DOT's `CLEAR_EXPIRED_TOKENS_BATCH_SIZE`.
    pub const DEFAULT_BATCH_SIZE: NonZeroU32 = NonZeroU32::MIN.saturating_add(9_999);
}

impl Default for CleanupPolicy {
    fn default() -> Self {
        Self {
            refresh_token_expire: None,
            refresh_token_grace_period: Duration::ZERO,
            refresh_token_reuse_protection: false,
            batch_size: Self::DEFAULT_BATCH_SIZE,
            batch_interval: Duration::ZERO,
            target_batch_time: None,
            nice_ratio: 0.0,
            max_duration: None,
            max_rows: None,
            workers: NonZeroU32::MIN,
            fk_checks: FkChecks::default(),
            strategy: Strategy::default(),
            only: BTreeSet::new(),
            skip: BTreeSet::new(),
            device_grants: false,
            cimd_applications: false,
            dcr_min_age: None,
            max_replica_lag: None,
            exclude_clients: BTreeSet::new(),
            declared: BTreeSet::new(),
        }
    }
}
