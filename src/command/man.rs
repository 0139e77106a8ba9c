//! `man`: manual pages in roff on stdout, or one file per verb in a directory.

use std::path::PathBuf;

use clap::{Args, Command};

use super::session::Session;
use crate::error::{Error, Exit};

const EXAMPLES: &str = "\
Examples:
  oauthctl man | man -l -
  oauthctl man --out /usr/local/share/man/man1";

/// The flags of `man`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ManArgs {
    /// Write oauthctl.1 and an oauthctl-VERB.1 for each verb into this directory. It is created if it does not exist.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints or writes them.
pub fn run(session: &mut Session, args: &ManArgs, command: Command) -> Result<Exit, Error> {
    let failed =
        |error: &std::io::Error| Error::new(Exit::Failed, format!("cannot write the manual pages: {error}"));
    let command = command.disable_help_subcommand(true);
    if let Some(directory) = &args.out {
        std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(command, directory))
            .map_err(|error| failed(&error).context(format!("cannot write to {}", directory.display())))?;
        session.ui.status(format_args!("Wrote the manual pages to {}.", directory.display()));
    } else {
        let mut out = Vec::new();
        clap_mangen::Man::new(command).render(&mut out).map_err(|error| failed(&error))?;
        session.answer(&String::from_utf8_lossy(&out))?;
    }
    Ok(Exit::Done)
}
