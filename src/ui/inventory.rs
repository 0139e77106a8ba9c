//! Applications as a table that fits the terminal: columns that matter less go first, then long values are cut.
//!
//! Pure: rows and a width in, styled text out. Widths are those of a terminal's cells. Where there is no width, such as
//! in a pipe, nothing is cut.

use std::fmt::Write as _;

use anstyle::Style;
use time::OffsetDateTime;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::plan::{grouped, visible};
use super::{BOLD, CYAN, DIM, GREEN, RED, YELLOW, paint};
use crate::model::{Brief, Origin, Usage};
use crate::plan::drift::Drift;

/// Between two columns.
const GAP: usize = 2;

/// One line of the list: a row, a declaration without a row, or both.
#[derive(Debug)]
pub struct Entry<'a, R> {
    pub client_id: &'a str,
    /// The row; `None`: it is declared and not there.
    pub row: Option<&'a R>,
    /// The display name.
    pub name: &'a str,
    /// Its tokens, where they were counted.
    pub usage: Option<&'a Usage>,
    /// How it stands to the file; `None`: there is no file.
    pub drift: Option<&'a Drift>,
}

/// What the table is drawn into.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Columns of the terminal.
    pub width: Option<usize>,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
    /// The instant that ages are counted from.
    pub as_of: OffsetDateTime,
}

/// What a line has in a column.
type Cell = Box<dyn Fn(&Line<'_>) -> (String, Option<Style>)>;

type Line<'a> = Entry<'a, Brief>;

struct Column {
    title: &'static str,
    right: bool,
    /// The fewest cells that it may be cut to; `None`: it is never cut.
    least: Option<usize>,
    /// The columns with the highest numbers go first where the terminal is too narrow; 0 stays.
    expendable: u8,
    /// Made anew whenever it is needed, because a list may be long.
    cell: Cell,
    /// The width of the widest one.
    widest: usize,
}

impl Column {
    fn natural(&self) -> usize {
        self.widest.max(self.title.len())
    }

    fn smallest(&self) -> usize {
        self.least.map_or(self.natural(), |least| least.min(self.natural()))
    }

    /// How much room a column gets before others are left out for it. A client id is typed again, so it is whole if the
    /// columns that stay leave room for it.
    fn wanted(&self, whole_ids: bool) -> usize {
        if whole_ids && self.expendable == 0 { self.natural() } else { self.smallest() }
    }
}

/// The table, by client id.
#[must_use]
pub fn table(entries: &[Line<'_>], frame: Frame) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut columns = columns(entries, frame);
    if let Some(width) = frame.width {
        drop_columns(&mut columns, width);
    }
    let widths = widths(&columns, frame.width);
    let mut out = String::new();
    let titles = columns.iter().map(|column| (column.title.into(), Some(BOLD)));
    line(&mut out, &columns, &widths, frame, titles);
    for entry in entries {
        let cells = columns.iter().map(|column| (column.cell)(entry));
        line(&mut out, &columns, &widths, frame, cells);
    }
    out
}

fn columns(entries: &[Line<'_>], frame: Frame) -> Vec<Column> {
    let measured = |title, right, least, expendable, cell: Cell| {
        let widest = entries.iter().map(|entry| cell(entry).0.width()).max().unwrap_or_default();
        Column { title, right, least, expendable, cell, widest }
    };
    let column = |title, least, expendable, cell: fn(&Line<'_>, Frame) -> String| {
        let cell = Box::new(move |entry: &Line<'_>| (visible(&cell(entry, frame)), None));
        measured(title, false, least, expendable, cell)
    };
    let number = |title, count: fn(&Usage) -> u64| {
        let cell = Box::new(move |entry: &Line<'_>| {
            (entry.usage.map(|usage| grouped(count(usage))).unwrap_or_default(), None)
        });
        measured(title, true, None, 0, cell)
    };
    let mut columns = vec![
        column("CLIENT ID", Some(24), 0, |entry, _| entry.client_id.to_owned()),
        column("NAME", Some(12), 3, |entry, _| entry.name.to_owned()),
        column("TYPE", None, 5, |entry, _| entry.row.map_or("", |row| &row.client_type).to_owned()),
        column("GRANT", None, 4, |entry, _| {
            let grant = entry.row.map_or("", |row| &row.authorization_grant_type);
            grant.rsplit(':').next().unwrap_or_default().to_owned()
        }),
    ];
    if entries.iter().any(|entry| entry.row.is_some_and(|row| row.owner.is_some())) {
        columns.push(column("OWNER", Some(12), 6, |entry, _| owner(entry).to_owned()));
    }
    if entries.iter().any(|entry| entry.row.is_some_and(|row| !row.origin.is_manual())) {
        let source = |entry: &Line<'_>, _| entry.row.map_or("", |row| source(&row.origin)).to_owned();
        columns.push(column("SOURCE", None, 2, source));
    }
    if entries.iter().any(|entry| entry.usage.is_some()) || entries.iter().all(|entry| entry.row.is_none()) {
        columns.push(number("ACCESS", |usage| usage.access.live));
        columns.push(number("REFRESH", |usage| usage.refresh.live));
        columns.push(column("LAST USE", None, 1, |entry, frame| last_use(entry, frame.as_of)));
    }
    if entries.iter().any(|entry| entry.drift.is_some()) {
        let cell = |entry: &Line<'_>| {
            entry.drift.map_or((String::new(), None), |drift| (drift.name().to_owned(), Some(style(drift))))
        };
        columns.push(measured("FILE", false, None, 0, Box::new(cell)));
    }
    columns
}

fn owner<'a>(entry: &Line<'a>) -> &'a str {
    entry.row.and_then(|row| row.owner.as_deref()).unwrap_or_default()
}

