//! One step of a plan in a comment: as a line, with what a reviewer must not miss, and with everything.

use super::fill::{Entry, Weight};
use super::inert::{code, inert};
use crate::model::{Attribute, Dependents, Field};
use crate::plan::{DeleteReason, FieldChange, FieldSetting, Step, Value};
use crate::ui::plan::{Detail, dies_with, grouped, in_use, plural, render_changes, render_settings};
use crate::ui::{DIM, GREEN, RED, paint};

/// More URIs of one field than this are counted where room is short.
const LISTED: usize = 5;

/// The step in its three lengths.
pub(super) fn entry(step: &Step) -> Entry {
    let (title, reach) = (title(step), reach(step).map(|reach| inert(&reach)));
    let behind = reach.map(|reach| format!(" ({reach})")).unwrap_or_default();
    let line = format!("\n- {title}{}{behind}\n", fields(step));
    let summary = format!("{title}{behind}");
    let details = |lines: Vec<String>| if lines.is_empty() { line.clone() } else { folded(&summary, &lines) };
    let (condensed, whole) = (details(condensed(step)), details(whole(step)));
    Entry { condensed, whole, weight: weight(step), line }
}

fn folded(summary: &str, lines: &[String]) -> String {
    format!("\n<details><summary>{summary}</summary>\n\n```diff\n{}\n```\n\n</details>\n", lines.join("\n"))
}

fn weight(step: &Step) -> Weight {
    match step {
        Step::Delete { .. } => Weight::Deletion,
        Step::Create { fields, .. } if fields.iter().any(|setting| is_sensitive(&setting.field)) => {
            Weight::Sensitive
        }
        Step::Update { changes, .. }
            if step.may_break_clients() || changes.iter().any(|change| is_sensitive(&change.field)) =>
        {
            Weight::Sensitive
        }
        Step::Create { .. } | Step::Update { .. } | Step::Adopt { .. } => Weight::Other,
    }
}

/// Whether a reviewer must see it: where codes and tokens are sent, and what proves who the client is.
fn is_sensitive(attribute: &Attribute) -> bool {
    let Attribute::Field(field) = attribute else { return false };
    field.is_relied_on()
}

/// `: client_secret, redirect_uris (+3 −1)`: what changes, by name.
fn fields(step: &Step) -> String {
    let Step::Update { changes, .. } = step else { return String::new() };
    let named: Vec<String> = changes.iter().map(|change| key(&change.field) + &counted(change)).collect();
    if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) }
}

/// ` (+3 −1)` for a list of URIs.
fn counted(change: &FieldChange) -> String {
    let FieldChange { field: _, before, after } = change;
    let (Value::Uris(before), Value::Uris(after)) = (before, after) else { return String::new() };
    let missing_in = |one: &[String], other: &[String]| one.iter().filter(|uri| !other.contains(uri)).count();
    let (added, removed) = (missing_in(after, before), missing_in(before, after));
    let parts = [(added, '+'), (removed, '−')];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, sign)| format!("{sign}{}", grouped(count as u64))).collect();
    format!(" ({})", parts.join(" "))
}

/// What weighs most, with long lists counted; empty: the line says it all.
fn condensed(step: &Step) -> Vec<String> {
    match step {
        Step::Create { fields, .. } => {
            let fields: Vec<FieldSetting> =
                fields.iter().filter(|setting| is_sensitive(&setting.field)).map(shortened).collect();
            settings(&fields)
        }
        Step::Update { changes, .. } => {
            let (long, short): (Vec<&FieldChange>, Vec<&FieldChange>) = changes
                .iter()
                .filter(|change| is_sensitive(&change.field))
                .partition(|change| difference(change) > LISTED);
            let mut lines = changed(&short.into_iter().cloned().collect::<Vec<_>>());
            lines.extend(
                long.into_iter().map(|change| format!("!   {}{}", key(&change.field), counted(change))),
            );
            lines
        }
        Step::Adopt { .. } | Step::Delete { .. } => Vec::new(),
    }
}

/// How many URIs a change adds and removes.
fn difference(change: &FieldChange) -> usize {
    let FieldChange { field: _, before, after } = change;
    let (Value::Uris(before), Value::Uris(after)) = (before, after) else { return 0 };
    let missing_in = |one: &[String], other: &[String]| one.iter().filter(|uri| !other.contains(uri)).count();
    missing_in(after, before) + missing_in(before, after)
}

