//! `show-plan`: a saved plan as `plan` shows it, without a database and without the file that it was made from.

use std::path::PathBuf;

use clap::Args;

use super::Format;
use super::saved;
use super::session::Session;
use super::values::{self, not_empty};
use crate::error::{Error, Exit};
use crate::ui::plan::{Detail, render, render_refusal};
use crate::ui::{plan_html, plan_json, plan_markdown};

const EXAMPLES: &str = "\
Examples:
  oauthctl show-plan oauth.plan
  oauthctl show-plan oauth.plan --format markdown    # for a pull request";

/// The flags of `show-plan`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ShowPlanArgs {
    /// A plan saved by `oauthctl plan --out FILE`.
    #[arg(value_name = "FILE")]
    saved: PathBuf,
    /// Also show the defaults of new applications, what a deleted application holds, and the unchanged applications.
    #[arg(long)]
    full: bool,
    /// With `--format markdown`: the longest comment that the forge takes, in UTF-16 code units. Bitbucket: 32768.
    #[arg(long, value_name = "N", default_value_t = plan_markdown::LIMIT, value_parser = values::max_length)]
    max_length: usize,
    /// The environment that the database belongs to, instead of the one that the plan was made with.
    #[arg(long, value_name = "NAME", value_parser = not_empty)]
    label: Option<String>,
}

/// Reads and prints. A plan that `apply` would refuse is shown as any other.
pub fn run(session: &mut Session, args: &ShowPlanArgs) -> Result<Exit, Error> {
    let mut proposal = saved::read_to_show(&args.saved)?.proposal;
    if let Some(label) = &args.label {
        proposal.subject.label = Some(label.clone());
    }
    let text = match session.global.format {
        Format::Text | Format::Sarif | Format::Github | Format::Gitlab => {
            render(&proposal, if args.full { Detail::Full } else { Detail::Changes })
        }
        Format::Json => {
            plan_json::render(&proposal, None).map_err(|error| Error::from_source(Exit::Failed, &error))?
        }
        Format::Markdown => plan_markdown::render(&proposal, args.max_length),
        Format::Html => plan_html::render(&proposal),
    };
    session.tell(&text)?;
    if session.global.format == Format::Text {
        match &proposal.refusal {
            Some(refusal) => session.ui.sentence(render_refusal(refusal).trim_end()),
            None if proposal.is_empty() => {}
            None => {
                let path = args.saved.display();
                session.ui.next_step(format!("`oauthctl apply {path}` does exactly this, or nothing"));
            }
        }
    }
    Ok(Exit::Done)
}
