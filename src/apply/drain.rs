//! Deletes applications and the rows that refer to them. Many rows go in batches that commit before the rest.

use tokio_postgres::Client;

use super::error::{ApplyError, affected};
use super::request::{Event, Observer, Work};
use super::waiting::patiently;
use crate::db::applications;
use crate::db::dependents;
use crate::db::error::DbError;
use crate::model::{ForeignTally, Key};
use crate::plan::{Plan, RowRef, Step};

/// More dependent rows than this are deleted in batches of this size before the transaction commits.
pub const DRAIN_ABOVE: u32 = 10_000;

/// Deletes applications and their dependent rows; returns how many of these went, and what was deleted or changed in
/// other tables with them.
pub(super) async fn delete(
    work: Work<'_>,
    drainer: Option<&mut Client>,
    on: Observer<'_>,
) -> Result<(u64, ForeignTally), ApplyError> {
    let Work { transaction, request } = work;
    let doomed: Vec<(&Step, &RowRef, u64)> = request
        .plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Delete { row, dependents, .. } => Some((step, row, dependents.rows())),
            _ => None,
        })
        .collect();
    // Counted before the first of them goes. The applications are locked, so hardly a row can come after it.
    let others = others(work).await?;
    let mut gone = 0;
    if let Some(drainer) = drainer {
        // All batches first: a row that this transaction has deleted would keep the drainer waiting for ever.
        for (_, row, total) in doomed.iter().filter(|(_, _, total)| is_large(*total)) {
            gone += drain_in_batches(drainer, work, row, *total, on).await?;
        }
    }
    let mut keys = Vec::new();
    for (step, row, _) in &doomed {
        loop {
            let deleted = drain(work, row, on).await?;
            gone += deleted;
            if deleted < u64::from(DRAIN_ABOVE) {
                break;
            }
        }
        keys.push(&row.key);
        on(Event::Executed(step));
    }
    if !keys.is_empty() {
        let detach = async || {
            let detached = dependents::detach(transaction, request.layout, &keys).await;
            detached.map_err(DbError::during("deleting what refers to the applications"))
        };
        patiently(work, "deleting applications", on, detach).await?;
        let delete = async || applications::delete(transaction, request.layout, &keys).await;
        let deleted = patiently(work, "deleting applications", on, delete).await?;
        affected("deleting applications", keys.len() as u64, deleted)?;
    }
    Ok((gone, others))
}

/// Rows of other tables that are going to be deleted or changed, here or by PostgreSQL.
async fn others(Work { transaction, request }: Work<'_>) -> Result<ForeignTally, ApplyError> {
    let keys: Vec<&Key> = request.plan.deletions().map(|row| &row.key).collect();
    if keys.is_empty() {
        return Ok(ForeignTally::default());
    }
    let counted = dependents::foreign_rows(transaction, request.layout, &keys).await;
    let counted = counted
        .map_err(DbError::during("counting the rows of other tables that go with the applications"))?;
    let mut others = ForeignTally::default();
    counted.values().flatten().filter(|rows| !rows.blocks()).for_each(|rows| others.add(rows));
    Ok(others)
}

/// Whether the plan deletes applications that lose their tokens in batches of their own. These commit while the rest of the
/// plan does not, which takes a second connection.
#[must_use]
pub fn drains(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| match step {
        Step::Delete { dependents, .. } => is_large(dependents.rows()),
        Step::Create { .. } | Step::Update { .. } | Step::Adopt { .. } => false,
    })
}

/// Whether this number of dependent rows is deleted in batches of its own.
fn is_large(rows: u64) -> bool {
    rows > u64::from(DRAIN_ABOVE)
}

async fn drain_in_batches(
    drainer: &mut Client,
    work: Work<'_>,
    row: &RowRef,
    total: u64,
    on: Observer<'_>,
) -> Result<u64, ApplyError> {
    let mut rows = 0;
    loop {
        let batch = drainer.transaction().await.map_err(draining(row))?;
        let deleted = drain(Work { transaction: &batch, ..work }, row, on).await?;
        batch.commit().await.map_err(draining(row))?;
        rows += deleted;
        on(Event::Drained { client_id: &row.client_id, deleted, rows, total });
        if deleted < u64::from(DRAIN_ABOVE) {
            return Ok(rows);
        }
    }
}

async fn drain(work: Work<'_>, row: &RowRef, on: Observer<'_>) -> Result<u64, ApplyError> {
    let drain = async || {
        let layout = work.request.layout;
        let drained = dependents::drain(work.transaction, layout, &row.key, DRAIN_ABOVE).await;
        drained.map_err(draining(row))
    };
    let attempted = format!("deleting the tokens of application \"{}\"", row.client_id);
    patiently(work, &attempted, on, drain).await
}

fn draining(row: &RowRef) -> impl FnOnce(tokio_postgres::Error) -> DbError {
    DbError::during(format!("deleting the tokens of application \"{}\"", row.client_id))
}
