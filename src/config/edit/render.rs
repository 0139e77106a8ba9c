//! Keys, values and comments as TOML text, on one line unless a list is long. Pure.
//!
//! Strings are always basic strings on one line: what a multi-line string holds depends on the file's line endings, and
//! characters that cannot be seen are escaped, so that a reviewer reads what is there.

use super::Written;
use crate::model::visible::is_hidden;
use crate::model::{ColumnValue, toml_key, toml_number, toml_string, toml_value};

/// Lists that make a line longer than this are written one item a line.
const WIDTH: usize = 100;

/// How lines end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Newline {
    Unix,
    Windows,
}

impl Newline {
    /// That of the first line.
    pub fn of(text: &str) -> Self {
        let first = text.split_inclusive('\n').next().unwrap_or_default();
        if first.ends_with("\r\n") { Self::Windows } else { Self::Unix }
    }

    /// The characters that end a line.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unix => "\n",
            Self::Windows => "\r\n",
        }
    }
}

/// A value, with lists of several items over several lines. `indent`: of the line that it begins on.
pub(super) fn value(written: &Written, indent: &str, newline: Newline) -> String {
    let short = on_one_line(written);
    match written {
        Written::Uris(uris) if uris.len() > 1 || (uris.len() == 1 && short.len() > WIDTH) => {
            let (newline, step) = (newline.text(), step(indent));
            let items: String =
                uris.iter().map(|uri| format!("{indent}{step}{},{newline}", toml_value(uri))).collect();
            format!("[{newline}{items}{indent}]")
        }
        _ => short,
    }
}

/// One step of indentation, in the manner of what is there.
fn step(indent: &str) -> &'static str {
    if indent.contains('\t') { "\t" } else { "    " }
}

/// A value without a line break.
pub(super) fn on_one_line(written: &Written) -> String {
    match written {
        Written::Text(text) => toml_value(text),
        Written::Flag(flag) => flag.to_string(),
        Written::Uris(uris) => {
            format!("[{}]", uris.iter().map(|uri| toml_value(uri)).collect::<Vec<_>>().join(", "))
        }
        Written::User(named) => named.in_file(),
        Written::UserKey(key) => toml_number(key),
        Written::Hash(hash) => inline_table(&[format!("hash = {}", toml_string(hash.as_str()))]),
        Written::Column(value) => column(value),
    }
}

/// A value of a column of the project's own.
pub(super) fn column(value: &ColumnValue) -> String {
    match value {
        ColumnValue::Text(text) => toml_value(text),
        ColumnValue::Integer(number) => number.to_string(),
        ColumnValue::Float(number) => float(*number),
        ColumnValue::Flag(flag) => flag.to_string(),
        ColumnValue::Moment(_, text) => text.clone(),
        ColumnValue::Nested(value) => nested(value),
    }
}

/// With a point or an exponent, without which TOML reads a whole number.
fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    // As Rust's `Debug` has it: `1.0`, `1e300`, `inf`.
    format!("{number:?}")
}

fn nested(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        // TOML has no null: who makes these values leaves it out.
        Value::Null => toml_string(""),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) if number.is_f64() => float(number.as_f64().unwrap_or_default()),
        Value::Number(number) => number.to_string(),
        Value::String(text) => toml_value(text),
        Value::Array(items) => format!("[{}]", items.iter().map(nested).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let pair = |(key, value): (&String, &Value)| format!("{} = {}", toml_key(key), nested(value));
            inline_table(&entries.iter().map(pair).collect::<Vec<_>>())
        }
    }
}

pub(super) fn inline_table(pairs: &[String]) -> String {
    if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
}

/// Text for a comment: on one line, and nothing hidden in it.
pub(super) fn comment(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}
