//! Runs a program of `[[hooks]]`: what it is told, what it may not see, and how it ends.
//!
//! It runs in a process group of its own, so that what it has started ends with it. Its stdout goes to our stderr; of its
//! stderr the last lines are kept. Reads no environment, decides nothing and prints nothing.

mod program;
mod tail;

pub use program::is_there;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use self::tail::Tail;
use crate::model::Hook;

/// How long a program gets to end after SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// How long its stderr is read on after its end: something that it has left running may keep that open.
const LINGER: Duration = Duration::from_millis(200);

/// A hook that was run.
#[derive(Debug)]
pub struct Ran {
    pub hook: Hook,
    /// `None`: it has ended well.
    pub failure: Option<HookError>,
}

/// How a program failed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    #[error("cannot be started: {0}")]
    NotStarted(#[source] io::Error),
    #[error("{}", ended(*status))]
    Failed { status: ExitStatus, stderr: Vec<String> },
    #[error("was ended, because it took longer than {}", humantime::format_duration(*limit))]
    TimedOut { limit: Duration, stderr: Vec<String> },
    /// A signal came.
    #[error("was ended, because of a signal")]
    Stopped,
    #[error("cannot be waited for: {0}")]
    Lost(#[source] io::Error),
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal().map(Signal::try_from)) {
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(Ok(signal))) => format!("was killed by {signal}"),
        (None, _) => "was killed".to_owned(),
    }
}

impl HookError {
    /// The last lines that it has written to stderr.
    #[must_use]
    pub fn stderr(&self) -> &[String] {
        match self {
            Self::Failed { status: _, stderr } | Self::TimedOut { limit: _, stderr } => stderr,
            Self::NotStarted(_) | Self::Stopped | Self::Lost(_) => &[],
        }
    }
}

/// Runs the program to its end. `input`: what it reads from stdin. `hidden`: environment variables that it does not get.
///
/// # Errors
/// How it failed.
pub async fn run(
    hook: &Hook,
    input: &str,
    hidden: &[OsString],
    stop: &CancellationToken,
) -> Result<(), HookError> {
    let mut child = start(hook, hidden).map_err(HookError::NotStarted)?;
    let tail = Tail::of(child.stderr.take());
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_owned();
        // One that does not read its input is no failure.
        tokio::spawn(async move {
            let _ = stdin.write_all(input.as_bytes()).await;
        });
    }
    let status = tokio::select! {
        biased;
        status = child.wait() => status.map_err(HookError::Lost)?,
        () = stop.cancelled() => {
            end(&mut child).await;
            return Err(HookError::Stopped);
        }
        limit = elapsed(hook.timeout) => {
            end(&mut child).await;
            return Err(HookError::TimedOut { limit, stderr: tail.lines(LINGER).await });
        }
    };
    if status.success() {
        return Ok(());
    }
    Err(HookError::Failed { status, stderr: tail.lines(LINGER).await })
}

fn start(hook: &Hook, hidden: &[OsString]) -> io::Result<Child> {
    let mut command = Command::new(hook.program());
    command.args(hook.arguments()).process_group(0).kill_on_drop(true);
    for name in hidden {
        command.env_remove(name);
    }
    let stderr = io::stderr().as_fd().try_clone_to_owned()?;
    command.stdin(Stdio::piped()).stdout(stderr).stderr(Stdio::piped()).spawn()
}

/// Ends once the limit is over; without one, never.
async fn elapsed(limit: Option<Duration>) -> Duration {
    let Some(limit) = limit else { return std::future::pending().await };
    tokio::time::sleep(limit).await;
    limit
}

/// Ends the program with what it has started.
async fn end(child: &mut Child) {
    let group = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    // A group that is gone needs no signal.
    let signal = |signal| group.map(|group| killpg(group, signal));
    signal(Signal::SIGTERM);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        signal(Signal::SIGKILL);
        let _ = child.wait().await;
    }
    // What the program has started, and has not ended itself.
    signal(Signal::SIGKILL);
}
