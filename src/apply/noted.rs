//! What the ledger keeps of the steps of a plan. No secret: the plan holds none.

use super::error::ApplyError;
use super::request::Work;
use crate::db::applications::SET;
use crate::db::error::DbError;
use crate::db::ledger::steps::{self, NotedStep};
use crate::plan::{Plan, Step};

/// Notes the steps in their order, with the rows before and after them. A part after the other: as JSON, all of a large
/// plan would take several times its memory.
pub(super) async fn note(Work { transaction, request }: Work<'_>, run: i64) -> Result<(), ApplyError> {
    for (part, set) in request.plan.steps.chunks(SET).enumerate() {
        let noted = set.iter().map(|step| noted(request.plan, step)).collect::<Result<Vec<_>, _>>();
        let noted = noted.map_err(ApplyError::NotJson)?;
        steps::note(transaction, request.layout, (run, part * SET), &noted)
            .await
            .map_err(DbError::during("noting in the ledger what this run changes"))?;
    }
    Ok(())
}

fn noted(plan: &Plan, step: &Step) -> Result<NotedStep, serde_json::Error> {
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
