//! From the words of the command line to [`Cli`]. A verb or a flag that other tools have, and this one has not, is answered
//! with what to type here.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _, FromArgMatches as _};

use super::{Cli, VerbName, format};

/// Verbs of other tools, or words for what a verb does.
const VERBS: [(&[&str], &str); 13] = [
    (&["diff", "preview", "check-drift"], "`oauthctl plan` shows how the database differs from the file"),
    (
        &["export", "dump", "pull"],
        "`oauthctl import --all` writes the applications of the database into the file",
    ),
    (&["sync", "push", "deploy"], "`oauthctl apply` makes the database match the file"),
    (
        &["check", "lint", "verify"],
        "`oauthctl validate` finds the problems of the file, `oauthctl doctor` those of the database",
    ),
    (
        &["clean", "cleanup", "clear", "clear_tokens", "clear-tokens", "prune", "vacuum"],
        "`oauthctl cleartokens` deletes expired tokens",
    ),
    (
        &["create", "create_application", "create-application", "add", "new"],
        "`oauthctl createapplication` creates one application, `oauthctl apply` all of the file",
    ),
    (
        &["delete", "remove", "destroy", "rm"],
        "list the client id under [[removed]] in the file; then `oauthctl apply` deletes the application",
    ),
    (&["fmt", "format"], "any formatter of TOML may format the file; `oauthctl validate` finds its problems"),
    (
        &["refresh"],
        "there is no copy of the database to refresh: `oauthctl plan` reads the database each time",
    ),
    (
        &["state"],
        "the database is the state: `oauthctl list` shows the applications, `oauthctl show CLIENT_ID` one of them",
    ),
    (&["log", "runs", "audit"], "`oauthctl history` lists the runs that the ledger has noted"),
    (&["rollback", "revert"], "`oauthctl undo N` shows what would undo a run that `oauthctl history` lists"),
    (&["rotate", "reset-secret"], "`oauthctl rotate-secret CLIENT_ID` gives an application a new secret"),
];

/// Flags of other tools, with the verbs behind which they are answered.
const FLAGS: [(&[VerbName], &[&str], &str); 7] = [
    (
        &[VerbName::Apply],
        &["--dry-run", "--check"],
        "`oauthctl plan` shows what apply would do, and changes nothing",
    ),
    (
        &[VerbName::Apply, VerbName::RotateSecret],
        &["--auto-approve", "--doit", "--force", "--no-input", "--noinput"],
        "`--yes` does not ask",
    ),
    (
        &[VerbName::Plan],
        &["--yes", "-y", "--auto-approve", "--doit", "--no-input", "--noinput"],
        "this verb changes nothing and does not ask; `oauthctl apply` changes the database, and with `--yes` it does not ask",
    ),
    (
        &[VerbName::Plan, VerbName::Status, VerbName::Doctor],
        &["--dry-run"],
        "this verb changes nothing, with or without it",
    ),
    (
        &[VerbName::Cleartokens],
        &["--yes", "-y", "--auto-approve", "--doit", "--force", "--no-input", "--noinput"],
        "this verb never asks: leave it out",
    ),
    (
        &[
            VerbName::Plan,
            VerbName::ShowPlan,
            VerbName::Apply,
            VerbName::List,
            VerbName::Show,
            VerbName::Status,
            VerbName::History,
            VerbName::Undo,
            VerbName::Doctor,
        ],
        &["--json", "--output"],
        "`--format json` writes JSON",
    ),
    (&[VerbName::List], &["--all"], "`--registration-source all` lists those that registered themselves too"),
];

/// The commands and flags, with what clap's derive cannot say: the formats of each verb.
#[must_use]
pub fn command() -> Command {
    format::with_own_formats(Cli::command())
}

/// Reads the command line.
///
/// # Errors
/// Also for `--help` and `--version`, which are answers.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    let mut command = command();
    let parsed = command.try_get_matches_from_mut(&words);
    let cli = parsed.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    cli.map_err(|error| answered(error, &words).format(&mut command))
}

/// The error with what to type instead.
fn answered(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    let answer = match error.kind() {
        ErrorKind::InvalidSubcommand => verb_instead(&error),
        ErrorKind::UnknownArgument => flag_instead(words).map(|(written, answer)| {
            // clap has read a word with one dash as letters, and complains about the first.
            error.insert(ContextKind::InvalidArg, ContextValue::String(written));
            answer
        }),
        _ => None,
    };
    if let Some(answer) = answer {
        for guess in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::TrailingArg] {
            error.remove(guess);
        }
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![answer.into()]));
    }
    error
}

fn verb_instead(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let meant = VERBS.iter().find(|(words, _)| words.contains(&word.as_str()));
    meant.map(|(_, answer)| *answer)
}

/// The word as it was written, and what to type instead.
fn flag_instead(words: &[OsString]) -> Option<(String, &'static str)> {
    // As far as it goes: a flag that is not known does not keep the verb from being found.
    let matches = command().ignore_errors(true).try_get_matches_from(words).ok()?;
    let verb = matches.subcommand_name()?;
    let behind = FLAGS.iter().filter(|(verbs, ..)| verbs.iter().any(|known| known.name() == verb));
    let mut known = behind.flat_map(|(_, flags, answer)| flags.iter().map(move |flag| (*flag, *answer)));
    known.find_map(|(flag, answer)| {
        // Terraform writes its flags with one dash.
        let one_dash = flag.strip_prefix('-').filter(|rest| rest.starts_with('-'));
        let written = [Some(flag), one_dash].into_iter().flatten();
        let mut written = written.filter(|written| words.iter().any(|word| word.as_os_str() == *written));
        Some((written.next()?.to_owned(), answer))
    })
}

#[cfg(test)]
mod tests;
