//! Applications as scripts read them, for `list` and `show`. The format is documented in docs/list-json.md and
//! versioned as that of the plan. Pure; secrets cannot occur, only how they are stored.

use std::collections::BTreeMap;
use std::path::Path;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use super::application::Portrait;
use super::inventory::{Entry, source};
use crate::model::json;
use crate::model::words::rfc3339;
use crate::model::{
    ClientId, Dependents, Field, Held, Key, Listed, Named, Origin, Owner, RecentToken, Tokens, Usage,
};
use crate::plan::FieldChange;
use crate::plan::drift::Drift;
use crate::rules::split_list;

/// The version of the format.
pub const FORMAT_VERSION: &str = "1.0";

#[derive(Serialize)]
struct List<'a> {
    format_version: &'static str,
    tool_version: &'static str,
    as_of: String,
    file: Option<String>,
    applications: Vec<Application<'a>>,
    missing: Vec<&'a str>,
    dynamic: u64,
}

#[derive(Serialize)]
struct Show<'a> {
    format_version: &'static str,
    tool_version: &'static str,
    as_of: String,
    file: Option<String>,
    application: Application<'a>,
    dependents: Dependents,
    recent_tokens: Vec<TokenView>,
    renamed_to: Option<&'a ClientId>,
    changes: &'a [FieldChange],
    findings: Vec<String>,
    secret_compared: Option<bool>,
    hidden_columns: &'a [&'a str],
}

#[derive(Serialize)]
struct Application<'a> {
    client_id: &'a ClientId,
    key: &'a Key,
    /// By key, in the order of [`Field::ALL`]; null where the schema lacks the column.
    #[serde(flatten)]
    fields: Fields<'a>,
    columns: &'a BTreeMap<String, Option<String>>,
    registration_source: &'a str,
    /// Whether `[policy] dynamic` says so, and not DOT's own column.
    marked: bool,
    created: Option<String>,
    updated: Option<String>,
    access_tokens: Option<TokensView>,
    refresh_tokens: Option<TokensView>,
    last_use: Option<String>,
    drift: Option<&'static str>,
}

/// The fields of a row, one key each.
struct Fields<'a>(&'a Listed);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Listed { stored, owner, .. } = self.0;
        let mut map = serializer.serialize_map(Some(Field::ALL.len()))?;
        for field in Field::ALL.iter().copied() {
            map.serialize_key(field.key())?;
            match stored.fields.held(field) {
                None => map.serialize_value(&())?,
                Some(Held::Text(text)) => map.serialize_value(text)?,
                Some(Held::Uris(column)) => map.serialize_value(&split_list(column).collect::<Vec<_>>())?,
                Some(Held::Flag(flag)) => map.serialize_value(&flag)?,
                Some(Held::Secret(secret)) => {
                    let storage = secret.storage();
                    let (storage, description) = (storage.name(), storage.to_string());
                    map.serialize_value(&SecretView { storage, description })?;
                }
                Some(Held::Owner(_)) => map.serialize_value(
                    &owner.as_ref().map(|Owner { key, name, .. }| UserView::of(key, name.as_ref())),
                )?,
            }
        }
        map.end()
    }
}

#[derive(Serialize)]
struct SecretView {
    storage: &'static str,
    description: String,
}

#[derive(Serialize)]
struct UserView<'a> {
    key: &'a Key,
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a Named>,
}

impl<'a> UserView<'a> {
    fn of(key: &'a Key, name: Option<&'a Named>) -> Self {
        let (username, by) = match name {
            Some(named) if named.is_username() => (Some(named.value.as_str()), None),
            by => (None, by),
        };
        Self { key, username, by }
    }
}

#[derive(Serialize)]
struct TokensView {
    total: u64,
    live: u64,
    last: Option<String>,
}

#[derive(Serialize)]
struct TokenView {
    kind: &'static str,
    created: String,
    expires: Option<String>,
    revoked: Option<String>,
}

fn tokens(tokens: Tokens) -> TokensView {
    let Tokens { total, live, last } = tokens;
    TokensView { total, live, last: last.map(rfc3339) }
}

fn application<'a>(row: &'a Listed, usage: Option<Usage>, drift: Option<&Drift>) -> Application<'a> {
    let Listed { stored, created, updated, owner: _ } = row;
    Application {
        client_id: &stored.client_id,
        key: &stored.key,
        fields: Fields(row),
        columns: &stored.fields.columns,
        registration_source: source(&stored.origin),
        marked: stored.origin == Origin::Marked,
        created: created.map(rfc3339),
        updated: updated.map(rfc3339),
        access_tokens: usage.map(|usage| tokens(usage.access)),
        refresh_tokens: usage.map(|usage| tokens(usage.refresh)),
        last_use: usage.and_then(|usage| usage.last()).map(rfc3339),
        drift: drift.map(Drift::name),
    }
}

/// The document of `list`.
///
/// # Errors
/// None that can happen: the values serialise.
pub fn list(
    entries: &[Entry<'_, Listed>],
    file: Option<&Path>,
    as_of: OffsetDateTime,
    dynamic: u64,
) -> Result<String, serde_json::Error> {
    let document = List {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        as_of: rfc3339(as_of),
        file: file.map(|file| file.display().to_string()),
        applications: entries
            .iter()
            .filter_map(|entry| Some(application(entry.row?, entry.usage.copied(), entry.drift)))
            .collect(),
        missing: entries.iter().filter(|entry| entry.row.is_none()).map(|entry| entry.client_id).collect(),
        dynamic,
    };
    json::document(&document)
}

/// The document of `show`.
///
/// # Errors
/// None that can happen: the values serialise.
pub fn show(portrait: &Portrait<'_>) -> Result<String, serde_json::Error> {
    let Portrait { row, usage, dependents, recent, file, drift, secret_compared, hidden, as_of } = portrait;
    let (renamed_to, changes, findings) = match drift {
        Drift::Changed { renamed_to, changes, .. } => (renamed_to.as_ref(), changes.as_slice(), Vec::new()),
        Drift::Impossible(findings) => {
            (None, [].as_slice(), findings.iter().map(|finding| finding.cause.to_string()).collect())
        }
        _ => (None, [].as_slice(), Vec::new()),
    };
    let recent = recent.iter().map(|RecentToken { is_refresh, created, expires, revoked }| TokenView {
        kind: if *is_refresh { "refresh" } else { "access" },
        created: rfc3339(*created),
        expires: expires.map(rfc3339),
        revoked: revoked.map(rfc3339),
    });
    let document = Show {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        as_of: rfc3339(*as_of),
        file: file.map(|file| file.display().to_string()),
        application: application(row, Some(*usage), file.map(|_| *drift)),
        dependents: *dependents,
        recent_tokens: recent.collect(),
        renamed_to,
        changes,
        findings,
        secret_compared: *secret_compared,
        hidden_columns: hidden,
    };
    json::document(&document)
}
