//! Rows that a plan gives each other's values: none of them can be written first.

use std::collections::BTreeMap;

/// The rows that want each other's values, if this is one of them: the first one of the plan, and each before the one that
/// has what it wants.
pub(super) fn circle(wants: &BTreeMap<i64, i64>, number: i64) -> Vec<i64> {
    let mut path = vec![number];
    while let Some(next) = path.last().and_then(|last| wants.get(last)).copied() {
        if next == number {
            let first = path.iter().enumerate().min_by_key(|(_, number)| **number);
            let first = first.map_or(0, |(position, _)| position);
            path.rotate_left(first);
            return path;
        }
        if path.contains(&next) {
            break;
        }
        path.push(next);
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_want_each_others_values_are_a_circle() {
        let wants = BTreeMap::from([(1, 4), (2, 5), (4, 3), (3, 1), (5, 1), (7, i64::MAX)]);
        assert_eq!(circle(&wants, 3), [1, 4, 3]);
        assert_eq!(circle(&wants, 1), [1, 4, 3]);
        // It wants what a circle has and is none of it.
        assert_eq!(circle(&wants, 2), [0; 0]);
        assert_eq!(circle(&wants, 7), [0; 0]);
    }
}
