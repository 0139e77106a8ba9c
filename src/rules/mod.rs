//! What an application must be like: DOT 3.4.1's `Application.full_clean()`, with its verdicts and its words, and that of
//! its main branch for the fields that came later.
//!
//! Pure: an application in, every violation out. What DOT asks of the database (does the user exist, is the client id
//! taken) and of its settings are arguments. Accepts what DOT accepts, also where that is unwise: lint rules
//! give advice. Knows no file and no SQL.

mod allowed_uri;
mod candidate;
mod client_assertion;
mod fields;
mod key;
mod python;
mod urlsplit;
mod violation;

#[cfg(test)]
mod tests;

pub use allowed_uri::{Allowed, Cause, Purpose, UriError, check as check_uri};
pub use candidate::{Candidate, ClientIdFacts, Fact, Owner, SecretFacts};
pub use client_assertion::AUTH_METHODS;
pub use fields::{ALGORITHMS, CLIENT_TYPES, grant_types};
pub use key::KeyType;
pub use python::split as split_list;
pub use urlsplit::{Split, urlsplit as split_uri};
pub use violation::{Reason, Subject, Violation};

use crate::model::{Provider, Release};

/// What came to the rules after DOT 1.5, oldest first. All of them are applied to every database: what one of them
/// refuses, an older DOT stores and then does not serve.
pub const HISTORY: [(Release, &str); 10] = [
    (Release::V2_4, "an allowed origin has a scheme of `ALLOWED_SCHEMES`, a host and nothing else"),
    (
        Release::V2_4,
        "a redirect URI has a scheme of `ALLOWED_REDIRECT_URI_SCHEMES` and a host, and no fragment",
    ),
    (Release::V3_1, "`*.` may begin a host if `ALLOW_URI_WILDCARDS` is on"),
    (Release::V3_2, "the device grant is a grant type"),
    (Release::V3_4, "a client id has up to 255 characters, before 100"),
    (Release::V3_4, "HS256 needs a client secret that is stored in clear"),
    (
        Release::V3_4_1,
        "a redirect URI of a private-use scheme has one slash after the colon (RFC 8252 section 7.1)",
    ),
    (
        Release::Main,
        "`private_key_jwt` and `client_secret_jwt` need a confidential client; `none` a public one",
    ),
    (
        Release::Main,
        "`private_key_jwt` needs `client_jwks`, with public keys, or `client_jwks_uri`, with https",
    ),
    (Release::Main, "`client_secret_jwt` needs a client secret that is stored in clear"),
];

/// What differs between the schemas of DOT's releases and of swapped models. Widths are in characters; `None`: no
/// limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The width of `client_id`: 255 from DOT 3.4.0, 100 before.
    pub client_id_length: Option<usize>,
    /// The width of `client_secret`.
    pub client_secret_length: Option<usize>,
    /// The width of `name`.
    pub name_length: Option<usize>,
    /// The width of `client_jwks_uri` (DOT's main branch).
    pub client_jwks_uri_length: Option<usize>,
    /// Whether there are device grants (DOT 3.2).
    pub device_grant: bool,
}

impl Default for Schema {
    /// DOT 3.4.1.
    fn default() -> Self {
        let width = Some(255);
        Self {
            client_id_length: width,
            client_secret_length: width,
            name_length: width,
            client_jwks_uri_length: Some(500),
            device_grant: true,
        }
    }
}

/// Every violation of DOT's rules, in the order in which DOT reports them: by field, each with all of its own.
#[must_use]
pub fn full_clean(candidate: &Candidate<'_>, provider: &Provider, schema: Schema) -> Vec<Violation> {
    let mut violations = fields::clean_fields(candidate, schema);
    violations.extend(fields::clean(candidate, provider));
    let is_flawed = violations.iter().any(|violation| violation.subject == Subject::ClientId);
    if candidate.client_id.is_some_and(|client_id| client_id.taken) && !is_flawed {
        violations.push(Violation { subject: Subject::ClientId, index: None, reason: Reason::Taken });
    }
    by_field(violations)
}

/// Brings the violations of one field together, at the place of its first.
fn by_field(violations: Vec<Violation>) -> Vec<Violation> {
    let mut order: Vec<Subject> = Vec::new();
    for violation in &violations {
        if !order.contains(&violation.subject) {
            order.push(violation.subject);
        }
    }
    let mut sorted = violations;
    sorted.sort_by_key(|violation| order.iter().position(|subject| *subject == violation.subject));
    sorted
}
