//! Why a plan failed, for pages and comments that anybody may read. The message may name the server, so it is left to
//! the log of the job.

use crate::error::Exit;

#[must_use]
pub(super) const fn reason(exit: Exit) -> &'static str {
    match exit {
        Exit::Unreachable => "the database cannot be reached, or refuses the login",
        Exit::Usage => "the file has errors, or does not fit this database",
        Exit::Locked => "a lock was not free in time",
        Exit::HungUp | Exit::Interrupted | Exit::Terminated => "it was interrupted",
        Exit::Done | Exit::Failed | Exit::Changes | Exit::Refused | Exit::Stale => "it failed",
    }
}
