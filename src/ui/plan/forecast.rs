//! What cleanup would delete, in words.

use std::fmt::Write as _;

use super::reach::number_and_fate;
use crate::model::words::{grouped, plural};
use crate::plan::CleanupForecast;

/// What cleanup would delete. `remark`: a line about the numbers.
#[must_use]
pub fn render_forecast(forecast: &CleanupForecast, remark: &str) -> String {
    let mut out = String::new();
    let CleanupForecast { as_of, rows, others, spared_by_age: _ } = forecast;
    let (as_of, total) = (to_the_second(as_of), forecast.total());
    if total == 0 {
        let _ = writeln!(out, "Cleanup: nothing to delete as of {as_of}.");
    } else {
        let _ = writeln!(out, "Cleanup would delete {} as of {as_of}:", plural(total, "row"));
        let along: Vec<_> = others.iter().map(number_and_fate).collect();
        let numbers = rows.iter().map(|(_, count)| grouped(*count).len());
        let width = numbers.chain(along.iter().map(|(count, _)| count.len())).max().unwrap_or_default();
        for (category, count) in rows.iter().filter(|(_, count)| *count > 0) {
            let _ = writeln!(out, "    {:>width$}  {}", grouped(*count), category.title());
        }
        out += remark;
        out += &with_them(&along, width);
    }
    if let Some(spared) = spared(forecast) {
        let _ = writeln!(out, "  {spared}");
    }
    out
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
