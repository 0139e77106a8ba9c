//! How far replicas are behind. Pure: told where they are, it says which is furthest behind.
//!
//! The server's own measure of a replica's delay is as old as the replica's last report: up to
//! `wal_receiver_status_interval`, 10 s, while the replica stands still. So positions in the log are remembered with the
//! time at which the primary had reached them; a replica that has not come as far is behind by at least the time since
//! then. Of a replica that has not replayed what was written before the first look, it is not known how far it is behind,
//! and it counts as too far. One that has replayed everything is not behind at all.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::db::replication::{Replica, Replication};

/// More positions are not remembered; then every second one is forgotten.
const REMEMBERED: usize = 512;

/// When the primary had come how far.
#[derive(Debug, Default)]
pub(super) struct Track {
    reached: VecDeque<(Instant, u64)>,
    /// Where it was at the first look.
    first: Option<u64>,
}

/// How far a replica is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lag {
    pub at_least: Duration,
    pub is_known: bool,
}

impl Track {
    /// Takes note of where the primary is, and finds the replica that is furthest behind.
    pub(super) fn worst<'r>(
        &mut self,
        replication: &'r Replication,
        now: Instant,
    ) -> Option<(&'r Replica, Lag)> {
        self.note(replication, now);
        let lags = replication.replicas.iter().map(|replica| (replica, self.lag(replication, replica, now)));
        lags.max_by_key(|(_, lag)| (lag.at_least, !lag.is_known))
    }

    fn note(&mut self, replication: &Replication, now: Instant) {
        self.first.get_or_insert(replication.end);
        let slowest = replication.replicas.iter().map(|replica| replica.replayed).min();
        // What all have replayed is of no use any more.
        while self.reached.front().is_some_and(|(_, end)| slowest.is_none_or(|slowest| *end <= slowest)) {
            self.reached.pop_front();
        }
        if self.reached.back().is_none_or(|(_, end)| *end < replication.end) {
            self.reached.push_back((now, replication.end));
        }
        if self.reached.len() > REMEMBERED {
            let mut keep = false;
            self.reached.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }

    fn lag(&self, replication: &Replication, replica: &Replica, now: Instant) -> Lag {
        if replica.replayed >= replication.end {
            return Lag { at_least: Duration::ZERO, is_known: true };
        }
        let reached =
            self.reached.iter().find(|(_, end)| *end > replica.replayed).filter(|_| !replica.logical);
        let standing = reached.map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(*at));
        let is_known = replica.logical || self.first.is_none_or(|first| replica.replayed >= first);
        Lag { at_least: standing.max(replica.measured.unwrap_or_default()), is_known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(end: u64, replicas: &[(u64, Option<u64>)]) -> Replication {
        let replicas = replicas.iter().enumerate().map(|(number, (replayed, measured))| Replica {
            name: format!("replica{number}"),
            replayed: *replayed,
            measured: measured.map(Duration::from_secs),
            logical: false,
        });
        Replication { end, replicas: replicas.collect(), hidden: 0 }
    }

    fn worst(track: &mut Track, replication: &Replication, now: Instant) -> Option<(String, u64)> {
        track.worst(replication, now).map(|(replica, lag)| (replica.name.clone(), lag.at_least.as_secs()))
    }

    #[test]
    fn what_was_written_before_the_run_must_be_replayed_before_a_lag_is_known() {
        let (mut track, now) = (Track::default(), Instant::now());
        let known = |track: &mut Track, replication: &Replication| {
            track.worst(replication, now).map(|(_, lag)| lag.is_known)
        };
        assert_eq!(known(&mut track, &at(100, &[(99, None)])), Some(false));
        assert_eq!(known(&mut track, &at(150, &[(99, Some(0))])), Some(false));
        assert_eq!(known(&mut track, &at(150, &[(100, Some(0))])), Some(true));
        assert_eq!(known(&mut track, &at(150, &[(150, None)])), Some(true));
        let mut subscriber = at(150, &[(99, None)]);
        subscriber.replicas[0].logical = true;
        assert_eq!(known(&mut track, &subscriber), Some(true));
    }

    #[test]
    fn an_idle_replica_is_not_behind_whatever_was_measured_last() {
        let (mut track, now) = (Track::default(), Instant::now());
        assert_eq!(worst(&mut track, &at(100, &[(100, Some(30))]), now), Some(("replica0".to_owned(), 0)));
        assert_eq!(
            worst(&mut track, &at(100, &[(100, None)]), now + 9 * SECOND),
            Some(("replica0".to_owned(), 0))
        );
        assert_eq!(worst(&mut track, &at(100, &[]), now), None);
    }

    #[test]
    fn a_replica_that_stands_still_falls_behind_while_nothing_is_measured() {
        let (mut track, now) = (Track::default(), Instant::now());
        for second in 0..1_000 {
            let replication =
                at(100 + u64::from(second), &[(99, Some(0)), (100 + u64::from(second), Some(0))]);
            let (replica, lag) = worst(&mut track, &replication, now + SECOND * second).unwrap();
            assert_eq!(lag, u64::from(second));
            assert!(lag == 0 || replica == "replica0");
            assert!(track.reached.len() <= REMEMBERED);
        }
        // It moves again, halfway.
        let found = worst(&mut track, &at(1_100, &[(599, Some(0))]), now + SECOND * 1_000);
        assert!((490..=510).contains(&found.unwrap().1));
        assert_eq!(worst(&mut track, &at(1_100, &[(1_100, Some(700))]), now + SECOND * 1_001).unwrap().1, 0);
    }

    #[test]
    fn the_measured_delay_counts_where_it_is_larger_and_alone_for_subscribers() {
        let (mut track, now) = (Track::default(), Instant::now());
        assert_eq!(worst(&mut track, &at(200, &[(100, Some(7)), (150, Some(3))]), now).unwrap().1, 7);
        let mut replication = at(300, &[(100, Some(2))]);
        replication.replicas[0].logical = true;
        assert_eq!(worst(&mut track, &replication, now + 60 * SECOND).unwrap().1, 2);
    }
}
