//! `[provider]`: the server settings that the rules for applications depend on.

use super::Context;
use crate::config::document::Provider as Section;
use crate::config::places::Places;
use crate::config::problem::Problem;
use crate::config::slot::{List, Placed, Slot};
use crate::config::suggest::unknown_choice;
use crate::hasher::{Hasher, HasherError, MAX_ITERATIONS};
use crate::model::Provider;

const TABLE: &str = "provider";

pub(super) fn resolve(section: Slot<Section>, context: &Context<'_>, places: &mut Places) -> Provider {
    let default = Provider::default();
    let Some(section) = section.value() else { return default };
    let Section {
        allowed_redirect_uri_schemes,
        allowed_schemes,
        allow_uri_wildcards,
        uri_rules,
        oidc_rsa_private_key,
        client_secret_hasher,
        client_secret_generator_length,
        client_secret_iterations,
    } = section;
    let mut schemes = |key, list: List<String>| {
        let list = context.without_duplicates(list.items()?, String::clone);
        let items = places.note(TABLE, key, list);
        Some(items.into_iter().map(|item| item.value).collect())
    };
    let allowed_redirect_uri_schemes = schemes("allowed_redirect_uri_schemes", allowed_redirect_uri_schemes);
    let allowed_schemes = schemes("allowed_schemes", allowed_schemes);
    let length: Option<Placed<u16>> =
        context.number("client_secret_generator_length", client_secret_generator_length, 1, 255);
    let hasher = hasher(client_secret_hasher, client_secret_iterations, context);
    Provider {
        allowed_redirect_uri_schemes: allowed_redirect_uri_schemes
            .unwrap_or(default.allowed_redirect_uri_schemes),
        allowed_schemes: allowed_schemes.unwrap_or(default.allowed_schemes),
        allow_uri_wildcards: allow_uri_wildcards.value().unwrap_or(default.allow_uri_wildcards),
        uri_rules: uri_rules.value().unwrap_or(default.uri_rules),
        oidc_rsa_private_key: oidc_rsa_private_key.value().unwrap_or(default.oidc_rsa_private_key),
        client_secret_hasher: hasher.unwrap_or(default.client_secret_hasher),
        client_secret_generator_length: length
            .and_then(|length| length.value.try_into().ok())
            .unwrap_or(default.client_secret_generator_length),
    }
}

/// The algorithm of new secrets; `None`: the default, or a problem.
fn hasher(name: Slot<String>, iterations: Slot<i64>, context: &Context<'_>) -> Option<Hasher> {
    let (is_named, is_counted) = (!name.is_absent(), !iterations.is_absent());
    let name = name.present();
    let iterations: Option<Placed<u32>> =
        context.number("client_secret_iterations", iterations, 1, MAX_ITERATIONS.into());
    if is_named != name.is_some() || is_counted != iterations.is_some() {
        return None;
    }
    let algorithm = name.as_ref().map_or("pbkdf2_sha256", |name| name.value.as_str());
    let error = match Hasher::from_settings(algorithm, iterations.as_ref().map(|count| count.value)) {
        Ok(hasher) => return Some(hasher),
        Err(error) => error,
    };
    let problem = match &error {
        HasherError::Unknown { name } => {
            unknown_choice("`client_secret_hasher`", name, &["pbkdf2_sha256", "pbkdf2_sha1", "scrypt"])
        }
        HasherError::NotWritten { .. } => Problem::error("unknown-value", error.to_string()),
        HasherError::NoIterations { .. } | HasherError::Iterations { .. } => {
            Problem::error("contradiction", error.to_string())
        }
    };
    let span = match (&error, name, iterations) {
        (HasherError::NoIterations { .. } | HasherError::Iterations { .. }, _, Some(count)) => {
            Some(count.span)
        }
        (_, name, _) => name.map(|name| name.span),
    };
    context.reject(problem.at(span))
}
