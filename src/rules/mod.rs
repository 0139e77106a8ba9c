//! What an application must be like: DOT 3.4.1's `Application.full_clean()`, with its verdicts and its words.
//!
//! Pure: an application in, every violation out. What DOT asks of the database (does the user exist, is the client id
//! taken) and of its settings are arguments. Accepts what DOT accepts, also where that is unwise: lint rules
//! give advice. Knows no file and no SQL.

mod allowed_uri;
mod candidate;
mod fields;
mod key;
mod python;
mod urlsplit;
mod violation;

#[cfg(test)]
mod tests;

pub use allowed_uri::{Allowed, Cause, Purpose, UriError, check as check_uri};
pub use candidate::{Candidate, ClientIdFacts, Fact, Owner, SecretFacts};
pub use fields::{ALGORITHMS, CLIENT_TYPES, grant_types};
pub use key::KeyType;
pub use python::split as split_list;
pub use urlsplit::{Split, urlsplit as split_uri};
pub use violation::{Reason, Subject, Violation};

use crate::model::Provider;

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
