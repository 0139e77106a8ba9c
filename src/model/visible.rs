//! Text of others, written so that neither a terminal nor a CI runner obeys it.

/// Control characters, and those that reorder or hide the text around them.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text with hidden characters escaped, and with what a runner would take for a command.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    defused(&shown)
}

/// The same for a text whose line breaks are meant.
#[must_use]
pub fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// One line without the commands of CI runners: `##[…]` (GitHub) and `##vso[…]` (Azure) anywhere in it, and `::…` at its
/// beginning, after blanks (GitHub; `:::` begins none). Escape sequences of a terminal count as nothing: they may be stripped.
#[must_use]
pub fn defused(line: &str) -> String {
    match leading_colons(line) {
        Some(colons) => {
            let rest = without_brackets(&line[colons + 1..], "\\u{5b}");
            format!("{}\\u{{3a}}{rest}", &line[..colons])
        }
        None => without_brackets(line, "\\u{5b}"),
    }
}

/// The same for a line of JSON, where a bracket is escaped in another way.
#[must_use]
pub fn defused_json(line: &str) -> String {
    without_brackets(line, "\\u005b")
}

fn without_brackets(line: &str, escape: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(bracket) = bracket(rest) {
        out.push_str(&rest[..bracket]);
        out.push_str(escape);
        rest = &rest[bracket + 1..];
    }
    out + rest
}

/// Where `::` begins the line. `:::` names no command, and the excerpts of a file have it before a second place.
fn leading_colons(line: &str) -> Option<usize> {
    let mut rest = line.trim_start();
    while let Some(sequence) = rest.strip_prefix("\u{1b}[") {
        rest = sequence.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').get(1..)?.trim_start();
    }
    (rest.starts_with("::") && !rest.starts_with(":::")).then(|| line.len() - rest.len())
}

/// Where the first bracket of a command is, behind `##` and the letters of a name.
pub(crate) fn bracket(text: &str) -> Option<usize> {
    text.match_indices('#').find_map(|(at, _)| {
        let name = text[at + 1..].strip_prefix('#')?;
        let bracket = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        bracket.starts_with('[').then(|| text.len() - bracket.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_reorders_is_escaped() {
        assert_eq!(visible("a\u{7f}\u{9b}31m\u{202e}b\u{61c}\u{ad}\u{200b}é日"), {
            r"a\u{7f}\u{9b}31m\u{202e}b\u{61c}\u{ad}\u{200b}é日"
        });
    }

    #[test]
    fn commands_of_runners_are_broken() {
        for (text, shown) in [
            ("##[group]x ##[endgroup]", r"##\u{5b}group]x ##\u{5b}endgroup]"),
            ("a ###[b", r"a ###\u{5b}b"),
            ("##vso[task.x]", r"##vso\u{5b}task.x]"),
            ("  ::error::pwn", r"  \u{3a}:error::pwn"),
            ("\u{1b}[1;31m ::error", "\u{1b}[1;31m \\u{3a}:error"),
            ("\u{1b}[", "\u{1b}["),
            ("a::b # [c] ## [d] #[e]", "a::b # [c] ## [d] #[e]"),
            ("  ::: oauth.toml:8:15", "  ::: oauth.toml:8:15"),
            ("::1", r"\u{3a}:1"),
            ("", ""),
        ] {
            assert_eq!(defused(text), shown);
        }
    }

    #[test]
    fn a_line_of_json_stays_one() {
        let line = r###"{"client_id":"##[error]x ##vso[y]","n":[1]}"###;
        let shown = defused_json(line);
        assert_eq!(shown, r###"{"client_id":"##\u005berror]x ##vso\u005by]","n":[1]}"###);
        let values = [line, shown.as_str()].map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        assert_eq!(values[0], values[1]);
    }
}
