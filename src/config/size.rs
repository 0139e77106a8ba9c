//! Numbers of bytes as people write them: `512kB`, `20MB`, `5GB`, or a whole number. A rate is a number of bytes with or
//! without `/s`.
//!
//! For the file and the command line alike. The units are PostgreSQL's, with its meaning: 1 kB is 1,024 bytes. (Crates for
//! sizes read `MB` as a million bytes.)

/// Why a text is no number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error(
        "is not a number of bytes; write a number with a unit, such as 20MB; the units are B, kB, MB, GB and TB"
    )]
    Malformed,
    #[error("is negative")]
    Negative,
    #[error("is larger than any disk")]
    TooLarge,
}

/// From the largest, because each but the last ends with the last one.
const UNITS: [(&str, u64); 5] =
    [("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10), ("B", 1)];

/// The largest number: 8 EiB, the end of PostgreSQL's signed positions in the WAL.
const LARGEST: u64 = i64::MAX as u64;

/// Reads a whole number of bytes.
pub fn from_bytes(bytes: i64) -> Result<u64, SizeError> {
    u64::try_from(bytes).map_err(|_| SizeError::Negative)
}

/// Reads a number of bytes a second.
pub fn parse_rate(text: &str) -> Result<u64, SizeError> {
    let text = text.trim();
    parse(text.strip_suffix("/s").unwrap_or(text))
}

/// Reads a number of bytes.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err(SizeError::Negative);
    }
    let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, unit) = unit.unwrap_or((text, 1));
    let number = number.trim_end();
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && number.starts_with(|first: char| first.is_ascii_digit())
        && number.ends_with(|last: char| last.is_ascii_digit());
    if !is_number {
        return Err(SizeError::Malformed);
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().map_err(|_| SizeError::TooLarge)?;
    let fraction: f64 = format!("0.{fraction}").parse().map_err(|_| SizeError::Malformed)?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of one unit, which is below 2^40"
    )]
    let part = (fraction * unit as f64) as u64;
    let bytes = whole.checked_mul(unit).and_then(|bytes| bytes.checked_add(part));
    bytes.filter(|bytes| *bytes <= LARGEST).ok_or(SizeError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            (" 512kB ", 512 << 10),
            ("20MB", 20 << 20),
            ("20 MB", 20 << 20),
            ("1.5GB", 3 << 29),
            ("2TB", 2 << 40),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
            assert_eq!(parse_rate(text), Ok(bytes), "{text}");
        }
        assert_eq!(parse_rate("20MB/s"), Ok(20 << 20));
        assert_eq!(from_bytes(5), Ok(5));
    }

    #[test]
    fn bad_sizes() {
        for (text, error) in [
            ("", SizeError::Malformed),
            ("MB", SizeError::Malformed),
            ("20mb", SizeError::Malformed),
            ("20M", SizeError::Malformed),
            ("1..5GB", SizeError::Malformed),
            ("5GB/s", SizeError::Malformed),
            ("-1", SizeError::Negative),
            ("9999999999999999999999", SizeError::TooLarge),
            ("9999999999TB", SizeError::TooLarge),
            ("9223372036854775808", SizeError::TooLarge),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        assert_eq!(from_bytes(-1), Err(SizeError::Negative));
    }
}
