//! Which DOT the tables are of, recognised by their columns.
//!
//! The history of the columns is that of DOT's migrations 0001 to 0025. `django_migrations` is a hint only, because
//! Django lists DOT's migrations there even where the models are swapped.

use std::collections::BTreeMap;

use super::{Check, Finding, NoSchema, Shape};
use crate::model::TableRole;
use crate::model::health::DjangoHint;
use crate::model::words::listed;

/// Versions of DOT that have the same columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Generation {
    V1_5,
    V2_3,
    V2_4,
    V3_0,
    V3_2,
    V3_4,
    Main,
}

impl Generation {
    const fn title(self) -> &'static str {
        match self {
            Self::V1_5 => "DOT 1.5 to 2.2",
            Self::V2_3 => "DOT 2.3",
            Self::V2_4 => "DOT 2.4",
            Self::V3_0 => "DOT 3.0 or 3.1",
            Self::V3_2 => "DOT 3.2 or 3.3",
            Self::V3_4 => "DOT 3.4",
            Self::Main => "DOT's main branch, after 3.4.1",
        }
    }
}

/// The columns that a generation brought, by table.
const FEATURES: [(TableRole, &str, Generation); 15] = [
    (TableRole::Application, "post_logout_redirect_uris", Generation::V2_3),
    (TableRole::Application, "allowed_origins", Generation::V2_4),
    (TableRole::Application, "hash_client_secret", Generation::V2_4),
    (TableRole::Application, "registration_source", Generation::V3_4),
    (TableRole::Application, "cimd_expires_at", Generation::V3_4),
    (TableRole::Application, "client_jwks", Generation::Main),
    (TableRole::Application, "client_jwks_uri", Generation::Main),
    (TableRole::Application, "require_pushed_authorization_requests", Generation::Main),
    (TableRole::Application, "token_endpoint_auth_method", Generation::Main),
    (TableRole::AccessToken, "token_checksum", Generation::V3_0),
    (TableRole::AccessToken, "resource", Generation::V3_4),
    (TableRole::RefreshToken, "token_family", Generation::V3_0),
    (TableRole::RefreshToken, "token_checksum", Generation::V3_4),
    (TableRole::RefreshToken, "resource", Generation::V3_4),
    (TableRole::Grant, "resource", Generation::V3_4),
];

/// The newest generation that any table shows.
pub(super) fn generation(shapes: &BTreeMap<TableRole, Shape>) -> Generation {
    let by_columns = FEATURES.iter().filter(|(role, column, _)| has(shapes, *role, column));
    let by_tables = [(TableRole::DeviceGrant, Generation::V3_2), (TableRole::ParRequest, Generation::Main)];
    by_columns
        .map(|(_, _, generation)| *generation)
        .chain(by_tables.into_iter().filter(|(role, _)| shapes.contains_key(role)).map(|(_, g)| g))
        .max()
        .unwrap_or(Generation::V1_5)
}

fn has(shapes: &BTreeMap<TableRole, Shape>, role: TableRole, column: &str) -> bool {
    shapes.get(&role).is_some_and(|shape| shape.columns.contains(column))
}

/// Which DOT this is.
pub(super) fn check(shapes: &BTreeMap<TableRole, Shape>, django: Option<&DjangoHint>) -> Vec<Finding> {
    let generation = generation(shapes);
    let hint = match django {
        Some(DjangoHint { last: Some(last) }) => format!("; Django's last migration is {last}"),
        Some(DjangoHint { last: None }) | None => String::new(),
    };
    let swapped: Vec<String> = shapes
        .iter()
        .filter(|(_, shape)| shape.swapped)
        .map(|(role, shape)| format!("{role} ({})", shape.table))
        .collect();
    let models =
        if swapped.is_empty() { String::new() } else { format!(" Swapped models: {}.", listed(&swapped)) };
    let mut findings =
        vec![Check::Schema.ok(format!("The columns are those of {}{hint}.{models}", generation.title()))];
    let behind: Vec<String> = FEATURES
        .iter()
        .filter(|(role, column, since)| {
            *since <= generation && shapes.contains_key(role) && !has(shapes, *role, column)
        })
        .map(|(role, column, _)| format!("{}.{column}", shapes[role].table))
        .collect();
    if !behind.is_empty() {
        findings.push(
            Check::Schema.problem(format!("Some tables are behind the others: no {}.", listed(&behind)))
                .meaning("oauthctl works with the columns that are there; Django reads every column of its models, so its requests fail (UndefinedColumn). DOT's migrations leave swapped models alone: their app needs migrations of its own.")
                .shell("python manage.py makemigrations && python manage.py migrate"),
        );
    }
    findings
}

/// There is nothing to work with.
pub(super) fn missing(missing: &NoSchema) -> Finding {
    Check::Schema.problem(super::sentence(&missing.reason)).meaning(super::sentences(&missing.hints))
}
