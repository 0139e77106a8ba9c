//! `oauthctl`: the arguments in, the exit code out. Everything else is in the library.

use std::ffi::OsStr;
use std::io;
use std::process::ExitCode;

use oauthctl::command::session::Session;
use oauthctl::command::{self, Cli, parsing};
use oauthctl::embedded;
use oauthctl::error::Exit;

/// Help and version go to stdout and are answers; a reader that has gone away is no failure.
fn answered(error: &clap::Error, printed: io::Result<()>) -> Exit {
    match printed {
        _ if error.use_stderr() => Exit::Usage,
        Err(failure) if failure.kind() != io::ErrorKind::BrokenPipe => Exit::Failed,
        _ => Exit::Done,
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(embedded::SUPERVISE)) {
        return embedded::supervise(arguments);
    }
    let Cli { global, verb } = match parsing::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let printed = error.print();
            return answered(&error, printed).into();
        }
    };
    command::logging::start(&global);
    let mut session = Session::new(global, verb.name());
    match command::run(&mut session, &verb) {
        Ok(exit) => exit.into(),
        Err(error) => {
            session.ui.error(&error);
            error.exit().into()
        }
    }
}
