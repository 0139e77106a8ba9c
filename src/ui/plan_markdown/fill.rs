//! What of a plan a comment has room for: of every application a little, before much of one. Pure.

use std::ops::Range;

/// One application of a plan in several lengths.
pub(super) struct Entry {
    /// In a line: what is done, and to which fields.
    pub line: String,
    /// With what a reviewer must not miss: the secret, the redirect URIs. Long lists are counted.
    pub condensed: String,
    /// With everything that changes.
    pub whole: String,
    pub weight: Weight,
}

/// How much a reviewer needs to see it, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// The application is deleted.
    Deletion,
    /// Its secret, a redirect URI or another field that clients rely on changes.
    Sensitive,
    Other,
}

/// What is shown of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Length {
    #[default]
    Nothing,
    Line,
    Condensed,
    Whole,
}

impl Entry {
    pub(super) fn text(&self, length: Length) -> &str {
        match length {
            Length::Nothing => "",
            Length::Line => &self.line,
            Length::Condensed => &self.condensed,
            Length::Whole => &self.whole,
        }
    }
}

/// Chooses a length for each entry, so that all of them together have at most `room` units of [`size`].
///
/// First a line for each deletion, then what is sensitive, then a line for all others; last, details, the shortest
/// first, so that one long application does not take the room of many short ones.
pub(super) fn fill(entries: &[Entry], room: usize) -> Vec<Length> {
    let mut chosen = Chosen { entries, lengths: vec![Length::Nothing; entries.len()], room };
    let of = |weight: Weight| (0..entries.len()).filter(move |at| entries[*at].weight == weight);
    chosen.extend(of(Weight::Deletion), Length::Line);
    chosen.extend(of(Weight::Sensitive), Length::Line);
    chosen.extend(of(Weight::Sensitive), Length::Condensed);
    chosen.extend(of(Weight::Other), Length::Line);
    let mut shortest_first: Vec<usize> = Range { start: 0, end: entries.len() }.collect();
    shortest_first.sort_by_key(|at| size(&entries[*at].whole));
    chosen.extend(shortest_first.into_iter(), Length::Whole);
    chosen.lengths
}

struct Chosen<'a> {
    entries: &'a [Entry],
    lengths: Vec<Length>,
    room: usize,
}

impl Chosen<'_> {
    /// Shows these entries at this length, where there is room.
    fn extend(&mut self, which: impl Iterator<Item = usize>, length: Length) {
        for at in which {
            let (entry, now) = (&self.entries[at], self.lengths[at]);
            // A longer form of what is not shown yet would come before what weighs more.
            if now == Length::Nothing && length != Length::Line {
                continue;
            }
            let available = self.room + size(entry.text(now));
            if let Some(left) = available.checked_sub(size(entry.text(length))) {
                (self.room, self.lengths[at]) = (left, length);
            }
        }
    }
}

/// The length of a text as forges count it: in UTF-16 code units.
pub(super) fn size(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(weight: Weight, line: usize, condensed: usize, whole: usize) -> Entry {
        let text = |length: usize| "x".repeat(length);
        Entry { line: text(line), condensed: text(condensed), whole: text(whole), weight }
    }

    #[test]
    fn a_little_of_everything_comes_first() {
        use Length::{Condensed, Line, Nothing, Whole};
        let entries = [
            entry(Weight::Other, 10, 10, 20),
            entry(Weight::Sensitive, 10, 30, 1_000),
            entry(Weight::Deletion, 10, 10, 10),
            entry(Weight::Other, 10, 10, 50),
        ];
        for (room, expected) in [
            (9, [Nothing, Nothing, Nothing, Nothing]),
            (10, [Nothing, Nothing, Whole, Nothing]),
            (29, [Nothing, Line, Whole, Nothing]),
            (40, [Nothing, Condensed, Whole, Nothing]),
            (50, [Line, Condensed, Whole, Nothing]),
            (70, [Whole, Condensed, Whole, Line]),
            (110, [Whole, Condensed, Whole, Whole]),
            (1_080, [Whole, Whole, Whole, Whole]),
        ] {
            assert_eq!(fill(&entries, room), expected, "{room}");
        }
    }
}
