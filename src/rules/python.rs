//! The few built-ins of Python whose exact behaviour shows in DOT's verdicts and messages.
//!
//! Written for Python 3.11 with its Unicode 14.0.

/// `str.isspace()` of one character: Unicode's white space and the four separators U+001C to U+001F.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

/// `str.split()`: how DOT reads a list of URIs out of one text.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|part| !part.is_empty())
}

/// `repr()` of a text, as messages quote values with `%r`.
pub(super) fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for character in text.chars() {
        match character {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if character == quote => quoted.extend(['\\', quote]),
            _ if is_printable(character) => quoted.push(character),
            _ => quoted.push_str(&escape(u32::from(character))),
        }
    }
    quoted.push(quote);
    quoted
}

fn escape(code: u32) -> String {
    match code {
        ..=0xff => format!("\\x{code:02x}"),
        0x100..=0xffff => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    }
}

/// `str.isprintable()` of one character. Rust's own `Debug` asks the same of every character but the first, up to the
/// characters that were assigned since.
fn is_printable(character: char) -> bool {
    matches!(character, '"' | '\'') || format!("_{character}").escape_debug().nth(1) == Some(character)
}

/// The first of each run of ten decimal digits (Unicode 14.0, category Nd): what `\d` matches in a text. The run at
/// U+1D7CE has fifty.
const DIGITS: [u32; 62] = [
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
    0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0,
    0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1e140, 0x1e2f0, 0x1e950,
    0x1fbf0,
];

/// Whether `\d` matches.
pub(super) fn is_digit(character: char) -> bool {
    let code = u32::from(character);
    let run = DIGITS[..DIGITS.partition_point(|first| *first <= code)].last();
    run.is_some_and(|first| code - first < if *first == 0x1d7ce { 50 } else { 10 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_where_python_splits() {
        let parts: Vec<_> = split(" a\u{1c}b\u{1f}\u{85}c\u{3000}d\u{200b}e\n").collect();
        assert_eq!(parts, ["a", "b", "c", "d\u{200b}e"]);
        assert_eq!(split(" \t ").count(), 0);
    }

    #[test]
    fn values_are_quoted_as_python_quotes() {
        for (text, quoted) in [
            ("x", "'x'"),
            ("it's", "\"it's\""),
            ("\"it's\"", "'\"it\\'s\"'"),
            ("\"", "'\"'"),
            ("a\\b\n\r\t\0\u{7f}", "'a\\\\b\\n\\r\\t\\x00\\x7f'"),
            ("é\u{301}日💩", "'é\u{301}日💩'"),
            (
                "\u{a0}\u{ad}\u{2028}\u{200b}\u{e000}\u{10ffff}",
                "'\\xa0\\xad\\u2028\\u200b\\ue000\\U0010ffff'",
            ),
        ] {
            assert_eq!(repr(text), quoted);
        }
    }

    #[test]
    fn digits_of_all_scripts() {
        for digit in ['0', '9', '٠', '٩', '９', '𝟎', '𝟿', '🯹'] {
            assert!(is_digit(digit), "{digit}");
        }
        for other in ['/', ':', 'a', '²', '½', '一', 'Ⅷ', '\u{1d7cd}', '\u{1d800}', '\u{10ffff}'] {
            assert!(!is_digit(other), "{other}");
        }
    }
}
