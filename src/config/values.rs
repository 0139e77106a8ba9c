//! Values that take more than one form: `14d` or a number, `5` or `"30%"`, a name or a table.
//!
//! Here they are only distinguished; `resolve` says what they mean.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use crate::model::{Attribute, ColumnValue, Field, Moment};
use crate::secret::Secret;

/// The newtype name by which the reader recognises a value that may also be a table.
pub(super) const OR_TABLE: &str = "$oauthctl::OrTable";

/// The newtype name by which the reader recognises a value that may also be a date.
pub(super) const OR_DATE: &str = "$oauthctl::OrDate";

/// A number or text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NumberOrText {
    Number(i64),
    Text(String),
}

/// Defines a form of [`NumberOrText`]: what an error calls it, and its JSON Schema.
macro_rules! number_or_text {
    ($(#[$doc:meta])* $name:ident, $expecting:literal, $schema:tt) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(super) struct $name(pub NumberOrText);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(NumberOrTextVisitor($expecting)).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

number_or_text! {
    /// A length of time.
    Duration, "text such as \"14d\" or a whole number of seconds", {
        "description": "A length of time: \"14d\", \"1h30m\", \"500ms\", or a whole number of seconds.",
        "type": ["integer", "string"],
        "minimum": 0,
        "pattern": "^\\s*([0-9]+|([0-9]+(\\.[0-9]+)?\\s*([nuµm]?s|sec|m|min|h|d|w|seconds?|minutes?|hours?|days?|weeks?)\\s*)+)$",
        "examples": ["14d"]
    }
}

number_or_text! {
    /// A number of bytes.
    Size, "text such as \"5GB\" or a whole number of bytes", {
        "description": "A number of bytes: \"512kB\", \"20MB\", \"5GB\" (1 kB is 1,024 bytes, as in PostgreSQL), or a whole number.",
        "type": ["integer", "string"],
        "minimum": 0,
        "pattern": "^\\s*[0-9]+(\\.[0-9]+)?\\s*(B|kB|MB|GB|TB)?\\s*$",
        "examples": ["5GB"]
    }
}

number_or_text! {
    /// A number of bytes a second.
    Rate, "text such as \"20MB/s\" or a whole number of bytes a second", {
        "description": "A number of bytes a second: \"20MB/s\" (1 kB is 1,024 bytes, as in PostgreSQL), or a whole number.",
        "type": ["integer", "string"],
        "minimum": 0,
        "pattern": "^\\s*[0-9]+(\\.[0-9]+)?\\s*(B|kB|MB|GB|TB)?(/s)?\\s*$",
        "examples": ["20MB/s"]
    }
}

number_or_text! {
    /// How many connections work in parallel.
    Workers, "a number from 1 to 64, or \"auto\"", {
        "description": "A number, or \"auto\": as many as make the run faster.",
        "type": ["integer", "string"],
        "minimum": 1,
        "maximum": 64,
        "pattern": "^auto$",
        "examples": ["auto"]
    }
}

number_or_text! {
    /// The most of something.
    Limit, "a whole number or a percentage such as \"30%\"", {
        "description": "A count, or a percentage of the applications in the database.",
        "type": ["integer", "string"],
        "minimum": 0,
        "pattern": "^(100|[0-9]{1,2})%$",
        "examples": ["30%"]
    }
}

number_or_text! {
    /// A primary key of the user table.
    UserKey, "a primary key or a table such as { username = \"ops\" }", {
        "description": "The primary key of the owner: a number, or text for other types of keys.",
        "type": ["integer", "string"],
        "minLength": 1,
        "examples": [1]
    }
}

number_or_text! {
    /// A value of a column of the user table.
    UserValue, "text or a whole number", {
        "description": "Its value, which only this user has.",
        "type": ["integer", "string"],
        "minLength": 1,
        "examples": ["ops"]
    }
}

struct NumberOrTextVisitor(&'static str);

impl Visitor<'_> for NumberOrTextVisitor {
    type Value = NumberOrText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<NumberOrText, E> {
        Ok(NumberOrText::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<NumberOrText, E> {
        Ok(NumberOrText::Text(text.to_owned()))
    }
}

/// A plain value or a table. Unlike serde's untagged enums, it keeps the errors of the form that was meant.
#[derive(Clone, Debug)]
pub(super) enum OrTable<S, T> {
    Plain(S),
    Table(T),
}

impl<'de, S: Deserialize<'de>, T: Deserialize<'de>> Deserialize<'de> for OrTable<S, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(OR_TABLE, OrTableVisitor(PhantomData))
    }
}

struct OrTableVisitor<S, T>(PhantomData<(S, T)>);

impl<'de, S: Deserialize<'de>, T: Deserialize<'de>> Visitor<'de> for OrTableVisitor<S, T> {
    type Value = OrTable<S, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a table")
    }

    fn visit_some<D: Deserializer<'de>>(self, plain: D) -> Result<Self::Value, D::Error> {
        S::deserialize(plain).map(OrTable::Plain)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, table: D) -> Result<Self::Value, D::Error> {
        T::deserialize(table).map(OrTable::Table)
    }
}

impl<S: JsonSchema, T: JsonSchema> JsonSchema for OrTable<S, T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Owned(format!("{}_or_{}", S::schema_name(), T::schema_name()))
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<S>(), generator.subschema_for::<T>()] })
    }
}

