//! The fields of an application, as a file declares them and as a row holds them.
//!
//! Invariant: in what a file declares, `None` means "not managed"; an empty list means empty.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::column::{Attribute, ColumnValue};
use super::field::Field;
use super::key::Key;
use super::key_set::without_private_key;
use super::toml_string::toml_value;
use crate::hasher::{EncodedHash, StoredSecret};
use crate::secret::Secret;

/// The public identifier of an application (RFC 6749 section 2.2), unique in DOT's table.
///
/// Many maps of a large plan have it as their key, so a copy is a reference to one text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

impl JsonSchema for ClientId {
    fn schema_name() -> Cow<'static, str> {
        "ClientId".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

impl Serialize for ClientId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl ClientId {
    /// Any text that DOT would store; DOT validates nothing but its length.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
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

/// How a file names the owner of an application.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserRef {
    /// The primary key as text; its type is the column's (integer, UUID, …).
    Key(String),
    /// A value of one of the user model's columns that only one user has.
    Named(Named),
}

/// A value of a column of the user table, which stands for the user that has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Named {
    pub column: String,
    pub value: String,
}

impl Named {
    /// The column that Django's own user model has names in.
    pub const USERNAME: &'static str = "username";
    /// The column in which models without names usually have what users log in with.
    pub const EMAIL: &'static str = "email";

    /// A value of a column.
    #[must_use]
    pub fn new(column: impl Into<String>, value: impl Into<String>) -> Self {
        Self { column: column.into(), value: value.into() }
    }

    /// Whether it is a username.
    #[must_use]
    pub fn is_username(&self) -> bool {
        self.column == Self::USERNAME
    }
}

impl Named {
    /// As a file names the user: `{ email = "ops@example.com" }`.
    #[must_use]
    pub fn in_file(&self) -> String {
        let Self { column, value } = self;
        if [Self::USERNAME, Self::EMAIL].contains(&column.as_str()) {
            format!("{{ {column} = {} }}", toml_value(value))
        } else {
            format!("{{ column = {}, value = {} }}", toml_value(column), toml_value(value))
        }
    }
}

/// A name needs no explanation: `"ops"`, `email "ops@example.com"`.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, value } = self;
        if self.is_username() { write!(f, "\"{value}\"") } else { write!(f, "{column} \"{value}\"") }
    }
}

impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key}"),
            Self::Named(named) if named.is_username() => write!(f, "{named}"),
            Self::Named(named) => write!(f, "with {named}"),
        }
    }
}

/// What a file says about a client secret; resolved, so the plain text is here.
#[derive(Debug)]
pub enum SecretDeclaration {
    /// The plain text, from the environment or a file: verified against the stored value.
    Plain(Secret),
    /// Django's encoded form, committed to the file: compared as text.
    Hash(EncodedHash),
    /// Made once, when the application is created; never compared afterwards.
    Generate,
    /// Plain text that was not read: the plan is made without secrets.
    Withheld,
    /// Made anew in place of the stored one. No file can say this: `rotate-secret` does.
    Rotate,
}

/// The managed fields of one application. `None`: not managed.
#[derive(Debug, Default)]
pub struct Application {
    pub name: Option<String>,
    pub client_type: Option<String>,
    pub authorization_grant_type: Option<String>,
    /// See [`Field::RedirectUris`]; in the declared order.
    pub redirect_uris: Option<Vec<String>>,
    /// See [`Field::PostLogoutRedirectUris`]; in the declared order.
    pub post_logout_redirect_uris: Option<Vec<String>>,
    /// See [`Field::AllowedOrigins`]; in the declared order.
    pub allowed_origins: Option<Vec<String>>,
    pub algorithm: Option<String>,
    pub skip_authorization: Option<bool>,
    pub hash_client_secret: Option<bool>,
    pub client_secret: Option<SecretDeclaration>,
    pub token_endpoint_auth_method: Option<String>,
    pub client_jwks: Option<String>,
    pub client_jwks_uri: Option<String>,
    /// NULL cannot be written in TOML, so it can be set but not cleared.
    pub require_pushed_authorization_requests: Option<bool>,
    /// See [`Field::User`]; `Some(None)` cannot be written in TOML, so an owner can be set but not cleared.
    pub user: Option<UserRef>,
    /// Columns of a swapped model, by name. NULL cannot be written in TOML, so a value can be set but not cleared.
    pub columns: BTreeMap<String, ColumnValue>,
}

