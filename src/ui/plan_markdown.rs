//! A plan as one comment on a pull request: a marker to find it again, what would be deleted in the title, and as much
//! of the rest as a comment holds.
//!
//! A forge refuses comments that are too long. So the room is given out step by step (`fill`): a line for each
//! deletion, then what is sensitive, then a line for every other change, then details. What has no room is counted.
//! Pure. Text of the file and of the database cannot become markup, a mention or a link: in fenced blocks it never
//! begins a line, and elsewhere it is written in character references.

mod entry;
mod fill;
mod inert;

use std::fmt::Write as _;

use self::entry::entry;
use self::fill::{Entry, Length, fill, size};
use self::inert::{code, inert};
use super::plan::{
    Detail, by_category, denominator, grouped, headline, left_alone, number_and_fate, plural, spared,
};
use super::plan_failure::reason;
use crate::error::Exit;
use crate::plan::guard::Refusal;
use crate::plan::{Plan, Proposal, Step, Subject, Summary};

/// What GitHub takes, in UTF-16 code units; Bitbucket takes half of it.
pub const LIMIT: usize = 65_536;

/// The shortest limit that holds the title and the counts.
pub const SHORTEST_LIMIT: usize = 4_096;

/// More violations than this are counted; fewer where room is short.
const LISTED: [usize; 4] = [20, 5, 1, 0];

/// More characters of a file's name or a label than this are left out.
const NAMED: usize = 120;

/// Room for the line that counts what is not shown.
const REST: usize = 300;

/// The comment, with at most `limit` UTF-16 code units, which is at least [`SHORTEST_LIMIT`].
#[must_use]
pub fn render(proposal: &Proposal, limit: usize) -> String {
    let Proposal { plan, forecast: _, refusal, not_tried: _, subject, hooks: _ } = proposal;
    let head = head(plan, subject);
    let foot = origin(subject);
    let mut room = limit.saturating_sub(size(&head) + size(&foot) + REST);
    let refused = refusal.as_ref().map(|refusal| violations(refusal, room / 4)).unwrap_or_default();
    room = room.saturating_sub(size(&refused));
    let tail = tail(proposal);
    let fits = size(&tail) <= room / 2;
    let tail = if fits { tail } else { String::new() };
    room = room.saturating_sub(size(&tail));
    let entries: Vec<Entry> = plan.steps.iter().map(entry).collect();
    let lengths = fill(&entries, room);
    let body: String = entries.iter().zip(&lengths).map(|(entry, length)| entry.text(*length)).collect();
    let rest = rest(plan, &entries, &lengths, fits);
    format!("{head}{refused}{body}{rest}{tail}{foot}")
}

/// The comment in place of a plan that failed, so that no older one looks current. Why it failed is for the log of the
/// job: the message may name the server.
#[must_use]
pub fn render_failure(subject: &Subject, exit: Exit) -> String {
    let why = reason(exit);
    let code = exit as u8;
    format!(
        "{}: **the plan failed**\n\n> [!CAUTION]\n> It is not known what `apply` would do: {why} (exit status {code}). The \
         log of the job says more.\n{}",
        title(subject),
        origin(subject)
    )
}

/// The marker and the beginning of the title.
fn title(subject: &Subject) -> String {
    let Subject { file, label, database: _, commit: _ } = subject;
    let short = |text: &str| text.chars().take(NAMED).collect::<String>();
    let label = label.as_deref().map(|label| format!(" ({})", short(label))).unwrap_or_default();
    let name = inert(&format!("{}{label}", short(file)));
    format!("<!-- oauthctl plan: {name} -->\n### {name}")
}

/// The marker, the title and what the numbers are of.
fn head(plan: &Plan, subject: &Subject) -> String {
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
    if parts.is_empty() {
        parts.push("no changes".to_owned());
    }
    if plan.has_unread_secrets() {
        parts.push("secrets unverified".to_owned());
    }
    let counts = parts.join(", ");
    format!("{}: {counts}\n\n{}.\n", title(subject), denominator(plan, subject, code))
}

/// From which commit it was made.
fn origin(subject: &Subject) -> String {
    subject.commit.as_ref().map(|commit| format!("\nCommit {}.\n", code(commit))).unwrap_or_default()
}

/// Why `apply` will refuse, in at most `room` units if that is possible.
fn violations(refusal: &Refusal, room: usize) -> String {
    let texts = LISTED.iter().map(|listed| some_violations(refusal, *listed));
    let fewest = some_violations(refusal, 0);
    texts.into_iter().find(|text| size(text) <= room).unwrap_or(fewest)
}

fn some_violations(refusal: &Refusal, listed: usize) -> String {
    let mut out = "\n> [!CAUTION]\n> `apply` will refuse this:\n".to_owned();
    for violation in refusal.violations.iter().take(listed) {
        let _ = write!(out, "> - {}", inert(&violation.to_string()));
        let _ = match (violation.allow(), violation.hint()) {
            (Some(flag), _) => writeln!(out, "; to let it through: {}", code(&flag)),
            (None, Some(hint)) => writeln!(out, "; {}", inert(hint)),
            (None, None) => writeln!(out),
        };
    }
    if let Some(more @ 1..) = refusal.violations.len().checked_sub(listed) {
        let and = if listed > 0 { "and " } else { "" };
        let _ = writeln!(out, "> - {and}{} more", grouped(more as u64));
    }
    out
}

/// What of the plan is not in the comment, by kind.
fn rest(plan: &Plan, entries: &[Entry], lengths: &[Length], has_tail: bool) -> String {
    let is_short = |(entry, length): (&Entry, &Length)| entry.text(*length) != entry.whole;
    if has_tail && !entries.iter().zip(lengths).any(is_short) {
        return String::new();
    }
    let missing = plan.steps.iter().zip(lengths).filter(|(_, length)| **length == Length::Nothing);
    let mut counts = [(0u64, "deletion"), (0, "update"), (0, "creation"), (0, "record in the ledger")];
    for (step, _) in missing {
        counts[match step {
            Step::Delete { .. } => 0,
            Step::Update { .. } => 1,
            Step::Create { .. } => 2,
            Step::Adopt { .. } => 3,
        }]
        .0 += 1;
    }
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| match noun {
            "record in the ledger" => format!("{} to record in the ledger", grouped(count)),
            noun => plural(count, noun),
        })
        .collect();
    let missing =
        if counts.is_empty() { String::new() } else { format!(" Not shown: {}.", counts.join(", ")) };
    format!("\nThe rest is too long for a comment: `oauthctl plan` shows everything.{missing}\n")
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

#[cfg(test)]
mod tests;
