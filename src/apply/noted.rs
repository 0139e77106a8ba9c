//! What the ledger keeps of the steps of a plan. No secret: the plan holds none.

use serde_json::Error;

use crate::db::ledger::steps::NotedStep;
use crate::plan::{Plan, Step};

/// The steps in their order, with the rows before and after them.
///
/// # Errors
/// None that can happen: the values serialise.
pub fn noted_steps(plan: &Plan) -> Result<Vec<NotedStep>, Error> {
    plan.steps.iter().map(|step| noted(plan, step)).collect()
}

fn noted(plan: &Plan, step: &Step) -> Result<NotedStep, Error> {
    let (before, after) = plan.rows_of(step);
    let json = |row: Option<_>| row.as_ref().map(serde_json::to_value).transpose();
    Ok(NotedStep {
        key: step.row().map(|row| row.key.clone()),
        client_id: step.client_id().clone(),
        step: serde_json::to_value(step)?,
        before: json(before)?,
        after: json(after)?,
    })
}