/// DOT's word for how the application was registered; for DOT, whatever registers clients is `dcr`.
pub(super) fn source(origin: &Origin) -> &str {
    match origin {
        Origin::Manual => "manual",
        Origin::Dcr | Origin::Marked => "dcr",
        Origin::Cimd => "cimd",
        Origin::Other(other) => other,
    }
}

/// A row whose tokens were counted and that has none was never used.
fn last_use(entry: &Line<'_>, as_of: OffsetDateTime) -> String {
    match (entry.row, entry.usage.and_then(Usage::last)) {
        (None, _) => String::new(),
        (Some(_), Some(last)) => ago(last, as_of),
        (Some(_), None) => "never".to_owned(),
    }
}

const fn style(drift: &Drift) -> Style {
    match drift {
        Drift::Unchanged => DIM,
        Drift::Changed { .. } => YELLOW,
        Drift::Missing => GREEN,
        Drift::Removed | Drift::Impossible(_) => RED,
        Drift::Unmanaged => CYAN,
    }
}

/// `3h ago`, `in 5m`, `now`.
pub(super) fn ago(then: OffsetDateTime, now: OffsetDateTime) -> String {
    const UNITS: [(i64, &str); 5] = [(365 * 86_400, "y"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let seconds = (now - then).whole_seconds();
    let unit = UNITS.into_iter().find(|(length, _)| seconds.abs() >= *length);
    match unit {
        None => "now".to_owned(),
        Some((length, unit)) if seconds > 0 => format!("{}{unit} ago", grouped_i64(seconds / length)),
        Some((length, unit)) => format!("in {}{unit}", grouped_i64(-seconds / length)),
    }
}

fn grouped_i64(number: i64) -> String {
    grouped(number.unsigned_abs())
}

fn needed(widths: impl Iterator<Item = usize>) -> usize {
    widths.fold(0, |sum, width| sum + width + GAP).saturating_sub(GAP)
}

fn drop_columns(columns: &mut Vec<Column>, width: usize) {
    let staying = columns.iter().filter(|column| column.expendable == 0);
    let whole_ids = needed(staying.map(Column::natural)) <= width;
    while needed(columns.iter().map(|column| column.wanted(whole_ids))) > width {
        let most = columns.iter().enumerate().max_by_key(|(_, column)| column.expendable);
        match most {
            Some((position, column)) if column.expendable > 0 => columns.remove(position),
            _ => return,
        };
    }
}

/// As wide as the cells are. Where that is too wide, the widest columns that may be cut are, and client ids at last.
fn widths(columns: &[Column], width: Option<usize>) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(Column::natural).collect();
    let Some(width) = width else { return widths };
    while needed(widths.iter().copied()) > width {
        let widest = columns
            .iter()
            .zip(&mut widths)
            .filter(|(column, width)| column.least.is_some_and(|least| **width > least))
            .max_by_key(|(column, width)| (column.expendable > 0, **width));
        match widest {
            Some((_, width)) => *width -= 1,
            None => break,
        }
    }
    widths
}

fn line(
    out: &mut String,
    columns: &[Column],
    widths: &[usize],
    frame: Frame,
    cells: impl Iterator<Item = (String, Option<Style>)>,
) {
    let mut text = String::new();
    let mut owed = 0;
    for ((column, width), (cell, style)) in columns.iter().zip(widths).zip(cells) {
        let cut = cut(&cell, *width, frame.unicode);
        let padding = width.saturating_sub(cut.width());
        let (before, after) = if column.right { (padding, 0) } else { (0, padding) };
        if cut.is_empty() {
            // Nothing is written behind the last cell of a line.
            owed += width + GAP;
            continue;
        }
        let _ = write!(text, "{:1$}", "", owed + before);
        text.push_str(&style.map_or_else(|| cut.clone(), |style| paint(style, &cut)));
        owed = after + GAP;
    }
    let _ = writeln!(out, "{text}");
}

/// The beginning of a text that is too wide, with a mark.
fn cut(text: &str, width: usize, unicode: bool) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mark = if unicode { "…" } else { "..." };
    let mut cut = String::new();
    let mut left = width.saturating_sub(mark.width());
    for c in text.chars() {
        let cells = c.width().unwrap_or_default();
        if cells > left {
            break;
        }
        left -= cells;
        cut.push(c);
    }
    cut + mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_cells() {
        assert_eq!(cut("abc", 3, true), "abc");
        assert_eq!(cut("abcd", 3, true), "ab…");
        assert_eq!(cut("abcdef", 5, false), "ab...");
        assert_eq!(cut("日本語", 5, true), "日本…");
        assert_eq!(cut("日本語", 4, true), "日…");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2, true), "e\u{301}…");
    }

    #[test]
    fn client_ids_are_whole_where_the_columns_that_stay_leave_room() {
        let client_id = "aQ0jXyfXvTZTCKrqMm7Lpc9OeJvHh5bN2sWdUgIk";
        let name = "A rather long display name";
        let entries = [Entry { client_id, row: None, name, usage: None, drift: None }];
        let shown = |width| {
            let frame = Frame { width, unicode: true, as_of: OffsetDateTime::UNIX_EPOCH };
            anstream::adapter::strip_str(&table(&entries, frame)).to_string()
        };
        for width in [60, 80, 120] {
            let table = shown(Some(width));
            assert!(table.contains(client_id), "{table}");
            assert!(table.lines().all(|line| line.width() <= width), "{table}");
        }
        assert!(shown(Some(84)).contains("NAME") && !shown(Some(60)).contains("NAME"));
        assert!(shown(Some(45)).contains('…'));
    }

    #[test]
    fn ages_are_in_their_largest_unit() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(10_000);
        let before = |seconds| ago(now - time::Duration::seconds(seconds), now);
        assert_eq!(before(0), "now");
        assert_eq!(before(59), "59s ago");
        assert_eq!(before(3_600 * 25), "1d ago");
        assert_eq!(before(86_400 * 800), "2y ago");
        assert_eq!(before(-300), "in 5m");
    }
}
