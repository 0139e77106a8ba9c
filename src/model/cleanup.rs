//! Token cleanup: what may go, by which settings. How fast it goes is in [`Pace`].
//!
//! Defaults and meanings are those of DOT 3.4.1's `OAUTH2_PROVIDER` settings. Instants are not here: the policy is
//! relative, `plan::retention` fixes the cutoffs.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::application::ClientId;
use super::counting::Counting;
use super::pace::Pace;
use super::release::Release;
use super::tables::TableRole;

/// A kind of rows that cleanup deletes, in the order in which DOT does.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumString,
    VariantArray,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(const_into_str, serialize_all = "snake_case")]
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
    /// Dynamically registered applications (RFC 7591) that no user ever authorised. DOT does not delete these.
    Dcr,
}

impl Category {
    /// All, in order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// What users write in `only` and `--only`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.into_str()
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

    /// The release of DOT that brought such rows.
    #[must_use]
    pub const fn since(self) -> Release {
        match self {
            Self::Revoked | Self::Orphaned | Self::Expired | Self::Access | Self::Id | Self::Grants => {
                Release::V1_5
            }
            Self::Par => Release::Main,
            Self::Device => Release::V3_2,
            Self::Cimd | Self::Dcr => Release::V3_4,
        }
    }

    /// The release from which on DOT's own commands delete them; `None`: none does.
    #[must_use]
    pub const fn deleted_since(self) -> Option<Release> {
        match self {
            Self::Revoked | Self::Expired | Self::Access | Self::Grants => Some(Release::V1_5),
            Self::Id => Some(Release::V2_3),
            Self::Cimd => Some(Release::V3_4),
            Self::Orphaned => Some(Release::V3_4_1),
            Self::Par => Some(Release::Main),
            Self::Device | Self::Dcr => None,
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

/// [`Category::Dcr`]: which applications count as never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DcrPolicy {
    /// How old an application must be.
    pub min_age: Duration,
    /// An older one was used once: a regular run would have deleted it before.
    pub max_age: Option<Duration>,
    /// It was not, for there was no regular run: `max_age` spares nothing.
    pub dormant: bool,
}

/// `[cleanup]`, and `cleartokens`' flags: what may go, and how.
#[derive(Clone, Debug, Default)]
pub struct CleanupPolicy {
    /// `REFRESH_TOKEN_EXPIRE_SECONDS`; `None` is off: refresh tokens never age-expire.
    pub refresh_token_expire: Option<Duration>,
    /// `REFRESH_TOKEN_GRACE_PERIOD_SECONDS`; zero is off.
    pub refresh_token_grace_period: Duration,
    pub refresh_token_reuse_protection: bool,
    /// The categories to clean; empty: all that DOT's `cleartokens` deletes.
    pub only: BTreeSet<Category>,
    /// The categories not to clean.
    pub skip: BTreeSet<Category>,
    /// Whether [`Category::Device`] is cleaned too.
    pub device_grants: bool,
    /// Whether [`Category::Cimd`] is cleaned too.
    pub cimd_applications: bool,
    /// [`Category::Dcr`]; `None`: they stay.
    pub dcr: Option<DcrPolicy>,
    /// Applications whose rows are left alone.
    pub exclude_clients: BTreeSet<ClientId>,
    /// Applications that the file declares. They are not deleted, even when all their tokens are.
    pub declared: BTreeSet<ClientId>,
    /// How the rows to delete are counted beforehand.
    pub counting: Counting,
    /// How they go.
    pub pace: Pace,
}
