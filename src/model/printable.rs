//! SQL for people to execute, written so that neither a terminal nor a CI runner obeys what a name holds.

use std::fmt::Write as _;

use super::visible::is_hidden;

/// The statement with hidden characters of quoted names and texts as Unicode escapes (`U&"…"`, `U&'…'`), and without
/// what a runner would take for a command. It means the same; PostgreSQL reads it where `standard_conforming_strings`
/// is on.
#[must_use]
pub fn printable(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(start) = rest.find(['"', '\'']) {
        out.push_str(&rest[..start]);
        let quoted = &rest[start..start + length(&rest[start..])];
        if needs_escapes(quoted) {
            escape(&mut out, quoted);
        } else {
            out.push_str(quoted);
        }
        rest = &rest[start + quoted.len()..];
    }
    out + rest
}

/// Quotes an SQL identifier.
#[must_use]
pub fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A text as SQL writes it.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// How long the quoted part at the beginning is, in bytes. A quote that stands twice is one of the text.
fn length(text: &str) -> usize {
    let quote = &text[..1];
    let mut end = 1;
    while let Some(found) = text[end..].find(quote) {
        end += found + 1;
        if !text[end..].starts_with(quote) {
            return end;
        }
        end += 1;
    }
    text.len()
}

fn needs_escapes(quoted: &str) -> bool {
    quoted.contains("##") || quoted.contains(is_hidden)
}

fn escape(out: &mut String, quoted: &str) {
    out.push_str("U&");
    for c in quoted.chars() {
        if c == '\\' {
            out.push_str(r"\\");
        } else if is_hidden(c) || c == '#' {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "\\+{:06X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_to_be_is_escaped() {
        for (sql, shown) in [
            ("SELECT 1", "SELECT 1"),
            ("GRANT x TO \"a b\"", "GRANT x TO \"a b\""),
            ("SELECT 'it''s' # 1", "SELECT 'it''s' # 1"),
            ("ON \"a\"\"b\".\"c\\\n\";", r#"ON "a""b".U&"c\\\+00000A";"#),
            ("x '\"r##[w]\"'::regclass", r#"x U&'"r\+000023\+000023[w]"'::regclass"#),
            ("\"not closed", "\"not closed"),
            ("\"\u{202e}é\"", "U&\"\\+00202Eé\""),
        ] {
            assert_eq!(printable(sql), shown);
        }
    }
}
