//! One application as people read it: its fields, the rows that refer to it, and how it differs from the file. Pure; how the secret
//! is stored is said, the secret never.

use std::fmt::Write as _;
use std::path::Path;

use time::OffsetDateTime;
use unicode_width::UnicodeWidthStr as _;

use super::inventory::{ago, source};
use super::plan::{grouped, plural, render_changes, visible};
use super::{BOLD, DIM, GREEN, RED, YELLOW, paint};
use crate::model::{Attribute, Dependents, Field, Held, Listed, Origin, Owner, RecentToken, Usage};
use crate::plan::drift::Drift;
use crate::rules::split_list;

/// An application, and all that was found of it.
#[derive(Debug)]
pub struct Portrait<'a> {
    pub row: &'a Listed,
    pub usage: Usage,
    /// The rows that refer to it.
    pub dependents: Dependents,
    /// Its newest tokens.
    pub recent: &'a [RecentToken],
    /// The file; `None`: there is none.
    pub file: Option<&'a Path>,
    /// How it stands to the file.
    pub drift: &'a Drift,
    /// Whether the stored secret was compared with the declared one; `None`: none is declared.
    pub secret_compared: Option<bool>,
    /// Columns of the project's own that are not read, because their names announce a secret.
    pub hidden: Vec<&'a str>,
    /// The instant of it all.
    pub as_of: OffsetDateTime,
}

/// Everything, in blocks.
#[must_use]
pub fn render(portrait: &Portrait<'_>) -> String {
    let row = portrait.row;
    let mut out = String::new();
    let id = paint(DIM, format_args!("(id {})", visible(row.stored.key.as_str())));
    let _ = writeln!(out, "{}  {id}", paint(BOLD, visible(row.stored.client_id.as_str())));
    let mut fields = fields(row, portrait.as_of);
    fields.extend(portrait.hidden.iter().map(|name| {
        let label = visible(&Attribute::Column((*name).to_owned()).to_string());
        (label, vec![paint(DIM, "(not shown: its name suggests a secret)")])
    }));
    let width = fields.iter().map(|(label, _)| label.width()).max().unwrap_or_default();
    for (label, values) in &fields {
        for (position, value) in values.iter().enumerate() {
            let label = if position == 0 { label.as_str() } else { "" };
            let _ = writeln!(out, "    {label}{:1$}  {value}", "", width - label.width());
        }
    }
    tokens(&mut out, portrait);
    if let Some(file) = portrait.file {
        let _ = writeln!(out, "\n{}", paint(BOLD, visible(&file.display().to_string())));
        drift(&mut out, portrait.drift);
        if portrait.secret_compared == Some(false) {
            let note = match portrait.row.stored.fields.client_secret.foreign() {
                Some(_) => "# client_secret was not compared: the project has encrypted the stored one",
                None => "# client_secret was not compared: what the file refers to is not at hand",
            };
            let _ = writeln!(out, "    {}", paint(DIM, note));
        }
    }
    out
}

fn fields(row: &Listed, as_of: OffsetDateTime) -> Vec<(String, Vec<String>)> {
    let Listed { stored, created, updated, owner } = row;
    let none = || paint(DIM, "(none)");
    let text = |text: &str| vec![if text.is_empty() { none() } else { visible(text) }];
    let list = |column: &str| {
        let items: Vec<String> = split_list(column).map(visible).collect();
        if items.is_empty() { vec![none()] } else { items }
    };
    let instant = |instant: &OffsetDateTime| {
        vec![format!("{}  {}", second(*instant), paint(DIM, ago(*instant, as_of)))]
    };
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    for field in Field::ALL.iter().copied() {
        // Columns that this schema lacks are not shown.
        let Some(held) = stored.fields.held(field) else { continue };
        let values = match held {
            Held::Text(value) => text(value),
            Held::Uris(column) => list(column),
            Held::Flag(flag) => vec![flag.to_string()],
            Held::Secret(secret) => vec![secret.storage().to_string()],
            Held::Owner(_) => vec![owner.as_ref().map_or_else(none, self::owner)],
        };
        fields.push((field.key().to_owned(), values));
    }
    let by = if stored.origin == Origin::Marked { ", by [policy] dynamic; DOT notes manual" } else { "" };
    fields.push(("registration_source".to_owned(), vec![visible(source(&stored.origin)) + by]));
    fields.extend(created.as_ref().map(|created| ("created".to_owned(), instant(created))));
    fields.extend(updated.as_ref().map(|updated| ("updated".to_owned(), instant(updated))));
    fields.extend(stored.fields.columns.iter().map(|(name, value)| {
        let label = visible(&Attribute::Column(name.clone()).to_string());
        (label, vec![value.as_ref().map_or_else(none, |value| visible(value))])
    }));
    fields
}

