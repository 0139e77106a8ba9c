//! A plan, as scripts read it. The format is documented in `docs/plan-json.md` and versioned: a minor version adds
//! keys, a major one changes or removes them. Pure; secrets cannot occur, because the plan holds none.

use schemars::JsonSchema;
use serde::Serialize;

use super::cleanup::Run;
use super::forecast_json::{self, ForecastView};
use super::json_schema;
use super::step_json::StepView;
use crate::apply;
use crate::hooks::Ran;
use crate::model::json;
use crate::model::{ClientId, CountMethod, ForeignRows, ForeignTally, Hook, NotTried, Tally};
use crate::plan::picking::Picked;
use crate::plan::{Plan, Proposal, Step, Subject, Summary, Whole};
use crate::sweep;

/// The version of the format.
pub const FORMAT_VERSION: &str = "1.1";

#[derive(Serialize, JsonSchema)]
#[schemars(title = "A plan of oauthctl")]
struct Document<'a> {
    format_version: &'static str,
    tool_version: &'static str,
    database: Option<&'a str>,
    label: Option<&'a str>,
    has_changes: bool,
    summary: Summary,
    applications_total: u64,
    applications_declared: usize,
    steps: Vec<StepView<'a>>,
    unchanged: &'a [ClientId],
    unmanaged: &'a [ClientId],
    dynamic: u64,
    without_secrets: bool,
    unverified: &'a [ClientId],
    foreign: &'a [ClientId],
    untargeted: usize,
    targets: &'a [ClientId],
    counted_at: Option<&'a str>,
    violations: Vec<ViolationView>,
    not_tried: &'a [NotTried],
    cleanup: Option<CleanupView<'a>>,
    hooks: &'a [Hook],
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeView<'a>>,
}

/// The JSON Schema of the document, as draft 2020-12, from the structs that are written.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    json_schema::of::<Document<'_>>()
}

/// What `apply` did.
#[derive(Debug)]
pub struct Report<'a> {
    /// What was picked and left out; `None`: nobody was asked about the single changes.
    pub picked: Option<&'a Picked>,
    /// To the applications; `None`: there was nothing to do.
    pub applied: Option<&'a apply::Outcome>,
    /// After that; `None`: no hook was to be run.
    pub hooks: Option<&'a [Ran]>,
    /// To the tokens; `None`: there was nothing to do.
    pub cleaned: Option<&'a sweep::Outcome>,
}

#[derive(Serialize, JsonSchema)]
struct OutcomeView<'a> {
    left_out: Option<LeftOutView<'a>>,
    applied: Option<AppliedView<'a>>,
    hooks: Option<Vec<RanView<'a>>>,
    cleaned: Option<&'a Tally>,
    run: Option<Run>,
}

#[derive(Serialize, JsonSchema)]
struct AppliedView<'a> {
    #[serde(flatten)]
    done: Summary,
    dependents: u64,
    others: &'a ForeignTally,
}

/// What `apply --pick` was told to leave out.
#[derive(Serialize, JsonSchema)]
struct LeftOutView<'a> {
    steps: &'a [Step],
    /// Whether expired rows stay.
    cleanup: bool,
}

/// A hook that was run.
#[derive(Serialize, JsonSchema)]
struct RanView<'a> {
    after_apply: &'a [String],
    /// How it failed; `null`: it did not.
    failure: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ViolationView {
    message: String,
    allow: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct CleanupView<'a> {
    as_of: &'a str,
    count: CountMethod,
    total: Option<u64>,
    rows: Option<&'a Tally>,
    forecast: Option<ForecastView>,
    others: &'a [ForeignRows],
    spared_by_max_age: Option<u64>,
}

fn left_out_view(picked: &Picked) -> LeftOutView<'_> {
    LeftOutView { steps: &picked.left, cleanup: picked.cleans == Some(false) }
}

fn ran_view(Ran { hook, failure }: &Ran) -> RanView<'_> {
    RanView { after_apply: &hook.after_apply, failure: failure.as_ref().map(ToString::to_string) }
}

/// The whole plan, pretty-printed, with a newline at the end.
///
/// # Errors
/// None that can happen: the values serialise.
pub fn render(proposal: &Proposal, report: Option<&Report<'_>>) -> Result<String, serde_json::Error> {
    let Proposal { plan, forecast, refusal, not_tried, subject, hooks } = proposal;
    let Subject { file: _, label, database, commit: _ } = subject;
    let Plan {
        steps,
        unchanged,
        unmanaged,
        dynamic,
        total,
        declared,
        unverified,
        withholds_secrets,
        foreign,
        untargeted,
        targets,
        counted_at,
        rows: _,
    } = plan;
    let rows: Vec<(Option<Whole>, Option<Whole>)> = steps.iter().map(|step| plan.rows_of(step)).collect();
    let document = Document {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        database: database.as_deref(),
        label: label.as_deref(),
        has_changes: !plan.is_empty(),
        summary: plan.summary(),
        applications_total: *total,
        applications_declared: *declared,
        steps: steps
            .iter()
            .zip(&rows)
            .map(|(step, (before, after))| StepView::of(step, before.as_ref(), after.as_ref()))
            .collect(),
        unchanged,
        unmanaged,
        dynamic: *dynamic,
        without_secrets: *withholds_secrets,
        unverified,
        foreign,
        untargeted: *untargeted,
        targets,
        counted_at: counted_at.as_deref(),
        violations: refusal
            .iter()
            .flat_map(|refusal| &refusal.violations)
            .map(|violation| ViolationView { message: violation.to_string(), allow: violation.allow() })
            .collect(),
        not_tried,
        cleanup: forecast.as_ref().map(|forecast| CleanupView {
            as_of: &forecast.as_of,
            count: forecast.counted.method(),
            total: forecast.counted.exact().map(Tally::total),
            rows: forecast.counted.exact(),
            forecast: forecast_json::forecast(&forecast.counted),
            others: &forecast.others,
            spared_by_max_age: forecast.spared_by_age,
        }),
        hooks,
        outcome: report.map(|Report { picked, applied, hooks, cleaned }| OutcomeView {
            left_out: picked.map(left_out_view),
            applied: applied.map(|apply::Outcome { done, dependents, others }| AppliedView {
                done: *done,
                dependents: *dependents,
                others,
            }),
            hooks: hooks.map(|hooks| hooks.iter().map(ran_view).collect()),
            cleaned: cleaned.map(|outcome| &outcome.deleted),
            run: cleaned.map(Run::from),
        }),
    };
    json::document(&document)
}
