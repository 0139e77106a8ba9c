//! What is wrong with an application: typed, and in DOT's words.

use std::fmt;

use super::KeyType;
use super::allowed_uri::UriError;
use super::python::repr;
use crate::model::Field;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The identifier.
    ClientId,
    /// Another field.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A field that must not be empty is.
    Blank,
    /// Not one of the values that the field may have.
    NotAChoice {
        /// As it was given.
        value: String,
    },
    /// Wider than the column.
    TooLong {
        /// Counted in characters.
        limit: usize,
        /// Counted in characters.
        length: usize,
    },
    /// The owner does not exist.
    NoSuchUser {
        /// The name of the user model's primary key.
        column: String,
        key: KeyType,
        /// As it was given.
        value: String,
    },
    /// The owner cannot exist.
    NotAKey {
        /// What a key would be.
        key: KeyType,
        /// As it was given.
        value: String,
    },
    /// Another application has the client id.
    Taken,
    /// A redirect URI or an origin.
    Uri(UriError),
    /// A grant that ends in a redirect, and nowhere to go.
    NoRedirectUris { grant_type: String },
    /// RS256 without `OIDC_RSA_PRIVATE_KEY`.
    NoRsaKey,
    /// HS256 with an implicit or hybrid grant or a public client.
    Hs256IsNotForPublic,
    /// HS256 with an empty secret.
    Hs256NeedsSecret,
    /// HS256 with a secret that is, or will be, hashed.
    Hs256NeedsPlainSecret,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("This field cannot be blank."),
            Self::NotAChoice { value } => write!(f, "Value {} is not a valid choice.", repr(value)),
            Self::TooLong { limit, length } => {
                write!(f, "Ensure this value has at most {limit} characters (it has {length}).")
            }
            Self::NoSuchUser { column, key, value } => {
                write!(f, "user instance with {column} {} is not a valid choice.", repr_of_key(*key, value))
            }
            Self::NotAKey { key: KeyType::Uuid, value } => write!(f, "“{value}” is not a valid UUID."),
            Self::NotAKey { value, .. } => write!(f, "“{value}” value must be an integer."),
            Self::Taken => f.write_str("Application with this Client ID already exists."),
            Self::Uri(error) => error.fmt(f),
            Self::NoRedirectUris { grant_type } => {
                write!(f, "redirect_uris cannot be empty with grant_type {grant_type}")
            }
            Self::NoRsaKey => f.write_str("You must set OIDC_RSA_PRIVATE_KEY to use RSA algorithm"),
            Self::Hs256IsNotForPublic => f.write_str("You cannot use HS256 with public grants or clients"),
            Self::Hs256NeedsSecret => {
                f.write_str("You cannot use HS256 without a client secret; it is the HMAC signing key.")
            }
            Self::Hs256NeedsPlainSecret => f.write_str(
                "You cannot use HS256 with a hashed client secret. For HS256 the client secret is the shared signing \
                 key and must be stored unhashed so the relying party can verify the token; set \
                 hash_client_secret=False and store an unhashed client_secret on this application.",
            ),
        }
    }
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
