//! The runs in the ledger, as scripts read them. Documented in `docs/history.md`. Pure.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::json_schema;
use super::report_json::{Document, document};
use super::step_json::StepView;
use crate::model::NotedRun;
use crate::model::words::rfc3339;
use crate::plan::undo::Done;

/// A run without its steps.
#[derive(Serialize, JsonSchema)]
pub(super) struct RunView<'a> {
    run: i64,
    verb: &'a str,
    who: &'a str,
    db_user: &'a str,
    oauthctl: &'a str,
    owner: Option<&'a str>,
    config_digest: Option<&'a str>,
    commit: Option<&'a str>,
    started_at: String,
    finished_at: Option<String>,
    outcome: Option<&'a str>,
    /// Whether what it changed in the application table is known.
    steps_known: bool,
    /// What the verb counted.
    counts: &'a Value,
}

impl<'a> RunView<'a> {
    pub(super) fn of(run: &'a NotedRun) -> Self {
        Self {
            run: run.id,
            verb: &run.verb,
            who: &run.who,
            db_user: &run.db_user,
            oauthctl: &run.version,
            owner: run.owner.as_deref(),
            config_digest: run.config_digest.as_deref(),
            commit: run.commit.as_deref(),
            started_at: rfc3339(run.started),
            finished_at: run.finished.map(rfc3339),
            outcome: run.outcome.as_deref(),
            steps_known: run.knowledge().is_known(),
            counts: &run.counts,
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct Runs<'a> {
    runs: Vec<RunView<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Shown<'a> {
    #[serde(flatten)]
    run: RunView<'a>,
    /// `null`: not known.
    steps: Option<Vec<StepView<'a>>>,
}

/// What `history` and `history show` print.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "The history of oauthctl")]
#[expect(dead_code, reason = "only its schema is made")]
enum History<'a> {
    Runs(Document<Runs<'a>>),
    Shown(Document<Shown<'a>>),
}

/// The JSON Schema of both documents, as draft 2020-12.
#[must_use]
pub fn json_schema() -> Value {
    json_schema::of::<History<'_>>()
}

/// All of them.
///
/// # Errors
/// Serde's, which do not occur.
pub fn list(runs: &[NotedRun]) -> serde_json::Result<String> {
    document(Runs { runs: runs.iter().map(RunView::of).collect() })
}

/// One run with its steps.
///
/// # Errors
/// Serde's, which do not occur.
pub fn show(run: &NotedRun, steps: Option<&[Done]>) -> serde_json::Result<String> {
    let steps = steps.map(|steps| steps.iter().map(step).collect());
    document(Shown { run: RunView::of(run), steps })
}

fn step(done: &Done) -> StepView<'_> {
    StepView::of(&done.step, done.before.as_ref(), done.after.as_ref())
}
