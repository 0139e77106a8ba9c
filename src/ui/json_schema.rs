//! The JSON Schema of a document, made from the structs that are written. Pure.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// As draft 2020-12.
pub(super) fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}
