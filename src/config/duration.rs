//! Lengths of time as people write them: `14d`, `1h30m`, `500ms`, or a number of seconds.
//!
//! For the file and the command line alike. Months and years are refused: they have no fixed length, and a token
//! lifetime must not depend on a reader's idea of one.

use std::time::Duration;

/// The longest duration, 1000 years: any longer one takes a cutoff out of the range of Python's `datetime`.
pub const LONGEST: Duration = Duration::from_hours(365_250 * 24);

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// There is nothing.
    #[error("is empty; a duration is a number with a unit, such as 14d, or a number of seconds")]
    Empty,
    /// It is below zero.
    #[error("is negative")]
    Negative,
    /// Months or years.
    #[error("is in months or years, which have no fixed length; write days, such as 30d")]
    Calendar,
    /// Beyond [`LONGEST`].
    #[error("is longer than 365250d, the longest duration")]
    TooLong,
    /// A unit that does not exist.
    #[error("has an unknown unit; the units are ms, s, m, h, d and w")]
    Unit,
    #[error("is not a duration; write a number with a unit, such as 14d or 1h30m, or a number of seconds")]
    Malformed,
}

/// Reads a number of seconds.
pub fn from_seconds(seconds: i64) -> Result<Duration, DurationError> {
    let seconds = u64::try_from(seconds).map_err(|_| DurationError::Negative)?;
    bounded(Duration::from_secs(seconds))
}

/// Reads text: units, or a bare number of seconds.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text.starts_with('-') {
        return Err(DurationError::Negative);
    }
    if is_number(text) {
        return bounded(Duration::from_secs(text.parse().map_err(|_| DurationError::TooLong)?));
    }
    let units = text.split(|c: char| !c.is_alphabetic()).filter(|unit| !unit.is_empty());
    if units
        .into_iter()
        .any(|unit| matches!(unit, "M" | "month" | "months" | "y" | "yr" | "yrs" | "year" | "years"))
    {
        return Err(DurationError::Calendar);
    }
    bounded(humantime::parse_duration(text).map_err(|error| match error {
        humantime::DurationError::NumberOverflow => DurationError::TooLong,
        humantime::DurationError::UnknownUnit { unit, .. } if !unit.is_empty() => DurationError::Unit,
        _ => DurationError::Malformed,
    })?)
}

fn bounded(duration: Duration) -> Result<Duration, DurationError> {
    if duration > LONGEST { Err(DurationError::TooLong) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_durations() {
        for (text, seconds) in [
            ("14d", 1_209_600.0),
            ("1h30m", 5_400.0),
            ("1h 30m", 5_400.0),
            ("500ms", 0.5),
            ("0", 0.0),
            ("0s", 0.0),
            ("3600", 3_600.0),
            (" 2w ", 1_209_600.0),
            ("1.5h", 5_400.0),
            ("365250d", 31_557_600_000.0),
        ] {
            assert_eq!(parse(text).map(|duration| duration.as_secs_f64()), Ok(seconds), "{text}");
        }
        assert_eq!(from_seconds(90), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn bad_durations() {
        for (text, error) in [
            ("", DurationError::Empty),
            ("  ", DurationError::Empty),
            ("-1d", DurationError::Negative),
            ("-5", DurationError::Negative),
            ("1M", DurationError::Calendar),
            ("2 years", DurationError::Calendar),
            ("1y2d", DurationError::Calendar),
            ("365251d", DurationError::TooLong),
            ("99999999999999999999", DurationError::TooLong),
            ("99999999999999999999d", DurationError::TooLong),
            ("18446744073709551615d", DurationError::TooLong),
            ("5x", DurationError::Unit),
            ("d", DurationError::Malformed),
            ("1d-2h", DurationError::Malformed),
            ("1e5", DurationError::Unit),
            ("P14D", DurationError::Malformed),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        assert_eq!(from_seconds(-1), Err(DurationError::Negative));
        assert_eq!(from_seconds(i64::MAX), Err(DurationError::TooLong));
    }
}
