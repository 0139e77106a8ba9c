//! A value of a column of the project's own that does not come from the file.

use std::cell::RefCell;

use serde::Deserialize;

use super::problem::Problems;
use super::slot::Slot;
use super::values::Free;
use super::{reader, syntax};
use crate::model::{ColumnKind, ColumnValue};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Line {
    value: Slot<Free>,
}

/// Reads a text as the file's value of a column: text without the quotes, JSON also as JSON. What is no value of that
/// kind is text, which the column then does not take.
#[must_use]
pub fn column_value(kind: ColumnKind, text: &str) -> ColumnValue {
    let plain = || ColumnValue::Text(text.to_owned());
    match kind {
        ColumnKind::Text | ColumnKind::Other | ColumnKind::Decimal => plain(),
        ColumnKind::Integer(..) | ColumnKind::Float | ColumnKind::Flag | ColumnKind::Moment(_) => {
            from_toml(text).unwrap_or_else(plain)
        }
        ColumnKind::Json => from_toml(text).or_else(|| from_json(text)).unwrap_or_else(plain),
    }
}

fn from_toml(text: &str) -> Option<ColumnValue> {
    let mut problems = Problems::default();
    let line = format!("value = {text}");
    let document = syntax::parse(&line, &mut problems)?.document;
    let problems = RefCell::new(problems);
    let Line { value } =
        reader::read(&document, reader::Notes { problems: &problems, offset: 0, variables: None });
    let is_sound = problems.borrow().error_count() == 0;
    value.value().and_then(|Free(value)| value).filter(|_| is_sound)
}

fn from_json(text: &str) -> Option<ColumnValue> {
    serde_json::from_str(text).ok().map(ColumnValue::Nested)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Moment;

    #[test]
    fn texts_are_values_of_the_columns_kind() {
        let text = |text: &str| ColumnValue::Text(text.to_owned());
        let (number, json) = (ColumnKind::Integer(0, 9), ColumnKind::Json);
        for (kind, given, value) in [
            (ColumnKind::Text, "true", text("true")),
            (ColumnKind::Text, "\"quoted\"", text("\"quoted\"")),
            (ColumnKind::Decimal, "0.12345678901234567890", text("0.12345678901234567890")),
            (ColumnKind::Flag, "true", ColumnValue::Flag(true)),
            (ColumnKind::Flag, "True", text("True")),
            (number, "7", ColumnValue::Integer(7)),
            (number, "7\nother = 8", text("7\nother = 8")),
            (number, "", text("")),
            (ColumnKind::Float, "1.5", ColumnValue::Float(1.5)),
            (
                ColumnKind::Moment(Moment::Date),
                "2026-01-31",
                ColumnValue::Moment(Moment::Date, "2026-01-31".to_owned()),
            ),
            (json, "\"x\"", text("x")),
            (json, "{ a = [1, true] }", ColumnValue::Nested(serde_json::json!({ "a": [1, true] }))),
            (json, "{\"a\": [1, null]}", ColumnValue::Nested(serde_json::json!({ "a": [1, null] }))),
            (json, "dark", text("dark")),
        ] {
            assert_eq!(column_value(kind, given), value, "{given}");
        }
    }
}
