//! A plan against the constraints of the application table, before anything is written.

use tokio_postgres::GenericClient;

use crate::db::constraints::{self, PlannedCell, PlannedRow};
use crate::db::error::DbError;
use crate::db::layout::Layout;
use crate::model::{Attribute, Breach, Field, Key, NotTried};
use crate::plan::{Finding, FindingCause, Plan, Step, Value};

/// What the constraints have against a plan.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What `apply` would fail with.
    pub findings: Vec<Finding>,
    /// What it would fail with unless a trigger changes the row.
    pub doubts: Vec<Finding>,
    /// What only `apply` will find out.
    pub not_tried: Vec<NotTried>,
}

/// Asks about each row that the plan creates or changes, in the snapshot of the caller's transaction.
///
/// # Errors
/// The server's.
pub async fn against_constraints(
    client: &impl GenericClient,
    layout: &Layout,
    plan: &Plan,
) -> Result<Verdict, DbError> {
    let (steps, rows): (Vec<&Step>, Vec<PlannedRow<'_>>) =
        plan.steps.iter().filter_map(|step| Some((step, row(step)?))).unzip();
    if rows.is_empty() {
        return Ok(Verdict::default());
    }
    let deleted: Vec<&Key> = plan.deletions().map(|row| &row.key).collect();
    let trial = constraints::try_rows(client, layout, &rows, &deleted).await?;
    let mut verdict = Verdict { not_tried: trial.not_tried, ..Verdict::default() };
    for (position, breach) in trial.breaches {
        let Some(step) = steps.get(position) else { continue };
        let is_certain = breach.trigger.is_none();
        let finding = Finding {
            client_id: step.client_id().clone(),
            field: blamed(step, &breach),
            cause: FindingCause::Breaks(Box::new(breach)),
        };
        if is_certain { &mut verdict.findings } else { &mut verdict.doubts }.push(finding);
    }
    Ok(verdict)
}

/// Whether there is anything to ask about.
#[must_use]
pub fn writes_rows(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| row(step).is_some())
}

/// The row that a step leaves behind, if it writes one.
fn row(step: &Step) -> Option<PlannedRow<'_>> {
    Some(match step {
        Step::Create { client_id, fields } => PlannedRow {
            client_id,
            key: None,
            cells: fields
                .iter()
                .map(|setting| (setting.field.column(), cell(&setting.value)))
                .chain([(CLIENT_ID, PlannedCell::Text(client_id.as_str().into()))])
                .collect(),
        },
        Step::Update { row, client_id, changes, unchanged: _, dependents: _ } => {
            let renamed = (row.client_id != *client_id)
                .then(|| (CLIENT_ID, PlannedCell::Text(client_id.as_str().into())));
            let changes = changes.iter().map(|change| (change.field.column(), cell(&change.after)));
            PlannedRow { client_id, key: Some(&row.key), cells: changes.chain(renamed).collect() }
        }
        Step::Adopt { .. } | Step::Delete { .. } => return None,
    })
}

const CLIENT_ID: &str = "client_id";

fn cell(value: &Value) -> PlannedCell<'_> {
    match value {
        Value::Absent => PlannedCell::Null,
        Value::Text(text) | Value::Literal(text) => PlannedCell::Text(text.into()),
        Value::Flag(flag) => PlannedCell::Text(if *flag { "true" } else { "false" }.into()),
        Value::Uris(uris) => PlannedCell::Text(uris.join(" ").into()),
        Value::User { key, username: _, by: _ } => PlannedCell::Text(key.as_str().into()),
        Value::StoredSecret | Value::Secret { .. } => PlannedCell::Unknown,
    }
}

/// The first column of the constraint that the file has a value for; `None`: it is about the application as a whole.
fn blamed(step: &Step, breach: &Breach) -> Option<Attribute> {
    breach.columns.iter().find_map(|(column, _)| attribute(step, column))
}

/// What the file calls a column of a step, if it declares it.
#[must_use]
pub fn attribute(step: &Step, column: &str) -> Option<Attribute> {
    let attribute = match Field::ALL.iter().find(|field| field.column() == column) {
        Some(field) => Attribute::Field(*field),
        None => Attribute::Column(column.to_owned()),
    };
    let is_declared = match step {
        Step::Create { fields, .. } => {
            fields.iter().any(|setting| setting.declared && setting.field == attribute)
        }
        Step::Update { changes, .. } => changes.iter().any(|change| change.field == attribute),
        Step::Adopt { .. } | Step::Delete { .. } => false,
    };
    is_declared.then_some(attribute)
}
