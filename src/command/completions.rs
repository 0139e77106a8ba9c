//! `completions`: shell completions on stdout.

use clap::{Args, Command};
use clap_complete::Shell;

use super::session::Session;
use crate::error::{Error, Exit};

const EXAMPLES: &str = "\
Examples:
  oauthctl completions bash > ~/.bash_completion
  oauthctl completions zsh > ~/.zfunc/_oauthctl";

/// The flags of `completions`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell to print completions for.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions of a shell.
pub fn run(session: &mut Session, args: &CompletionsArgs, mut command: Command) -> Result<Exit, Error> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut command, "oauthctl", &mut out);
    session.answer(&String::from_utf8_lossy(&out))?;
    Ok(Exit::Done)
}
