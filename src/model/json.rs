//! JSON as every verb writes it: the same bytes on stdout, on a terminal and in a file.
//!
//! Serde leaves DEL, the C1 controls and the characters that reorder or hide text as they are, which JSON allows. A
//! terminal obeys some of them, and a stream that strips colour removes others. Here they are `\u` escapes, as is a bracket
//! that would make a command for a CI runner. Pure.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::visible::{bracket, is_hidden};

/// An indented document that ends with a newline.
///
/// # Errors
/// Serde's.
pub fn document<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    written(value, Escaping(PrettyFormatter::new())).map(|text| text + "\n")
}

/// One line, without a newline.
///
/// # Errors
/// Serde's.
pub fn line<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    written(value, Escaping(CompactFormatter))
}

fn written<T: Serialize + ?Sized, F: Formatter>(value: &T, formatter: F) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// Writes the text of strings; everything else is up to the other formatter.
struct Escaping<F>(F);

/// The methods of the other formatter.
macro_rules! forward {
    ($($name:ident($($argument:ident: $of:ty),*);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $of)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for Escaping<F> {
    forward! {
        begin_array(); end_array(); begin_array_value(first: bool); end_array_value();
        begin_object(); end_object(); begin_object_key(first: bool); end_object_key();
        begin_object_value(); end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some(at) = bracket(rest) {
            characters(writer, &rest[..at])?;
            escaped(writer, '[')?;
            rest = &rest[at + 1..];
        }
        characters(writer, rest)
    }
}

fn characters<W: ?Sized + Write>(writer: &mut W, text: &str) -> io::Result<()> {
    let mut written = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| is_hidden(*c)) {
        writer.write_all(&text.as_bytes()[written..at])?;
        escaped(writer, c)?;
        written = at + c.len_utf8();
    }
    writer.write_all(&text.as_bytes()[written..])
}

/// As JSON escapes: in UTF-16, so that some characters take two.
fn escaped<W: ?Sized + Write>(writer: &mut W, c: char) -> io::Result<()> {
    c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_a_terminal_or_a_runner_obeys_is_escaped() {
        let text = "a\u{7f}\u{9b}31m\u{202e}\u{e0041}\n\"é##[group]";
        let line = line(&json!({ text: [text] })).unwrap();
        let shown = r#"a\u007f\u009b31m\u202e\udb40\udc41\n\"é##\u005bgroup]"#;
        assert_eq!(line, format!(r#"{{"{shown}":["{shown}"]}}"#));
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), json!({ text: [text] }));
    }

    #[test]
    fn documents_look_as_serde_writes_them() {
        let value = json!({ "a": [1, { "b": [] }, null, "x"], "c": {} });
        assert_eq!(document(&value).unwrap(), format!("{value:#}\n"));
    }
}
