//! What a step of a job on GitHub can leave behind: a summary, and outputs for other steps.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::environment;
use crate::error::{Error, Exit};
use crate::plan::Proposal;
use crate::ui::plan_counts;

const SUMMARY: &str = "GITHUB_STEP_SUMMARY";
const OUTPUT: &str = "GITHUB_OUTPUT";

/// Flags of verbs that show a plan.
#[derive(Args, Debug)]
pub struct GithubArgs {
    /// Also append the plan as markdown to the summary of a step on GitHub: the file that `GITHUB_STEP_SUMMARY` names.
    #[arg(long)]
    github_step_summary: bool,
    /// Also set outputs of a step on GitHub, in the file that `GITHUB_OUTPUT` names: `changes`, `refused`, and the numbers
    /// `create`, `update`, `rename`, `adopt` and `delete`.
    #[arg(long)]
    github_output: bool,
}

/// The files that are to be written.
#[derive(Debug)]
pub struct Files {
    summary: Option<PathBuf>,
    output: Option<PathBuf>,
}

impl GithubArgs {
    /// The files, before any work.
    ///
    /// # Errors
    /// When GitHub has named none.
    pub fn files(&self) -> Result<Files, Error> {
        Ok(Files {
            summary: self.github_step_summary.then(|| named("--github-step-summary", SUMMARY)).transpose()?,
            output: self.github_output.then(|| named("--github-output", OUTPUT)).transpose()?,
        })
    }
}

fn named(flag: &str, variable: &str) -> Result<PathBuf, Error> {
    let path = environment::variable_os(variable).filter(|path| !path.is_empty());
    path.map(PathBuf::from).ok_or_else(|| {
        Error::usage(format!("{flag} needs the environment variable {variable}, and it is not set"))
            .hint("GitHub sets it in the steps of a job; elsewhere leave the flag out")
    })
}

impl Files {
    /// Writes what was asked for.
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&self, proposal: &Proposal) -> Result<(), Error> {
        if let Some(path) = &self.summary {
            let taken =
                std::fs::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
            let room = plan_counts::SUMMARY_LIMIT.saturating_sub(taken);
            let text = plan_counts::github_summary(proposal, room).ok_or_else(|| {
                let message = format!("{} has no room for the plan: GitHub takes 1 MiB", path.display());
                Error::new(Exit::Failed, message).hint("write it in a step of its own")
            })?;
            append(path, &text)?;
        }
        match &self.output {
            Some(path) => append(path, &plan_counts::github_outputs(proposal)),
            None => Ok(()),
        }
    }

    /// Says in the summary that the plan failed.
    ///
    /// # Errors
    /// The file system's.
    pub fn write_failure(&self, comment: &str) -> Result<(), Error> {
        self.summary.as_deref().map_or(Ok(()), |path| append(path, comment))
    }
}

fn append(path: &Path, text: &str) -> Result<(), Error> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        Error::from_source(Exit::Failed, &error).context(format!("cannot write {}", path.display()))
    })
}
