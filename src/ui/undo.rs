//! What would undo a run, as people read it: a plan, what does not come back, and what to write in the file. Pure.

use std::fmt::Write as _;

use super::history::{instant, title};
use super::plan::{Detail, grouped, number_and_fate, plural, render_steps, to_the_second, visible};
use super::{BOLD, YELLOW, paint};
use crate::model::{Attribute, Dependents, Field, Kind, NotedRun, toml_key, toml_number, toml_value};
use crate::plan::undo::{Lost, Undo};
use crate::plan::{FieldSetting, Owner, Plan, Step, Summary, Value};

/// The plan and what it does not bring back.
#[must_use]
pub fn render(run: &NotedRun, undone: &Undo) -> String {
    let Undo { plan, lost, steps: _ } = undone;
    let mut out = format!("{}, at {}\n\n", paint(BOLD, title(run)), instant(run.started));
    out += &render_steps(plan, &plan.steps, Detail::Full);
    if let Some(counted_at) = &plan.counted_at {
        let _ = writeln!(out, "Tokens and users counted at {}.\n", to_the_second(counted_at));
    }
    let mut lines: Vec<String> = lost.iter().map(sentence).collect();
    lines.extend(cleaned(run));
    if !lines.is_empty() {
        let _ = writeln!(out, "{}", paint(BOLD, "Not brought back:"));
        for line in lines {
            let _ = writeln!(out, "  {} {line}", paint(YELLOW, "!"));
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{}", summary(run, undone));
    out
}

/// What to write in the file, below a line that says so; empty: nothing.
#[must_use]
pub fn in_file(undone: &Undo, path: &str) -> String {
    let changes = changes_of_file(&undone.plan);
    if changes.is_empty() { changes } else { format!("\nIn {}:\n\n{changes}", visible(path)) }
}

/// The same as TOML only.
#[must_use]
pub fn changes_of_file(plan: &Plan) -> String {
    plan.steps.iter().map(in_toml).filter(|block| !block.is_empty()).collect::<Vec<_>>().join("\n")
}

/// `To undo run 12: 1 to create, 2 to update. Nothing was written.`
fn summary(run: &NotedRun, undone: &Undo) -> String {
    let Summary { create, update, rename, adopt: _, delete } = undone.plan.summary();
    let parts: Vec<String> =
        [(create, "to create"), (update, "to update"), (rename, "to rename"), (delete, "to delete")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", grouped(count as u64)))
            .collect();
    if parts.is_empty() {
        return format!("{} {}", paint(BOLD, "No changes."), why_nothing(run, undone));
    }
    let head = paint(BOLD, format_args!("To undo run {}:", run.id));
    format!("{head} {}. Nothing was written.", parts.join(", "))
}

/// Why there is nothing to do.
fn why_nothing(run: &NotedRun, Undo { plan: _, lost, steps }: &Undo) -> String {
    let run = run.id;
    let is_secret = |lost: &Lost| matches!(lost, Lost::Secret { .. });
    if *steps == 0 {
        format!("Run {run} changed no application.")
    } else if lost.is_empty() {
        format!("What run {run} changed is as it was before it.")
    } else if lost.iter().all(is_secret) {
        format!("Run {run} replaced secrets, and nothing else of it is left to undo.")
    } else {
        format!("Nothing of run {run} is left that can be undone.")
    }
}

fn sentence(lost: &Lost) -> String {
    match lost {
        Lost::Secret { client_id } => {
            format!(
                "{}: the former secret, which is stored nowhere. Declare it if you have it, or let a new one be made.",
                visible(client_id.as_str())
            )
        }
        Lost::Dependents { client_id, rows } => {
            format!("{}: {}.", visible(client_id.as_str()), dependents(rows))
        }
        Lost::Others { client_id, rows } => {
            let (count, fate) = number_and_fate(rows);
            format!("{}: {count} {fate}.", visible(client_id.as_str()))
        }
        Lost::Row { client_id, key } => format!(
            "{}: the row with the primary key {}, its dates, and columns that are not shown. A new row gets its own.",
            visible(client_id.as_str()),
            visible(key.as_str())
        ),
        Lost::Taken { client_id } => {
            format!("{}: another application has this client id now.", visible(client_id.as_str()))
        }
        Lost::CreatedSince { client_id } => format!(
            "{}: an application with this client id was created since; it stays as it is.",
            visible(client_id.as_str())
        ),
        Lost::Gone { client_id } => {
            format!("{}: the application has been deleted since.", visible(client_id.as_str()))
        }
        Lost::ChangedSince { client_id, field } => format!(
            "{}: {} was changed again since; this would take that back too.",
            visible(client_id.as_str()),
            visible(&field.to_string())
        ),
        Lost::RenamedSince { client_id, now } => format!(
            "{}: the application was renamed again since, to {}; this would take that back too.",
            visible(client_id.as_str()),
            visible(now.as_str())
        ),
        Lost::NoSuchField { client_id, field } => format!(
            "{}: {}, which the table does not have now, or which is not read.",
            visible(client_id.as_str()),
            visible(&field.to_string())
        ),
        Lost::Recorded { client_id } => {
            format!("{}: the ledger goes on recording that the file manages it.", visible(client_id.as_str()))
        }
    }
}

/// `2 access tokens, 1 ID token`
fn dependents(rows: &Dependents) -> String {
    let Dependents { access_tokens, refresh_tokens, id_tokens, grants, .. } = *rows;
    let parts = [
        (access_tokens, "access token"),
        (refresh_tokens, "refresh token"),
        (id_tokens, "ID token"),
        (grants, "authorization code"),
    ];
    let some = parts.into_iter().filter(|(count, _)| *count > 0);
    let listed: Vec<String> = some.map(|(count, noun)| plural(count, noun)).collect();
    format!("{}; its users have to sign in again", listed.join(", "))
}

/// What the cleanup of the run has deleted.
fn cleaned(run: &NotedRun) -> Option<String> {
    let rows = run.tokens().iter().map(|(_, rows)| *rows).fold(0, u64::saturating_add);
    (rows > 0).then(|| format!("{} that its cleanup deleted.", plural(rows, "expired row")))
}

/// What a step is in the file.
fn in_toml(step: &Step) -> String {
    match step {
        Step::Adopt { .. } => String::new(),
        Step::Delete { row, .. } => {
            let name = toml_value(row.client_id.as_str());
            format!("# in place of its [applications] table\n[[removed]]\nclient_id = {name}\n")
        }
        Step::Create { client_id, fields } => {
            let fields = fields.iter().filter(|setting| !is_default(setting));
            let pairs = fields.filter_map(|FieldSetting { field, value, .. }| pair(field, value));
            table(client_id.as_str(), pairs)
        }
        Step::Update { row, client_id, changes, .. } => {
            let renamed = if row.client_id == *client_id {
                String::new()
            } else {
                let (from, to) = (toml_value(row.client_id.as_str()), toml_value(client_id.as_str()));
                format!("[[renamed]]\nfrom = {from}\nto = {to}\n\n")
            };
            let pairs = changes.iter().filter_map(|change| pair(&change.field, &change.after));
            renamed + &table(client_id.as_str(), pairs)
        }
    }
}

fn table(client_id: &str, pairs: impl Iterator<Item = String>) -> String {
    format!("[applications.{}]\n{}", toml_key(client_id), pairs.collect::<String>())
}

/// Whether a new application has this anyway.
fn is_default(FieldSetting { field, value, declared: _ }: &FieldSetting) -> bool {
    let Attribute::Field(field) = field else { return false };
    match (value, field.kind()) {
        (Value::Text(text), _) => text.is_empty(),
        (Value::Uris(uris), _) => uris.is_empty(),
        (Value::Flag(flag), Kind::Flag { default }) => default == Some(*flag),
        _ => false,
    }
}

/// A line of the table; `None`: the file cannot say it.
fn pair(field: &Attribute, value: &Value) -> Option<String> {
    let value = match value {
        Value::Text(text) => toml_value(text),
        Value::Flag(flag) => flag.to_string(),
        Value::Literal(text) => toml_number(text),
        Value::Uris(uris) => {
            format!("[{}]", uris.iter().map(|uri| toml_value(uri)).collect::<Vec<_>>().join(", "))
        }
        Value::User(owner) => match &**owner {
            Owner { username: Some(name), .. } => format!("{{ username = {} }}", toml_value(name)),
            Owner { by: Some(named), .. } => named.in_file(),
            Owner { key, username: None, by: None } => toml_number(key.as_str()),
        },
        Value::Absent => {
            return Some(format!("# {}: none; a file cannot say that\n", visible(&field.to_string())));
        }
        Value::StoredSecret | Value::Secret { .. } => {
            return (*field == Field::ClientSecret)
                .then(|| "# client_secret: a new one is made, unless you declare one\n".to_owned());
        }
    };
    Some(format!("{} = {value}\n", field.in_file()))
}
