//! The rules of the single fields, and those that tie fields together.

use super::allowed_uri::{Allowed, Purpose, check};
use super::client_assertion::{self, AUTH_METHODS, SECRET_JWT, is_url};
use super::python::split;
use super::violation::{Reason, Subject, Violation};
use super::{Candidate, Owner, Schema, SecretFacts};
use crate::model::{Field, Provider, UriRules};

/// The client types that DOT knows.
pub const CLIENT_TYPES: [&str; 2] = ["confidential", "public"];
/// The algorithms that DOT signs ID tokens with.
pub const ALGORITHMS: [&str; 2] = ["RS256", "HS256"];
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const GRANT_TYPES: [&str; 5] =
    ["authorization-code", "implicit", "password", "client-credentials", "openid-hybrid"];
/// All grant types that some DOT knows.
#[must_use]
pub fn grant_types() -> Vec<&'static str> {
    GRANT_TYPES.into_iter().chain([DEVICE_CODE]).collect()
}

/// The grant types that end in a redirect.
const REDIRECTING: [&str; 3] = ["authorization-code", "implicit", "openid-hybrid"];
/// The grant types that HS256 is not for: the client sees the token without having shown its secret.
const PUBLIC_GRANTS: [&str; 2] = ["implicit", "openid-hybrid"];

/// Django's `clean_fields()`: the model's fields in their order.
pub(super) fn clean_fields(candidate: &Candidate<'_>, schema: Schema) -> Vec<Violation> {
    let is_grant =
        |grant: &str| GRANT_TYPES.contains(&grant) || (schema.device_grant && grant == DEVICE_CODE);
    let text = |field, judge: &dyn Fn(&str) -> Option<Reason>| candidate.text(field).and_then(judge);
    let reasons = [
        (Field::User, candidate.user.and_then(owner)),
        (
            Field::ClientType,
            text(Field::ClientType, &|text| required(text).or(choice(text, CLIENT_TYPES.contains(&text)))),
        ),
        (
            Field::AuthorizationGrantType,
            text(Field::AuthorizationGrantType, &|text| required(text).or(choice(text, is_grant(text)))),
        ),
        (
            Field::ClientSecret,
            candidate.secret().and_then(|secret| over(secret.length, schema.client_secret_length)),
        ),
        (Field::Name, text(Field::Name, &|text| too_long(text, schema.name_length))),
        (
            Field::Algorithm,
            text(Field::Algorithm, &|text| choice(text, text.is_empty() || ALGORITHMS.contains(&text))),
        ),
        (
            Field::TokenEndpointAuthMethod,
            text(Field::TokenEndpointAuthMethod, &|text| choice(text, AUTH_METHODS.contains(&text))),
        ),
        (
            Field::ClientJwksUri,
            text(Field::ClientJwksUri, &|text| {
                let url = (!text.is_empty() && !is_url(text)).then_some(Reason::NotAUrl);
                url.or(too_long(text, schema.client_jwks_uri_length))
            }),
        ),
    ];
    let client_id =
        candidate.client_id.and_then(|id| required(id.text).or(too_long(id.text, schema.client_id_length)));
    client_id
        .map(|reason| Violation { subject: Subject::ClientId, index: None, reason })
        .into_iter()
        .chain(reasons.into_iter().filter_map(|(field, reason)| Some(Violation::of(field, reason?))))
        .collect()
}

fn required(text: &str) -> Option<Reason> {
    text.is_empty().then_some(Reason::Blank)
}

fn choice(text: &str, is_one: bool) -> Option<Reason> {
    (!is_one).then(|| Reason::NotAChoice { value: text.to_owned() })
}

fn too_long(text: &str, limit: Option<usize>) -> Option<Reason> {
    over(text.chars().count(), limit)
}

fn over(length: usize, limit: Option<usize>) -> Option<Reason> {
    limit.filter(|limit| length > *limit).map(|limit| Reason::TooLong { limit, length })
}

