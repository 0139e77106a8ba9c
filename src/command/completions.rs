//! `completions`: shell completions on stdout.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::session::Session;
use crate::error::{Error, Exit};

/// The flags of `completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints them.
pub fn run(session: &mut Session, args: &CompletionsArgs) -> Result<Exit, Error> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "oauthctl", &mut out);
    session.answer(&String::from_utf8_lossy(&out))?;
    Ok(Exit::Done)
}
