//! A plan as one comment on a pull request: a marker to find it again, what would be deleted in the title, and as much
//! of the rest as a comment holds.
//!
//! A forge refuses comments that are too long. So the same plan is written ever shorter until it fits: every change,
//! folded; a table; a table of the deletions; the counts. Pure. Text of the file and of the database cannot become
//! markup, a mention or a link: in fenced blocks it never begins a line, and elsewhere it is written in character
//! references.

mod inert;

use std::fmt::Write as _;

use self::inert::{code, inert};
use super::plan::{
    Detail, by_category, denominator, dies_with, grouped, headline, in_use, left_alone, number_and_fate,
    plural, render_changes, render_settings, spared,
};
use super::{DIM, GREEN, RED, paint};
use crate::model::{Attribute, Dependents, Field};
use crate::plan::guard::Refusal;
use crate::plan::{DeleteReason, Plan, Proposal, Step, Summary};

/// What GitHub takes, in UTF-16 units; others take more.
const LIMIT: usize = 65_536;

/// More violations than this are counted.
const LISTED: usize = 20;

/// The comment. `subject` tells the comments of several files apart.
#[must_use]
pub fn render(proposal: &Proposal, subject: &str) -> String {
    let Proposal { plan, forecast: _, refusal, not_tried: _ } = proposal;
    let head = head(plan, subject);
    let tail = tail(proposal);
    let refused = refusal.as_ref().map(violations).unwrap_or_default();
    let whole = |body: String| format!("{head}{refused}{body}{tail}");
    let deletions = |step: &Step| matches!(step, Step::Delete { .. });
    let ever_shorter: [&dyn Fn() -> String; 5] = [
        &|| whole(plan.steps.iter().map(folded).collect()),
        &|| whole(table(plan, |_| true)),
        &|| whole(table(plan, deletions)),
        &|| whole(String::new()),
        &|| head.clone(),
    ];
    let last = ever_shorter.len() - 1;
    for (position, attempt) in ever_shorter.into_iter().enumerate() {
        let mut text = attempt();
        if position > 0 && !plan.is_empty() {
            text += "\nThe rest is too long for a comment: `oauthctl plan` shows everything.\n";
        }
        if position == last || text.encode_utf16().count() <= LIMIT {
            return text;
        }
    }
    head
}

/// The marker and the title.
fn head(plan: &Plan, subject: &str) -> String {
    let Summary { create, update, rename, adopt, delete } = plan.summary();
    let part = |count: usize, what: &str| format!("{} to {what}", grouped(count as u64));
    let mut parts = Vec::new();
    if delete > 0 {
        parts.push(format!("**{}**", part(delete, "delete")));
    }
    for (count, what) in
        [(create, "create"), (update, "update"), (rename, "rename"), (adopt, "record in the ledger")]
    {
        if count > 0 {
            parts.push(part(count, what));
        }
    }
    let title = if parts.is_empty() { "no changes".to_owned() } else { parts.join(", ") };
    let (denominator, subject) = (denominator(plan), inert(subject));
    format!("<!-- oauthctl plan: {subject} -->\n### {subject}: {title}\n\n{denominator}.\n")
}

fn violations(refusal: &Refusal) -> String {
    let mut out = "\n> [!CAUTION]\n> `apply` will refuse this:\n".to_owned();
    for violation in refusal.violations.iter().take(LISTED) {
        let _ = write!(out, "> - {}", inert(&violation.to_string()));
        let _ = match (violation.allow(), violation.hint()) {
            (Some(flag), _) => writeln!(out, "; to let it through: {}", code(&flag)),
            (None, Some(hint)) => writeln!(out, "; {}", inert(hint)),
            (None, None) => writeln!(out),
        };
    }
    if let Some(more @ 1..) = refusal.violations.len().checked_sub(LISTED) {
        let _ = writeln!(out, "> - and {} more", grouped(more as u64));
    }
    out
}

/// One step: with everything that changes behind a line that says what it is, if more changes than that line says.
fn folded(step: &Step) -> String {
    let mut line = title(step);
    if let Some(reach) = reach(step) {
        let _ = write!(line, " ({})", inert(&reach));
    }
    let lines = match step {
        Step::Create { fields, .. } => {
            let mut styled = String::new();
            render_settings(&mut styled, fields, Detail::Changes);
            styled.lines().map(|line| format!("+{}", plain(&line.replacen(&added(), "", 1)))).collect()
        }
        Step::Update { changes, unchanged, .. } => {
            let mut styled = String::new();
            render_changes(&mut styled, changes);
            let mut lines: Vec<String> = styled.lines().map(signed).collect();
            if *unchanged > 0 && !lines.is_empty() {
                lines.push(format!(" # {}", plural(*unchanged as u64, "unchanged field")));
            }
            lines
        }
        Step::Adopt { .. } | Step::Delete { .. } => Vec::new(),
    };
    if lines.is_empty() {
        return format!("\n- {line}\n");
    }
    format!("\n<details><summary>{line}</summary>\n\n```diff\n{}\n```\n\n</details>\n", lines.join("\n"))
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

/// A row for each of these steps.
fn table(plan: &Plan, which: impl Fn(&Step) -> bool) -> String {
    let mut out = String::new();
    for step in plan.steps.iter().filter(|step| which(step)) {
        if out.is_empty() {
            out += "\n| what | fields | who would notice |\n|---|---|---|\n";
        }
        let fields: Vec<String> = match step {
            Step::Update { changes, .. } => changes.iter().map(|change| key(&change.field)).collect(),
            Step::Create { .. } | Step::Adopt { .. } | Step::Delete { .. } => Vec::new(),
        };
        let (fields, reach) = (fields.join(", "), reach(step).unwrap_or_default());
        let _ = writeln!(out, "| {} | {fields} | {} |", title(step), inert(&reach));
    }
    out
}

fn tail(proposal: &Proposal) -> String {
    let mut out = String::new();
    for line in left_alone(proposal, Detail::Changes) {
        let _ = write!(out, "\n{}\n", inert(&line));
    }
    let Some(forecast) = &proposal.forecast else { return out };
    let _ = write!(out, "\n{}\n", headline(forecast));
    let rows = by_category(&forecast.counted);
    if !rows.is_empty() {
        out += "\n| category | rows |\n|---|--:|\n";
        for (number, what) in rows {
            let _ = writeln!(out, "| {what} | {number} |");
        }
        for (count, fate) in forecast.others.iter().map(number_and_fate) {
            let _ = writeln!(out, "| {} | {count} |", inert(&fate));
        }
    }
    if let Some(spared) = spared(forecast) {
        let _ = write!(out, "\n{spared}\n");
    }
    out
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

#[cfg(test)]
mod tests;
