//! What the token tables are called. Pure.

use crate::model::TableRole;

/// What a table of the role is called in lists.
#[must_use]
pub const fn title(role: TableRole) -> &'static str {
    match role {
        TableRole::Application => "applications",
        TableRole::AccessToken => "access tokens",
        TableRole::RefreshToken => "refresh tokens",
        TableRole::IdToken => "ID tokens",
        TableRole::Grant => "authorization codes",
        TableRole::DeviceGrant => "device grants",
        TableRole::ParRequest => "pushed requests",
    }
}
