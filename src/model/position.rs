//! Where a cleanup run stopped, so that a later one begins there.

use std::fmt;
use std::str::FromStr;

use super::key::Key;

/// A place in a sweep, for one policy and one schema. As text: `access:1f9a03c2:12345`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The categories of the sweep, joined by `+`.
    pub sweep: String,
    /// A digest of what decides which rows go: the policy, and the table that is walked.
    pub fingerprint: String,
    /// The first key that was not done; `None`: the sweep begins.
    pub key: Option<Key>,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sweep, fingerprint, key } = self;
        write!(f, "{sweep}:{fingerprint}:{}", key.as_ref().map_or("", Key::as_str))
    }
}

/// A text that is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not what an earlier run printed; write SWEEP:POLICY:KEY as it did")]
pub struct NotAPosition;

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let mut parts = text.trim().splitn(3, ':');
        let mut part = || parts.next().ok_or(NotAPosition);
        let (sweep, fingerprint, key) = (part()?, part()?, part()?);
        let is_name = |name: &str| {
            let good = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '_';
            !name.is_empty() && name.chars().all(good)
        };
        let is_key = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_name(sweep) || !is_name(fingerprint) || !is_key {
            return Err(NotAPosition);
        }
        let key = (!key.is_empty()).then(|| Key::new(key));
        Ok(Self { sweep: sweep.to_owned(), fingerprint: fingerprint.to_owned(), key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        for text in ["revoked+expired+access:1f9a03c2:12345", "id:0:-7", "grants:00ff:", "a:b:0b0f-17"] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
        for text in ["", "access", "access:1f9a", ":1f9a:5", "access::5", "access:1f9a:5;DROP", "a b:c:5"] {
            assert_eq!(text.parse::<Position>(), Err(NotAPosition), "{text}");
        }
    }
}
