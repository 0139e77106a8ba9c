//! What an application must be like: DOT 3.4.1's `Application.full_clean()`, with its verdicts and its words.
//!
//! Pure: an application in, every violation out. What DOT asks of the database (does the user exist, is the client id
//! taken) and of its settings are arguments. Accepts what DOT accepts, also where that is unwise: advice is the
//! business of lint rules. Knows no file and no SQL.

mod allowed_uri;
mod fields;
mod key;
mod python;
mod urlsplit;
mod violation;

#[cfg(test)]
mod tests;

pub use allowed_uri::{Allowed, Cause, Purpose, UriError, check as check_uri};
pub use fields::{ALGORITHMS, CLIENT_TYPES, grant_types};
pub use key::KeyType;
pub use python::split as split_list;
pub use urlsplit::{Split, urlsplit as split_uri};
pub use violation::{Reason, Violation};

use crate::model::Provider;

/// The fields of one application as DOT would see them when it saves the row. `None`: not known here, and every rule
/// that needs it is passed over. Start from [`Candidate::new_in_dot`] for a row to create.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate<'a> {
    /// The identifier, and whether another row has it.
    pub client_id: Option<ClientIdFacts<'a>>,
    /// The owner; `None` also where there is none.
    pub user: Option<Owner<'a>>,
    /// The list, element by element or as one text: it is split where DOT splits it.
    pub redirect_uris: Option<&'a [String]>,
    /// `confidential` or `public`.
    pub client_type: Option<&'a str>,
    /// The grant type.
    pub authorization_grant_type: Option<&'a str>,
    /// What there is to say of the secret.
    pub client_secret: Option<SecretFacts>,
    /// Whether DOT hashes it on saving.
    pub hash_client_secret: Option<bool>,
    /// The display name.
    pub name: Option<&'a str>,
    /// Empty, `RS256` or `HS256`.
    pub algorithm: Option<&'a str>,
    /// Like `redirect_uris`.
    pub allowed_origins: Option<&'a [String]>,
}

impl Candidate<'_> {
    /// A row of which nothing is said: the model's defaults, without a client id (DOT generates one).
    #[must_use]
    pub fn new_in_dot(provider: &Provider) -> Self {
        let length = usize::from(provider.client_secret_generator_length.get());
        Self {
            client_id: None,
            user: None,
            redirect_uris: Some(&[]),
            client_type: Some(""),
            authorization_grant_type: Some(""),
            client_secret: Some(SecretFacts { length, hashed: false }),
            hash_client_secret: Some(true),
            name: Some(""),
            algorithm: Some(""),
            allowed_origins: Some(&[]),
        }
    }
}

/// A client id and what the database says of it.
#[derive(Clone, Copy, Debug)]
pub struct ClientIdFacts<'a> {
    /// The identifier.
    pub text: &'a str,
    /// Whether another row has it.
    pub taken: bool,
}

/// A secret, as far as rules need to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretFacts {
    /// In characters; of the plain text, where DOT is given that.
    pub length: usize,
    /// Whether Django's `identify_hasher` takes it for a hash.
    pub hashed: bool,
}

/// An owner that was named by its primary key.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// There is such a user.
    Found,
    /// There is none.
    Missing {
        /// The name of the user model's primary key.
        column: &'a str,
        /// Its type.
        key: KeyType,
        /// As given.
        value: &'a str,
    },
    /// No key of any user.
    NotAKey {
        /// The type that it would have to have.
        key: KeyType,
        /// As given.
        value: &'a str,
    },
}

/// What differs between the schemas of DOT's releases and of swapped models. Widths are in characters; `None`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The width of `client_id`: 255 from DOT 3.4.0, 100 before.
    pub client_id_length: Option<usize>,
    /// The width of `client_secret`.
    pub client_secret_length: Option<usize>,
    /// The width of `name`.
    pub name_length: Option<usize>,
    /// Whether there are device grants (DOT 3.2).
    pub device_grant: bool,
}

impl Default for Schema {
    /// DOT 3.4.1.
    fn default() -> Self {
        let width = Some(255);
        Self { client_id_length: width, client_secret_length: width, name_length: width, device_grant: true }
    }
}

/// Every violation of DOT's rules, in the order in which DOT reports them: by field, each with all of its own.
#[must_use]
pub fn full_clean(candidate: &Candidate<'_>, provider: &Provider, schema: Schema) -> Vec<Violation> {
    let mut violations = fields::clean_fields(candidate, schema);
    violations.extend(fields::clean(candidate, provider));
    let is_flawed = violations.iter().any(|violation| violation.field == "client_id");
    if candidate.client_id.is_some_and(|client_id| client_id.taken) && !is_flawed {
        violations.push(Violation::of("client_id", Reason::Taken));
    }
    by_field(violations)
}

/// Brings the violations of one field together, at the place of its first.
fn by_field(violations: Vec<Violation>) -> Vec<Violation> {
    let mut order: Vec<&'static str> = Vec::new();
    for violation in &violations {
        if !order.contains(&violation.field) {
            order.push(violation.field);
        }
    }
    let mut sorted = violations;
    sorted.sort_by_key(|violation| order.iter().position(|field| *field == violation.field));
    sorted
}
