//! In which order the tables are walked, and where a run that stopped goes on. Pure.
//!
//! A run that goes on begins at the place where an earlier one stopped, walks to the end, and then does what lies before
//! that place: rows that have expired since, and those that were locked. So nothing is left out, whatever the place is.
//! Applications keep their place in the order: those that registered themselves are checked while their tokens are still
//! there, those of metadata documents when the tokens are gone (`plan::retention`). These tables are small.

use crate::model::{Key, Sweep, TableRole};

/// Where a run stopped, and a later one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The sweep, by its position in the list.
    pub sweep: usize,
    /// The first key that was not done; `None`: the sweep begins.
    pub key: Option<Key>,
}

/// One table, or a part of it. Both ends are included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    pub sweep: usize,
    /// `None`: from the first key.
    pub from: Option<Key>,
    /// `None`: to the last key.
    pub until: Option<Key>,
}

impl Leg {
    const fn whole(sweep: usize) -> Self {
        Self { sweep, from: None, until: None }
    }

    fn place(&self) -> Place {
        Place { sweep: self.sweep, key: self.from.clone() }
    }
}

/// Whether a place in the sweep is worth remembering.
fn is_long(sweep: &Sweep) -> bool {
    sweep.role() != TableRole::Application
}

/// The legs of a run, in order.
pub(super) fn legs(sweeps: &[Sweep], place: Option<&Place>) -> Vec<Leg> {
    let Some(place) = place.filter(|place| sweeps.get(place.sweep).is_some_and(is_long)) else {
        return (0..sweeps.len()).map(Leg::whole).collect();
    };
    let (long, rest): (Vec<usize>, Vec<usize>) =
        (0..sweeps.len()).partition(|sweep| is_long(&sweeps[*sweep]));
    let (before, after): (Vec<usize>, Vec<usize>) = rest.into_iter().partition(|sweep| *sweep < place.sweep);
    let whole = |sweeps: Vec<usize>| sweeps.into_iter().map(Leg::whole);
    let (earlier, later): (Vec<usize>, Vec<usize>) =
        long.into_iter().filter(|sweep| *sweep != place.sweep).partition(|sweep| *sweep < place.sweep);
    let wrapped = place.key.clone().map(|key| Leg { sweep: place.sweep, from: None, until: Some(key) });
    whole(before)
        .chain([Leg { sweep: place.sweep, from: place.key.clone(), until: None }])
        .chain(whole(later))
        .chain(whole(earlier))
        .chain(wrapped)
        .chain(whole(after))
        .collect()
}

/// Where a run goes on that stopped before these legs; `None`: at the beginning.
pub(super) fn first_place(sweeps: &[Sweep], legs: &[Leg]) -> Option<Place> {
    legs.iter().find(|leg| sweeps.get(leg.sweep).is_some_and(is_long)).map(Leg::place)
}

/// Whether a run that goes on there does the same as one that begins.
pub(super) fn is_beginning(sweeps: &[Sweep], place: &Place) -> bool {
    place.key.is_none() && sweeps.iter().position(is_long) == Some(place.sweep)
}

/// Where a run goes on that stopped in this leg at this key.
pub(super) fn place_in(sweeps: &[Sweep], leg: &Leg, key: Key) -> Option<Place> {
    sweeps.get(leg.sweep).filter(|sweep| is_long(sweep))?;
    Some(Place { sweep: leg.sweep, key: Some(key) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use time::OffsetDateTime;

    use super::*;
    use crate::model::Doomed;

    fn sweeps() -> Vec<Sweep> {
        let now = OffsetDateTime::UNIX_EPOCH;
        [
            Doomed::DcrApplications { registered: now, oldest: None, now },
            Doomed::Sessions { revoked: None, idle: None, expired: Some(now) },
            Doomed::RefreshTokens { revoked: Some(now), orphaned: true },
            Doomed::IdTokens { expired: now },
            Doomed::CimdApplications { expired: now },
        ]
        .map(|doomed| Sweep { doomed, excluded: BTreeSet::new() })
        .into()
    }

    fn place(sweep: usize, key: &str) -> Place {
        Place { sweep, key: Some(Key::new(key)) }
    }

    fn told(legs: &[Leg]) -> Vec<String> {
        let key = |key: &Option<Key>| key.as_ref().map_or_else(String::new, ToString::to_string);
        legs.iter().map(|leg| format!("{} {}..{}", leg.sweep, key(&leg.from), key(&leg.until))).collect()
    }

    #[test]
    fn a_run_that_goes_on_wraps_around_between_the_applications() {
        let sweeps = sweeps();
        assert_eq!(told(&legs(&sweeps, None)), ["0 ..", "1 ..", "2 ..", "3 ..", "4 .."]);
        assert_eq!(
            told(&legs(&sweeps, Some(&place(2, "7")))),
            ["0 ..", "2 7..", "3 ..", "1 ..", "2 ..7", "4 .."]
        );
        let beginning = Place { sweep: 3, key: None };
        assert_eq!(told(&legs(&sweeps, Some(&beginning))), ["0 ..", "3 ..", "1 ..", "2 ..", "4 .."]);
    }

    #[test]
    fn a_place_that_is_none_is_the_beginning() {
        let sweeps = sweeps();
        for place in [place(0, "7"), place(4, "7"), place(9, "7")] {
            assert_eq!(legs(&sweeps, Some(&place)), legs(&sweeps, None));
        }
    }

    #[test]
    fn every_key_of_every_sweep_is_in_a_leg() {
        let sweeps = sweeps();
        for stopped in 1..=3 {
            let legs = legs(&sweeps, Some(&place(stopped, "5")));
            for sweep in 0..sweeps.len() {
                let of_sweep: Vec<&Leg> = legs.iter().filter(|leg| leg.sweep == sweep).collect();
                let is_whole = of_sweep.iter().any(|leg| **leg == Leg::whole(sweep));
                let is_wrapped = of_sweep.iter().any(|leg| leg.from.is_some())
                    && of_sweep.iter().any(|leg| leg.until.is_some());
                assert!(is_whole || is_wrapped, "{sweep}: {legs:?}");
            }
        }
    }

    #[test]
    fn the_next_place_skips_applications() {
        let sweeps = sweeps();
        let all = legs(&sweeps, Some(&place(2, "7")));
        assert_eq!(first_place(&sweeps, &all), Some(place(2, "7")));
        assert_eq!(first_place(&sweeps, &all[2..]), Some(Place { sweep: 3, key: None }));
        assert_eq!(first_place(&sweeps, &all[4..]), Some(Place { sweep: 2, key: None }));
        assert_eq!(first_place(&sweeps, &all[5..]), None);
        assert_eq!(place_in(&sweeps, &all[1], Key::new("9")), Some(place(2, "9")));
        assert_eq!(place_in(&sweeps, &all[0], Key::new("9")), None);
        assert!(is_beginning(&sweeps, &Place { sweep: 1, key: None }));
        assert!(
            !is_beginning(&sweeps, &Place { sweep: 2, key: None }) && !is_beginning(&sweeps, &place(1, "7"))
        );
    }
}
