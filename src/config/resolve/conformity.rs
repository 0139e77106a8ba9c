//! DOT's own rules for an application, as far as a file alone can break them.
//!
//! The rules are in `rules`; here their violations get a place. A field that is not managed is not known, so a rule
//! that needs it is passed over: the planner, who knows the row, has the last word.

use super::Context;
use crate::config::places::{PlaceOf, Places};
use crate::config::problem::Problem;
use crate::config::suggest::harmless;
use crate::hasher::looks_hashed;
use crate::model::{Application, ClientId, Declared, Field, Provider, SecretDeclaration};
use crate::rules::{Candidate, Cause, Purpose, Reason, Schema, Subject, Violation, full_clean};

/// What stands at a value that may be a secret.
const NOT_SHOWN: &str = "not shown";

/// Notes every violation of one application.
pub(super) fn check(
    client_id: &ClientId,
    declared: &Declared,
    provider: &Provider,
    places: &Places,
    context: &Context<'_>,
) {
    let mut candidate = Candidate::of(client_id);
    candidate.declare_all(&declared.application, provider, |_| true);
    for violation in full_clean(&candidate, provider, Schema::default()) {
        let place = match (violation.subject, violation.index) {
            (Subject::Field(field), Some(index)) => PlaceOf::Item(client_id, field, index),
            (Subject::Field(field), None) => PlaceOf::Value(client_id, field.into()),
            (Subject::ClientId, _) => PlaceOf::ClientId(client_id),
        };
        let place = places.find(place);
        // A list is not empty because its items are wrong.
        let is_emptied = matches!(violation.reason, Reason::NoRedirectUris { .. })
            && place.as_ref().is_some_and(|place| context.problems.borrow().has_error_in(place));
        if !is_emptied {
            context.push(rule_problem(&violation, provider).at(place));
        }
    }
    if let Some(problem) = look_alike(&declared.application) {
        let place = PlaceOf::Value(client_id, Field::ClientSecret.into());
        context.push(problem.at(places.find(place)));
    }
}

/// No rule of DOT's: it stores such a secret in clear although hashing is on.
fn look_alike(application: &Application) -> Option<Problem> {
    let Some(SecretDeclaration::Plain(secret)) = &application.client_secret else { return None };
    let error = looks_hashed(secret.expose()).err()?;
    (application.hash_client_secret != Some(false)).then(|| {
        Problem::error("looks-hashed", error.to_string()).label(NOT_SHOWN).hint(
            "choose another secret; if it is one that Django has hashed, write { hash = \"pbkdf2_sha256$…\" } in the \
            file instead",
        )
    })
}

