//! DOT's own rules for the row that a step would leave behind, where the file alone cannot tell.
//!
//! A row that is created has DOT's defaults where the file is silent; one that is updated keeps what it has. What is
//! wrong with a row already, and not by the file, is nobody's news here. Widths, users and grant types are `diff`'s.

use std::collections::BTreeSet;

use super::{Finding, FindingCause};
use crate::model::{
    Actual, Application, Attribute, ClientId, Declared, Field, Provider, SecretDeclaration, Stored,
    StoredFields,
};
use crate::rules::{Candidate, Schema, SecretFacts, Violation, full_clean, split_list};

/// Rules of single fields that depend on the schema are left to `diff`, which names the column.
const SCHEMA: Schema =
    Schema { client_id_length: None, client_secret_length: None, name_length: None, device_grant: true };

/// What the declaration breaks.
pub(super) fn check(
    client_id: &ClientId,
    declared: &Declared,
    stored: Option<&Stored>,
    actual: &Actual,
    provider: &Provider,
) -> Vec<Finding> {
    let ignored = if stored.is_some() { &declared.ignore } else { &BTreeSet::new() };
    let judge = |row: &Row, application: &Application| -> Vec<Violation> {
        full_clean(&row.with(application, ignored, provider), provider, SCHEMA)
    };
    let (row, known) = match stored {
        None => (Row::new_in_dot(actual), Vec::new()),
        Some(stored) => {
            let row = Row::of(&stored.fields);
            let known = judge(&row, &Application::default());
            (row, known)
        }
    };
    judge(&row, &declared.application)
        .into_iter()
        .filter(|violation| !is_known(&known, violation) && !is_required(stored, declared, violation))
        .map(|violation| Finding {
            client_id: client_id.clone(),
            field: Field::ALL
                .iter()
                .copied()
                .find(|field| field.key() == violation.field)
                .map(Attribute::from),
            cause: FindingCause::Rule(violation),
        })
        .collect()
}

/// Whether the row breaks the rule as it is. Elements of lists have other positions there.
fn is_known(known: &[Violation], violation: &Violation) -> bool {
    known.iter().any(|known| known.field == violation.field && known.reason == violation.reason)
}

/// A field without which an application cannot be created: said as such.
fn is_required(stored: Option<&Stored>, declared: &Declared, violation: &Violation) -> bool {
    let Declared { application, block: _, protect: _, ignore: _ } = declared;
    stored.is_none()
        && ((application.client_type.is_none() && violation.field == Field::ClientType.key())
            || (application.authorization_grant_type.is_none()
                && violation.field == Field::AuthorizationGrantType.key()))
}

/// What a row has before the declaration; `None`: the schema has no such column.
struct Row {
    redirect_uris: Vec<String>,
    client_type: String,
    authorization_grant_type: String,
    client_secret: Option<SecretFacts>,
    hash_client_secret: Option<bool>,
    algorithm: Option<String>,
    allowed_origins: Option<Vec<String>>,
}

impl Row {
    fn new_in_dot(actual: &Actual) -> Self {
        let has = |field| actual.columns.contains_key(&field);
        Self {
            redirect_uris: Vec::new(),
            client_type: String::new(),
            authorization_grant_type: String::new(),
            client_secret: None,
            hash_client_secret: has(Field::HashClientSecret).then_some(true),
            algorithm: has(Field::Algorithm).then(String::new),
            allowed_origins: has(Field::AllowedOrigins).then(Vec::new),
        }
    }

    fn of(stored: &StoredFields) -> Self {
        let StoredFields {
            redirect_uris,
            client_type,
            authorization_grant_type,
            client_secret,
            hash_client_secret,
            algorithm,
            allowed_origins,
            // No rule ties these to another field.
            name: _,
            post_logout_redirect_uris: _,
            skip_authorization: _,
            user: _,
            columns: _,
        } = stored;
        let list = |column: &String| split_list(column).map(str::to_owned).collect::<Vec<_>>();
        Self {
            redirect_uris: list(redirect_uris),
            client_type: client_type.clone(),
            authorization_grant_type: authorization_grant_type.clone(),
            client_secret: Some(SecretFacts {
                length: client_secret.expose().chars().count(),
                hashed: client_secret.is_hashed(),
            }),
            hash_client_secret: *hash_client_secret,
            algorithm: algorithm.clone(),
            allowed_origins: allowed_origins.as_ref().map(list),
        }
    }

    /// The row with what is declared, and not ignored, in place of what it had.
    fn with<'a>(
        &'a self,
        declared: &'a Application,
        ignored: &BTreeSet<Attribute>,
        provider: &Provider,
    ) -> Candidate<'a> {
        let Application {
            redirect_uris,
            client_type,
            authorization_grant_type,
            client_secret,
            hash_client_secret,
            algorithm,
            allowed_origins,
            name: _,
            post_logout_redirect_uris: _,
            skip_authorization: _,
            user: _,
            columns: _,
        } = declared;
        let counts = |field: Field| !ignored.contains(&field.into());
        let redirect_uris = redirect_uris.as_ref().filter(|_| counts(Field::RedirectUris));
        let client_type = client_type.as_ref().filter(|_| counts(Field::ClientType));
        let grant = authorization_grant_type.as_ref().filter(|_| counts(Field::AuthorizationGrantType));
        let client_secret = client_secret.as_ref().filter(|_| counts(Field::ClientSecret));
        let hash_client_secret = hash_client_secret.filter(|_| counts(Field::HashClientSecret));
        let algorithm = algorithm.as_ref().filter(|_| counts(Field::Algorithm));
        let allowed_origins = allowed_origins.as_deref().filter(|_| counts(Field::AllowedOrigins));
        let generated =
            SecretFacts { length: usize::from(provider.client_secret_generator_length.get()), hashed: false };
        let secret = match client_secret {
            Some(SecretDeclaration::Plain(secret)) => {
                SecretFacts { length: secret.expose().chars().count(), hashed: false }
            }
            Some(SecretDeclaration::Hash(hash)) => {
                SecretFacts { length: hash.as_str().chars().count(), hashed: true }
            }
            Some(SecretDeclaration::Rotate) => generated,
            Some(SecretDeclaration::Generate) | None => self.client_secret.unwrap_or(generated),
        };
        Candidate {
            client_id: None,
            user: None,
            name: None,
            redirect_uris: Some(redirect_uris.unwrap_or(&self.redirect_uris)),
            client_type: Some(client_type.unwrap_or(&self.client_type)),
            authorization_grant_type: Some(grant.unwrap_or(&self.authorization_grant_type)),
            client_secret: Some(secret),
            hash_client_secret: hash_client_secret.or(self.hash_client_secret),
            algorithm: algorithm.or(self.algorithm.as_ref()).map(String::as_str),
            allowed_origins: allowed_origins.or(self.allowed_origins.as_deref()),
        }
    }
}
