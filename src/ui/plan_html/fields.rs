//! The fields of an application in a page: those that change, those of a new row, and those that go with it.

use std::collections::BTreeSet;

use crate::model::{Attribute, Field};
use crate::plan::{FieldChange, FieldSetting, Presence, Value, Whole};
use crate::ui::html::{Column, code, table, text};
use crate::ui::plan::{shown_setting, shown_value};

/// Now and then. A line that may break clients says so.
pub(super) fn changes(changes: &[FieldChange]) -> String {
    let rows: Vec<Vec<String>> = changes.iter().map(change).collect();
    table(
        "Fields that change",
        &[Column::Words("Field"), Column::Words("Now"), Column::Words("After")],
        &rows,
    )
}

fn change(change: &FieldChange) -> Vec<String> {
    let FieldChange { field, before, after } = change;
    let mark =
        if change.may_break_clients() { " <span class=\"breaks\">! may break clients</span>" } else { "" };
    let (now, then) = match (before, after) {
        (Value::Uris(before), Value::Uris(after)) => {
            (uris(before, after, "del", "−"), uris(after, before, "ins", "+"))
        }
        (before, after) => (element("del", &shown_value(before)), element("ins", &shown_value(after))),
    };
    vec![format!("{}{mark}", code(&field.to_string())), now, then]
}

/// A set, as it is compared: what the other side lacks has a sign.
fn uris(these: &[String], other: &[String], name: &str, sign: &str) -> String {
    let other: BTreeSet<&String> = other.iter().collect();
    let item = |uri: &String| {
        if other.contains(uri) {
            format!("<li>{}</li>", code(uri))
        } else {
            format!("<li><{name}>{sign} {}</{name}></li>", code(uri))
        }
    };
    list(these.iter().map(item))
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: String = items.collect();
    if items.is_empty() { "(empty)".to_owned() } else { format!("<ul class=\"values\">{items}</ul>") }
}

fn element(name: &str, value: &str) -> String {
    format!("<{name}>{}</{name}>", code(value))
}

/// The row that is inserted, with the defaults that nobody declares.
pub(super) fn settings(fields: &[FieldSetting]) -> String {
    let rows: Vec<Vec<String>> = fields.iter().map(setting).collect();
    table(
        "Fields of the new application",
        &[Column::Words("Field"), Column::Words("Value"), Column::Words("From")],
        &rows,
    )
}

fn setting(FieldSetting { field, value, declared }: &FieldSetting) -> Vec<String> {
    let from = match field {
        _ if *declared => "the file",
        Attribute::Field(Field::ClientSecret) => "apply",
        Attribute::Field(_) => "a default",
        Attribute::Column(_) => "nothing: its name suggests a secret, which the project writes",
    };
    vec![code(&field.to_string()), held(value), text(from)]
}

fn held(value: &Value) -> String {
    match value {
        Value::Uris(uris) => list(uris.iter().map(|uri| format!("<li>{}</li>", code(uri)))),
        value => code(&shown_setting(value)),
    }
}

/// The whole row, folded.
pub(super) fn whole(row: &Whole, summary: &str) -> String {
    let Whole { client_id: _, fields, secret } = row;
    let secret = match secret {
        Presence::Present => "(secret)",
        Presence::Absent => "(empty)",
        Presence::Unread => "(secret) not read",
    };
    let rows = fields.iter().map(|(field, value)| vec![code(&field.to_string()), held(value)]);
    let secret = vec![code(Field::ClientSecret.key()), code(secret)];
    let rows: Vec<Vec<String>> = rows.chain([secret]).collect();
    let fields = table("All fields", &[Column::Words("Field"), Column::Words("Value")], &rows);
    format!("<details><summary>{}</summary>\n{fields}</details>\n", text(summary))
}
