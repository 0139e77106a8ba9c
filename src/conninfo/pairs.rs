//! `key=value` connection strings, split as libpq's `conninfo_parse` does.

/// One option as it was written. The value may be a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// Not checked yet.
    pub keyword: String,
    /// Without its escapes.
    pub value: String,
    /// The keyword follows a password without quotes, so it could be a piece of that.
    pub blurred: bool,
}

/// The options in order, or what is wrong with the text.
pub fn parse(text: &str) -> Result<Vec<Pair>, String> {
    let mut pairs = Vec::new();
    let mut blurred = false;
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = rest.find(|c| c == '=' || is_space(c)).unwrap_or(rest.len());
        let keyword = rest[..end].to_owned();
        let Some(after) = rest[end..].trim_start_matches(is_space).strip_prefix('=') else {
            let position = text.len() - rest.len() + 1;
            return Err(format!("the word at character {position} has no \"=\" behind it"));
        };
        let after = after.trim_start_matches(is_space);
        let quoted = after.starts_with('\'');
        let (value, after) = if quoted { quoted_value(&after[1..])? } else { bare_value(after) };
        let is_password = keyword == "password";
        pairs.push(Pair { keyword, value, blurred });
        blurred |= is_password && !quoted;
        rest = after.trim_start_matches(is_space);
    }
    Ok(pairs)
}

/// C's `isspace` in the "C" locale.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

fn bare_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c if is_space(c) => return (value, &text[at..]),
            c => value.push(c),
        }
    }
    (value, "")
}

fn quoted_value(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            '\'' => return Ok((value, &text[at + 1..])),
            c => value.push(c),
        }
    }
    Err("a quoted value has no closing quote".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match parse(text) {
            Ok(pairs) => pairs
                .iter()
                .map(|pair| format!("{}={}", pair.keyword, pair.value))
                .collect::<Vec<_>>()
                .join("|"),
            Err(what) => format!("error: {what}"),
        }
    }

    #[test]
    fn values_are_bare_quoted_or_escaped() {
        for (text, expected) in [
            ("", ""),
            ("host=db port=1", "host=db|port=1"),
            (" host = db  port=1 ", "host=db|port=1"),
            ("password='a b'dbname=x", "password=a b|dbname=x"),
            (r"password='it\'s \\' dbname=x", r"password=it's \|dbname=x"),
            (r"password=a\ b dbname=x", "password=a b|dbname=x"),
            ("user='' host=h", "user=|host=h"),
            ("options='-c a=b'", "options=-c a=b"),
            ("user=  host=h", "user=host=h"),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn broken_pairs_are_described_without_their_text() {
        assert_eq!(
            parsed("password=a hunter2 x=y"),
            "error: the word at character 12 has no \"=\" behind it"
        );
        assert_eq!(parsed("mydb"), "error: the word at character 1 has no \"=\" behind it");
        assert_eq!(parsed("password='hunter2"), "error: a quoted value has no closing quote");
    }
}
