//! `completions`: shell completions on stdout. Those for bash, zsh and fish complete client ids of the file: the scripts of
//! `clap_complete` with a function that calls this verb again.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Arg, Args, Command};
use clap_complete::Shell;

use super::session::Session;
use crate::config::{self, SIZE_LIMIT};
use crate::error::{Error, Exit};
use crate::model::visible::visible;

const EXAMPLES: &str = "\
Examples:
  oauthctl completions bash > ~/.bash_completion
  oauthctl completions zsh > ~/.zfunc/_oauthctl";

const BASH: &str = include_str!("completions/bash.sh");
const ZSH: &str = include_str!("completions/zsh.zsh");
const FISH: &str = include_str!("completions/fish.fish");

/// How arguments are called that are client ids of the file.
const CLIENT_ID: &str = "CLIENT_ID";

/// The flags of `completions`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell to print completions for.
    #[arg(value_enum, required_unless_present = "client_ids")]
    shell: Option<Shell>,
    /// Print the client ids of the file, for the scripts.
    #[arg(long, hide = true)]
    client_ids: bool,
    /// What has been typed, in which `-f` may name the file.
    #[arg(last = true, hide = true, requires = "client_ids")]
    typed: Vec<OsString>,
}

/// Prints the completions of a shell, or client ids.
pub fn run(session: &mut Session, args: &CompletionsArgs, mut command: Command) -> Result<Exit, Error> {
    let Some(shell) = args.shell else {
        let path = file_of(&args.typed).unwrap_or_else(|| session.global.file.clone());
        return session.answer(&client_ids(&path)).map(|()| Exit::Done);
    };
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut command, "oauthctl", &mut out);
    let script = String::from_utf8_lossy(&out);
    let uses = uses(&command);
    session.answer(&match shell {
        Shell::Bash => format!("{script}{}", of_bash(&uses)),
        Shell::Fish => format!("{script}{}", of_fish(&uses)),
        Shell::Zsh => of_zsh(&script),
        _ => script.into_owned(),
    })?;
    Ok(Exit::Done)
}

/// One a line. Nothing where the file cannot be read: a shell that completes must not be disturbed. A client id that cannot be
/// typed as it is shown is left out.
fn client_ids(path: &std::path::Path) -> String {
    let bytes = config::read_file(path, SIZE_LIMIT).unwrap_or_default();
    let ids = config::client_ids(&String::from_utf8_lossy(&bytes));
    ids.into_iter().filter(|id| visible(id) == *id).map(|id| id + "\n").collect()
}

/// The file that words of a command line name.
fn file_of(typed: &[OsString]) -> Option<PathBuf> {
    let mut words = typed.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if text == "-f" || text == "--file" {
            return words.next().map(PathBuf::from);
        }
        if let Some(path) = text.strip_prefix("--file=").or_else(|| text.strip_prefix("-f")) {
            return Some(path.into());
        }
    }
    None
}

/// A verb and its argument that is a client id; `None`: it has no flag.
type Use<'a> = (&'a str, Option<&'a str>);

fn uses(command: &Command) -> Vec<Use<'_>> {
    let is_client_id =
        |arg: &&Arg| arg.get_value_names().is_some_and(|names| names.iter().any(|name| *name == CLIENT_ID));
    command
        .get_subcommands()
        .flat_map(|verb| {
            verb.get_arguments().filter(is_client_id).map(|arg| (verb.get_name(), arg.get_long()))
        })
        .collect()
}

fn of_bash(uses: &[Use<'_>]) -> String {
    let mut options: Vec<String> =
        uses.iter().filter_map(|(_, long)| Some(format!("--{}", (*long)?))).collect();
    options.sort();
    options.dedup();
    let verbs: Vec<&str> = uses.iter().filter(|(_, long)| long.is_none()).map(|(verb, _)| *verb).collect();
    BASH.replace("@OPTIONS@", &options.join(" | ")).replace("@VERBS@", &verbs.join(" | "))
}

fn of_fish(uses: &[Use<'_>]) -> String {
    let mut out = FISH.to_owned();
    for (verb, long) in uses {
        let what = long.map_or_else(|| "-f".to_owned(), |long| format!("-l {long} -x"));
        let condition = format!("__fish_oauthctl_using_subcommand {verb}");
        let _ =
            writeln!(out, "complete -c oauthctl -n \"{condition}\" {what} -a \"(__oauthctl_client_ids)\"");
    }
    out
}

/// Has the function called where the script completes a client id by default.
fn of_zsh(script: &str) -> String {
    let mut out = String::new();
    for line in script.split_inclusive('\n') {
        if line.starts_with("if [ \"$funcstack[1]\"") {
            out += ZSH;
        }
        let is_client_id = line.contains(":CLIENT_ID:_default'")
            || ((line.contains(":client_id") || line.contains("::client_id")) && line.contains(":_default'"));
        out += &if is_client_id {
            line.replace(":_default'", ":_oauthctl_client_ids'")
        } else {
            line.to_owned()
        };
    }
    out
}
