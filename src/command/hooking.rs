//! The hooks of an apply: looked for before the first write, run after the commit.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use super::environment;
use super::session::Session;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::hooks::{self, HookError, Ran};
use crate::plan::Proposal;
use crate::ui::hook_json;
use crate::ui::plan::{plural, visible};

/// Refuses, before anything is changed, hooks whose programs are not there.
///
/// # Errors
/// With the first of them.
pub fn check(session: &Session, proposal: &Proposal) -> Result<(), Error> {
    let path = environment::variable_os("PATH");
    let missing =
        proposal.hooks_to_run().iter().find(|hook| !hooks::is_there(hook.program(), path.as_deref()));
    let Some(hook) = missing else { return Ok(()) };
    let message = format!(
        "cannot run the hook `{}`: there is no program of this name{}",
        visible(&hook.to_string()),
        session.verb.unchanged()
    );
    Err(Error::new(Exit::Failed, message).hint("install it, correct after_apply, or leave --hooks out"))
}

/// Says that the file has hooks, which run only with `--hooks`.
pub fn not_run(session: &mut Session, proposal: &Proposal) {
    let count = proposal.hooks_to_run().len() as u64;
    if count > 0 {
        let were = if count == 1 { "was" } else { "were" };
        session.ui.status(format_args!(
            "{} of the file {were} not run: `apply --hooks` runs them.",
            plural(count, "hook")
        ));
    }
}

/// Runs them one after the other, also where one has failed. `ran`: gets each one with how it ended.
///
/// # Errors
/// That a signal came.
pub async fn run(
    session: &mut Session,
    config: &Config,
    proposal: &Proposal,
    ran: &mut Vec<Ran>,
) -> Result<(), Error> {
    let hooks = proposal.hooks_to_run();
    if hooks.is_empty() {
        return Ok(());
    }
    let input = hook_json::render(&proposal.plan, &proposal.subject)
        .map_err(|error| Error::from_source(Exit::Failed, &error))?;
    let hidden = hidden(config);
    for hook in hooks {
        let name = visible(&hook.to_string());
        session.ui.status(format_args!("Running the hook `{name}`."));
        let stop = session.interrupted.token.clone();
        let failure = hooks::run(hook, &input, &hidden, &stop).await.err();
        let is_stopped = matches!(failure, Some(HookError::Stopped));
        if let Some(error) = failure.as_ref().filter(|_| !is_stopped) {
            report(session, &name, error);
        }
        ran.push(Ran { hook: hook.clone(), failure });
        if is_stopped {
            let exit = session.interrupted.exit().unwrap_or(Exit::Interrupted);
            return Err(Error::new(exit, format!("interrupted; the hook `{name}` was ended")));
        }
    }
    Ok(())
}

/// The program, how it ended, and its last words.
fn report(session: &mut Session, name: &str, error: &HookError) {
    session.ui.warning(format_args!("the hook `{name}` {error}."));
    for line in error.stderr() {
        session.ui.stderr_line(format_args!("    {}", visible(line)));
    }
}

/// The end of an apply of which hooks have failed; `None`: none has.
#[must_use]
pub fn failure(ran: &[Ran]) -> Option<Error> {
    let failed = ran.iter().filter(|ran| ran.failure.is_some()).count();
    let message = format!(
        "{failed} of {} failed; the changes are committed and stay",
        plural(ran.len() as u64, "hook")
    );
    (failed > 0).then(|| Error::new(Exit::Failed, message).after_commit())
}

/// The variables with which one gets into the database, those of oauthctl, and those that hold secrets.
fn hidden(config: &Config) -> Vec<OsString> {
    environment::names().into_iter().filter(|name| is_hidden(name, &config.environment)).collect()
}

fn is_hidden(name: &OsStr, variables: &BTreeSet<String>) -> bool {
    let Some(name) = name.to_str() else { return false };
    name == "DATABASE_URL"
        || name.starts_with("PG")
        || name.starts_with("OAUTHCTL_")
        || variables.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_do_not_get_what_opens_the_database() {
        let variables = BTreeSet::from(["WEB_SECRET".to_owned()]);
        let is_hidden = |name: &str| is_hidden(OsStr::new(name), &variables);
        assert!(["DATABASE_URL", "PGPASSWORD", "OAUTHCTL_COMMIT", "WEB_SECRET"].into_iter().all(is_hidden));
        assert!(!["PATH", "KUBECONFIG", "GITHUB_TOKEN", "pgpassword"].into_iter().any(is_hidden));
    }
}
