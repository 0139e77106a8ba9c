//! The JSON Schema of `oauth.toml`, for editors. It comes from the structs that the parser fills.

use schemars::generate::SchemaSettings;

use super::document::Document;

/// The schema, as draft 2020-12.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<Document>().to_value()
}
