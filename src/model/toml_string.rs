//! Text as TOML writes it.

use super::visible::is_hidden;

/// A basic string on one line. Characters that cannot be seen are escaped, so that a reviewer reads what is there.
#[must_use]
pub fn toml_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) && u32::from(c) > 0xffff => out.push_str(&format!("\\U{:08X}", u32::from(c))),
            c if is_hidden(c) => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A string that the file is to have as a value: where a `${` would begin a variable, it is written `$${`.
#[must_use]
pub fn toml_value(text: &str) -> String {
    toml_string(&text.replace("${", "$${"))
}

/// A key: bare where TOML allows it.
#[must_use]
pub fn toml_key(key: &str) -> String {
    let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if is_bare { key.to_owned() } else { toml_string(key) }
}

/// A value that is a number if it can be one that is written in the same way, else a string.
#[must_use]
pub fn toml_number(text: &str) -> String {
    let is_number = text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
    if is_number { text.to_owned() } else { toml_value(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        assert_eq!(toml_string("a \"b\" \\ c"), r#""a \"b\" \\ c""#);
        assert_eq!(toml_string("a\n\u{202e}\u{e0001}"), r#""a\n\u202E\U000E0001""#);
    }
}
