//! What is wrong with an application: typed, and in DOT's words.

use std::fmt;

use super::KeyType;
use super::allowed_uri::UriError;
use super::python::repr;
use crate::model::Field;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    ClientId,
    Field(Field),
}

impl Subject {
    /// DOT's name of it, which is the key in a file too.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::ClientId => "client_id",
            Self::Field(field) => field.key(),
        }
    }

    /// The field, unless it is the identifier.
    #[must_use]
    pub const fn field(self) -> Option<Field> {
        match self {
            Self::ClientId => None,
            Self::Field(field) => Some(field),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}

/// One problem of one field. Displays as DOT's message, without the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What it is about.
    pub subject: Subject,
    /// Which element of a list; from 0.
    pub index: Option<usize>,
    /// What is wrong.
    pub reason: Reason,
}

impl Violation {
    pub(super) const fn of(field: Field, reason: Reason) -> Self {
        Self { subject: Subject::Field(field), index: None, reason }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

/// What can be wrong. Displays as DOT 3.4.1's message in English.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A field that must not be empty is.
    #[error("This field cannot be blank.")]
    Blank,
    /// Not one of the values that the field may have.
    #[error("Value {} is not a valid choice.", repr(value))]
    NotAChoice {
        /// As it was given.
        value: String,
    },
    /// Wider than the column.
    #[error("Ensure this value has at most {limit} characters (it has {length}).")]
    TooLong {
        /// Counted in characters.
        limit: usize,
        /// Counted in characters.
        length: usize,
    },
    /// The owner does not exist.
    #[error("user instance with {column} {} is not a valid choice.", repr_of_key(*key, value))]
    NoSuchUser {
        /// The name of the user model's primary key.
        column: String,
        key: KeyType,
        /// As it was given.
        value: String,
    },
    /// The owner cannot exist.
    #[error("“{value}” {}", not_a_key(*key))]
    NotAKey {
        /// What a key would be.
        key: KeyType,
        /// As it was given.
        value: String,
    },
    /// Another application has the client id.
    #[error("Application with this Client ID already exists.")]
    Taken,
    /// A redirect URI or an origin.
    #[error(transparent)]
    Uri(UriError),
    /// A grant that ends in a redirect, and nowhere to go.
    #[error("redirect_uris cannot be empty with grant_type {grant_type}")]
    NoRedirectUris { grant_type: String },
    /// RS256 without `OIDC_RSA_PRIVATE_KEY`.
    #[error("You must set OIDC_RSA_PRIVATE_KEY to use RSA algorithm")]
    NoRsaKey,
    /// HS256 with an implicit or hybrid grant or a public client.
    #[error("You cannot use HS256 with public grants or clients")]
    Hs256IsNotForPublic,
    /// HS256 with an empty secret.
    #[error("You cannot use HS256 without a client secret; it is the HMAC signing key.")]
    Hs256NeedsSecret,
    /// HS256 with a secret that is, or will be, hashed.
    #[error(
        "You cannot use HS256 with a hashed client secret. For HS256 the client secret is the shared signing \
         key and must be stored unhashed so the relying party can verify the token; set \
         hash_client_secret=False and store an unhashed client_secret on this application."
    )]
    Hs256NeedsPlainSecret,
    /// What Django's `URLValidator` refuses.
    #[error("Enter a valid URL.")]
    NotAUrl,
    /// Keys here and elsewhere.
    #[error("client_jwks and client_jwks_uri are mutually exclusive.")]
    KeysTwice,
    /// Not what RFC 7517 section 5 says.
    #[error("client_jwks is not a valid JWK Set: {why}")]
    NoKeySet { why: String },
    /// A key set without keys.
    #[error("client_jwks must contain at least one key.")]
    EmptyKeySet,
    /// A private key, which only the client should have.
    #[error("client_jwks must contain public keys only, never private keys.")]
    PrivateKey,
    /// No key is there to verify with.
    #[error(
        "client_jwks must contain at least one key usable for signature verification (use \"sig\", or key_ops \
         including \"verify\")."
    )]
    NoVerifyingKey,
    /// Keys from where anyone on the way could change them.
    #[error("client_jwks_uri must use the https scheme.")]
    KeysWithoutTls,
    /// A confidential client that does not authenticate.
    #[error("A confidential client cannot use token_endpoint_auth_method 'none'.")]
    NoAuthentication,
    /// A public client that authenticates.
    #[error("token_endpoint_auth_method {method} requires a confidential client.")]
    AssertionIsNotForPublic { method: String },
    /// `private_key_jwt` without keys.
    #[error("private_key_jwt requires client_jwks or client_jwks_uri to be set.")]
    NoKeys,
    /// `client_secret_jwt` with an empty secret.
    #[error("client_secret_jwt requires a client secret; it is the HMAC signing key.")]
    SecretJwtNeedsSecret,
    /// `client_secret_jwt` with a secret that is, or will be, hashed.
    #[error(
        "client_secret_jwt requires the plaintext client secret as the HMAC key. Set hash_client_secret=False and \
         store an unhashed client_secret on this application."
    )]
    SecretJwtNeedsPlainSecret,
}

const fn not_a_key(key: KeyType) -> &'static str {
    if matches!(key, KeyType::Uuid) { "is not a valid UUID." } else { "value must be an integer." }
}

/// Python's `repr()` of the key after Django has converted it.
fn repr_of_key(key: KeyType, value: &str) -> String {
    let read = key.read(value).unwrap_or_else(|| value.to_owned());
    match key {
        KeyType::Integer => read,
        KeyType::Uuid => format!("UUID('{read}')"),
        KeyType::Text => repr(&read),
    }
}
