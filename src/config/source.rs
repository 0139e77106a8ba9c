//! The file's text, and where a byte of it is: the line and column that people and editors use.
//!
//! Invariant: the text is what was read, byte for byte, so offsets are offsets in the file. What may not be shown is
//! marked here once, so that no renderer has to know what a secret is.

use std::fmt;
use std::path::{Path, PathBuf};

use super::problem::Span;

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Counted from 1.
    pub line: usize,
    /// From 1, in characters (Unicode scalar values); a byte order mark takes none.
    pub column: usize,
    /// From 0, in bytes.
    pub byte: usize,
}

/// A file that was read.
#[derive(Clone, Default)]
pub struct Source {
    path: PathBuf,
    text: String,
    /// Sorted, disjoint, not empty.
    confidential: Vec<Span>,
    /// How many lines end before each block of [`BLOCK`] bytes, so that a position costs one block, not one file.
    lines_before: Vec<usize>,
}

const BLOCK: usize = 1 << 16;
const BYTE_ORDER_MARK: char = '\u{feff}';

impl Source {
    /// A file that was read as text.
    #[must_use]
    pub fn new(path: &Path, text: String) -> Self {
        let mut lines_before = vec![0];
        let mut lines = 0;
        for block in text.as_bytes().chunks(BLOCK) {
            lines += newlines(block);
            lines_before.push(lines);
        }
        Self { path: path.to_owned(), text, confidential: Vec::new(), lines_before }
    }

    /// Marks text that no one may see. Ranges may overlap and come in any order.
    #[must_use]
    pub fn concealing(mut self, mut spans: Vec<Span>) -> Self {
        spans.retain(|span| !span.is_empty());
        spans.sort_by_key(|span| (span.start, span.end));
        spans.dedup_by(|next, kept| {
            let overlaps = next.start <= kept.end;
            if overlaps {
                kept.end = kept.end.max(next.end);
            }
            overlaps
        });
        self.confidential = spans;
        self
    }

    /// Where the file was found, as the user wrote it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same file under another path, for messages.
    #[must_use]
    pub fn seen_at(self, path: PathBuf) -> Self {
        Self { path, ..self }
    }

    /// The text, secrets included: for parsing, never for showing.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a byte is. A byte past the end is at the end; one inside a character is at its start.
    #[must_use]
    pub fn position(&self, byte: usize) -> Position {
        let byte = self.boundary(byte);
        let block = byte / BLOCK;
        let known = self.lines_before.get(block).copied().unwrap_or_default();
        let line = known + newlines(self.text.as_bytes().get(block * BLOCK..byte).unwrap_or_default()) + 1;
        let before = self.text.get(self.line_start(byte)..byte).unwrap_or_default();
        let column = before.trim_start_matches(BYTE_ORDER_MARK).chars().count() + 1;
        Position { line, column, byte }
    }

    /// The line that holds a byte, without its line ending and without a byte order mark.
    #[must_use]
    pub fn line(&self, byte: usize) -> Span {
        let byte = self.boundary(byte);
        let mut start = self.line_start(byte);
        let rest = self.text.get(byte..).unwrap_or_default();
        let mut end = rest.find('\n').map_or(self.text.len(), |length| byte + length);
        if self.text.get(start..end).is_some_and(|line| line.ends_with('\r')) {
            end = (end - 1).max(start);
        }
        if start == 0 && self.text.starts_with(BYTE_ORDER_MARK) {
            start = BYTE_ORDER_MARK.len_utf8().min(end);
        }
        start..end
    }

    /// The start of the character that holds a byte.
    fn boundary(&self, byte: usize) -> usize {
        let byte = byte.min(self.text.len());
        (0..=byte).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or_default()
    }

    fn line_start(&self, byte: usize) -> usize {
        self.text.get(..byte).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
    }

    /// The text with dots in the place of what no one may see.
    #[must_use]
    pub fn legible(&self) -> String {
        let mut legible = String::with_capacity(self.text.len());
        let mut done = 0;
        for hidden in self.concealed(0..self.text.len()) {
            legible.push_str(self.text.get(done..hidden.start).unwrap_or_default());
            legible.push('…');
            done = hidden.end;
        }
        legible + self.text.get(done..).unwrap_or_default()
    }

    /// The parts of a range that no one may see, in order.
    pub fn concealed(&self, within: Span) -> impl Iterator<Item = Span> {
        let first = self.confidential.partition_point(|span| span.end <= within.start);
        let spans = self.confidential.get(first..).unwrap_or_default();
        spans
            .iter()
            .take_while(move |span| span.start < within.end)
            .map(move |span| span.start.max(within.start)..span.end.min(within.end))
    }
}

/// Without the text, which may hold what it should not.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| usize::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(Path::new("oauth.toml"), text.to_owned())
    }

    fn place(text: &str, byte: usize) -> (usize, usize) {
        let position = source(text).position(byte);
        (position.line, position.column)
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(place("", 0), (1, 1));
        assert_eq!(place("ab\ncd", 2), (1, 3));
        assert_eq!(place("ab\ncd", 3), (2, 1));
        assert_eq!(place("é = 💩x", "é = 💩".len()), (1, 6));
        assert_eq!(place("é", 1), (1, 1));
        assert_eq!(place("ab\r\ncd", 4), (2, 1));
        assert_eq!(place("ab\n", 99), (2, 1));
        assert_eq!(place("\u{feff}ab", 3), (1, 1));
    }

    #[test]
    fn a_position_in_a_long_file_is_exact() {
        let text = "0123456789abcde\n".repeat(3 * BLOCK / 16 + 7);
        let source = source(&text);
        for byte in [0, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 17, text.len()] {
            let position = source.position(byte);
            assert_eq!((position.line, position.column), (byte / 16 + 1, byte % 16 + 1), "byte {byte}");
        }
    }

    #[test]
    fn a_line_has_no_line_ending() {
        let text = "\u{feff}a = 1\r\nb = 2\n\nc";
        let source = source(text);
        let lines: Vec<_> = [3, 11, 16, 17].map(|byte| &text[source.line(byte)]).into();
        assert_eq!(lines, ["a = 1", "b = 2", "", "c"]);
    }

    #[test]
    fn concealed_ranges_are_merged_and_clipped() {
        let source = source("0123456789").concealing(vec![7..9, 1..3, 2..5, 4..4]);
        assert_eq!(source.concealed(0..10).collect::<Vec<_>>(), [1..5, 7..9]);
        assert_eq!(source.concealed(3..8).collect::<Vec<_>>(), [3..5, 7..8]);
        assert_eq!(source.concealed(5..7).collect::<Vec<_>>(), Vec::<Span>::new());
    }
}
