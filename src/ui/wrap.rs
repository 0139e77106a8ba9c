//! Sentences on a terminal: lines are broken between words, never inside one. Pure.

use unicode_width::UnicodeWidthStr as _;

/// How much further a line that goes on is indented.
const HANGING: usize = 2;

/// Breaks the lines of a styled text that are wider than the terminal. A word that is wider stays whole, and so does what
/// stands in backticks: a command that is copied must not have a line break in it.
#[must_use]
pub fn wrap(text: &str, width: usize) -> String {
    text.split('\n').map(|line| broken(line, width)).collect::<Vec<_>>().join("\n")
}

fn broken(line: &str, width: usize) -> String {
    if cells(line) <= width {
        return line.to_owned();
    }
    let indent = line.len() - line.trim_start_matches(' ').len();
    let hanging = indent + HANGING;
    let (mut out, mut column) = (line[..indent].to_owned(), indent);
    let mut gap = 0;
    for word in words(&line[indent..]) {
        if word.is_empty() {
            gap += 1;
            continue;
        }
        let needed = cells(word);
        if column + gap + needed > width && column > hanging {
            out.push('\n');
            (column, gap) = (0, hanging);
        }
        out.push_str(&" ".repeat(gap));
        out.push_str(word);
        column += gap + needed;
        gap = 1;
    }
    out
}

/// Parts between blanks, an empty one for each further blank; blanks between two backticks part nothing.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut ticks = text.matches('`').count();
    let mut quoted = false;
    text.split(move |c| {
        if c == '`' {
            ticks -= 1;
            // The last one of an odd number opens nothing.
            quoted = !quoted && ticks > 0;
        }
        c == ' ' && !quoted
    })
}

fn cells(styled: &str) -> usize {
    anstream::adapter::strip_str(styled).to_string().width()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::{BOLD, paint};

    #[test]
    fn lines_are_broken_between_words() {
        let text =
            format!("{} 1 to create, 2 to update\n    name  one two three\nfits\n", paint(BOLD, "Plan:"));
        let expected = format!(
            "{} 1 to create, 2\n  to update\n    name  one two\n      three\nfits\n",
            paint(BOLD, "Plan:")
        );
        assert_eq!(wrap(&text, 20), expected);
    }

    #[test]
    fn words_and_commands_stay_whole() {
        assert_eq!(wrap("see https://a.example/long now", 10), "see\n  https://a.example/long\n  now");
        assert_eq!(
            wrap("now run `oauthctl plan --out FILE` again", 12),
            "now run\n  `oauthctl plan --out FILE`\n  again"
        );
        assert_eq!(wrap("an odd ` of them", 8), "an odd `\n  of\n  them");
    }
}
