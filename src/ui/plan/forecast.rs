//! What cleanup would delete, in words.

use std::fmt::Write as _;

use super::super::about;
use super::reach::number_and_fate;
use crate::model::Counted;
use crate::model::words::{grouped, plural};
use crate::plan::CleanupForecast;

/// What cleanup would delete. `remark`: a line about the numbers.
#[must_use]
pub fn render_forecast(forecast: &CleanupForecast, remark: &str) -> String {
    let mut out = String::new();
    let CleanupForecast { as_of: _, counted: _, others, spared_by_age: _ } = forecast;
    let _ = writeln!(out, "{}", headline(forecast));
    let rows = by_category(&forecast.counted);
    if !rows.is_empty() {
        let along: Vec<_> = others.iter().map(number_and_fate).collect();
        let numbers = rows.iter().map(|(number, _)| number.chars().count());
        let width = numbers.chain(along.iter().map(|(count, _)| count.len())).max().unwrap_or_default();
        for (number, what) in &rows {
            let _ = writeln!(out, "    {number:>width$}  {what}");
        }
        out += remark;
        out += &with_them(&along, width);
    }
    if let Some(spared) = spared(forecast) {
        let _ = writeln!(out, "  {spared}");
    }
    out
}

/// What cleanup would delete in all, and how that was counted; with a colon if numbers follow.
pub(in crate::ui) fn headline(forecast: &CleanupForecast) -> String {
    let as_of = to_the_second(&forecast.as_of);
    match &forecast.counted {
        Counted::Exact(tally) if tally.total() == 0 => {
            format!("Cleanup: nothing to delete as of {as_of}.")
        }
        Counted::Exact(tally) => {
            format!("Cleanup would delete {} as of {as_of}:", plural(tally.total(), "row"))
        }
        Counted::Forecast(forecast) => {
            format!("Cleanup would delete {} as of {as_of}:", about::sentence(forecast))
        }
        Counted::Off => format!("Cleanup: the rows to delete as of {as_of} were not counted (count is off)."),
    }
}

/// The numbers of the categories that have rows, or may have some, in words: the number, and of what.
pub(in crate::ui) fn by_category(counted: &Counted) -> Vec<(String, String)> {
    match counted {
        Counted::Exact(tally) => {
            let some = tally.iter().filter(|(_, rows)| *rows > 0);
            some.map(|(category, rows)| (grouped(rows), category.title().to_owned())).collect()
        }
        Counted::Forecast(forecast) => {
            let some = forecast.rows.iter().filter(|(_, rows)| rows.high > 0);
            some.map(|(category, rows)| {
                let bounds = about::bounds(rows).map(|bounds| format!(" ({bounds})")).unwrap_or_default();
                (about::about(rows), format!("{}{bounds}", category.title()))
            })
            .collect()
        }
        Counted::Off => Vec::new(),
    }
}

/// What `max_age` does, if anything.
pub(in crate::ui) fn spared(forecast: &CleanupForecast) -> Option<String> {
    let spared = forecast.spared_by_age.filter(|spared| *spared > 0)?;
    let applications = plural(spared, "older application");
    Some(format!("max_age spares {applications} without tokens; without max_age, they are deleted too."))
}

/// The lines of rows of other tables below those of the categories.
pub(in crate::ui) fn with_them(along: &[(String, String)], width: usize) -> String {
    let lines = along.iter().map(|(count, fate)| format!("    {count:>width$}  {fate}\n"));
    if along.is_empty() { String::new() } else { format!("  and with them:\n{}", lines.collect::<String>()) }
}

/// An instant in RFC 3339, to the second.
pub(in crate::ui) fn to_the_second(instant: &str) -> String {
    match instant.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => instant.to_owned(),
    }
}
