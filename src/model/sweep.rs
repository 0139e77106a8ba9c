//! What one pass of the cleaner deletes: predicates without SQL, cutoffs without a clock.
//!
//! A pass walks one table once and may serve several categories, because a row and the row that keeps it alive go
//! together. `plan::retention` makes sweeps, `db::tokens` turns them into SQL, `sweep` runs them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::AddAssign;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;

use super::application::ClientId;
use super::cleanup::Category;
use super::tables::TableRole;

/// One pass over one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Which rows go.
    pub doomed: Doomed,
    /// Applications whose rows are left alone; where applications go, those that stay.
    pub excluded: BTreeSet<ClientId>,
}

/// Which rows a pass deletes. Instants have microseconds, as PostgreSQL's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doomed {
    /// Walks the access tokens and takes each together with the refresh token that would keep it alive.
    Sessions {
        /// Refresh tokens revoked at or before this go with their expired access token. Set only when `expired` is.
        revoked: Option<OffsetDateTime>,
        /// Refresh tokens that are not revoked go when their access token expired at or before this.
        idle: Option<OffsetDateTime>,
        /// Access tokens that expired before this and have no refresh token (any more) go.
        expired: Option<OffsetDateTime>,
    },
    /// Walks the refresh tokens.
    RefreshTokens {
        /// Those revoked at or before this go.
        revoked: Option<OffsetDateTime>,
        /// Those neither revoked nor with an access token go.
        orphaned: bool,
    },
    /// Walks the ID tokens: those that expired before this and that no access token refers to go.
    IdTokens { expired: OffsetDateTime },
    /// Walks the authorization codes: those that expired before this go.
    Grants { expired: OffsetDateTime },
    /// Walks the pushed authorization requests: those that expired before this go.
    ParRequests { expired: OffsetDateTime },
    /// Walks the device grants: those that expired before this go.
    DeviceGrants { expired: OffsetDateTime },
    /// Walks the applications: those of a metadata document that expired before this, with nothing that lives beyond
    /// it, go with all rows that refer to them.
    CimdApplications { expired: OffsetDateTime },
    /// Walks the applications: those that registered themselves before an instant and were never authorised go.
    DcrApplications {
        /// The cutoff of the registration.
        registered: OffsetDateTime,
        /// Those that registered before this were used once, and stay.
        oldest: Option<OffsetDateTime>,
        /// A pending authorization that lives beyond this keeps its application.
        now: OffsetDateTime,
    },
}

/// What a sweep deletes as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// An access token and the refresh token that would keep it alive; the instants are those of [`Doomed::Sessions`].
    Session {
        /// For refresh tokens that were revoked.
        revoked: Option<OffsetDateTime>,
        /// For refresh tokens that were not.
        idle: Option<OffsetDateTime>,
    },
    RefreshToken,
    /// A row of the walked table; no refresh token is looked for.
    Row,
}

impl Doomed {
    /// What is deleted as one.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        match *self {
            Self::Sessions { revoked, idle, expired: _ } => Unit::Session { revoked, idle },
            Self::RefreshTokens { .. } => Unit::RefreshToken,
            Self::IdTokens { .. }
            | Self::Grants { .. }
            | Self::ParRequests { .. }
            | Self::DeviceGrants { .. }
            | Self::CimdApplications { .. }
            | Self::DcrApplications { .. } => Unit::Row,
        }
    }
}

/// The scope of a registration access token (`DCR_REGISTRATION_SCOPE`): it comes with the registration, so it says
/// nothing about whether the application was ever used.
pub const REGISTRATION_SCOPE: &str = "oauth2_provider:registration";

/// All tables that lose rows with an application, but for those that name it by its client id.
const WITH_APPLICATIONS: &[TableRole] = &[
    TableRole::RefreshToken,
    TableRole::AccessToken,
    TableRole::IdToken,
    TableRole::Grant,
    TableRole::Application,
];

impl Sweep {
    /// The table that is walked.
    #[must_use]
    pub const fn role(&self) -> TableRole {
        match self.doomed {
            Doomed::Sessions { .. } => TableRole::AccessToken,
            Doomed::RefreshTokens { .. } => TableRole::RefreshToken,
            Doomed::IdTokens { .. } => TableRole::IdToken,
            Doomed::Grants { .. } => TableRole::Grant,
            Doomed::ParRequests { .. } => TableRole::ParRequest,
            Doomed::DeviceGrants { .. } => TableRole::DeviceGrant,
            Doomed::CimdApplications { .. } | Doomed::DcrApplications { .. } => TableRole::Application,
        }
    }

