//! `oauthctl`: the arguments in, the exit code out. Everything else is in the library.

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::Parser;
use oauthctl::command::session::Session;
use oauthctl::command::{self, Cli};
use oauthctl::embedded;
use oauthctl::error::Exit;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(embedded::SUPERVISE)) {
        return embedded::supervise(arguments);
    }
    let Cli { global, verb } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout and are no errors; what cannot be printed cannot be helped.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    command::logging::start(&global);
    let mut session = Session::new(global);
    match command::run(&mut session, &verb) {
        Ok(exit) => exit.into(),
        Err(error) => {
            session.ui.error(&error);
            error.exit().into()
        }
    }
}
