//! Changes rows: in sets of a thousand, or one by one where a set fails.
//!
//! A set is one statement, and its rows have the same changed columns, so that no column is named that does not change. If a set
//! fails or touches another number of rows than it has, all sets are undone and the rows are changed one by one, in the order
//! of the plan. That names the row that is at fault, and finds out whether any is: unique values may be passed on from row to row
//! in that order only.

use std::collections::BTreeMap;

use super::cells::cell;
use super::error::{ApplyError, affected};
use super::request::{Event, Observer, Work};
use super::waiting::{go_on, patiently};
use crate::db::applications::{self, ChangedApplication};
use crate::db::error::DbError;
use crate::db::session;
use crate::model::Attribute;
use crate::plan::{FieldChange, Step};

/// Changes the rows of all updates of the plan.
pub(super) async fn update(work: Work<'_>, on: Observer<'_>) -> Result<(), ApplyError> {
    let rows = changed(work)?;
    if rows.len() < 2 || !in_sets(work, &rows, on).await? {
        one_by_one(work, &rows, on).await?;
    }
    for step in work.request.plan.steps.iter().filter(|step| matches!(step, Step::Update { .. })) {
        on(Event::Executed(step));
    }
    Ok(())
}

/// The rows as they are going to be, in the order of the plan.
fn changed(Work { request, .. }: Work<'_>) -> Result<Vec<ChangedApplication<'_>>, ApplyError> {
    let mut rows = Vec::new();
    for step in &request.plan.steps {
        let Step::Update { row, client_id, changes, unchanged: _, dependents: _ } = step else { continue };
        let cells = changes
            .iter()
            .map(|FieldChange { field, before: _, after }| Ok((field, cell(request, client_id, after)?)))
            .collect::<Result<Vec<_>, ApplyError>>()?;
        rows.push(ChangedApplication { key: &row.key, client_id, cells });
    }
    Ok(rows)
}

/// Whether that changed exactly these rows; otherwise nothing was changed.
async fn in_sets(
    work: Work<'_>,
    rows: &[ChangedApplication<'_>],
    on: Observer<'_>,
) -> Result<bool, ApplyError> {
    let transaction = work.transaction;
    session::begin_sets(transaction).await.map_err(DbError::during(ATTEMPTED))?;
    let mut alike: BTreeMap<Vec<&Attribute>, Vec<&ChangedApplication<'_>>> = BTreeMap::new();
    for row in rows {
        alike.entry(row.cells.iter().map(|(attribute, _)| *attribute).collect()).or_default().push(row);
    }
    for set in alike.values().flat_map(|rows| rows.chunks(applications::SET)) {
        let update = async || applications::update(transaction, work.request.layout, set).await;
        match patiently(work, ATTEMPTED, on, update).await {
            Ok(touched) if touched == set.len() as u64 => {}
            // What has not to do with a row is no other way round.
            Err(ApplyError::Database(failed)) if failed.is_retryable() => return Err(failed.into()),
            Ok(_) | Err(ApplyError::Database(_)) => {
                session::undo_sets(transaction).await.map_err(DbError::during(ATTEMPTED))?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    session::keep_sets(transaction).await.map_err(DbError::during(ATTEMPTED))?;
    Ok(true)
}

const ATTEMPTED: &str = "updating applications";

async fn one_by_one(
    work: Work<'_>,
    rows: &[ChangedApplication<'_>],
    on: Observer<'_>,
) -> Result<(), ApplyError> {
    let Work { transaction, request } = work;
    for (position, row) in rows.iter().enumerate() {
        go_on(request)?;
        let attempted = format!("updating application \"{}\"", row.client_id);
        let update = async || applications::update(transaction, request.layout, &[row]).await;
        // The rows are locked by now, and the first statement gets the table's lock for all of them.
        let touched = if position == 0 {
            patiently(work, &attempted, on, update).await
        } else {
            update().await.map_err(ApplyError::from)
        };
        affected(&attempted, 1, touched.map_err(|error| error.of(row.client_id))?)?;
    }
    Ok(())
}
