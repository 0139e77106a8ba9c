//! The columns of DOT's application table that a file can manage.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use super::release::Release;

/// One column of DOT's application table that a file can manage, in the order in which plans list them.
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
    VariantArray,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(const_into_str, serialize_all = "snake_case")]
pub enum Field {
    /// Display name; not unique.
    Name,
    /// `confidential` or `public` (RFC 6749 section 2.1).
    ClientType,
    /// The one grant type of the application.
    AuthorizationGrantType,
    /// Redirect URIs, space separated in the column; a set.
    RedirectUris,
    /// OpenID Connect RP-initiated logout targets (DOT 2.3); a set.
    PostLogoutRedirectUris,
    /// CORS origins (DOT 2.4); a set.
    AllowedOrigins,
    /// Signing algorithm of ID tokens: empty, `RS256` or `HS256` (DOT 1.5).
    Algorithm,
    /// Whether users are asked for their consent.
    SkipAuthorization,
    /// Whether DOT hashes the secret when it saves the row (DOT 2.4).
    HashClientSecret,
    /// The client secret, hashed from DOT 2.0.
    ClientSecret,
    /// How the client authenticates: empty (by its type), or a value of RFC 7591 section 2 (DOT's main branch).
    TokenEndpointAuthMethod,
    /// The client's public keys, a JSON Web Key Set (RFC 7517).
    ClientJwks,
    /// Where these keys are, if not here.
    ClientJwksUri,
    /// Whether the client must push its authorization requests (RFC 9126 section 6); NULL: as the server's setting says.
    RequirePushedAuthorizationRequests,
    /// The owner, a foreign key to the project's user table.
    User,
}

/// What a field holds. Decides how it is compared, shown and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text; empty by default.
    Text,
    /// URIs, separated by white space in the column; none by default. A set when compared.
    Uris,
    Flag {
        /// The default of DOT's model; `None`: NULL.
        default: Option<bool>,
    },
    /// The client secret. Only how it is stored is shown.
    Secret,
    /// A user of the project; none by default.
    Owner,
}

impl Field {
    /// All fields, in plan order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The key in `oauth.toml`: DOT's own name of the model field.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.into_str()
    }

    /// What it holds.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Name
            | Self::ClientType
            | Self::AuthorizationGrantType
            | Self::Algorithm
            | Self::TokenEndpointAuthMethod
            | Self::ClientJwks
            | Self::ClientJwksUri => Kind::Text,
            Self::RedirectUris | Self::PostLogoutRedirectUris | Self::AllowedOrigins => Kind::Uris,
            Self::SkipAuthorization => Kind::Flag { default: Some(false) },
            Self::HashClientSecret => Kind::Flag { default: Some(true) },
            Self::RequirePushedAuthorizationRequests => Kind::Flag { default: None },
            Self::ClientSecret => Kind::Secret,
            Self::User => Kind::Owner,
        }
    }

    /// The column in the database. Swapping the model renames tables, never these columns (dot-reference: swapped models).
    #[must_use]
    pub const fn column(self) -> &'static str {
        if matches!(self, Self::User) { "user_id" } else { self.key() }
    }

    /// The release that introduced the column, for the message that says a database lacks it.
    #[must_use]
    pub const fn since(self) -> Release {
        match self {
            Self::PostLogoutRedirectUris => Release::V2_3,
            Self::HashClientSecret | Self::AllowedOrigins => Release::V2_4,
            Self::TokenEndpointAuthMethod
            | Self::ClientJwks
            | Self::ClientJwksUri
            | Self::RequirePushedAuthorizationRequests => Release::Main,
            Self::Name
            | Self::ClientType
            | Self::AuthorizationGrantType
            | Self::RedirectUris
            | Self::SkipAuthorization
            | Self::Algorithm
            | Self::ClientSecret
            | Self::User => Release::V1_5,
        }
    }

    /// Whether DOT's model has no default for it: without it no application can be created.
    #[must_use]
    pub const fn is_required(self) -> bool {
        matches!(self, Self::ClientType | Self::AuthorizationGrantType)
    }

    /// Whether clients that work now may stop working when it changes: `protect` covers it, and the plan says who uses
    /// the application. Of a list only an element that goes matters.
    #[must_use]
    pub const fn is_relied_on(self) -> bool {
        match self {
            Self::AuthorizationGrantType
            | Self::RedirectUris
            | Self::ClientSecret
            | Self::TokenEndpointAuthMethod
            | Self::ClientJwks
            | Self::ClientJwksUri
            | Self::RequirePushedAuthorizationRequests => true,
            Self::Name
            | Self::ClientType
            | Self::PostLogoutRedirectUris
            | Self::AllowedOrigins
            | Self::Algorithm
            | Self::SkipAuthorization
            | Self::HashClientSecret
            | Self::User => false,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}
