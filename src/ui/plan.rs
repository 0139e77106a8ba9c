//! A plan, as people read it: one block per application, changed fields only, then the summary.
//!
//! Pure: plan in, styled text out. Secrets are words here, because the plan holds no others. Text from the database
//! and the file is shown with its control characters escaped, so that a name cannot forge a line.

mod forecast;
mod loss;
mod outcome;
mod reach;
mod values;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use similar::{Algorithm, DiffTag, capture_diff_slices};

use self::values::{blank, labels};
pub use forecast::render_forecast;
pub(super) use forecast::{by_category, headline, spared, to_the_second, with_them};
pub use outcome::applied_line;
pub(super) use reach::{dies_with, in_use, number_and_fate};
pub(super) use values::{shown_setting, shown_value};

use super::{BOLD, CYAN, DIM, GREEN, RED, YELLOW, paint};
pub use crate::model::visible::{visible, visible_lines};
pub use crate::model::words::{grouped, plural};
use crate::model::{Attribute, Field, Hook};
use crate::plan::guard::Refusal;
use crate::plan::{DeleteReason, FieldChange, FieldSetting, Plan, Proposal, Step, Subject, Summary, Value};

/// More unmanaged applications than this are counted, not listed.
const LISTED: usize = 10;

/// How much of a plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Changed and declared fields.
    #[default]
    Changes,
    /// Defaults of new applications and unchanged applications too.
    Full,
}

/// As many steps are a piece.
const PIECE: usize = 1_000;

/// The whole plan, with what cleanup would delete. Why it is refused is for stderr: see [`render_refusal`].
#[must_use]
pub fn render(proposal: &Proposal, detail: Detail) -> String {
    pieces(proposal, detail).collect()
}

/// The same in pieces of whole lines: a plan may be long.
pub fn pieces(proposal: &Proposal, detail: Detail) -> impl Iterator<Item = String> {
    let plan = &proposal.plan;
    let steps = plan.steps.chunks(PIECE).map(move |steps| render_steps(plan, steps, detail));
    steps.chain(std::iter::once_with(move || render_rest(proposal, detail)))
}

/// Expired rows of an application that goes are in both numbers.
pub(super) const REMARK: &str = "This count may include rows of applications that the plan deletes.";

/// Whether tokens go with an application.
pub(super) fn takes_rows(plan: &Plan) -> bool {
    let takes = |step: &Step| matches!(step, Step::Delete { dependents, .. } if dependents.rows() > 0);
    plan.steps.iter().any(takes)
}

/// What comes after the steps.
fn render_rest(proposal: &Proposal, detail: Detail) -> String {
    let Proposal { plan, forecast, refusal, not_tried: _, subject, hooks: _ } = proposal;
    let mut out = String::new();
    render_left_alone(&mut out, proposal, detail);
    if let Some(forecast) = forecast {
        let remark = if takes_rows(plan) { format!("    {REMARK}\n") } else { String::new() };
        out += &render_forecast(forecast, &remark);
        out.push('\n');
    }
    let _ = writeln!(out, "{}", summary_line(plan, subject));
    if let Some(Refusal { violations }) = refusal {
        let reasons = plural(violations.len() as u64, "reason");
        let _ = writeln!(out, "{} apply will not do this, for {reasons}.", paint(RED.bold(), "Refused:"));
    }
    out
}

/// A block for each of these steps of a plan, with an empty line behind it.
pub(super) fn render_steps(plan: &Plan, steps: &[Step], detail: Detail) -> String {
    let mut out = String::new();
    for step in steps {
        render_step(&mut out, step, detail);
        let lost = step.row().and_then(|row| plan.rows.get(&row.key));
        if let (Step::Delete { .. }, Some(lost), Detail::Full) = (step, lost, detail) {
            loss::render(&mut out, lost);
        }
        out.push('\n');
    }
    out
}

/// Every broken rail and the flag that lets it through.
#[must_use]
pub fn render_refusal(refusal: &Refusal) -> String {
    let mut out = String::new();
    for violation in &refusal.violations {
        let text = visible(&violation.to_string());
        let mark = paint(RED, "!");
        let flag = violation.allow().map(|flag| paint(BOLD, visible(&flag)));
        let _ = match (flag, violation.hint()) {
            (Some(flag), _) => writeln!(out, "{mark} {text}; to let it through: {flag}"),
            (None, Some(hint)) => writeln!(out, "{mark} {text}; {}", visible_lines(hint)),
            (None, None) => writeln!(out, "{mark} {text}"),
        };
    }
    out
}