/// What a file says of one field.
#[derive(Clone, Copy, Debug)]
pub enum Declaration<'a> {
    Text(&'a str),
    /// See [`Kind::Uris`](super::Kind::Uris); in the declared order.
    Uris(&'a [String]),
    Flag(bool),
    Secret(&'a SecretDeclaration),
    Owner(&'a UserRef),
}

impl Application {
    /// What is declared of a field; `None`: it is not managed. Code that compares, checks or shows an
    /// application calls this for each of [`Field::ALL`], so that a new field is in all of them.
    #[must_use]
    pub fn declared(&self, field: Field) -> Option<Declaration<'_>> {
        match field {
            Field::Name => self.name.as_deref().map(Declaration::Text),
            Field::ClientType => self.client_type.as_deref().map(Declaration::Text),
            Field::AuthorizationGrantType => self.authorization_grant_type.as_deref().map(Declaration::Text),
            Field::RedirectUris => self.redirect_uris.as_deref().map(Declaration::Uris),
            Field::PostLogoutRedirectUris => self.post_logout_redirect_uris.as_deref().map(Declaration::Uris),
            Field::AllowedOrigins => self.allowed_origins.as_deref().map(Declaration::Uris),
            Field::Algorithm => self.algorithm.as_deref().map(Declaration::Text),
            Field::SkipAuthorization => self.skip_authorization.map(Declaration::Flag),
            Field::HashClientSecret => self.hash_client_secret.map(Declaration::Flag),
            Field::ClientSecret => self.client_secret.as_ref().map(Declaration::Secret),
            Field::TokenEndpointAuthMethod => {
                self.token_endpoint_auth_method.as_deref().map(Declaration::Text)
            }
            Field::ClientJwks => self.client_jwks.as_deref().map(Declaration::Text),
            Field::ClientJwksUri => self.client_jwks_uri.as_deref().map(Declaration::Text),
            Field::RequirePushedAuthorizationRequests => {
                self.require_pushed_authorization_requests.map(Declaration::Flag)
            }
            Field::User => self.user.as_ref().map(Declaration::Owner),
        }
    }
}

/// The managed columns of one row; `None` where the schema lacks the column.
#[derive(Debug)]
pub struct StoredFields {
    pub name: String,
    pub client_type: String,
    pub authorization_grant_type: String,
    /// See [`Field::RedirectUris`]; the column's raw text.
    pub redirect_uris: String,
    /// See [`Field::PostLogoutRedirectUris`]; the column's raw text.
    pub post_logout_redirect_uris: Option<String>,
    /// See [`Field::AllowedOrigins`]; the column's raw text.
    pub allowed_origins: Option<String>,
    pub algorithm: Option<String>,
    pub skip_authorization: bool,
    pub hash_client_secret: Option<bool>,
    pub client_secret: StoredSecret,
    pub token_endpoint_auth_method: Option<String>,
    /// Without a private key that someone put there: [`without_private_key`].
    pub client_jwks: Option<String>,
    pub client_jwks_uri: Option<String>,
    /// Also `None` where it is NULL.
    pub require_pushed_authorization_requests: Option<bool>,
    pub user: Option<Key>,
    /// Columns of a swapped model, in PostgreSQL's form; `None`: NULL. Without those that probably hold a secret.
    pub columns: BTreeMap<String, Option<String>>,
}

/// What a row holds in one field.
#[derive(Clone, Copy, Debug)]
pub enum Held<'a> {
    Text(&'a String),
    /// See [`Kind::Uris`](super::Kind::Uris); the column's raw text.
    Uris(&'a String),
    Flag(bool),
    Secret(&'a StoredSecret),
    /// See [`Kind::Owner`](super::Kind::Owner); `None`: no owner.
    Owner(Option<&'a Key>),
}

impl StoredFields {
    /// Reads a row. `column`: the text of a field's column; `None`: NULL, or the schema lacks it.
    pub fn read(column: impl Fn(Field) -> Option<String>, columns: BTreeMap<String, Option<String>>) -> Self {
        let text = |field| column(field).unwrap_or_default();
        let flag = |field| column(field).map(|value| value == "true");
        Self {
            name: text(Field::Name),
            client_type: text(Field::ClientType),
            authorization_grant_type: text(Field::AuthorizationGrantType),
            redirect_uris: text(Field::RedirectUris),
            post_logout_redirect_uris: column(Field::PostLogoutRedirectUris),
            allowed_origins: column(Field::AllowedOrigins),
            algorithm: column(Field::Algorithm),
            skip_authorization: flag(Field::SkipAuthorization).unwrap_or_default(),
            hash_client_secret: flag(Field::HashClientSecret),
            client_secret: StoredSecret::new(text(Field::ClientSecret)),
            token_endpoint_auth_method: column(Field::TokenEndpointAuthMethod),
            client_jwks: column(Field::ClientJwks).map(without_private_key),
            client_jwks_uri: column(Field::ClientJwksUri),
            require_pushed_authorization_requests: flag(Field::RequirePushedAuthorizationRequests),
            user: column(Field::User).map(Key::new),
            columns,
        }
    }

    /// What the row holds in a field; `None`: the schema lacks the column, or it is NULL. See [`Application::declared`].
    #[must_use]
    pub fn held(&self, field: Field) -> Option<Held<'_>> {
        match field {
            Field::Name => Some(Held::Text(&self.name)),
            Field::ClientType => Some(Held::Text(&self.client_type)),
            Field::AuthorizationGrantType => Some(Held::Text(&self.authorization_grant_type)),
            Field::RedirectUris => Some(Held::Uris(&self.redirect_uris)),
            Field::PostLogoutRedirectUris => self.post_logout_redirect_uris.as_ref().map(Held::Uris),
            Field::AllowedOrigins => self.allowed_origins.as_ref().map(Held::Uris),
            Field::Algorithm => self.algorithm.as_ref().map(Held::Text),
            Field::SkipAuthorization => Some(Held::Flag(self.skip_authorization)),
            Field::HashClientSecret => self.hash_client_secret.map(Held::Flag),
            Field::ClientSecret => Some(Held::Secret(&self.client_secret)),
            Field::TokenEndpointAuthMethod => self.token_endpoint_auth_method.as_ref().map(Held::Text),
            Field::ClientJwks => self.client_jwks.as_ref().map(Held::Text),
            Field::ClientJwksUri => self.client_jwks_uri.as_ref().map(Held::Text),
            Field::RequirePushedAuthorizationRequests => {
                self.require_pushed_authorization_requests.map(Held::Flag)
            }
            Field::User => Some(Held::Owner(self.user.as_ref())),
        }
    }
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

    /// Whether the file says what the secret of an existing row is.
    #[must_use]
    pub fn sets_secret(&self) -> bool {
        let is_set = match self.application.client_secret {
            Some(
                SecretDeclaration::Plain(_)
                | SecretDeclaration::Withheld
                | SecretDeclaration::Hash(_)
                | SecretDeclaration::Rotate,
            ) => true,
            Some(SecretDeclaration::Generate) | None => false,
        };
        is_set && !self.ignores(&Field::ClientSecret.into())
    }

    /// The `hash_client_secret` that an existing row gets; `None`: the file leaves it as it is.
    #[must_use]
    pub fn managed_hash_flag(&self) -> Option<bool> {
        self.application.hash_client_secret.filter(|_| !self.ignores(&Field::HashClientSecret.into()))
    }
}

/// Everything the file wants of the application table.
#[derive(Debug, Default)]
pub struct Desired {
    /// The declared applications.
    pub applications: BTreeMap<ClientId, Box<Declared>>,
    /// `[[removed]]`, and `enabled = false`: applications that must not exist.
    pub removed: BTreeSet<ClientId>,
    /// Those of `removed` that have a block, with `enabled = false`.
    pub disabled: BTreeSet<ClientId>,
    /// `[[renamed]]`: old client id → new client id. The new one is declared in `applications`.
    pub renamed: BTreeMap<ClientId, ClientId>,
}
