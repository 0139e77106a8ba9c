//! `oauthctl`: the arguments in, the exit code out. Everything else is in the library.

use std::{ffi::OsStr, process::ExitCode};

use oauthctl::embedded;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(embedded::SUPERVISE)) {
        return embedded::supervise(arguments);
    }
    ExitCode::SUCCESS
}
