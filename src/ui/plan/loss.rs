//! What goes with a row that is deleted: its fields, without those that hold nothing.

use std::fmt::Write as _;

use super::values::{blank, labels, shown_value};
use crate::model::visible::visible;
use crate::model::{Attribute, Field};
use crate::plan::{Presence, Value, Whole};
use crate::ui::{RED, paint};

pub(super) fn render(out: &mut String, row: &Whole) {
    let secret = Attribute::from(Field::ClientSecret);
    let secret = match row.secret {
        Presence::Present => Some((&secret, "(secret)")),
        Presence::Unread => Some((&secret, "(secret) not read")),
        Presence::Absent => None,
    };
    let held = row.fields.iter().filter(|(_, value)| holds_something(value));
    let (attributes, values): (Vec<&Attribute>, Vec<&Value>) =
        held.map(|(field, value)| (field, value)).unzip();
    let all = attributes.into_iter().chain(secret.iter().map(|(field, _)| *field));
    let mut labels = labels(all).into_iter();
    for (value, mut label) in values.into_iter().zip(labels.by_ref()) {
        let Value::Uris(uris) = value else {
            let _ = writeln!(out, "    {label}  {}", shown_value(value));
            continue;
        };
        for uri in uris {
            let _ = writeln!(out, "    {label}  {} {}", paint(RED, "-"), visible(uri));
            label = blank(&label);
        }
    }
    for ((_, said), label) in secret.into_iter().zip(labels) {
        let _ = writeln!(out, "    {label}  {said}");
    }
}

fn holds_something(value: &Value) -> bool {
    match value {
        Value::Absent => false,
        Value::Text(text) | Value::Literal(text) => !text.is_empty(),
        Value::Uris(uris) => !uris.is_empty(),
        Value::Flag(_) | Value::User(_) | Value::StoredSecret | Value::Secret { .. } => true,
    }
}
