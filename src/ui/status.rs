//! The health of the token tables, as people read it: counts, ages as bars, sizes, growth, the last runs. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::Style;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::about;
use super::backlog;
use super::grid::{Column, Grid, wrap};
use super::plan::{by_category, visible};
use super::progress::short;
use super::tables::title;
use super::{BOLD, DIM, paint};
use crate::health::status::{Growth, Status, TableStatus};
use crate::model::health::{AgeBand, PastRun, TableRows};
use crate::model::words::{bytes, grouped, plural, span};
use crate::model::{Counted, Estimate, TableForecast};

/// The longest bar.
const LONGEST_BAR: usize = 40;
/// The shortest longest one.
const SHORTEST_BAR: usize = 8;

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether the terminal shows block characters.
    pub unicode: bool,
}

impl Canvas {
    /// A text with dashes that the terminal shows.
    fn dashes(self, text: &str) -> String {
        if self.unicode { text.to_owned() } else { text.replace('–', "-") }
    }
}

/// The whole picture.
#[must_use]
pub fn render(status: &Status, canvas: Canvas) -> String {
    let mut out = String::new();
    let title = format!("Token tables of {} as of {}", visible(&status.database), instant(status.as_of));
    prose(&mut out, BOLD, &title, canvas.width);
    out.push('\n');
    out.push_str(&rows(status, canvas));
    reclaimable(&mut out, status, canvas);
    ages(&mut out, status, canvas);
    storage(&mut out, status, canvas.width);
    growth(&mut out, status, canvas.width);
    runs(&mut out, status, canvas.width);
    for unseen in &status.unseen {
        out.push('\n');
        prose(&mut out, Style::new(), &format!("Not shown: {}.", visible(unseen)), canvas.width);
    }
    out
}

/// A sentence, broken where the terminal ends.
fn prose(out: &mut String, style: Style, text: &str, width: usize) {
    for line in wrap(text, width) {
        let _ = writeln!(out, "{}", paint(style, line));
    }
}

fn rows(status: &Status, canvas: Canvas) -> String {
    match &status.reclaimable {
        Counted::Exact(_) => counted_rows(status, canvas.width),
        Counted::Forecast(_) => estimated_rows(status, canvas),
        Counted::Off => String::new(),
    }
}

/// Rows that were not counted have no ages, and are not told apart.
fn estimated_rows(status: &Status, canvas: Canvas) -> String {
    let mut grid = Grid::new(vec![
        Column::words("ROWS"),
        Column::number("ALL"),
        Column::words("").spare(1),
        Column::number("RECLAIMABLE"),
        Column::words("").spare(1),
    ]);
    for table in &status.tables {
        let Some(TableForecast { role, rows, reclaimable }) = &table.forecast else { continue };
        let both = |rows: &Estimate| {
            let bounds = about::bounds(rows).unwrap_or_default();
            [about::about(rows), canvas.dashes(&bounds)]
        };
        let cells = [title(*role).to_owned()].into_iter().chain(both(rows)).chain(both(reclaimable));
        grid.row(cells.collect());
    }
    let mut out = grid.render(canvas.width);
    let without = "Estimated, so there are no ages; --count exact counts them.";
    prose(&mut out, DIM, without, canvas.width);
    out
}

fn counted_rows(status: &Status, width: usize) -> String {
    let mut grid = Grid::new(vec![
        Column::words("ROWS"),
        Column::number("ALL"),
        Column::number("LIVE").spare(1),
        Column::number("EXPIRED").spare(2),
        Column::number("RECLAIMABLE"),
    ]);
    for (rows, reclaimable) in status.tables.iter().filter_map(|table| table.counted.as_ref()) {
        let numbers = [rows.total(), rows.live, rows.spent(), *reclaimable];
        grid.row([title(rows.role).to_owned()].into_iter().chain(numbers.map(grouped)).collect());
    }
    let mut out = grid.render(width);
    let refresh = "Refresh tokens count as expired once they are revoked, orphaned or past their lifetime.";
    prose(&mut out, DIM, refresh, width);
    out
}

