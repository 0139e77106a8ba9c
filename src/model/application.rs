//! Applications as the file declares them, and the columns that make one up.
//!
//! Invariant: `None` means "not managed" everywhere here; an empty list means empty.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use strum::VariantArray;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::column::{Attribute, ColumnValue};
use crate::hasher::EncodedHash;
use crate::secret::Secret;

/// The public identifier of an application (RFC 6749 section 2.2), unique in DOT's table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// Any text that DOT would store; DOT validates nothing but its length.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One column of DOT's application table that a file can manage, in the order in which plans list them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, VariantArray,
)]
#[serde(rename_all = "snake_case")]
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
    /// The owner, a foreign key to the project's user table.
    User,
}

impl Field {
    /// All fields, in plan order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The key in `oauth.toml`: DOT's own name of the model field.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::ClientType => "client_type",
            Self::AuthorizationGrantType => "authorization_grant_type",
            Self::RedirectUris => "redirect_uris",
            Self::PostLogoutRedirectUris => "post_logout_redirect_uris",
            Self::AllowedOrigins => "allowed_origins",
            Self::Algorithm => "algorithm",
            Self::SkipAuthorization => "skip_authorization",
            Self::HashClientSecret => "hash_client_secret",
            Self::ClientSecret => "client_secret",
            Self::User => "user",
        }
    }

    /// The column in the database. Swapping the model renames tables, never these columns (dot-reference: swapped models).
    #[must_use]
    pub const fn column(self) -> &'static str {
        if matches!(self, Self::User) { "user_id" } else { self.key() }
    }

    /// The DOT release that introduced the column, for the message that says a database lacks it.
    #[must_use]
    pub const fn since(self) -> &'static str {
        match self {
            Self::Algorithm => "1.5",
            Self::PostLogoutRedirectUris => "2.3",
            Self::HashClientSecret | Self::AllowedOrigins => "2.4",
            Self::Name
            | Self::ClientType
            | Self::AuthorizationGrantType
            | Self::RedirectUris
            | Self::SkipAuthorization
            | Self::ClientSecret
            | Self::User => "1.0",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}

/// How a file names the owner of an application.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserRef {
    /// The primary key, as text whatever its type (integer, UUID, …).
    Key(String),
    /// The value of the user model's `username` column.
    Username(String),
}

impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key}"),
            Self::Username(name) => write!(f, "\"{name}\""),
        }
    }
}

/// What a file says about a client secret; resolved, so the plain text is at hand.
#[derive(Debug)]
pub enum SecretDeclaration {
    /// The plain text, from the environment or a file: verified against the stored value.
    Plain(Secret),
    /// Django's encoded form, committed to the file: compared as text.
    Hash(EncodedHash),
    /// Made once, when the application is created; never compared afterwards.
    Generate,
    /// Made anew in place of the stored one. No file can say this: `rotate-secret` does.
    Rotate,
}

/// The managed fields of one application. `None`: not managed.
#[derive(Debug, Default)]
pub struct Application {
    /// See [`Field::Name`].
    pub name: Option<String>,
    /// See [`Field::ClientType`].
    pub client_type: Option<String>,
    /// See [`Field::AuthorizationGrantType`].
    pub authorization_grant_type: Option<String>,
    /// See [`Field::RedirectUris`]; in the declared order.
    pub redirect_uris: Option<Vec<String>>,
    /// See [`Field::PostLogoutRedirectUris`]; in the declared order.
    pub post_logout_redirect_uris: Option<Vec<String>>,
    /// See [`Field::AllowedOrigins`]; in the declared order.
    pub allowed_origins: Option<Vec<String>>,
    /// See [`Field::Algorithm`].
    pub algorithm: Option<String>,
    /// See [`Field::SkipAuthorization`].
    pub skip_authorization: Option<bool>,
    /// See [`Field::HashClientSecret`].
    pub hash_client_secret: Option<bool>,
    /// See [`Field::ClientSecret`].
    pub client_secret: Option<SecretDeclaration>,
    /// See [`Field::User`]; `Some(None)` cannot be written in TOML, so an owner can be set but not cleared.
    pub user: Option<UserRef>,
    /// Columns of a swapped model, by name. NULL cannot be written in TOML, so a value can be set but not cleared.
    pub columns: BTreeMap<String, ColumnValue>,
}

/// One `[applications.KEY]` block.
#[derive(Debug, Default)]
pub struct Declared {
    /// The key of the block; names the place in the file. Equals the client id unless `client_id` says otherwise.
    pub block: String,
    /// The managed fields.
    pub application: Application,
    /// Whether the application may not be deleted, nor its client id, secret, grant type or redirect URIs taken away,
    /// without `--allow`.
    pub protect: bool,
    /// Fields that are written when the application is created and left to others afterwards.
    pub ignore: BTreeSet<Attribute>,
}

impl Declared {
    /// Whether the file leaves it to others once the application is there.
    #[must_use]
    pub fn ignores(&self, attribute: &Attribute) -> bool {
        self.ignore.contains(attribute)
    }
}

/// Everything the file wants of the application table.
#[derive(Debug, Default)]
pub struct Desired {
    /// The declared applications.
    pub applications: BTreeMap<ClientId, Declared>,
    /// `[[removed]]`: applications that must not exist.
    pub removed: BTreeSet<ClientId>,
    /// `[[renamed]]`: old client id → new client id. The new one is declared in `applications`.
    pub renamed: BTreeMap<ClientId, ClientId>,
}