    /// The tables that lose rows.
    #[must_use]
    pub const fn tables(&self) -> &'static [TableRole] {
        match self.doomed {
            Doomed::Sessions { revoked: None, idle: None, .. } => &[TableRole::AccessToken],
            Doomed::Sessions { expired: Some(_), .. } => &[TableRole::RefreshToken, TableRole::AccessToken],
            Doomed::Sessions { expired: None, .. } | Doomed::RefreshTokens { .. } => {
                &[TableRole::RefreshToken]
            }
            Doomed::IdTokens { .. } => &[TableRole::IdToken],
            Doomed::Grants { .. } => &[TableRole::Grant],
            Doomed::ParRequests { .. } => &[TableRole::ParRequest],
            Doomed::DeviceGrants { .. } => &[TableRole::DeviceGrant],
            Doomed::CimdApplications { .. } | Doomed::DcrApplications { .. } => WITH_APPLICATIONS,
        }
    }

    /// The categories whose rows it deletes, in DOT's order.
    #[must_use]
    pub fn categories(&self) -> Vec<Category> {
        let those_of = |wanted: &[(bool, Category)]| {
            wanted.iter().filter(|(wanted, _)| *wanted).map(|(_, category)| *category).collect()
        };
        match self.doomed {
            Doomed::Sessions { revoked, idle, expired } => those_of(&[
                (revoked.is_some(), Category::Revoked),
                (idle.is_some(), Category::Expired),
                (expired.is_some(), Category::Access),
            ]),
            Doomed::RefreshTokens { revoked, orphaned } => {
                those_of(&[(revoked.is_some(), Category::Revoked), (orphaned, Category::Orphaned)])
            }
            Doomed::IdTokens { .. } => vec![Category::Id],
            Doomed::Grants { .. } => vec![Category::Grants],
            Doomed::ParRequests { .. } => vec![Category::Par],
            Doomed::DeviceGrants { .. } => vec![Category::Device],
            Doomed::CimdApplications { .. } => vec![Category::Cimd],
            Doomed::DcrApplications { .. } => vec![Category::Dcr],
        }
    }

    /// What people read beside the progress bar.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        match self.doomed {
            Doomed::Sessions { revoked: None, idle: None, .. } => Category::Access.title(),
            Doomed::Sessions { expired: None, .. } => Category::Expired.title(),
            Doomed::Sessions { .. } => "expired refresh and access tokens",
            Doomed::RefreshTokens { orphaned: false, .. } => Category::Revoked.title(),
            Doomed::RefreshTokens { revoked: None, .. } => Category::Orphaned.title(),
            Doomed::RefreshTokens { .. } => "revoked and orphaned refresh tokens",
            Doomed::IdTokens { .. } => Category::Id.title(),
            Doomed::Grants { .. } => Category::Grants.title(),
            Doomed::ParRequests { .. } => Category::Par.title(),
            Doomed::DeviceGrants { .. } => Category::Device.title(),
            Doomed::CimdApplications { .. } => Category::Cimd.title(),
            Doomed::DcrApplications { .. } => Category::Dcr.title(),
        }
    }
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.title())
    }
}

/// Rows per category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; Category::ALL.len()]);

impl Tally {
    pub const ZERO: Self = Self([0; Category::ALL.len()]);

    /// The rows of one category.
    #[must_use]
    pub const fn get(&self, category: Category) -> u64 {
        self.0[category as usize]
    }

    /// Adds rows to the count of a category.
    pub const fn add(&mut self, category: Category, rows: u64) {
        self.0[category as usize] += rows;
    }

    /// The rows of all categories.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().copied().fold(0, u64::saturating_add)
    }

    /// Every category with its rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Category, u64)> + '_ {
        Category::ALL.iter().copied().map(|category| (category, self.get(category)))
    }
}

impl FromIterator<(Category, u64)> for Tally {
    fn from_iter<I: IntoIterator<Item = (Category, u64)>>(rows: I) -> Self {
        let mut tally = Self::ZERO;
        for (category, rows) in rows {
            tally.add(category, rows);
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

impl JsonSchema for Tally {
    fn schema_name() -> Cow<'static, str> {
        "Tally".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, u64>::json_schema(generator)
    }
}

/// A map from category to rows; zeroes are written too, so that scripts need no defaults.
impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (category, rows) in self.iter() {
            map.serialize_entry(category.key(), &rows)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Tally {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<Category, u64>::deserialize(deserializer).map(|rows| rows.into_iter().collect())
    }
}
