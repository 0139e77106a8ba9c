//! What would undo a run, as scripts read it. Documented in `docs/history.md`. Pure.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::history_json::RunView;
use super::json_schema;
use super::report_json::{self, document};
use super::step_json::StepView;
use super::undo::changes_of_file;
use crate::model::NotedRun;
use crate::plan::Summary;
use crate::plan::undo::{Lost, Undo};

#[derive(Serialize, JsonSchema)]
#[schemars(title = "What would undo a run of oauthctl")]
struct Undone<'a> {
    undoes: RunView<'a>,
    has_changes: bool,
    summary: Summary,
    steps: Vec<StepView<'a>>,
    counted_at: Option<&'a str>,
    not_restored: &'a [Lost],
    /// What to write in the file, as TOML.
    file: String,
}

/// The JSON Schema of the document, as draft 2020-12.
#[must_use]
pub fn json_schema() -> Value {
    json_schema::of::<report_json::Document<Undone<'_>>>()
}

/// The document.
///
/// # Errors
/// Serde's, which do not occur.
pub fn render(run: &NotedRun, undone: &Undo) -> serde_json::Result<String> {
    let Undo { plan, lost, steps: _ } = undone;
    let rows: Vec<_> = plan.steps.iter().map(|step| plan.rows_of(step)).collect();
    let steps = plan.steps.iter().zip(&rows);
    document(Undone {
        undoes: RunView::of(run),
        has_changes: !plan.is_empty(),
        summary: plan.summary(),
        steps: steps
            .map(|(step, (before, after))| StepView::of(step, before.as_ref(), after.as_ref()))
            .collect(),
        counted_at: plan.counted_at.as_deref(),
        not_restored: lost,
        file: changes_of_file(plan),
    })
}