fn owner(owner: &Owner) -> String {
    let Owner { key, exists, name, is_unique: _ } = owner;
    let key = visible(key.as_str());
    match (exists, name) {
        (false, _) => format!("id {key}, who does not exist"),
        (true, Some(name)) if name.is_username() => format!("{} (id {key})", visible(&name.value)),
        (true, Some(name)) => format!("{} (id {key})", visible(&name.in_file())),
        (true, None) => format!("id {key}"),
    }
}

/// RFC 3339 to the second.
fn second(instant: OffsetDateTime) -> String {
    let instant = instant.to_offset(time::UtcOffset::UTC);
    let (date, time) = (instant.date(), instant.time());
    format!("{date}T{:02}:{:02}:{:02}Z", time.hour(), time.minute(), time.second())
}

fn tokens(out: &mut String, portrait: &Portrait<'_>) {
    let Portrait { usage, dependents, recent, as_of, .. } = portrait;
    let _ = writeln!(out, "\n{}", paint(BOLD, format_args!("Tokens as of {}", second(*as_of))));
    let lines = [
        ("access tokens", usage.access.total, Some(usage.access.live)),
        ("refresh tokens", usage.refresh.total, Some(usage.refresh.live)),
        ("ID tokens", dependents.id_tokens, None),
        ("authorization codes", dependents.grants, Some(dependents.grants_live)),
    ];
    for (label, total, live) in lines {
        let live = live.map(|live| format!(", {} live", grouped(live))).unwrap_or_default();
        let _ = writeln!(out, "    {label:19}  {}{live}", grouped(total));
    }
    let _ = writeln!(out, "    {:19}  {} with live tokens", "users", grouped(dependents.users));
    let last = usage.last().map_or_else(|| "never".to_owned(), |last| ago(last, *as_of));
    let _ = writeln!(out, "    {:19}  {last}", "last use");
    for (position, token) in recent.iter().enumerate() {
        let label = if position == 0 { "newest" } else { "" };
        let _ = writeln!(out, "    {label:19}  {}", recent_token(token, *as_of));
    }
}

fn recent_token(token: &RecentToken, as_of: OffsetDateTime) -> String {
    let RecentToken { is_refresh, created, expires, revoked } = token;
    let kind = if *is_refresh { "refresh token" } else { "access token" };
    let end = match (expires, revoked) {
        (_, Some(revoked)) => format!(", revoked {}", ago(*revoked, as_of)),
        (Some(expires), _) if *expires <= as_of => format!(", expired {}", ago(*expires, as_of)),
        (Some(expires), _) => format!(", expires {}", ago(*expires, as_of)),
        (None, None) => String::new(),
    };
    format!("{kind}, {}{end}", ago(*created, as_of))
}

fn drift(out: &mut String, drift: &Drift) {
    match drift {
        Drift::Unchanged => {
            let _ = writeln!(out, "    {}", paint(GREEN, "as declared"));
        }
        Drift::Unmanaged | Drift::Missing => {
            let _ = writeln!(out, "    not declared");
        }
        Drift::Removed => {
            let _ = writeln!(out, "    {}", paint(RED, "must not exist, as the file says: apply deletes it"));
        }
        Drift::Impossible(findings) => {
            let _ = writeln!(out, "    {}", paint(RED, "declared as this database cannot have it"));
            for finding in findings {
                let field = finding.field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
                let _ = writeln!(out, "    {field}{}", visible(&finding.cause.to_string()));
            }
        }
        Drift::Changed { renamed_to, changes, unchanged } => {
            let _ = writeln!(out, "    {}", paint(YELLOW, "differs; `oauthctl apply` would change:"));
            if let Some(to) = renamed_to {
                let _ = writeln!(out, "    client_id  renamed to {}", visible(to.as_str()));
            }
            render_changes(out, changes);
            if *unchanged > 0 {
                let fields = plural(*unchanged as u64, "unchanged field");
                let _ = writeln!(out, "    {}", paint(DIM, format_args!("# {fields}")));
            }
        }
    }
}
