//! The runs in the ledger, as people read them: a line for each, or one with its steps. Pure.

use std::fmt::Write as _;

use time::OffsetDateTime;

use super::grid::{Column, Grid};
use super::plan::{Detail, render_steps, to_the_second, visible};
use super::{BOLD, paint};
use crate::model::words::{grouped, plural, rfc3339, span};
use crate::model::{Category, NotedRun};
use crate::plan::undo::Done;
use crate::plan::{Plan, Step};

/// More hexadecimal digits of a commit than this are left out of the list.
const SHORT: usize = 12;

/// A line for each run, the newest first.
#[must_use]
pub fn list(runs: &[NotedRun], width: usize) -> String {
    if runs.is_empty() {
        return "The ledger knows of no run.\n".to_owned();
    }
    let mut grid = Grid::new(vec![
        Column::number("RUN"),
        Column::words("BEGAN"),
        Column::words("VERB"),
        Column::words("END"),
        Column::words("WHAT"),
        Column::words("WHO").spare(1),
        Column::words("FILE").spare(2),
        Column::words("COMMIT").spare(3),
    ]);
    for run in runs {
        let commit = run.commit.as_deref().unwrap_or_default();
        grid.row(vec![
            run.id.to_string(),
            instant(run.started),
            visible(&run.verb),
            ending(run),
            what(run).join(", "),
            visible(&run.who),
            visible(run.owner.as_deref().unwrap_or_default()),
            visible(&commit.chars().take(SHORT).collect::<String>()),
        ]);
    }
    grid.render(width)
}

/// One run. `steps`: `None`: they are not known.
#[must_use]
pub fn show(run: &NotedRun, steps: Option<&[Done]>) -> String {
    let mut out = format!("{}\n", paint(BOLD, title(run)));
    let finished = run.finished.map_or_else(|| "not noted".to_owned(), instant);
    let took = run.finished.and_then(|end| std::time::Duration::try_from(end - run.started).ok());
    let took = took.map(|took| format!(" (after {})", span(took))).unwrap_or_default();
    let who = format!("{}, as the role {}", run.who, run.db_user);
    let lines = [
        ("began", Some(instant(run.started))),
        ("ended", Some(format!("{finished}{took}"))),
        ("who", Some(who)),
        ("file", run.owner.clone()),
        ("sha256", run.config_digest.clone()),
        ("commit", run.commit.clone()),
        ("oauthctl", Some(run.version.clone())),
    ];
    for (label, value) in lines {
        if let Some(value) = value {
            let _ = writeln!(out, "    {label:<8}  {}", visible(&value));
        }
    }
    out.push('\n');
    match steps {
        None => {
            out += "What it changed is not known: an older oauthctl noted it, or its role might not write that.\n\n";
        }
        Some([]) => {}
        Some(steps) => {
            let plan = plan(steps);
            out += &render_steps(&plan, &plan.steps, Detail::Full);
        }
    }
    let what = what(run);
    let done = if what.is_empty() { "nothing".to_owned() } else { what.join(", ") };
    let _ = writeln!(out, "Done: {done}.");
    for (category, rows) in run.tokens() {
        let title = category
            .parse::<Category>()
            .map_or_else(|_| visible(&category), |known| known.title().to_owned());
        let _ = writeln!(out, "    {:>10}  {title}", grouped(rows));
    }
    out
}

/// `Run 12: apply, succeeded`
#[must_use]
pub fn title(run: &NotedRun) -> String {
    format!("Run {}: {}, {}", run.id, visible(&run.verb), ending(run))
}

/// The steps of a run, with the rows before them.
fn plan(steps: &[Done]) -> Plan {
    let mut plan = Plan { steps: steps.iter().map(|done| done.step.clone()).collect(), ..Plan::default() };
    for Done { step, before, .. } in steps {
        if let (Some(row), Some(before)) = (Step::row(step), before) {
            plan.rows.insert(row.key.clone(), before.clone());
        }
    }
    plan
}

/// How a run ended, and why cleanup did.
fn ending(run: &NotedRun) -> String {
    let outcome = visible(run.outcome.as_deref().unwrap_or("unfinished"));
    match run.stop() {
        None | Some("finished") => outcome,
        Some(stop) => format!("{outcome} ({})", visible(stop)),
    }
}

/// `1 created, 2 updated, 9 rows deleted`
fn what(run: &NotedRun) -> Vec<String> {
    let applications = run.applications();
    let words = [
        ("create", "created"),
        ("update", "updated"),
        ("rename", "renamed"),
        ("adopt", "recorded in the ledger"),
        ("delete", "deleted"),
    ];
    let count = |key: &str| applications.iter().find(|(name, _)| name == key).map(|(_, count)| *count);
    let mut parts: Vec<String> = words
        .into_iter()
        .filter_map(|(key, word)| Some(format!("{} {word}", grouped(count(key)?))))
        .collect();
    let tokens = run.tokens().iter().map(|(_, rows)| *rows).fold(run.dependents(), u64::saturating_add);
    if tokens > 0 {
        parts.push(format!("{} deleted", plural(tokens, "token row")));
    }
    parts
}

/// RFC 3339 in UTC, to the second.
pub(super) fn instant(at: OffsetDateTime) -> String {
    to_the_second(&rfc3339(at))
}
