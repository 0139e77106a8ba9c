//! What a hook reads from stdin: which applications an apply has changed. The format is documented in `docs/hooks.md`. Pure;
//! secrets cannot occur, because the plan holds none.

use serde::Serialize;

use crate::model::{ClientId, json};
use crate::plan::{Plan, Step, Subject};

/// The version of the format.
const FORMAT_VERSION: &str = "1.0";

#[derive(Serialize)]
struct Document<'a> {
    format_version: &'static str,
    database: Option<&'a str>,
    label: Option<&'a str>,
    applications: Vec<Changed<'a>>,
}

#[derive(Serialize)]
struct Changed<'a> {
    client_id: &'a ClientId,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    renamed_from: Option<&'a ClientId>,
}

/// The document.
///
/// # Errors
/// None that can happen: the values serialise.
pub fn render(plan: &Plan, subject: &Subject) -> Result<String, serde_json::Error> {
    let Subject { file: _, label, database, commit: _ } = subject;
    json::document(&Document {
        format_version: FORMAT_VERSION,
        database: database.as_deref(),
        label: label.as_deref(),
        applications: plan.steps.iter().filter_map(changed).collect(),
    })
}

/// `None`: only the ledger changes.
fn changed(step: &Step) -> Option<Changed<'_>> {
    let client_id = step.client_id();
    let (action, renamed_from) = match step {
        Step::Adopt { .. } => return None,
        Step::Create { .. } => ("create", None),
        Step::Update { row, .. } if row.client_id != *client_id => ("rename", Some(&row.client_id)),
        Step::Update { .. } => ("update", None),
        Step::Delete { .. } => ("delete", None),
    };
    Some(Changed { client_id, action, renamed_from })
}
