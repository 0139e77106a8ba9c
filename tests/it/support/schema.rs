//! A JSON plan against the schema that `schema --plan` publishes. Knows the words that this schema is made of, and fails at
//! others, so that nothing is passed over.

use std::sync::LazyLock;

use oauthctl::ui::plan_json;
use serde_json::{Map, Value};

static SCHEMA: LazyLock<Value> = LazyLock::new(plan_json::json_schema);

/// Fails unless the text is something else than a plan, or one that the schema describes.
#[track_caller]
pub fn check_if_plan(text: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Value>(text) else { return };
    let is_plan = ["format_version", "steps", "unmanaged"].iter().all(|key| document.get(key).is_some());
    if is_plan && let Err(why) = check(&SCHEMA, &document) {
        panic!("the plan is not as `schema --plan` says: {why}\n{document:#}");
    }
}

/// Why a document does not match a schema with definitions of its own.
pub fn check_document(root: &Value, document: &Value) -> Result<(), String> {
    within(root, root, document)
}

/// Why a value does not match a part of the schema of the plan.
pub fn check(schema: &Value, value: &Value) -> Result<(), String> {
    within(&SCHEMA, schema, value)
}

fn within(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let words = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Object(words) => words,
        other => return Err(format!("{other} matches nothing")),
    };
    words.iter().try_for_each(|(word, said)| keyword(root, words, (word, said), value))
}

fn keyword(
    root: &Value,
    words: &Map<String, Value>,
    (word, said): (&str, &Value),
    value: &Value,
) -> Result<(), String> {
    let check = |schema: &Value, value: &Value| within(root, schema, value);
    let all = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let matching = || all(said).iter().filter(|schema| check(schema, value).is_ok()).count();
    let is = |holds: bool| if holds { Ok(()) } else { Err(format!("{value}: {word} {said}")) };
    match word {
        "$schema" | "$defs" | "title" | "description" | "format" | "default" => Ok(()),
        "$ref" => {
            let name =
                said.as_str().and_then(|path| path.strip_prefix("#/$defs/")).ok_or("a strange $ref")?;
            check(&root["$defs"][name], value)
        }
        "type" => is(all(said)
            .iter()
            .chain([said])
            .any(|name| name.as_str().is_some_and(|name| has_type(name, value)))),
        "enum" => is(all(said).contains(value)),
        "const" => is(said == value),
        "oneOf" => is(matching() == 1),
        "anyOf" => is(matching() > 0),
        "allOf" => all(said).iter().try_for_each(|schema| check(schema, value)),
        "minimum" => is(value.as_f64().is_none_or(|number| number >= said.as_f64().unwrap_or(0.0))),
        "required" => is(all(said)
            .iter()
            .all(|key| value.as_object().is_none_or(|o| o.contains_key(key.as_str().unwrap_or_default())))),
        "items" => value.as_array().into_iter().flatten().try_for_each(|item| check(said, item)),
        "properties" => said.as_object().into_iter().flatten().try_for_each(|(key, schema)| {
            value.get(key).map_or(Ok(()), |value| check(schema, value).map_err(|why| format!("{key}: {why}")))
        }),
        "additionalProperties" => value.as_object().into_iter().flatten().try_for_each(|(key, value)| {
            let known = words.get("properties").and_then(|known| known.get(key));
            known.map_or_else(|| check(said, value).map_err(|why| format!("{key}: {why}")), |_| Ok(()))
        }),
        other => Err(format!("the schema has the word {other}, which this check does not know")),
    }
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let right = serde_json::json!({ "key": "1", "client_id": "web", "fingerprint": "" });
    let row = &SCHEMA["$defs"]["RowRef"];
    assert_eq!(check(row, &right), Ok(()));
    for (key, wrong) in [("key", serde_json::json!(1)), ("client_id", Value::Null)] {
        let mut row_of = right.clone();
        row_of[key] = wrong;
        assert!(check(row, &row_of).is_err(), "{key}");
    }
    let mut missing = right.clone();
    missing.as_object_mut().unwrap().remove("fingerprint");
    assert!(check(row, &missing).is_err());
    assert!(check(&serde_json::json!({ "pattern": "x" }), &right).is_err());
}
