//! Numbers as people write them.

use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// `1 application`, `2 applications`.
#[must_use]
pub fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `1234567` → `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1536` → `1.5 kB`. A kB has 1,024 bytes, as in `pg_size_pretty()`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    // In tenths, so that 9.95 is not both 9.9 and 10.0.
    let (mut tenths, mut unit) = (u128::from(bytes) * 10 / 1_024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1_024;
        unit += 1;
    }
    if tenths < 100 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}

/// A length of time in its one largest unit: `3 days`, `5 hours`, `1 minute`, `12 seconds`.
#[must_use]
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=119 => plural(seconds, "second"),
        120..=7_199 => plural(seconds / 60, "minute"),
        7_200..=172_799 => plural(seconds / 3_600, "hour"),
        _ => plural(seconds / 86_400, "day"),
    }
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn listed<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// An instant in UTC, as RFC 3339 writes it, with all its digits.
#[must_use]
pub fn rfc3339(instant: OffsetDateTime) -> String {
    instant.to_offset(UtcOffset::UTC).format(&Rfc3339).unwrap_or_else(|_| instant.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_postgresql_with_a_digit_more() {
        assert_eq!(
            [0, 1_023, 1_024, 1_536, 10_240, 1_047_552, 1_048_576, 25_270_681, u64::MAX].map(bytes),
            ["0 B", "1023 B", "1.0 kB", "1.5 kB", "10 kB", "1023 kB", "1.0 MB", "24 MB", "16383 PB"]
        );
    }

    #[test]
    fn spans_have_one_unit() {
        assert_eq!(
            [1, 119, 120, 7_200, 172_800].map(|seconds| span(Duration::from_secs(seconds))),
            ["1 second", "119 seconds", "2 minutes", "2 hours", "2 days"]
        );
    }

    #[test]
    fn lists_read_well() {
        assert_eq!(listed::<&str>(&[]), "");
        assert_eq!(
            (listed(&["a"]), listed(&["a", "b"]), listed(&["a", "b", "c"])),
            ("a".to_owned(), "a and b".to_owned(), "a, b and c".to_owned())
        );
    }
}
