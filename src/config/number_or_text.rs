//! Values that are a number or text: `14d` or seconds, `5` or `"30%"`, `2` or `"auto"`.
//!
//! Here they are only distinguished; `resolve` says what they mean.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A number or text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) enum NumberOrText {
    Number(i64),
    Text(String),
}

/// Defines a form of [`NumberOrText`]: what an error calls it, and its JSON Schema.
macro_rules! number_or_text {
    ($(#[$doc:meta])* $name:ident, $expecting:literal, $schema:tt) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(in crate::config) struct $name(pub NumberOrText);

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