/// `Plan: 2 to create, 1 to update (42 applications in the database shop, 6 in the file).`
#[must_use]
pub fn summary_line(plan: &Plan, subject: &Subject) -> String {
    let Summary { create, update, rename, adopt, delete } = plan.summary();
    let parts: Vec<String> = [
        (create, "to create"),
        (update, "to update"),
        (rename, "to rename"),
        (adopt, "to record in the ledger"),
        (delete, "to delete"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", grouped(count as u64)))
    .collect();
    let denominator = denominator(plan, subject, visible);
    if parts.is_empty() {
        let subject = match plan.targets.len() {
            0 if plan.has_unread_secrets() => {
                "Apart from unverified secrets, the database matches the file".to_owned()
            }
            0 => "The database matches the file".to_owned(),
            1 => "The target matches the file; the rest was not looked at".to_owned(),
            many => format!("The {many} targets match the file; the rest was not looked at"),
        };
        format!("{} {subject} ({denominator}).", paint(BOLD, "No changes."))
    } else {
        format!("{} {} ({denominator}).", paint(BOLD, "Plan:"), parts.join(", "))
    }
}

/// `42 applications in the database shop (staging), 6 in the file`. `name`: how the database's name is written.
pub(super) fn denominator(plan: &Plan, subject: &Subject, name: fn(&str) -> String) -> String {
    let Subject { file: _, label, database, commit: _ } = subject;
    let database = database.as_ref().map(|database| format!(" {}", name(database))).unwrap_or_default();
    let label = label.as_ref().map(|label| format!(" ({})", name(label))).unwrap_or_default();
    let declared = grouped(plan.declared as u64);
    format!("{} in the database{database}{label}, {declared} in the file", plural(plan.total, "application"))
}

fn render_step(out: &mut String, step: &Step, detail: Detail) {
    let name = visible(step.client_id().as_str());
    let _ = match step {
        Step::Create { fields, .. } => {
            let _ = writeln!(out, "{} {}", paint(GREEN, "+"), paint(BOLD, name));
            render_settings(out, fields, detail);
            Ok(())
        }
        Step::Update { row, client_id, changes, unchanged, dependents } => {
            let renamed = row.client_id != *client_id;
            let mark = if changes.is_empty() { paint(CYAN, "=") } else { paint(YELLOW, "~") };
            let _ = write!(out, "{mark} {}", paint(BOLD, name));
            let _ = write!(out, "  {}", paint(DIM, format_args!("(id {})", visible(row.key.as_str()))));
            let _ = if renamed {
                writeln!(out, "  renamed from {}", visible(row.client_id.as_str()))
            } else {
                writeln!(out)
            };
            render_changes(out, changes);
            if let Some(dependents) = dependents {
                let _ = writeln!(out, "    {}", in_use(dependents));
            }
            match unchanged {
                0 => Ok(()),
                1 => writeln!(out, "    {}", paint(DIM, "# 1 unchanged field")),
                many => writeln!(out, "    {}", paint(DIM, format_args!("# {many} unchanged fields"))),
            }
        }
        Step::Adopt { row } => writeln!(
            out,
            "{} {}  {}  exists already; the ledger will record that this file manages it",
            paint(CYAN, "="),
            paint(BOLD, name),
            paint(DIM, format_args!("(id {})", visible(row.key.as_str())))
        ),
        Step::Delete { row, name: title, reason, dependents, others } => {
            let why = match reason {
                DeleteReason::Removed => "[[removed]]",
                DeleteReason::Disabled => "enabled = false",
                DeleteReason::Pruned => "not in the file, and prune asks",
            };
            let _ = writeln!(
                out,
                "{} {}  {}  {}{why}",
                paint(RED, "-"),
                paint(BOLD, name),
                paint(DIM, format_args!("(id {})", visible(row.key.as_str()))),
                if title.is_empty() { String::new() } else { format!("\"{}\", ", visible(title)) },
            );
            let mut lines = dies_with(dependents, others).into_iter();
            lines.try_for_each(|line| writeln!(out, "    {line}"))
        }
    };
}

pub(super) fn render_settings(out: &mut String, fields: &[FieldSetting], detail: Detail) {
    let shown: Vec<&FieldSetting> = fields
        .iter()
        .filter(|setting| {
            let FieldSetting { field, value: _, declared } = setting;
            // What no file can say of a column is written all the same.
            let is_news = *field == Field::ClientSecret || matches!(field, Attribute::Column(_));
            *declared || is_news || detail == Detail::Full
        })
        .collect();
    let labels = labels(shown.iter().map(|setting| &setting.field));
    for (FieldSetting { field, value, declared }, label) in shown.into_iter().zip(labels) {
        let note = match field {
            _ if *declared || *field == Field::ClientSecret => String::new(),
            Attribute::Field(_) => format!("  {}", paint(DIM, "# default")),
            Attribute::Column(_) => {
                format!(
                    "  {}",
                    paint(DIM, "# left empty: its name suggests a secret, which the project writes")
                )
            }
        };
        match value {
            Value::Uris(uris) if !uris.is_empty() => {
                let mut label = label;
                for uri in uris {
                    let _ = writeln!(out, "    {label}  {} {}", paint(GREEN, "+"), visible(uri));
                    label = blank(&label);
                }
            }
            value => {
                let _ = writeln!(out, "    {label}  {}{note}", shown_setting(value));
            }
        }
    }
}

pub(super) fn render_changes(out: &mut String, changes: &[FieldChange]) {
    let labels = labels(changes.iter().map(|change| &change.field));
    for (change, label) in changes.iter().zip(labels) {
        let mark = if change.may_break_clients() { breaking() } else { UNMARKED.to_owned() };
        let FieldChange { field: _, before, after } = change;
        match (before, after) {
            (Value::Uris(before), Value::Uris(after)) => render_uris(out, label, &mark, (before, after)),
            (Value::StoredSecret, after) => {
                let _ = writeln!(out, "{mark}{label}  {}", shown_value(after));
            }
            (before, after) => {
                let arrow = paint(DIM, "→");
                let _ = writeln!(
                    out,
                    "{mark}{label}  {} {arrow} {}",
                    paint(RED, shown_value(before)),
                    paint(GREEN, shown_value(after))
                );
            }
        }
    }
}

/// What stands before a line that no client needs to notice.
const UNMARKED: &str = "    ";

/// What stands before a line that may break clients.
fn breaking() -> String {
    format!("  {} ", paint(YELLOW, "!"))
}

/// The elements that come and go; those that stay are counted.
fn render_uris(out: &mut String, mut label: String, mark: &str, (before, after): (&[String], &[String])) {
    let blank = blank(&label);
    let before: Vec<&str> = before.iter().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
    let after: Vec<&str> = after.iter().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
    let mut kept = 0;
    for operation in capture_diff_slices(Algorithm::Myers, &before, &after) {
        if operation.tag() == DiffTag::Equal {
            kept += operation.old_range().len();
            continue;
        }
        for (mark, sign, uris) in [
            (mark, paint(RED, "-"), &before[operation.old_range()]),
            (UNMARKED, paint(GREEN, "+"), &after[operation.new_range()]),
        ] {
            for uri in uris {
                let _ = writeln!(out, "{mark}{label}  {sign} {}", visible(uri));
                label.clone_from(&blank);
            }
        }
    }
    if kept > 0 {
        let _ = writeln!(out, "    {blank}  {}", paint(DIM, format_args!("# {kept} unchanged")));
    }
}

fn render_left_alone(out: &mut String, proposal: &Proposal, detail: Detail) {
    let lines = left_alone(proposal, detail);
    if !lines.is_empty() {
        for line in lines {
            let _ = writeln!(out, "{}", paint(DIM, line));
        }
        out.push('\n');
    }
}

/// What the plan does not touch and what it has not tried, a line for each kind.
pub(super) fn left_alone(proposal: &Proposal, detail: Detail) -> Vec<String> {
    let Proposal { plan, forecast: _, refusal: _, not_tried, subject: _, hooks: _ } = proposal;
    let mut lines = Vec::new();
    if detail == Detail::Full && !plan.unchanged.is_empty() {
        lines.push(format!("Unchanged: {}.", listed(&plan.unchanged)));
    }
    if plan.withholds_secrets {
        let made = "Made without secrets: advice on them is left out";
        lines.push(match plan.unverified.as_slice() {
            [] => format!("{made}."),
            unverified => format!("{made}, and these are unverified: {}.", listed(unverified)),
        });
    } else if !plan.unverified.is_empty() {
        lines.push(format!(
            "The stored secret cannot be verified and is left alone: {}.",
            listed(&plan.unverified)
        ));
    }
    if !plan.foreign.is_empty() {
        lines.push(format!(
            "The stored secret is foreign (the project has encrypted it) and is left alone: {}.",
            listed(&plan.foreign)
        ));
    }
    if !plan.unmanaged.is_empty() {
        lines.push(format!("Not in the file, left alone (prune would delete): {}.", listed(&plan.unmanaged)));
    }
    if plan.dynamic > 0 {
        let (itself, them) = if plan.dynamic == 1 { ("itself", "it") } else { ("themselves", "them") };
        let applications = plural(plan.dynamic, "application");
        lines.push(format!("{applications} registered {itself}; prune never deletes {them}."));
    }
    if let Some(instant) = &plan.counted_at {
        lines.push(format!("Tokens and users counted at {}.", to_the_second(instant)));
    }
    if plan.untargeted > 0 {
        lines.push(format!("{} left out by --target.", plural(plan.untargeted as u64, "application")));
    }
    if !not_tried.is_empty() {
        let names: Vec<String> = not_tried.iter().map(|one| visible(&one.to_string())).collect();
        lines.push(format!("Not tried before apply: {}.", names.join(", ")));
    }
    lines.extend(proposal.hooks_to_run().iter().map(hook_line));
    lines
}

fn hook_line(hook: &Hook) -> String {
    let limit = hook.timeout.map(|limit| format!(" (at most {})", humantime::format_duration(limit)));
    format!(
        "Hook, run after the changes by apply --hooks: {}{}.",
        visible(&hook.to_string()),
        limit.unwrap_or_default()
    )
}

fn listed(client_ids: &[crate::model::ClientId]) -> String {
    let mut names: Vec<String> = client_ids.iter().take(LISTED).map(|id| visible(id.as_str())).collect();
    if client_ids.len() > LISTED {
        names.push(format!("and {} more", grouped((client_ids.len() - LISTED) as u64)));
    }
    names.join(", ")
}

#[cfg(test)]
pub(super) mod tests;
