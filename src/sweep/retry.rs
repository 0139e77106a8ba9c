//! What is done after a batch has failed. Pure: told what happened, it decides.

use std::time::Duration;

use super::event::Transient;
use super::pace::{Way, back_off};

/// What is done about the window of a batch that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same once more.
    Again,
    /// Once more, in smaller batches.
    Smaller,
    /// Once more, with a look for pointers to the refresh tokens that go.
    LookingForPointers,
    /// Row by row, each under its lock.
    Careful,
    /// Once more, but not for ever: it was row by row already.
    Counted,
}

/// What is done about a window after a batch that went about it in this way has failed for this reason.
pub(super) const fn next(reason: Transient, way: Way) -> Next {
    match reason {
        Transient::TooSlow => Next::Smaller,
        Transient::Disconnected => Next::Again,
        Transient::Referenced if way.trusts() => Next::LookingForPointers,
        Transient::Locked | Transient::Deadlock | Transient::Changed | Transient::Referenced => match way {
            Way::Bulk(_) | Way::Few(..) => Next::Careful,
            Way::Careful(_) => Next::Counted,
        },
    }
}

/// Whether the run goes on after a batch that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// It does, after this pause.
    Wait(Duration),
    /// It ends: nothing has made progress for too long.
    GiveUp,
    /// It ends with the error: the server stays away.
    Fail,
}

/// Whether the run goes on. `stalled`: batches in a row without progress, this one included; `at_once`: there is
/// another way that needs no wait.
pub(super) fn course(reason: Transient, stalled: u32, at_most: u32, at_once: bool) -> Course {
    if stalled < at_most {
        return Course::Wait(if at_once { Duration::ZERO } else { back_off(reason, stalled) });
    }
    if reason == Transient::Disconnected { Course::Fail } else { Course::GiveUp }
}

#[cfg(test)]
mod tests {
    use super::Next::{Again, Careful, Counted, LookingForPointers, Smaller};
    use super::*;
    use crate::db::tokens::Pointers;

    #[test]
    fn each_failure_has_its_next_step() {
        let ways = [
            Way::Bulk(Pointers::ExpectNone),
            Way::Bulk(Pointers::Clear),
            Way::Few(9, Pointers::ExpectNone),
            Way::Few(9, Pointers::Clear),
            Way::Careful(9),
        ];
        let carefully = [Careful, Careful, Careful, Careful, Counted];
        for (reason, expected) in [
            (Transient::Locked, carefully),
            (Transient::Deadlock, carefully),
            (Transient::Changed, carefully),
            (Transient::Referenced, [LookingForPointers, Careful, LookingForPointers, Careful, Counted]),
            (Transient::TooSlow, [Smaller; 5]),
            (Transient::Disconnected, [Again; 5]),
        ] {
            assert_eq!(ways.map(|way| next(reason, way)), expected, "{reason:?}");
        }
    }

    #[test]
    fn a_run_waits_longer_each_time_and_then_ends() {
        const WAIT: fn(u64) -> Course = |milliseconds| Course::Wait(Duration::from_millis(milliseconds));
        for (reason, stalled, at_once, expected) in [
            (Transient::Locked, 1, false, WAIT(100)),
            (Transient::Locked, 3, false, WAIT(400)),
            (Transient::Locked, 9, false, WAIT(1_000)),
            (Transient::Locked, 9, true, WAIT(0)),
            (Transient::Locked, 10, false, Course::GiveUp),
            (Transient::Locked, 10, true, Course::GiveUp),
            (Transient::Changed, 10, false, Course::GiveUp),
            (Transient::Disconnected, 9, false, WAIT(10_000)),
            (Transient::Disconnected, 10, false, Course::Fail),
        ] {
            assert_eq!(course(reason, stalled, 10, at_once), expected, "{reason:?}, {stalled}, {at_once}");
        }
    }
}
