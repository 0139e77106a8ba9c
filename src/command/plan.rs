//! `plan`: desired against actual, plus what cleanup would delete; changes nothing.

use std::path::PathBuf;

use clap::Args;

use super::Format;
use super::github::{Files, GithubArgs};
use super::intent::Intent;
use super::outputs::{self, Output};
use super::reconcile;
use super::reporting;
use super::saved;
use super::scope::ScopeArgs;
use super::session::Session;
use super::subject::subject;
use super::values;
use super::writable;
use crate::error::{Error, Exit};
use crate::plan::Proposal;
use crate::ui::plan::{Detail, pieces};
use crate::ui::{plan_counts, plan_html, plan_json, plan_markdown};

const EXAMPLES: &str = "\
Examples:
  oauthctl plan
  oauthctl plan --out oauth.plan     # for `oauthctl apply oauth.plan`
  oauthctl plan --format markdown    # for a pull request
  oauthctl plan --format html        # a page for a browser";

/// The flags of `plan`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PlanArgs {
    /// Exit with 2 if applications would change. Expired tokens do not count as a change.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Also show the defaults of new applications, what a deleted application holds, and the unchanged applications.
    #[arg(long)]
    full: bool,
    /// Also write the plan as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json_out: Option<PathBuf>,
    /// Also write the numbers of changes to this file, for GitLab's report `terraform` on a merge request.
    #[arg(long, value_name = "FILE")]
    gitlab_out: Option<PathBuf>,
    #[command(flatten)]
    github: GithubArgs,
    /// Save the plan in this file, for `oauthctl apply FILE`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// With `--format markdown`: the longest comment that the forge takes, in UTF-16 code units. Bitbucket: 32768.
    #[arg(long, value_name = "N", default_value_t = plan_markdown::LIMIT, value_parser = values::max_length)]
    max_length: usize,
    /// Read no client secret, neither from the environment or files nor from the database: declared ones are shown as
    /// unverified. For a job without secrets, whose role may not read them.
    #[arg(long)]
    without_secrets: bool,
    #[command(flatten)]
    scope: ScopeArgs,
}

/// Plans and prints. A comment or a page is also made of a failure, so that an older one does not look current.
pub async fn run(session: &mut Session, args: &PlanArgs) -> Result<Exit, Error> {
    let files = args.github.files()?;
    let result = Box::pin(plan(session, args, &files)).await;
    if let Err(error) = &result
        && error.exit() != Exit::Refused
    {
        let subject = subject(session, args.scope.label.as_deref(), None);
        let comment = plan_markdown::render_failure(&subject, error.exit());
        files.write_failure(&comment)?;
        match session.global.format {
            Format::Markdown => session.answer(&comment)?,
            Format::Html => session.answer(&plan_html::render_failure(&subject, error.exit()))?,
            Format::Text | Format::Json | Format::Sarif | Format::Github | Format::Gitlab => {}
        }
    }
    result
}

async fn plan(session: &mut Session, args: &PlanArgs, files: &Files) -> Result<Exit, Error> {
    if args.without_secrets && args.out.is_some() {
        let why = "--out saves what apply will do, and without secrets it is not known which of them apply would replace";
        return Err(Error::usage(format!("--without-secrets and --out exclude each other: {why}"))
            .hint("leave one of them out; --json-out writes the plan for scripts"));
    }
    let intent = if args.without_secrets { Intent::ShowWithoutSecrets } else { Intent::Show };
    let outputs = [
        Output::given("--out", args.out.as_ref()),
        Output::given("--json-out", args.json_out.as_ref()),
        Output::given("--gitlab-out", args.gitlab_out.as_ref()),
    ];
    let outputs: Vec<Output<'_>> = outputs.into_iter().flatten().collect();
    outputs::check(session, &outputs, None)?;
    let prepared = reconcile::prepare(session, &args.scope, intent, None).await?;
    outputs::check_referred(&prepared.config, &outputs)?;
    if let Some(path) = &args.out {
        saved::write(session, path, &prepared, &args.scope).await?;
    }
    if !prepared.proposal.is_empty() {
        writable::warn(session, &prepared.connected, "apply").await?;
    }
    let proposal = prepared.proposal;
    if let Some(path) = &args.json_out {
        outputs::write(path, &json(&proposal)?)?;
    }
    if let Some(path) = &args.gitlab_out {
        outputs::write(path, &plan_counts::gitlab(&proposal))?;
    }
    files.write(&proposal)?;
    match session.global.format {
        Format::Text | Format::Sarif | Format::Github | Format::Gitlab => {
            let detail = if args.full { Detail::Full } else { Detail::Changes };
            session.tell_pieces(pieces(&proposal, detail))?;
        }
        Format::Json => session.tell(&json(&proposal)?)?,
        Format::Markdown => session.tell(&plan_markdown::render(&proposal, args.max_length))?,
        Format::Html => session.tell(&plan_html::render(&proposal))?,
    }
    if let Some(refusal) = &proposal.refusal {
        return Err(reporting::refusal(session, refusal));
    }
    if session.global.format == Format::Text && !proposal.is_empty() {
        say_what_comes_next(session, args);
    }
    Ok(if args.detailed_exitcode && !proposal.plan.is_empty() { Exit::Changes } else { Exit::Done })
}

fn json(proposal: &Proposal) -> Result<String, Error> {
    plan_json::render(proposal, None).map_err(|error| Error::from_source(Exit::Failed, &error))
}

fn say_what_comes_next(session: &mut Session, args: &PlanArgs) {
    let step = match &args.out {
        Some(path) => format!("`oauthctl apply {}` does exactly this", path.display()),
        None if args.without_secrets => {
            "`oauthctl apply` compares the secrets too, asks, and then does this".to_owned()
        }
        None => "`oauthctl apply` asks, and then does this".to_owned(),
    };
    session.ui.next_step(step);
}
