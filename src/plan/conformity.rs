//! DOT's own rules for the row that a step would leave behind, where the file alone does not decide.
//!
//! A row that is created has DOT's defaults where the file is silent; one that is updated keeps what it has. What is
//! wrong with the row already is not reported. `diff` looks at widths, users and grant types.

use super::{Finding, FindingCause};
use crate::model::{Actual, Attribute, ClientId, Declared, Field, Provider, Stored, StoredFields};
use crate::rules::{Candidate, Schema, Violation, full_clean};

/// Rules of single fields that depend on the schema are left to `diff`, which names the column.
const SCHEMA: Schema = Schema {
    client_id_length: None,
    client_secret_length: None,
    name_length: None,
    client_jwks_uri_length: None,
    device_grant: true,
};

/// What the declaration breaks.
pub(super) fn check(
    client_id: &ClientId,
    declared: &Declared,
    stored: Option<&Stored>,
    actual: &Actual,
    provider: &Provider,
) -> Vec<Finding> {
    let mut row = match stored {
        None => new_row(actual, provider),
        Some(stored) => row(&stored.fields),
    };
    if stored.is_some() && actual.withholds_secrets {
        row.forget(Field::ClientSecret);
    }
    let known = stored.map_or_else(Vec::new, |_| full_clean(&row, provider, SCHEMA));
    // What the file ignores it does not manage, once the row is there.
    let counts = |field: Field| stored.is_none() || !declared.ignores(&field.into());
    row.declare_all(&declared.application, provider, counts);
    full_clean(&row, provider, SCHEMA)
        .into_iter()
        .filter(|violation| !is_known(&known, violation) && !is_required(stored, declared, violation))
        .map(|violation| Finding {
            client_id: client_id.clone(),
            field: violation.subject.field().map(Attribute::from),
            cause: FindingCause::Rule(violation),
        })
        .collect()
}

/// Whether the row breaks the rule as it is. Elements of lists have other positions there.
fn is_known(known: &[Violation], violation: &Violation) -> bool {
    known.iter().any(|known| known.subject == violation.subject && known.reason == violation.reason)
}

/// A field without which an application cannot be created: said as such.
fn is_required(stored: Option<&Stored>, declared: &Declared, violation: &Violation) -> bool {
    let is_missing = |field: Field| field.is_required() && declared.application.declared(field).is_none();
    stored.is_none() && violation.subject.field().is_some_and(is_missing)
}

/// What a row is before the declaration, if DOT creates it. A column that the schema lacks is not known.
fn new_row<'a>(actual: &Actual, provider: &Provider) -> Candidate<'a> {
    let mut candidate = Candidate::new_in_dot(provider);
    for field in Field::ALL.iter().copied().filter(|field| !actual.columns.contains_key(field)) {
        candidate.forget(field);
    }
    candidate
}

/// What a row is before the declaration.
fn row(stored: &StoredFields) -> Candidate<'_> {
    let mut candidate = Candidate::default();
    for field in Field::ALL.iter().copied() {
        if let Some(held) = stored.held(field) {
            candidate.hold(field, held);
        }
    }
    candidate
}