/// A violation in the words of a file's problem, without a place.
#[must_use]
pub fn rule_problem(violation: &Violation, provider: &Provider) -> Problem {
    let Violation { subject, reason, index: _ } = violation;
    match reason {
        Reason::Uri(error) => {
            let what = match error.purpose {
                Purpose::RedirectUri => "redirect URI",
                Purpose::AllowedOrigin => "origin",
            };
            let problem =
                |why: &str| Problem::error("invalid-uri", format!("DOT refuses this {what}: {why}"));
            match &error.cause {
                Cause::InvalidScheme => {
                    problem("its scheme is not allowed").hint(schemes(error.purpose, provider))
                }
                Cause::InvalidUrl => {
                    let problem = problem("it has no host that DOT accepts, or more than 2048 characters");
                    if error.uri.contains('*') && !provider.allow_uri_wildcards {
                        problem.hint("if the server allows wildcards, write allow_uri_wildcards = true in `[provider]`")
                    } else {
                        problem
                    }
                }
                cause => problem(&harmless(&cause.to_string())),
            }
        }
        // Not how much longer: it may be a secret.
        Reason::TooLong { limit, .. } => {
            Problem::error("too-long", format!("`{subject}` has more than {limit} characters"))
                .hint(format!("DOT's column holds {limit}: write a shorter value"))
        }
        Reason::NoRedirectUris { grant_type } => Problem::error(
            "no-redirect-uris",
            format!("`redirect_uris` cannot be empty with the grant type {grant_type}"),
        ),
        Reason::NoRsaKey => Problem::error("no-rsa-key", "RS256 needs a server with an OIDC_RSA_PRIVATE_KEY")
            .hint("if it has one, write oidc_rsa_private_key = true in `[provider]`"),
        Reason::Hs256IsNotForPublic => {
            Problem::error("hs256", "HS256 is neither for public clients nor for implicit and hybrid grants")
        }
        Reason::Hs256NeedsSecret => {
            Problem::error("hs256", "HS256 needs a client secret: it is the signing key")
        }
        Reason::Hs256NeedsPlainSecret => Problem::error(
            "hs256",
            "HS256 needs a client secret that is stored in clear: it is the signing key",
        )
        .hint(plain_secret(*subject)),
        Reason::NotAUrl | Reason::KeysWithoutTls => {
            Problem::error("invalid-uri", format!("`{subject}` is no URL that begins with https://"))
        }
        Reason::KeysTwice => {
            Problem::error("contradiction", "`client_jwks` and `client_jwks_uri` are both declared")
                .hint("keep one of the two; \"\" clears the other")
        }
        Reason::NoKeySet { why } => {
            Problem::error("invalid-keys", format!("`client_jwks` is no JSON Web Key Set: {why}"))
                .label(NOT_SHOWN)
                .hint("write '{\"keys\": [...]}' with the client's public keys (RFC 7517 section 5)")
        }
        Reason::EmptyKeySet => Problem::error("invalid-keys", "`client_jwks` has no key of a known type"),
        Reason::PrivateKey => Problem::error(
            "private-key",
            "`client_jwks` has a private key, which only the client should have",
        )
        .label(NOT_SHOWN)
        .hint(
            "write the public key, without `d`, `p`, `q`, `dp`, `dq`, `qi`, `oth` and `priv`; the client needs a new pair",
        ),
        Reason::NoVerifyingKey => {
            Problem::error("invalid-keys", "`client_jwks` has no key that may verify a signature").hint(
                "one key needs \"use\": \"sig\", or \"verify\" in its \"key_ops\", or neither of the two",
            )
        }
        Reason::NoAuthentication => Problem::error("auth-method", "`none` is not for confidential clients"),
        Reason::AssertionIsNotForPublic { method } => {
            Problem::error("auth-method", format!("{method} is for confidential clients only"))
        }
        Reason::NoKeys => Problem::error("auth-method", "private_key_jwt needs the client's public keys")
            .hint("declare `client_jwks` or `client_jwks_uri`"),
        Reason::SecretJwtNeedsSecret => {
            Problem::error("auth-method", "client_secret_jwt needs a client secret: it is the signing key")
        }
        Reason::SecretJwtNeedsPlainSecret => Problem::error(
            "auth-method",
            "client_secret_jwt needs a client secret that is stored in clear: it is the signing key",
        )
        .hint(plain_secret(*subject)),
        Reason::Blank
        | Reason::NotAChoice { .. }
        | Reason::NoSuchUser { .. }
        | Reason::NotAKey { .. }
        | Reason::Taken => {
            Problem::error("invalid-value", format!("`{subject}`: {}", harmless(&reason.to_string())))
        }
    }
}

/// How to store a secret in clear.
fn plain_secret(subject: Subject) -> &'static str {
    if subject == Subject::Field(Field::HashClientSecret) {
        "write hash_client_secret = false, with a secret that is no hash"
    } else {
        "declare the secret itself, with { env = \"NAME\" } or { file = \"PATH\" }: a hash cannot be turned back"
    }
}

fn schemes(purpose: Purpose, provider: &Provider) -> String {
    let (key, schemes) = match purpose {
        Purpose::RedirectUri => ("allowed_redirect_uri_schemes", &provider.allowed_redirect_uri_schemes),
        Purpose::AllowedOrigin => ("allowed_schemes", &provider.allowed_schemes),
    };
    let allowed = if schemes.is_empty() { "none".to_owned() } else { harmless(&schemes.join(", ")) };
    format!("allowed: {allowed}; `{key}` in `[provider]` repeats what the server allows")
}
