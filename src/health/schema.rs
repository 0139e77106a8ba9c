//! Which DOT the tables are of, recognised by their columns.
//!
//! The history of the columns is that of DOT's migrations 0001 to 0025. `django_migrations` is a hint only, because
//! Django lists DOT's migrations there even where the models are swapped.

use std::collections::BTreeMap;

use super::{Check, Finding, NoSchema, Shape};
use crate::model::health::DjangoHint;
use crate::model::words::listed;
use crate::model::{Release, TableRole};

/// The columns that a generation brought, by table.
const FEATURES: [(TableRole, &str, Release); 15] = [
    (TableRole::Application, "post_logout_redirect_uris", Release::V2_3),
    (TableRole::Application, "allowed_origins", Release::V2_4),
    (TableRole::Application, "hash_client_secret", Release::V2_4),
    (TableRole::Application, "registration_source", Release::V3_4),
    (TableRole::Application, "cimd_expires_at", Release::V3_4),
    (TableRole::Application, "client_jwks", Release::Main),
    (TableRole::Application, "client_jwks_uri", Release::Main),
    (TableRole::Application, "require_pushed_authorization_requests", Release::Main),
    (TableRole::Application, "token_endpoint_auth_method", Release::Main),
    (TableRole::AccessToken, "token_checksum", Release::V3_0),
    (TableRole::AccessToken, "resource", Release::V3_4),
    (TableRole::RefreshToken, "token_family", Release::V3_0),
    (TableRole::RefreshToken, "token_checksum", Release::V3_4),
    (TableRole::RefreshToken, "resource", Release::V3_4),
    (TableRole::Grant, "resource", Release::V3_4),
];

/// The newest generation that any table shows.
pub(super) fn generation(shapes: &BTreeMap<TableRole, Shape>) -> Release {
    let by_columns = FEATURES.iter().filter(|(role, column, _)| has(shapes, *role, column));
    by_columns
        .map(|(_, _, generation)| *generation)
        .chain(shapes.keys().map(|role| role.since()))
        .max()
        .unwrap_or(Release::V1_5)
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
    let last = django.and_then(|django| django.last.as_deref());
    let number = last.and_then(|last| last.split('_').next()?.parse::<u32>().ok());
    let mut findings = vec![
        Check::Schema.ok(format!("The columns are those of {}{hint}.{models}", generation.generation())),
    ];
    if let Some(last) = last.filter(|_| number > Some(Release::NEWEST_MIGRATION)) {
        findings.push(
            Check::Schema
                .note(format!("Django's last migration of DOT, {last}, is unknown here."))
                .meaning(super::sentence(Release::UPDATE)),
        );
    }
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
    let (mut meaning, mut blocks) = (Vec::new(), Vec::new());
    for hint in &missing.hints {
        // Lines for the file come after the sentence that says so.
        match hint.split_once('\n') {
            Some((sentence, block)) => {
                meaning.push(sentence.to_owned());
                blocks.push(block.to_owned());
            }
            None => meaning.push(hint.clone()),
        }
    }
    let finding = Check::Schema.problem(super::sentence(&missing.reason)).meaning(super::sentences(&meaning));
    blocks.into_iter().fold(finding, Finding::toml)
}