fn owner(owner: Owner<'_>) -> Option<Reason> {
    match owner {
        Owner::Found => None,
        Owner::Missing { column, key, value } => {
            Some(Reason::NoSuchUser { column: column.to_owned(), key, value: value.to_owned() })
        }
        Owner::NotAKey { key, value } => Some(Reason::NotAKey { key, value: value.to_owned() }),
    }
}

/// DOT's `clean()`.
pub(super) fn clean(candidate: &Candidate<'_>, provider: &Provider) -> Vec<Violation> {
    let mut violations = redirect_uris(candidate, provider);
    let schemes = &provider.allowed_schemes;
    let origins = candidate.uris(Field::AllowedOrigins).unwrap_or_default();
    violations.extend(uris(Field::AllowedOrigins, origins, Purpose::AllowedOrigin, schemes, provider));
    match candidate.text(Field::Algorithm) {
        Some("RS256") if !provider.oidc_rsa_private_key => {
            violations.push(Violation::of(Field::Algorithm, Reason::NoRsaKey));
        }
        Some("HS256") => violations.extend(hs256(candidate)),
        _ => {}
    }
    violations.extend(client_assertion::clean(candidate));
    if candidate.text(Field::TokenEndpointAuthMethod) == Some(SECRET_JWT) {
        let (none, hashed) = (Reason::SecretJwtNeedsSecret, Reason::SecretJwtNeedsPlainSecret);
        violations.extend(plain_secret(candidate, none, hashed));
    }
    violations
}

fn redirect_uris(candidate: &Candidate<'_>, provider: &Provider) -> Vec<Violation> {
    let Some(list) = candidate.uris(Field::RedirectUris) else { return Vec::new() };
    let is_empty = list.iter().all(|text| split(text).next().is_none());
    match candidate.text(Field::AuthorizationGrantType) {
        Some(grant) if is_empty && REDIRECTING.contains(&grant) => {
            let reason = Reason::NoRedirectUris { grant_type: grant.to_owned() };
            vec![Violation::of(Field::RedirectUris, reason)]
        }
        _ => {
            let schemes = &provider.allowed_redirect_uri_schemes;
            uris(Field::RedirectUris, list, Purpose::RedirectUri, schemes, provider)
        }
    }
}

fn uris(
    field: Field,
    list: &[String],
    purpose: Purpose,
    schemes: &[String],
    provider: &Provider,
) -> Vec<Violation> {
    if provider.uri_rules == UriRules::Lint {
        return Vec::new();
    }
    let allowed = Allowed { schemes, wildcards: provider.allow_uri_wildcards };
    let each = list.iter().enumerate().flat_map(|(index, text)| split(text).map(move |uri| (index, uri)));
    each.filter_map(|(index, uri)| {
        let error = check(purpose, uri, allowed).err()?;
        Some(Violation { subject: Subject::Field(field), index: Some(index), reason: Reason::Uri(error) })
    })
    .collect()
}

fn hs256(candidate: &Candidate<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let is_public_grant =
        candidate.text(Field::AuthorizationGrantType).is_some_and(|grant| PUBLIC_GRANTS.contains(&grant));
    if is_public_grant || candidate.text(Field::ClientType) == Some("public") {
        violations.push(Violation::of(Field::Algorithm, Reason::Hs256IsNotForPublic));
    }
    violations.extend(plain_secret(candidate, Reason::Hs256NeedsSecret, Reason::Hs256NeedsPlainSecret));
    violations
}

/// The secret is the key of a signature, so it must be there and plain. Names the field that has to change.
fn plain_secret(candidate: &Candidate<'_>, none: Reason, hashed: Reason) -> Option<Violation> {
    match (candidate.secret(), candidate.flag(Field::HashClientSecret)) {
        (Some(SecretFacts { length: 0, .. }), _) => Some(Violation::of(Field::ClientSecret, none)),
        (_, Some(true)) => Some(Violation::of(Field::HashClientSecret, hashed)),
        (Some(SecretFacts { hashed: true, .. }), _) => Some(Violation::of(Field::ClientSecret, hashed)),
        _ => None,
    }
}