/// What a cleanup would delete, in all.
pub(super) fn headline(status: &Status) -> String {
    let by = if status.policy_of_file { "[cleanup]" } else { "DOT's defaults (no [cleanup])" };
    match &status.reclaimable {
        Counted::Off => "The rows were not counted (count is off).".to_owned(),
        Counted::Exact(tally) if tally.total() == 0 => format!("Reclaimable now: nothing, by {by}."),
        Counted::Exact(tally) => {
            let (total, rows) = (tally.total(), status.total().unwrap_or_default());
            let share = if rows == 0 { 0 } else { u128::from(total) * 100 / u128::from(rows) };
            format!("Reclaimable now: {} ({share}% of {}), by {by}", plural(total, "row"), grouped(rows))
        }
        Counted::Forecast(forecast) => format!("Reclaimable now: {}, by {by}", about::sentence(forecast)),
    }
}

fn reclaimable(out: &mut String, status: &Status, canvas: Canvas) {
    let width = canvas.width;
    let now = headline(status);
    match &status.reclaimable {
        Counted::Off => {
            prose(out, DIM, &now, width);
            return;
        }
        Counted::Exact(tally) if tally.total() == 0 => {
            out.push('\n');
            prose(out, BOLD, &now, width);
            return;
        }
        Counted::Exact(_) | Counted::Forecast(_) => {}
    }
    out.push('\n');
    prose(out, BOLD, &canvas.dashes(&now), width);
    let rows = by_category(&status.reclaimable);
    let digits = rows.iter().map(|(number, _)| number.len()).max().unwrap_or_default();
    for (number, what) in rows {
        let _ = writeln!(out, "    {number:>digits$}  {}", canvas.dashes(&what));
    }
    if let Some(cost) = &status.cost {
        let cost = backlog::sentence(cost);
        prose(out, Style::new(), &if canvas.unicode { cost } else { cost.replace('µ', "u") }, width);
    }
    prose(out, DIM, "oauthctl cleartokens deletes them; with --dry-run it only counts.", width);
}

/// One bar per age, and where there is room, the numbers of each table.
fn ages(out: &mut String, status: &Status, canvas: Canvas) {
    let all = status.ages();
    if all.total() == 0 {
        return;
    }
    let _ = writeln!(out, "\n{}", paint(BOLD, "How long ago they expired or were revoked"));
    let most = AgeBand::ALL.iter().copied().map(|band| all.get(band)).max().unwrap_or_default();
    let count = AgeBand::ALL.iter().map(|band| grouped(all.get(*band)).len()).max().unwrap_or_default();
    let left = canvas.width.saturating_sub("90 to 365 days".len() + count + 4);
    let longest = left.clamp(SHORTEST_BAR, LONGEST_BAR);
    let tables: Vec<&TableRows> =
        status.tables.iter().filter_map(TableStatus::rows).filter(|rows| rows.ages.total() > 0).collect();
    let mut columns = vec![Column::words("AGE"), Column::number("ROWS"), Column::words("")];
    if tables.len() > 1 {
        let titles = tables.iter().map(|rows| title(rows.role).to_uppercase());
        columns.extend(titles.map(|title| Column::number(title).spare(1)));
    }
    let mut grid = Grid::new(columns);
    for band in AgeBand::ALL.iter().copied() {
        let mut cells = vec![
            band.title().to_owned(),
            grouped(all.get(band)),
            format!("{:longest$}", bar(all.get(band), most, longest, canvas.unicode)),
        ];
        if tables.len() > 1 {
            cells.extend(tables.iter().map(|rows| grouped(rows.ages.get(band))));
        }
        grid.row(cells);
    }
    out.push_str(&grid.render(canvas.width));
    let rows = status.tables.iter().filter_map(TableStatus::rows);
    let undated = rows.map(|rows| rows.orphaned + rows.idle).sum();
    if undated > 0 {
        let tokens = plural(undated, "refresh token");
        let text =
            format!("Not among these: {tokens}, orphaned or past the lifetime, with no date of their own.");
        prose(out, DIM, &text, canvas.width);
    }
}

/// A bar in proportion, down to an eighth of a character. What is there is seen, however little it is.
fn bar(rows: u64, most: u64, longest: usize, unicode: bool) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if rows == 0 || most == 0 {
        return String::new();
    }
    let eighths = u128::from(rows) * longest as u128 * 8 / u128::from(most);
    let eighths = usize::try_from(eighths).unwrap_or(usize::MAX).max(1);
    if unicode { "█".repeat(eighths / 8) + EIGHTHS[eighths % 8] } else { "#".repeat(eighths.div_ceil(8)) }
}