/// The setting, with a long list counted.
fn shortened(setting: &FieldSetting) -> FieldSetting {
    let FieldSetting { field, value, declared } = setting;
    let value = match value {
        Value::Uris(uris) if uris.len() > LISTED => {
            Value::Literal(format!("({} URIs)", grouped(uris.len() as u64)))
        }
        other => other.clone(),
    };
    FieldSetting { field: field.clone(), value, declared: *declared }
}

/// Everything that changes; empty: the line says it all.
fn whole(step: &Step) -> Vec<String> {
    match step {
        Step::Create { fields, .. } => settings(fields),
        Step::Update { changes, unchanged, .. } => {
            let mut lines = changed(changes);
            if *unchanged > 0 && !lines.is_empty() {
                lines.push(format!(" # {}", plural(*unchanged as u64, "unchanged field")));
            }
            lines
        }
        Step::Adopt { .. } | Step::Delete { .. } => Vec::new(),
    }
}

fn settings(fields: &[FieldSetting]) -> Vec<String> {
    let mut styled = String::new();
    render_settings(&mut styled, fields, Detail::Changes);
    styled.lines().map(|line| format!("+{}", plain(&line.replacen(&added(), "", 1)))).collect()
}

fn changed(changes: &[FieldChange]) -> Vec<String> {
    let mut styled = String::new();
    render_changes(&mut styled, changes);
    styled.lines().map(signed).collect()
}

/// `delete <code>legacy</code>`.
fn title(step: &Step) -> String {
    let name = code(step.client_id().as_str());
    match step {
        Step::Create { .. } => format!("create {name}"),
        Step::Update { row, client_id, changes, .. } => {
            let verb = if changes.is_empty() { "rename" } else { "update" };
            if row.client_id == *client_id {
                format!("{verb} {name}")
            } else {
                format!("{verb} {name}, until now {}", code(row.client_id.as_str()))
            }
        }
        Step::Adopt { .. } => format!("record {name} in the ledger"),
        Step::Delete { name: shown, reason, .. } => {
            let shown = if shown.is_empty() { String::new() } else { format!(" \"{}\"", inert(shown)) };
            let why = match reason {
                DeleteReason::Removed => "",
                DeleteReason::Disabled => ", whose block has <code>enabled = false</code>",
                DeleteReason::Pruned => ", which the file does not mention",
            };
            format!("<b>delete</b> {name}{shown}{why}")
        }
    }
}

/// Who would notice.
fn reach(step: &Step) -> Option<String> {
    let words = |styled: String| plain(&styled).trim_start_matches(['!', '#', ' ']).to_owned();
    match step {
        Step::Create { .. } | Step::Adopt { .. } => None,
        Step::Update { dependents, .. } => {
            dependents.as_ref().map(|dependents: &Dependents| words(in_use(dependents)))
        }
        Step::Delete { dependents, others, .. } => {
            let lines: Vec<String> = dies_with(dependents, others).into_iter().map(words).collect();
            Some(lines.join("; "))
        }
    }
}

/// The names of DOT's fields are good as they are; those of columns are anybody's.
fn key(attribute: &Attribute) -> String {
    match attribute {
        Attribute::Field(field) => field.key().to_owned(),
        Attribute::Column(_) => inert(&attribute.to_string()),
    }
}

/// A line of a change with its sign in front, as a `diff` block wants it. The colours of the sign cannot be forged: text
/// of the file and the database has no control characters by now.
fn signed(styled: &str) -> String {
    let (gone, added) = (removed(), added());
    if styled.contains(&gone) {
        format!("-{}", plain(&styled.replacen(&gone, "", 1)))
    } else if styled.contains(&added) {
        format!("+{}", plain(&styled.replacen(&added, "", 1)))
    } else if styled.contains(&paint(DIM, "→")) || styled.contains(Field::ClientSecret.key()) {
        format!("!{}", plain(styled))
    } else {
        format!(" {}", plain(styled))
    }
}

fn removed() -> String {
    paint(RED, "-") + " "
}

fn added() -> String {
    paint(GREEN, "+") + " "
}

fn plain(styled: &str) -> String {
    anstream::adapter::strip_str(styled).to_string()
}
