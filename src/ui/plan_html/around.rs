//! What a page of a plan says besides the steps: cleanup, hooks, and what is left alone.

use crate::model::{ClientId, Hook, NotTried};
use crate::plan::{CleanupForecast, Plan, Proposal};
use crate::ui::html::{Column, code, paragraph, table, text};
use crate::ui::plan::{REMARK, by_category, headline, number_and_fate, plural, spared, takes_rows};

/// What cleanup would delete.
pub(super) fn cleanup(plan: &Plan, forecast: &CleanupForecast) -> String {
    let rows =
        by_category(&forecast.counted).into_iter().map(|(number, what)| vec![text(&what), text(&number)]);
    let rows: Vec<Vec<String>> = rows.collect();
    let others = forecast.others.iter().map(number_and_fate);
    let others: Vec<Vec<String>> = others.map(|(count, fate)| vec![text(&fate), text(&count)]).collect();
    let categories = table("By category", &[Column::Words("Category"), Column::Number("Rows")], &rows);
    let along =
        table("Rows of other tables", &[Column::Words("What happens"), Column::Number("Rows")], &others);
    let spared = spared(forecast).map(|spared| paragraph(&spared)).unwrap_or_default();
    let remark = if takes_rows(plan) && !rows.is_empty() { paragraph(REMARK) } else { String::new() };
    paragraph(&headline(forecast)) + &categories + &remark + &along + &spared
}

/// What `apply --hooks` runs.
pub(super) fn hooks(proposal: &Proposal) -> String {
    let hooks: String = proposal.hooks_to_run().iter().map(hook).collect();
    if hooks.is_empty() {
        return hooks;
    }
    format!("{}<ol>\n{hooks}</ol>\n", paragraph("apply --hooks runs them after the changes, in this order."))
}

fn hook(hook: &Hook) -> String {
    let limit = hook.timeout.map(|limit| format!(", at most {}", humantime::format_duration(limit)));
    format!("<li>{}{}</li>\n", code(&hook.to_string()), limit.unwrap_or_default())
}

/// Applications that the plan does not touch, all of them, and what nobody has tried.
pub(super) fn left_alone(proposal: &Proposal) -> String {
    let Proposal { plan, forecast: _, refusal: _, not_tried, subject: _, hooks: _ } = proposal;
    let Plan { unchanged, unmanaged, unverified, foreign, targets, .. } = plan;
    let ids = |ids: &[ClientId]| ids.iter().map(|id| code(id.as_str())).collect::<Vec<_>>();
    let unverified_why = if plan.withholds_secrets {
        "Made without secrets: whether the secret changes is not known"
    } else {
        "The stored secret cannot be verified and is left alone"
    };
    let lists = [
        ("Unchanged", ids(unchanged)),
        ("Not in the file, left alone (prune would delete)", ids(unmanaged)),
        (unverified_why, ids(unverified)),
        ("The stored secret is foreign (the project has encrypted it) and is left alone", ids(foreign)),
        ("Only these were compared (--target)", ids(targets)),
        ("Not tried before apply", not_tried.iter().map(|one: &NotTried| text(&one.to_string())).collect()),
    ];
    let lists: String = lists.iter().map(|(title, items)| named(title, items)).collect();
    lists + &counted(plan)
}

fn named(title: &str, items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(|item| format!("<li>{item}</li>")).collect();
    format!("<h3>{}</h3>\n<ul>{items}</ul>\n", text(title))
}

/// What the plan knows as a number only.
fn counted(plan: &Plan) -> String {
    let mut out = String::new();
    if plan.withholds_secrets {
        out += &paragraph("Made without secrets: advice on them is left out.");
    }
    if plan.dynamic > 0 {
        let (itself, them) = if plan.dynamic == 1 { ("itself", "it") } else { ("themselves", "them") };
        let applications = plural(plan.dynamic, "application");
        out += &paragraph(&format!("{applications} registered {itself}; prune never deletes {them}."));
    }
    if plan.untargeted > 0 {
        out +=
            &paragraph(&format!("{} left out by --target.", plural(plan.untargeted as u64, "application")));
    }
    out
}
