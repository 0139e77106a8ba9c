//! The JSON Schema and the parser agree: every key of the schema is accepted, and every other key is refused by both.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::*;
use crate::config::suggest::fields_of;

/// A step from a table of the schema to one inside it.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Item,
}

struct Walk {
    root: Value,
    tables: usize,
    keys: usize,
}

impl Walk {
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(target) => self.root.pointer(target.trim_start_matches('#')).unwrap(),
            None => schema,
        }
    }

    /// A value that the schema accepts, as small as possible.
    fn example(&self, schema: &Value) -> Value {
        // One beside a reference is of this key; the others are of its type.
        if let Some(own) = schema["examples"].get(0) {
            return own.clone();
        }
        let schema = self.resolve(schema);
        for key in ["oneOf", "anyOf"] {
            if let Some(first) = schema[key].get(0) {
                return self.example(first);
            }
        }
        let given = [&schema["const"], &schema["enum"][0], &schema["examples"][0]];
        if let Some(given) = given.into_iter().find(|given| !given.is_null()) {
            return given.clone();
        }
        match schema["type"].as_str().unwrap() {
            "string" => json!("x"),
            "boolean" => json!(true),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
            "array" => json!([self.example(&schema["items"])]),
            "object" => self.table(schema, None),
            other => panic!("{other}"),
        }
    }

    /// A table with the keys that it must have, and perhaps one more.
    fn table(&self, schema: &Value, extra: Option<&str>) -> Value {
        let properties = &schema["properties"];
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let any_one = match (schema["minProperties"].as_u64(), extra) {
            (Some(1), None) => properties.as_object().and_then(|keys| keys.keys().next()).map(String::as_str),
            _ => None,
        };
        let first = any_one.or(extra).unwrap_or_default();
        let dependent = schema["dependentRequired"][first].as_array().into_iter().flatten();
        let keys = required.chain(any_one).chain(extra).chain(dependent.filter_map(Value::as_str));
        keys.map(|key| (key.to_owned(), self.example(&properties[key]))).collect::<Map<_, _>>().into()
    }

    fn visit(&mut self, path: &[Step], schema: &Value) {
        let schema = self.resolve(schema).clone();
        for key in ["oneOf", "anyOf"] {
            for alternative in schema[key].as_array().into_iter().flatten() {
                self.visit(path, alternative);
            }
        }
        if schema["type"] == "array" {
            self.visit(&[path, &[Step::Item]].concat(), &schema["items"]);
        }
        if schema["type"] != "object" {
            return;
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            self.visit(&[path, &[Step::Key("some-name".to_owned())]].concat(), values);
            return;
        }
        assert_eq!(schema["additionalProperties"], false, "open table: {path:?}");
        self.tables += 1;
        for (key, property) in schema["properties"].as_object().unwrap() {
            self.keys += 1;
            accepts(path, self.table(&schema, Some(key)));
            self.visit(&[path, &[Step::Key(key.clone())]].concat(), property);
        }
        refuses(path, self.table(&schema, None));
    }
}

fn document(path: &[Step], table: Value) -> String {
    let whole = path.iter().rev().fold(table, |inner, step| match step {
        Step::Key(key) => json!({ key: inner }),
        Step::Item => json!([inner]),
    });
    toml::to_string(&whole).unwrap()
}

fn codes(text: &str) -> Vec<&'static str> {
    match load_with(text, &[], Presence::Optional) {
        Ok(_) => Vec::new(),
        Err(rejected) => rejected.problems.shown().into_iter().map(|problem| problem.code).collect(),
    }
}

fn accepts(path: &[Step], table: Value) {
    let text = document(path, table);
    // That the new client id is declared elsewhere is not a matter of one key.
    let codes: Vec<_> = codes(&text).into_iter().filter(|code| *code != "rename-conflict").collect();
    assert!(codes.is_empty(), "{codes:?} for\n{text}");
}

fn refuses(path: &[Step], mut table: Value) {
    table["zzz_unknown"] = json!("x");
    let text = document(path, table);
    assert!(codes(&text).contains(&"unknown-key"), "{text}");
}

#[test]
fn the_schema_and_the_parser_agree() {
    let root = json_schema();
    let mut walk = Walk { root: root.clone(), tables: 0, keys: 0 };
    walk.visit(&[], &root);
    assert_eq!((walk.tables, walk.keys), (18, 107), "a table or a key was added: is it documented?");
}

/// The other direction: what the parser takes is in the schema, because every struct's fields are.
#[test]
fn every_key_of_the_full_file_is_in_the_schema() {
    let schema = json_schema().to_string();
    for line in FULL.lines() {
        if let Some((key, _)) = line.split_once(" = ") {
            assert!(schema.contains(&format!("\"{key}\"")), "{key}");
        }
    }
}

/// Every key has a row in the tables of the documentation.
#[test]
fn every_key_is_documented() {
    let document = include_str!("../../../docs/file-format.md");
    let tables = [
        fields_of::<document::Tables>(),
        fields_of::<document::Database>(),
        fields_of::<document::Provider>(),
        fields_of::<document::Application>(),
        fields_of::<document::Removed>(),
        fields_of::<document::Renamed>(),
        fields_of::<document::Hook>(),
        fields_of::<document::Policy>(),
        fields_of::<document::Cleanup>(),
    ];
    for key in tables.into_iter().flatten().filter(|key| **key != "tables") {
        assert!(document.contains(&format!("\n| `{key}` |")), "{key} is not in docs/file-format.md");
    }
}

/// The codes in the sources and the codes in the documentation are the same.
#[test]
fn every_code_is_documented() {
    let document = include_str!("../../../docs/diagnostics.md");
    let (_, table) = document.split_once("## Codes").unwrap();
    let documented: BTreeSet<_> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let mut used = BTreeSet::new();
    let mut directories = vec![Path::new("src/config").to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("tests") || path.ends_with("tests.rs") {
            } else if path.is_dir() {
                directories.push(path);
            } else {
                let text = std::fs::read_to_string(path).unwrap();
                let text =
                    text.split("#[cfg(test)]\nmod tests {").next().unwrap().replace(char::is_whitespace, "");
                for call in ["Problem::error(", "Problem::warning(", "unavailable("] {
                    let codes =
                        text.split(call).skip(1).filter_map(|rest| rest.strip_prefix('"')?.split('"').next());
                    used.extend(codes.map(str::to_owned));
                }
            }
        }
    }
    // Chosen between by a condition.
    used.extend(["several-sources", "missing-key"].map(str::to_owned));
    // A constant, because the file is looked at again where it is all that is wrong; and those that only a look at the database
    // finds.
    used.extend(
        ["unsendable-secret", "foreign-secret", "maintained-column", "value-over-variable"]
            .map(str::to_owned),
    );
    assert_eq!(documented, used.iter().map(String::as_str).collect());
}
