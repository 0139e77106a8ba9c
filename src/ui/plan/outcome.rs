//! What an apply has done, in the words of the plan.

use super::reach::went_along;
use super::{grouped, plural};
use crate::apply::Outcome;
use crate::plan::Summary;

/// `Applied: 2 created, 1 deleted (with 9 dependent rows).`, and a line for the rows of each other table that went along.
#[must_use]
pub fn applied_line(outcome: &Outcome) -> String {
    let Outcome { done, dependents, others } = outcome;
    let Summary { create, update, rename, adopt, delete } = *done;
    let parts: Vec<String> = [
        (create, "created"),
        (update, "updated"),
        (rename, "renamed"),
        (adopt, "recorded in the ledger"),
        (delete, "deleted"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", grouped(count as u64)))
    .collect();
    let with = if *dependents > 0 {
        format!(" (with {})", plural(*dependents, "dependent row"))
    } else {
        String::new()
    };
    let others = others.iter().map(|rows| format!("  {}\n", went_along(rows)));
    format!("Applied: {}{with}.\n{}", parts.join(", "), others.collect::<String>())
}
