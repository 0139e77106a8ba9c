//! From the words of the command line to [`Cli`]. A verb or a flag that other tools have, and this one has not, is answered
//! with what to type here.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _, FromArgMatches as _};

use super::{Cli, VerbName, format};

/// Verbs of other tools, or words for what a verb does.
const VERBS: [(&[&str], &str); 8] = [
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
    (&["clean", "cleanup", "clear", "prune", "vacuum"], "`oauthctl cleartokens` deletes expired tokens"),
    (
        &["create", "add", "new"],
        "`oauthctl createapplication` creates one application, `oauthctl apply` all of the file",
    ),
    (
        &["delete", "remove", "destroy", "rm"],
        "list the client id under [[removed]] in the file; then `oauthctl apply` deletes the application",
    ),
    (&["rotate", "reset-secret"], "`oauthctl rotate-secret CLIENT_ID` gives an application a new secret"),
];

/// Flags of other tools, with the verbs behind which they are answered.
const FLAGS: [(&[VerbName], &[&str], &str); 6] = [
    (
        &[VerbName::Apply],
        &["--dry-run", "--check"],
        "`oauthctl plan` shows what apply would do, and changes nothing",
    ),
    (
        &[VerbName::Apply, VerbName::RotateSecret],
        &["--auto-approve", "--force", "--no-input"],
        "`--yes` does not ask",
    ),
    (
        &[VerbName::Plan, VerbName::Status, VerbName::Doctor],
        &["--dry-run"],
        "this verb changes nothing, with or without it",
    ),
    (
        &[VerbName::Cleartokens],
        &["--yes", "-y", "--auto-approve", "--force", "--no-input"],
        "this verb never asks: leave it out",
    ),
    (
        &[
            VerbName::Plan,
            VerbName::Apply,
            VerbName::List,
            VerbName::Show,
            VerbName::Status,
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
        ErrorKind::UnknownArgument => flag_instead(words),
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

fn flag_instead(words: &[OsString]) -> Option<&'static str> {
    // As far as it goes: a flag that is not known does not keep the verb from being found.
    let matches = command().ignore_errors(true).try_get_matches_from(words).ok()?;
    let verb = matches.subcommand_name()?;
    // Terraform writes its flags with one dash.
    let is_written =
        |flag: &&str| words.iter().any(|word| word == *flag || word.to_str() == flag.strip_prefix('-'));
    let meant = FLAGS.iter().find(|(verbs, flags, _)| {
        verbs.iter().any(|known| known.name() == verb) && flags.iter().any(&is_written)
    });
    meant.map(|(_, _, answer)| *answer)
}

#[cfg(test)]
mod tests;
