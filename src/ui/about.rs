//! Numbers that are not exact, as people read them: `about 212 M rows (209–215 M; 0.3 % read; statistics 2 h old)`. Pure.

use std::time::Duration;

use crate::model::words::grouped;
use crate::model::{Counted, Estimate, Forecast};

/// From here on, numbers are written in millions.
const MILLIONS: u64 = 10_000_000;

/// The digits of an estimate. More would say that it is known better.
const DIGITS: u32 = 3;

/// Which way a number is rounded.
#[derive(Clone, Copy)]
enum To {
    Nearest,
    Down,
    Up,
}

/// `1,234` if it was counted; otherwise `about 1,230`, or `at most 1,240` if only that is known.
#[must_use]
pub fn about(rows: &Estimate) -> String {
    let Estimate { estimate, low: _, high, exact } = rows;
    if *exact {
        grouped(*estimate)
    } else if rows.is_at_most() {
        format!("at most {}", short(*high, *high, To::Up))
    } else {
        format!("about {}", short(*estimate, *high, To::Nearest))
    }
}

/// `209–215 M`, from the lower to the upper bound; `None`: it is exact, or [`about`] says the upper bound already.
#[must_use]
pub fn bounds(rows: &Estimate) -> Option<String> {
    let Estimate { estimate: _, low, high, exact } = rows;
    if *exact || rows.is_at_most() {
        return None;
    }
    let (low, up) = (short(*low, *high, To::Down), short(*high, *high, To::Up));
    let unit = if low.ends_with(" M") { " M" } else { "" };
    Some(format!("{}–{up}", low.strip_suffix(unit).unwrap_or(&low)))
}

/// What the numbers of a forecast rest on: `0.3 % read; statistics 2 h old`.
#[must_use]
pub fn basis(forecast: &Forecast) -> String {
    let Forecast { rows: _, total: _, tables: _, blocks, read, statistics } = forecast;
    let read = share(*read, *blocks);
    match statistics {
        Some(age) => format!("{read} read; statistics {} old", span(*age)),
        None => format!("{read} read; no statistics"),
    }
}

/// The whole of it: `about 212 M rows (209–215 M; 0.3 % read; statistics 2 h old)`.
#[must_use]
pub fn sentence(forecast: &Forecast) -> String {
    let rows = &forecast.total;
    let in_brackets: Vec<String> = bounds(rows).into_iter().chain([basis(forecast)]).collect();
    format!("{} rows ({})", about(rows), in_brackets.join("; "))
}

/// The rows of a question: `1,234 expired rows`, `about 212 M expired rows`, `expired rows`.
#[must_use]
pub fn expired_rows(counted: &Counted) -> String {
    match counted {
        Counted::Exact(tally) => super::plan::plural(tally.total(), "expired row"),
        Counted::Forecast(forecast) => format!("{} expired rows", about(&forecast.total)),
        Counted::Off => "expired rows".to_owned(),
    }
}

/// A number in three digits; in millions if the largest of its line is that large.
fn short(number: u64, largest: u64, to: To) -> String {
    let scale = 10_u64.pow(number.checked_ilog10().unwrap_or_default().saturating_sub(DIGITS - 1));
    let rounded = match to {
        To::Nearest => number.saturating_add(scale / 2) / scale * scale,
        To::Down => number / scale * scale,
        To::Up => number.div_ceil(scale).saturating_mul(scale),
    };
    if largest < MILLIONS {
        return grouped(rounded);
    }
    let (whole, hundredths) = (rounded / 1_000_000, rounded % 1_000_000 / 10_000);
    let fraction = format!(".{hundredths:02}");
    let fraction = if hundredths == 0 { "" } else { fraction.trim_end_matches('0') };
    format!("{}{fraction} M", grouped(whole))
}

/// A part in percent, never shown as nothing if it is something.
fn share(part: u64, of: u64) -> String {
    let tenths = u128::from(part) * 1_000 / u128::from(of.max(1));
    match tenths {
        0 if part > 0 => "under 0.1 %".to_owned(),
        0 => "0 %".to_owned(),
        1_000.. => "100 %".to_owned(),
        _ => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// `40 s`, `12 min`, `2 h`, `3 d`.
fn span(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn between(estimate: u64, low: u64, high: u64) -> Estimate {
        Estimate { estimate, low, high, exact: false }
    }

    #[test]
    fn estimates_have_three_digits_and_bounds_that_hold_them() {
        let large = between(212_345_678, 209_111_111, 214_900_001);
        assert_eq!((about(&large), bounds(&large).unwrap()), ("about 212 M".into(), "209–215 M".into()));
        let middle = between(10_456_789, 9_876_543, 11_000_000);
        assert_eq!((about(&middle), bounds(&middle).unwrap()), ("about 10.5 M".into(), "9.87–11 M".into()));
        let small = between(123_456, 120_999, 130_001);
        assert_eq!(
            (about(&small), bounds(&small).unwrap()),
            ("about 123,000".into(), "120,000–131,000".into())
        );
        let bare = between(57, 31, 99);
        assert_eq!((about(&bare), bounds(&bare).unwrap()), ("about 57".into(), "31–99".into()));
    }

    #[test]
    fn few_rows_are_at_most_and_counted_rows_are_exact() {
        let few = between(2, 0, 1_234);
        assert_eq!((about(&few), bounds(&few)), ("at most 1,240".to_owned(), None));
        let counted = Estimate::counted(1_234_567);
        assert_eq!((about(&counted), bounds(&counted)), ("1,234,567".to_owned(), None));
    }

    #[test]
    fn a_forecast_says_what_it_rests_on() {
        let mut forecast = Forecast {
            rows: Vec::new(),
            total: between(212_000_000, 209_000_000, 215_000_000),
            tables: Vec::new(),
            blocks: 6_000_000,
            read: 18_400,
            statistics: Some(Duration::from_mins(125)),
        };
        let text = "about 212 M rows (209–215 M; 0.3 % read; statistics 2 h old)";
        assert_eq!(sentence(&forecast), text);
        (forecast.read, forecast.statistics) = (3, None);
        assert_eq!(basis(&forecast), "under 0.1 % read; no statistics");
    }
}
