//! The words for values of fields, and the labels before them. Pure.

use unicode_width::UnicodeWidthStr as _;

use crate::model::Attribute;
use crate::model::visible::visible;
use crate::plan::{Owner, SecretWrite, Value};

const GENERATED: &str = "generated at apply, shown once";
const UNNEEDED: &str = "generated, as DOT does; this client does not use it";
const ROTATED: &str = "replaced by a generated one, shown once";

/// The keys, all as wide as the widest.
pub(super) fn labels<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> Vec<String> {
    let labels: Vec<String> = attributes.map(|attribute| visible(&attribute.to_string())).collect();
    let widest = labels.iter().map(|label| label.width()).max().unwrap_or_default();
    let pad = |label: String| format!("{label}{:1$}", "", widest - label.width());
    labels.into_iter().map(pad).collect()
}

/// As wide as a label, and empty.
pub(super) fn blank(label: &str) -> String {
    " ".repeat(label.width())
}

const fn storage(hashed: bool) -> &'static str {
    if hashed { "stored hashed" } else { "stored in plain text" }
}

fn shown_owner(Owner { key, username, by }: &Owner) -> String {
    let key = visible(key.as_str());
    match (username, by) {
        (Some(name), _) => format!("\"{}\" (id {key})", visible(name)),
        (None, Some(named)) => format!("{} (id {key})", visible(&named.in_file())),
        (None, None) => format!("id {key}"),
    }
}

/// A value that is there, or that replaces one.
pub(in crate::ui) fn shown_value(value: &Value) -> String {
    match value {
        Value::Absent => "(none)".to_owned(),
        Value::Text(text) => format!("\"{}\"", visible(text)),
        Value::Literal(text) => visible(text),
        Value::Flag(flag) => flag.to_string(),
        Value::Uris(uris) if uris.is_empty() => "(empty)".to_owned(),
        Value::Uris(uris) => uris.iter().map(|uri| visible(uri)).collect::<Vec<_>>().join(" "),
        Value::User(owner) => shown_owner(owner),
        Value::StoredSecret => "(secret)".to_owned(),
        Value::Secret { source, hashed } => {
            let how = match source {
                SecretWrite::Generated | SecretWrite::Unneeded => GENERATED,
                SecretWrite::Rotated => ROTATED,
                SecretWrite::Declared => "replaced: the declared value differs from the stored one",
                SecretWrite::Hash => "replaced: the declared hash differs from the stored one",
                SecretWrite::Restored => "unchanged",
            };
            format!("(secret) {how}; {}", storage(*hashed))
        }
    }
}

/// A value of a new row.
pub(in crate::ui) fn shown_setting(value: &Value) -> String {
    let Value::Secret { source, hashed } = value else { return shown_value(value) };
    let how = match source {
        SecretWrite::Generated => GENERATED,
        SecretWrite::Unneeded => UNNEEDED,
        SecretWrite::Rotated => ROTATED,
        SecretWrite::Declared | SecretWrite::Restored => "as declared",
        SecretWrite::Hash => "as the declared hash",
    };
    format!("(secret) {how}; {}", storage(*hashed))
}
