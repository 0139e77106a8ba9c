//! `plan`: desired against actual, plus what cleanup would delete; changes nothing.

use std::path::PathBuf;

use clap::Args;

use super::Format;
use super::intent::Intent;
use super::outputs::{self, Output};
use super::reconcile::{self, Prepared, ScopeArgs};
use super::saved;
use super::session::Session;
use super::writable;
use crate::error::{Error, Exit};
use crate::ui::plan::{Detail, render, render_refusal};
use crate::ui::{plan_json, plan_markdown};

const EXAMPLES: &str = "\
Examples:
  oauthctl plan
  oauthctl plan --out oauth.plan     # for `oauthctl apply oauth.plan`
  oauthctl plan --format markdown    # for a pull request";

/// The flags of `plan`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PlanArgs {
    /// Exit with 2 if applications would change. Expired tokens do not count as a change.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Also show the defaults of new applications, and the unchanged applications.
    #[arg(long)]
    full: bool,
    /// Also write the plan as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json_out: Option<PathBuf>,
    /// Save the plan in this file, for `oauthctl apply FILE`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    scope: ScopeArgs,
}

/// Plans and prints.
pub async fn run(session: &mut Session, args: &PlanArgs) -> Result<Exit, Error> {
    let outputs =
        [Output::given("--out", args.out.as_ref()), Output::given("--json-out", args.json_out.as_ref())];
    let outputs: Vec<Output<'_>> = outputs.into_iter().flatten().collect();
    outputs::check(session, &outputs, None)?;
    let prepared = reconcile::prepare(session, &args.scope, Intent::Show, None).await?;
    outputs::check_referred(&prepared.config, &outputs)?;
    if let Some(path) = &args.out {
        saved::write(session, path, &prepared, &args.scope).await?;
    }
    if !prepared.plan.is_empty() || prepared.expired() > 0 {
        writable::warn(session, &prepared.connected, "apply").await?;
    }
    let expired = prepared.expired();
    let Prepared { plan, forecast, refusal, .. } = prepared;
    let json = || {
        plan_json::render(&plan, forecast.as_ref(), refusal.as_ref(), None)
            .map_err(|error| Error::from_source(Exit::Failed, &error))
    };
    if let Some(path) = &args.json_out {
        session.write_file(path, &json()?)?;
    }
    let text = match session.global.format {
        Format::Text | Format::Sarif | Format::Github => {
            let detail = if args.full { Detail::Full } else { Detail::Changes };
            render(&plan, forecast.as_ref(), detail)
        }
        Format::Json => json()?,
        Format::Markdown => {
            let subject = session.global.file.display().to_string();
            plan_markdown::render(&plan, forecast.as_ref(), refusal.as_ref(), &subject)
        }
    };
    session.tell(&text)?;
    if let Some(refusal) = refusal {
        session.ui.sentence(render_refusal(&refusal).trim_end());
        return Err(reconcile::refused(&refusal));
    }
    if session.global.format == Format::Text && (!plan.is_empty() || expired > 0) {
        match &args.out {
            Some(path) => {
                session.ui.next_step(format_args!("`oauthctl apply {}` does exactly this", path.display()))
            }
            None => session.ui.next_step("`oauthctl apply` does this, after a question"),
        }
    }
    if plan.is_empty() || !args.detailed_exitcode {
        return Ok(Exit::Done);
    }
    Ok(Exit::Changes)
}