fn storage(out: &mut String, status: &Status, width: usize) {
    let known: Vec<_> = status
        .tables
        .iter()
        .filter_map(|table| table.storage.as_ref().map(|storage| (table, storage)))
        .collect();
    if known.is_empty() {
        return;
    }
    out.push('\n');
    let mut grid = Grid::new(vec![
        Column::words("SIZE"),
        Column::number("TABLE"),
        Column::number("INDEXES"),
        Column::number("DEAD ROWS").spare(1),
        Column::words("LAST VACUUM").spare(2),
    ]);
    for (table, storage) in known {
        let vacuumed = match storage.vacuumed() {
            Some((at, automatic)) => {
                let ago = Duration::try_from(status.as_of - at).unwrap_or_default();
                format!("{} ago{}", span(ago), if automatic { " (auto)" } else { "" })
            }
            None => "never".to_owned(),
        };
        grid.row(vec![
            title(table.role).to_owned(),
            bytes(storage.table_bytes()),
            bytes(storage.index_bytes()),
            grouped(storage.dead_rows()),
            vacuumed,
        ]);
    }
    out.push_str(&grid.render(width));
}

fn growth(out: &mut String, status: &Status, width: usize) {
    let grown: Vec<(&TableStatus, &Growth)> =
        status.tables.iter().filter_map(|table| Some((table, table.growth.as_ref()?))).collect();
    let Some((_, newest)) = grown.iter().max_by_key(|(_, growth)| growth.since) else { return };
    let ago = Duration::try_from(status.as_of - newest.since).unwrap_or_default();
    out.push('\n');
    let since = format!("Since the end of {} of {} ({} ago)", newest.verb, instant(newest.since), span(ago));
    prose(out, BOLD, &since, width);
    let mut grid = Grid::new(vec![
        Column::words("GROWTH"),
        Column::number("NEW ROWS"),
        Column::number("A DAY"),
        Column::number("TABLE").spare(1),
        Column::number("INDEXES").spare(2),
    ]);
    let unknown = || "?".to_owned();
    for (table, growth) in grown {
        grid.row(vec![
            title(table.role).to_owned(),
            growth.inserted.map_or_else(unknown, grouped),
            growth.per_day(status.as_of).map_or_else(|| "-".to_owned(), grouped),
            signed(growth.table_bytes),
            signed(growth.index_bytes),
        ]);
    }
    out.push_str(&grid.render(width));
}

pub(super) fn signed(difference: i64) -> String {
    let sign = match difference {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", bytes(difference.unsigned_abs()))
}

fn runs(out: &mut String, status: &Status, width: usize) {
    let Some(runs) = &status.runs else {
        out.push('\n');
        if status.ledger {
            // Why it is not shown comes with everything else that is not.
            return;
        }
        let none = "No ledger, so no growth and no history; oauthctl migrate --ledger makes one.";
        prose(out, DIM, none, width);
        return;
    };
    out.push('\n');
    if runs.is_empty() {
        let _ = writeln!(out, "The ledger knows of no run.");
        return;
    }
    let mut grid = Grid::new(vec![
        Column::words("LAST RUNS"),
        Column::words("BEGAN"),
        Column::number("TOOK").spare(2),
        Column::number("DELETED"),
        Column::words("END").spare(1),
        Column::words("WHO").spare(3),
    ]);
    for run in runs {
        let took = run.finished.map(|end| short(Duration::try_from(end - run.started).unwrap_or_default()));
        grid.row(vec![
            visible(&run.verb),
            instant(run.started),
            took.unwrap_or_default(),
            grouped(run.rows()),
            ending(run),
            visible(&run.who),
        ]);
    }
    out.push_str(&grid.render(width));
}

/// How a run ended, and why cleanup did.
pub(super) fn ending(run: &PastRun) -> String {
    let outcome = visible(run.outcome.as_deref().unwrap_or("unfinished"));
    match run.stop.as_deref() {
        None | Some("finished") => outcome,
        Some(stop) => format!("{outcome} ({})", visible(stop)),
    }
}

/// RFC 3339 in UTC, to the second.
pub(super) fn instant(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_never_vanish() {
        assert_eq!(bar(100, 100, 4, true), "████");
        assert_eq!(bar(50, 100, 3, true), "█▌");
        assert_eq!(bar(1, 1_000_000, 4, true), "▏");
        assert_eq!((bar(1, 1_000_000, 4, false), bar(60, 100, 4, false)), ("#".to_owned(), "###".to_owned()));
        assert_eq!(bar(0, 100, 4, true), "");
    }

    #[test]
    fn differences_have_a_sign() {
        assert_eq!([0, 2_048, -2_048].map(signed), ["0 B", "+2.0 kB", "-2.0 kB"]);
    }
}