/// A value of a column whose type only the database knows; `None`: a list or a table with a number that JSON has no word
/// for.
#[derive(Clone, Debug)]
pub(super) struct Free(pub Option<ColumnValue>);

impl<'de> Deserialize<'de> for Free {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(OR_DATE, FreeVisitor).map(Self)
    }
}

/// A value inside a list or a table, as JSON.
fn nested(Free(value): Free) -> Option<serde_json::Value> {
    value?.json().ok()
}

struct FreeVisitor;

impl<'de> Visitor<'de> for FreeVisitor {
    type Value = Option<ColumnValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    /// The reader sends dates like this.
    fn visit_some<D: Deserializer<'de>>(self, date: D) -> Result<Self::Value, D::Error> {
        String::deserialize(date).map(|text| Some(ColumnValue::Moment(moment(&text), text)))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(ColumnValue::Text(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(ColumnValue::Integer(number)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(ColumnValue::Float(number)))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Some(ColumnValue::Flag(flag)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        let items: Vec<Free> = Vec::deserialize(SeqAccessDeserializer::new(items))?;
        let list: Option<Vec<_>> = items.into_iter().map(nested).collect();
        Ok(list.map(|list| ColumnValue::Nested(list.into())))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        let entries: BTreeMap<String, Free> = BTreeMap::deserialize(MapAccessDeserializer::new(entries))?;
        let table: Option<_> = entries.into_iter().map(|(key, value)| Some((key, nested(value)?))).collect();
        Ok(table.map(|table| ColumnValue::Nested(serde_json::Value::Object(table))))
    }
}

/// Which of TOML's four kinds a date is.
fn moment(text: &str) -> Moment {
    let Some((_, time)) = text.split_once(['T', 't', ' ']) else {
        return if text.contains(':') { Moment::Time } else { Moment::Date };
    };
    if time.contains(['Z', 'z', '+', '-']) { Moment::Instant } else { Moment::Local }
}

impl JsonSchema for Free {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Free")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "number", "boolean", "array", "object"], "examples": [7] })
    }
}

/// A value that a column is compared with.
#[derive(Clone, Debug)]
pub(super) struct Comparable(pub ColumnValue);

impl<'de> Deserialize<'de> for Comparable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ComparableVisitor;

        impl Visitor<'_> for ComparableVisitor {
            type Value = Comparable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false, a whole number, or text")
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Comparable, E> {
                Ok(Comparable(ColumnValue::Flag(flag)))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Comparable, E> {
                Ok(Comparable(ColumnValue::Integer(number)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Comparable, E> {
                Ok(Comparable(ColumnValue::Text(text.to_owned())))
            }
        }

        deserializer.deserialize_any(ComparableVisitor)
    }
}

impl JsonSchema for Comparable {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Comparable")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["boolean", "integer", "string"], "examples": [true] })
    }
}

/// The name of a key of an application; `columns.NAME` for a column of the project's own.
#[derive(Clone, Debug)]
pub(super) struct Ignored(pub Attribute);

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        match key.strip_prefix("columns.") {
            Some(name) => Ok(Self(Attribute::Column(name.to_owned()))),
            None => Field::deserialize(key.as_str().into_deserializer()).map(|field| Self(field.into())),
        }
    }
}

impl JsonSchema for Ignored {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Ignored")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let column = json_schema!({ "type": "string", "pattern": "^columns\\..+" });
        json_schema!({ "anyOf": [generator.subschema_for::<Field>(), column] })
    }
}

/// Text that can hold a password.
#[derive(Debug)]
pub(super) struct Confidential(pub Secret);

impl<'de> Deserialize<'de> for Confidential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl JsonSchema for Confidential {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Confidential")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// A secret that was written into the file. Its text is dropped at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Literal;

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LiteralVisitor;

        impl Visitor<'_> for LiteralVisitor {
            type Value = Literal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table such as { env = \"NAME\" }")
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Literal, E> {
                Ok(Literal)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Literal, E> {
                Ok(Literal)
            }
        }

        deserializer.deserialize_any(LiteralVisitor)
    }
}
