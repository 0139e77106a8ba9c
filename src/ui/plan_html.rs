//! A plan as a page for a browser: what a reviewer opens from the artefacts of a job.
//!
//! It holds what the JSON of the plan holds, whole: nothing is folded to counts, and of a secret only what happens to it.
//! The filters need a script; without one, everything is shown. Pure.

mod around;
mod fields;
mod step;

use self::around::{cleanup, hooks, left_alone};
use self::step::{Action, reach, steps};
use super::html::{FILTERS, Page, code, number, paragraph, section, text};
use super::plan::{denominator, to_the_second};
use super::plan_failure::reason;
use crate::error::Exit;
use crate::plan::guard::{Refusal, Violation};
use crate::plan::{Plan, Proposal, Subject, Summary};

/// The whole page.
#[must_use]
pub fn render(proposal: &Proposal) -> String {
    let Proposal { plan, forecast, refusal, not_tried: _, subject, hooks: _ } = proposal;
    let mut body = refusal.as_ref().map(refused).unwrap_or_default();
    body += &section("changes", "Changes", &(filters(plan) + &steps(plan)));
    body += &section("reach", "What depends on what", &reach(plan));
    body += &section(
        "cleanup",
        "Cleanup",
        &forecast.as_ref().map(|forecast| cleanup(plan, forecast)).unwrap_or_default(),
    );
    body += &section("hooks", "Hooks", &hooks(proposal));
    body += &section("left-alone", "Not changed", &left_alone(proposal));
    Page { title: &title(subject), head: head(plan, subject), body, script: Some(FILTERS) }.render()
}

/// The page in place of a plan that failed, so that no older one looks current.
#[must_use]
pub fn render_failure(subject: &Subject, exit: Exit) -> String {
    let why = format!(
        "It is not known what apply would do: {} (exit status {}). The log of the job says more.",
        reason(exit),
        exit as u8
    );
    let body = section("refused", "The plan failed", &paragraph(&why));
    Page { title: &title(subject), head: commit(subject), body, script: None }.render()
}

fn title(subject: &Subject) -> String {
    let Subject { file, label, database: _, commit: _ } = subject;
    let label = label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
    format!("Plan of {file}{label}")
}

fn head(plan: &Plan, subject: &Subject) -> String {
    let Summary { create, update, rename, adopt, delete } = plan.summary();
    let counts = [
        (delete, "to delete"),
        (create, "to create"),
        (update, "to update"),
        (rename, "to rename"),
        (adopt, "to record in the ledger"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: String =
        counts.map(|(count, what)| format!("<li><b>{}</b> {what}</li>", number(count as u64))).collect();
    let counts = if counts.is_empty() { "<li><b>No changes</b></li>".to_owned() } else { counts };
    let whole = paragraph(&format!("{}.", denominator(plan, subject, str::to_owned)));
    let counted = plan
        .counted_at
        .as_ref()
        .map(|instant| paragraph(&format!("Tokens and users counted at {}.", to_the_second(instant))));
    format!("<ul class=\"counts\">{counts}</ul>\n{whole}{}{}", counted.unwrap_or_default(), commit(subject))
}

fn commit(subject: &Subject) -> String {
    let commit = subject.commit.as_ref();
    commit.map(|commit| format!("<p>Commit {}.</p>\n", code(commit))).unwrap_or_default()
}

/// Every broken rail, and what lets it through.
fn refused(refusal: &Refusal) -> String {
    let Refusal { violations } = refusal;
    let reasons: String = violations.iter().map(violation).collect();
    section("refused", "apply will refuse this", &format!("<ul>\n{reasons}</ul>\n"))
}

fn violation(violation: &Violation) -> String {
    let why = text(&violation.to_string());
    match (violation.allow(), violation.hint()) {
        (Some(flag), _) => format!("<li>{why}; to let it through: {}</li>\n", code(&flag)),
        (None, Some(hint)) => format!("<li>{why}; {}</li>\n", text(hint)),
        (None, None) => format!("<li>{why}</li>\n"),
    }
}

/// Hidden until the script has come: without it they would do nothing.
fn filters(plan: &Plan) -> String {
    if plan.steps.is_empty() {
        return paragraph("No application changes.");
    }
    let actions =
        Action::ALL.into_iter().filter(|action| plan.steps.iter().any(|step| Action::of(step) == *action));
    let boxes: String = actions
        .map(|action| {
            let (key, title) = (action.key(), action.title());
            format!(
                "<label><input type=\"checkbox\" name=\"action\" value=\"{key}\" checked> {title}</label>\n"
            )
        })
        .collect();
    format!(
        "<form id=\"filters\" hidden>\n<fieldset><legend>Show</legend>\n{boxes}\
         <label><input type=\"checkbox\" id=\"breaking\"> only what may break clients</label></fieldset>\n\
         <label for=\"search\">Text</label> <input type=\"search\" id=\"search\" autocomplete=\"off\">\n\
         <button type=\"reset\">Show everything</button>\n<p><output id=\"shown\"></output></p>\n</form>\n"
    )
}

#[cfg(test)]
mod tests;
