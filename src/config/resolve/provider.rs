//! `[provider]`: the server settings that the rules for applications depend on.

use super::super::document::Provider as Section;
use super::super::places::Places;
use super::super::slot::{List, Placed, Slot};
use super::Context;
use crate::model::Provider;

const TABLE: &str = "provider";

pub(super) fn resolve(section: Slot<Section>, context: &Context<'_>, places: &mut Places) -> Provider {
    let default = Provider::default();
    let Some(section) = section.value() else { return default };
    let Section {
        allowed_redirect_uri_schemes,
        allowed_schemes,
        allow_uri_wildcards,
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
    let iterations: Option<Placed<u32>> =
        context.number("client_secret_iterations", client_secret_iterations, 1, u32::MAX.into());
    Provider {
        allowed_redirect_uri_schemes: allowed_redirect_uri_schemes
            .unwrap_or(default.allowed_redirect_uri_schemes),
        allowed_schemes: allowed_schemes.unwrap_or(default.allowed_schemes),
        allow_uri_wildcards: allow_uri_wildcards.value().unwrap_or(default.allow_uri_wildcards),
        oidc_rsa_private_key: oidc_rsa_private_key.value().unwrap_or(default.oidc_rsa_private_key),
        client_secret_hasher: client_secret_hasher
            .value()
            .map_or(default.client_secret_hasher, |hasher| hasher.name().to_owned()),
        client_secret_generator_length: length
            .and_then(|length| length.value.try_into().ok())
            .unwrap_or(default.client_secret_generator_length),
        client_secret_iterations: iterations.and_then(|iterations| iterations.value.try_into().ok()),
    }
}
