//! A plan against the constraints of the application table, before anything is written.

use tokio_postgres::GenericClient;

use crate::db::constraints::{self, PlannedCell, PlannedRow};
use crate::db::error::DbError;
use crate::db::layout::Layout;
use crate::model::{Attribute, Breach, ClientId, Field, Key, NotTried};
use crate::plan::{FieldChange, FieldSetting, Finding, FindingCause, Plan, RowRef, Step, Value};

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
    let rows: Vec<Written<'_>> = plan.steps.iter().filter_map(Written::by).collect();
    if rows.is_empty() {
        return Ok(Verdict::default());
    }
    let deleted: Vec<&Key> = plan.deletions().map(|row| &row.key).collect();
    let trial = constraints::try_rows(client, layout, &rows, &deleted).await?;
    let mut verdict = Verdict { not_tried: trial.not_tried, ..Verdict::default() };
    for (position, breach) in trial.breaches {
        let Some(Written { step, .. }) = rows.get(position) else { continue };
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
    plan.steps.iter().any(|step| Written::by(step).is_some())
}

/// The row that a step leaves behind.
struct Written<'a> {
    step: &'a Step,
    client_id: &'a ClientId,
    /// The row that is there.
    row: Option<&'a RowRef>,
}

impl<'a> Written<'a> {
    /// `None`: the step writes none.
    fn by(step: &'a Step) -> Option<Self> {
        match step {
            Step::Create { client_id, .. } => Some(Self { step, client_id, row: None }),
            Step::Update { row, client_id, .. } => Some(Self { step, client_id, row: Some(row) }),
            Step::Adopt { .. } | Step::Delete { .. } => None,
        }
    }
}

impl PlannedRow for Written<'_> {
    fn client_id(&self) -> &ClientId {
        self.client_id
    }

    fn key(&self) -> Option<&Key> {
        self.row.map(|row| &row.key)
    }

    fn cells(&self) -> impl Iterator<Item = (&str, PlannedCell<'_>)> {
        let (created, changed): (&[FieldSetting], &[FieldChange]) = match self.step {
            Step::Create { fields, .. } => (fields, &[]),
            Step::Update { changes, .. } => (&[], changes),
            Step::Adopt { .. } | Step::Delete { .. } => (&[], &[]),
        };
        let created = created.iter().map(|setting| (setting.field.column(), cell(&setting.value)));
        let changed = changed.iter().map(|change| (change.field.column(), cell(&change.after)));
        let is_named = self.row.is_none_or(|row| row.client_id != *self.client_id);
        let named = is_named.then(|| (CLIENT_ID, PlannedCell::Text(self.client_id.as_str())));
        created.chain(changed).chain(named)
    }
}

const CLIENT_ID: &str = "client_id";

fn cell(value: &Value) -> PlannedCell<'_> {
    match value {
        Value::Absent => PlannedCell::Null,
        Value::Text(text) | Value::Literal(text) => PlannedCell::Text(text),
        Value::Flag(flag) => PlannedCell::Text(if *flag { "true" } else { "false" }),
        Value::Uris(uris) => PlannedCell::Words(uris),
        Value::User(owner) => PlannedCell::Text(owner.key.as_str()),
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
