//! The questions of `apply --pick`. Pure.

use super::plan::{Detail, plural, render_steps, summary_line, visible};
use crate::plan::picking::Picked;
use crate::plan::{Plan, Proposal, Step};

/// What the letters mean.
pub const HELP: &str = "\
y: make this change
n: leave it out
a: make this change and all that follow
q: leave out this one and all that follow";

/// What there is to decide about.
#[must_use]
pub fn heading(proposal: &Proposal) -> String {
    format!("{}\n", summary_line(&proposal.plan, &proposal.subject))
}

/// A step as the plan shows it, without the empty line behind it.
#[must_use]
pub fn step(plan: &Plan, step: &Step, detail: Detail) -> String {
    format!("\n{}", render_steps(plan, std::slice::from_ref(step), detail).trim_end())
}

/// The question about it.
#[must_use]
pub fn question(what: &str, number: usize, of: usize) -> String {
    format!("{what} ({number} of {of}) [y,n,a,q,?]")
}

/// `Left out: reports, legacy, and the cleanup.`
#[must_use]
pub fn left_out(picked: &Picked) -> String {
    let names: Vec<String> =
        picked.left.iter().take(LISTED).map(|step| visible(step.client_id().as_str())).collect();
    let more = picked.left.len().saturating_sub(LISTED) as u64;
    let more = (more > 0).then(|| plural(more, "other application"));
    let cleanup = (picked.cleans == Some(false)).then(|| "the cleanup".to_owned());
    let parts: Vec<String> = names.into_iter().chain(more).chain(cleanup).collect();
    format!("Left out: {}.", parts.join(", "))
}

/// More names than this are counted, not listed.
const LISTED: usize = 10;
