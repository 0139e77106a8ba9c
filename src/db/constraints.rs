//! The application table's own constraints, asked about rows that are not there yet.
//!
//! Writes nothing: CHECKs and domains are a `SELECT` over the rows as they would be, unique keys and foreign keys a
//! look-up. A constraint that involves a value which is not known yet, or that only a write can try, is named instead. Statements
//! are per constraint, never per row. Knows no plan and no file.

mod ask;
mod catalogue;
mod circle;
mod questions;
mod rows;

use tokio_postgres::GenericClient;

use self::questions::Questions;
pub use self::questions::Trial;
use self::rows::Rows;
pub use self::rows::{PlannedCell, PlannedRow};
use super::error::DbError;
use super::layout::Layout;
use crate::model::{Key, NotTried};

/// Tries rows in the order in which they will be written; those of `deleted` go afterwards. In the snapshot of the
/// caller's transaction.
///
/// # Errors
/// The server's, unless it is a single constraint that cannot be asked.
pub async fn try_rows(
    client: &impl GenericClient,
    layout: &Layout,
    planned: &[impl PlannedRow],
    deleted: &[&Key],
) -> Result<Trial, DbError> {
    let table = layout.application();
    let reading = || DbError::during("reading the constraints of the application table");
    let columns = catalogue::columns(client, table.oid).await.map_err(reading())?;
    let triggers = catalogue::triggers(client, table.oid).await.map_err(reading())?;
    let rows = Rows::new(table, &columns, planned);
    let mut questions = Questions { client, table, rows: &rows, deleted, trial: Trial::default() };
    questions.not_null(&columns).await?;
    for check in catalogue::checks(client, table.oid).await.map_err(reading())? {
        questions.check(check).await?;
    }
    let (uniques, others) = catalogue::uniques(client, table.oid).await.map_err(reading())?;
    for unique in uniques {
        questions.unique(unique).await?;
    }
    questions.name("exclusion constraint", others);
    let (keys, others) = catalogue::foreign(client, table.oid).await.map_err(reading())?;
    for key in keys {
        questions.foreign(key).await?;
    }
    questions.name("foreign key", others);
    let Trial { mut breaches, mut not_tried } = questions.trial;
    let (creates, updates) =
        (planned.iter().any(|row| row.key().is_none()), planned.iter().any(|row| row.key().is_some()));
    for trigger in triggers {
        if !(trigger.on_insert && creates || trigger.on_update && updates) {
            continue;
        }
        for (position, breach) in &mut breaches {
            let is_new = planned.get(*position).is_some_and(|row| row.key().is_none());
            if trigger.before_row && (if is_new { trigger.on_insert } else { trigger.on_update }) {
                breach.trigger.get_or_insert_with(|| trigger.name.clone());
            }
        }
        not_tried.push(NotTried { kind: "trigger".into(), name: trigger.name, why: None });
    }
    breaches.sort_by_key(|(position, _)| *position);
    not_tried.sort();
    not_tried.dedup();
    Ok(Trial { breaches, not_tried })
}
