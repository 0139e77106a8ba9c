//! The answers of `createapplication`, `migrate` and `hash-secret` as JSON, documented in `docs/other-json.md`. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::health::JobRole;
use crate::model::json;
use crate::model::{Application, ClientId};
use crate::secret::Secret;

const FORMAT_VERSION: &str = "1.0";
const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<T> {
    format_version: &'static str,
    tool_version: &'static str,
    #[serde(flatten)]
    report: T,
}

pub(super) fn document<T: Serialize>(report: T) -> serde_json::Result<String> {
    json::document(&Document { format_version: FORMAT_VERSION, tool_version: TOOL_VERSION, report })
}

#[derive(Serialize)]
struct Created<'a> {
    client_id: &'a ClientId,
    name: Option<&'a str>,
    client_type: Option<&'a str>,
    authorization_grant_type: Option<&'a str>,
    client_secret: Option<&'a str>,
}

/// An application that was created, with its secret if that was generated.
///
/// # Errors
/// Serde's, which do not occur.
pub fn created(
    client_id: &ClientId,
    application: &Application,
    generated: Option<&Secret>,
) -> serde_json::Result<String> {
    document(Created {
        client_id,
        name: application.name.as_deref(),
        client_type: application.client_type.as_deref(),
        authorization_grant_type: application.authorization_grant_type.as_deref(),
        client_secret: generated.map(Secret::expose),
    })
}

/// What `migrate` did. The migrations of a set are those that were applied now; without a list, the set was not asked for.
#[derive(Debug, Default, Serialize)]
pub struct Migrated {
    pub provider: Option<Vec<String>>,
    /// oauthctl's own tables.
    pub ledger: Option<Vec<String>>,
    /// Whether the seed file was run.
    pub seeded: bool,
}

/// The same, written.
///
/// # Errors
/// Serde's, which do not occur.
pub fn migrated(migrated: &Migrated) -> serde_json::Result<String> {
    document(migrated)
}

#[derive(Serialize)]
struct Roles<'a> {
    roles: &'a [JobRole],
}

/// The roles that `migrate --roles` proposes.
///
/// # Errors
/// Serde's, which do not occur.
pub fn roles(roles: &[JobRole]) -> serde_json::Result<String> {
    document(Roles { roles })
}

#[derive(Serialize)]
struct Hashed<'a> {
    algorithm: Option<&'a str>,
    hash: &'a str,
}

/// A hash, and the algorithm that it begins with.
///
/// # Errors
/// Serde's, which do not occur.
pub fn hashed(hash: &str) -> serde_json::Result<String> {
    document(Hashed { algorithm: hash.split('$').next(), hash })
}
