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
        rest = &rest[start + quoted.len()..];
        if !needs_escapes(quoted) {
            out.push_str(quoted);
        } else if quoted.starts_with('\'') && is_extended(&out) {
            // As [`literal`] writes it: there is no other escape in it than a backslash twice.
            out.pop();
            escape(&mut out, &quoted.replace("\\\\", "\\"));
        } else {
            escape(&mut out, quoted);
        }
    }
    out + rest
}

/// Quotes an SQL identifier.
#[must_use]
pub fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A text as SQL writes it, which means the same whatever `standard_conforming_strings` is.
#[must_use]
pub fn literal(text: &str) -> String {
    let quoted = format!("'{}'", text.replace('\'', "''"));
    if text.contains('\\') { format!("E{}", quoted.replace('\\', "\\\\")) } else { quoted }
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

/// Whether what comes before a quote makes it one of `E'…'`.
fn is_extended(before: &str) -> bool {
    let mut last = before.chars().rev();
    last.next() == Some('E') && last.next().is_none_or(|c| !c.is_alphanumeric() && c != '_')
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
    fn a_text_ends_where_it_ends() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"\'; DROP"), r"E'\\''; DROP'");
    }

    #[test]
    fn only_what_has_to_be_is_escaped() {
        for (sql, shown) in [
            ("SELECT 1", "SELECT 1"),
            ("GRANT x TO \"a b\"", "GRANT x TO \"a b\""),
            ("SELECT 'it''s' # 1", "SELECT 'it''s' # 1"),
            ("ON \"a\"\"b\".\"c\\\n\";", r#"ON "a""b".U&"c\\\+00000A";"#),
            ("x '\"r##[w]\"'::regclass", r#"x U&'"r\+000023\+000023[w]"'::regclass"#),
            ("\"not closed", "\"not closed"),
            (r"a = E'b\\c'", r"a = E'b\\c'"),
            ("a = E'b\\\\c\n'", r"a = U&'b\\c\+00000A'"),
            ("\"\u{202e}é\"", "U&\"\\+00202Eé\""),
        ] {
            assert_eq!(printable(sql), shown);
        }
    }
}
