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

pub(super) use super::number_or_text::{
    Duration, Limit, NumberOrText, Rate, Size, UserKey, UserValue, Workers,
};
use crate::model::{Attribute, ColumnValue, Field, Moment};
use crate::secret::Secret;

/// The newtype name by which the reader recognises a value that may also be a table.
pub(super) const OR_TABLE: &str = "$oauthctl::OrTable";

/// The newtype name by which the reader recognises a value that may also be a date.
pub(super) const OR_DATE: &str = "$oauthctl::OrDate";

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
