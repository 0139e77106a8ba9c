//! The tables of DOT's seven models, by role. Swapped models have other names, never other roles.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use super::release::Release;

/// A DOT model.
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
    VariantArray,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(const_into_str, serialize_all = "snake_case")]
pub enum TableRole {
    /// `OAUTH2_PROVIDER_APPLICATION_MODEL`.
    Application,
    /// `OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL`.
    AccessToken,
    /// `OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL`.
    RefreshToken,
    /// `OAUTH2_PROVIDER_ID_TOKEN_MODEL` (DOT 1.5).
    IdToken,
    /// `OAUTH2_PROVIDER_GRANT_MODEL`.
    Grant,
    /// `OAUTH2_PROVIDER_DEVICE_GRANT_MODEL` (DOT 3.2).
    DeviceGrant,
    /// `OAUTH2_PROVIDER_PAR_REQUEST_MODEL` (after DOT 3.4.1).
    ParRequest,
}

impl TableRole {
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The key in `[database.tables]`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.into_str()
    }

    /// The table of the model that is not swapped.
    #[must_use]
    pub const fn default_table(self) -> &'static str {
        match self {
            Self::Application => "oauth2_provider_application",
            Self::AccessToken => "oauth2_provider_accesstoken",
            Self::RefreshToken => "oauth2_provider_refreshtoken",
            Self::IdToken => "oauth2_provider_idtoken",
            Self::Grant => "oauth2_provider_grant",
            Self::DeviceGrant => "oauth2_provider_devicegrant",
            Self::ParRequest => "oauth2_provider_pushedauthorizationrequest",
        }
    }

    /// The release that brought the table.
    #[must_use]
    pub const fn since(self) -> Release {
        match self {
            Self::Application | Self::AccessToken | Self::RefreshToken | Self::IdToken | Self::Grant => {
                Release::V1_5
            }
            Self::DeviceGrant => Release::V3_2,
            Self::ParRequest => Release::Main,
        }
    }

    /// Whether every DOT since 1.5 has the table.
    #[must_use]
    pub const fn is_required(self) -> bool {
        !matches!(self, Self::DeviceGrant | Self::ParRequest)
    }
}

/// Whether a table, as SQL writes it, is of a model that a newer DOT has and that is not known here: named as Django
/// names the table of a model of DOT's. A link table or another package's has one word more.
#[must_use]
pub fn is_of_newer_dot(table: &str) -> bool {
    let name = table.rsplit('.').next().unwrap_or(table).trim_matches('"');
    let model = name.strip_prefix("oauth2_provider_").unwrap_or_default();
    let is_known = TableRole::ALL.iter().any(|role| role.default_table() == name);
    !model.is_empty() && model.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !is_known
}

impl fmt::Display for TableRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}

/// Where the models live: `[database] schema` and `[database.tables]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableNames {
    /// The schema; `None`: wherever the search path finds them.
    pub schema: Option<String>,
    /// Names of swapped models.
    pub swapped: BTreeMap<TableRole, String>,
}

impl TableNames {
    /// The table of a role.
    #[must_use]
    pub fn name(&self, role: TableRole) -> &str {
        self.swapped.get(&role).map_or(role.default_table(), String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_a_newer_dot_are_told_by_their_names() {
        for (table, expected) in [
            ("public.oauth2_provider_authorization", true),
            ("\"My Schema\".\"oauth2_provider_session\"", true),
            ("public.oauth2_provider_grant", false),
            ("public.oauth2_provider_application_groups", false),
            ("public.oauth2_provider_", false),
            ("public.site_session", false),
        ] {
            assert_eq!(is_of_newer_dot(table), expected, "{table}");
        }
    }
}
