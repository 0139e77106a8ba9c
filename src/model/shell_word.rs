//! Text as a word of a shell.

use super::visible::{is_hidden, visible};

/// A word as a shell takes it: quoted unless every character is harmless. Hidden characters, and what a CI runner would
/// obey, are escapes (`$'…'`), so that what is printed is the very text.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_.:/@=+,%".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return text.to_owned();
    }
    if visible(text) == text {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    let escaped = |c: char| match c {
        '\'' | '\\' => format!("\\{c}"),
        c if is_hidden(c) || c == '#' => c.to_string().bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
        c => c.to_string(),
    };
    format!("$'{}'", text.chars().map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn a_word_is_the_text_for_a_shell_and_no_command_for_a_runner() {
        for (text, word) in [
            ("delete:web-1", "delete:web-1"),
            ("delete:my app's", r"'delete:my app'\''s'"),
            ("delete:größe #1", "'delete:größe #1'"),
            ("delete:two\nlines", r"$'delete:two\x0alines'"),
            ("delete:it's \\ \u{202e}", r"$'delete:it\'s \\ \xe2\x80\xae'"),
            ("delete:##[error]x", r"$'delete:\x23\x23[error]x'"),
        ] {
            assert_eq!(shell_word(text), word);
        }
    }
}
