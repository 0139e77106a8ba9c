//! A primary key of the user model as Django reads it from a text.

use super::python::is_space;

/// The type of the user model's primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// Django's stock user.
    Integer,
    Uuid,
    /// Anything that is a text.
    Text,
}

impl KeyType {
    /// The key in PostgreSQL's text form; `None`: no key of the type. Integers as Python's `int()` reads them in ASCII,
    /// of any size; UUIDs as `uuid.UUID()` does.
    #[must_use]
    pub fn read(self, text: &str) -> Option<String> {
        match self {
            Self::Integer => integer(text),
            Self::Uuid => uuid(text),
            Self::Text => Some(text.to_owned()),
        }
    }
}

/// A sign, and digits that single underscores may group.
fn integer(text: &str) -> Option<String> {
    let text = text.trim_matches(is_space);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let is_group = |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
    if !digits.split('_').all(is_group) {
        return None;
    }
    let digits = digits.replace('_', "");
    Some(match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        significant => format!("{sign}{significant}"),
    })
}

/// 32 hexadecimal digits, with hyphens anywhere, in braces, after `urn:` or `uuid:`.
fn uuid(text: &str) -> Option<String> {
    let text = text.replace("urn:", "").replace("uuid:", "");
    let hex = text.trim_matches(['{', '}']).replace('-', "").to_ascii_lowercase();
    let is_uuid = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_uuid.then(|| [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_by_python() {
        for (text, key) in [
            ("7", Some("7")),
            (" +007\n", Some("7")),
            ("-0", Some("0")),
            ("-1_000", Some("-1000")),
            ("99999999999999999999999999999999999999999", Some("99999999999999999999999999999999999999999")),
            ("", None),
            ("1__0", None),
            ("_1", None),
            ("1.0", None),
            ("- 1", None),
            ("0x10", None),
            ("ops", None),
        ] {
            assert_eq!(KeyType::Integer.read(text).as_deref(), key, "{text:?}");
        }
    }

    #[test]
    fn uuids_are_read_as_by_python() {
        let canonical = Some("f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
        for (text, key) in [
            ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", canonical),
            ("{F81D4FAE7DEC11D0A76500A0C91E6BF6}", canonical),
            ("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", canonical),
            ("f81d4fae-7dec-11d0-a765-00a0c91e6bf", None),
            ("g81d4fae-7dec-11d0-a765-00a0c91e6bf6", None),
            ("éééééééééééééééé", None),
        ] {
            assert_eq!(KeyType::Uuid.read(text).as_deref(), key, "{text:?}");
        }
    }
}
