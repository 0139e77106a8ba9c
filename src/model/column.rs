//! Columns that a project has added to a swapped Application model: what a file can say of them, and what fits.
//!
//! Values are text in PostgreSQL's own form as soon as their type is known, so that no type is left out. Invariant: a
//! value that [`ColumnKind::accept`] lets through has the same meaning under all settings of the session.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::field::Field;
use super::toml_string::toml_key;

/// Columns of DOT's own that no file manages (DOT 3.4.1 and its main branch).
const OWN: [&str; 6] = ["id", "client_id", "created", "updated", "registration_source", "cimd_expires_at"];

/// What the key of a column of the project's own begins with.
const COLUMNS: &str = "columns.";

/// Something of an application that a file can manage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// One of DOT's fields.
    Field(Field),
    /// A column of the project's own, by its name.
    Column(String),
}

impl Attribute {
    /// The column in the database.
    #[must_use]
    pub fn column(&self) -> &str {
        match self {
            Self::Field(field) => field.column(),
            Self::Column(name) => name,
        }
    }

    /// The key as the file has it, with quotes where TOML needs them: `name`, `columns."tenant id"`.
    #[must_use]
    pub fn in_file(&self) -> String {
        match self {
            Self::Field(field) => field.key().to_owned(),
            Self::Column(name) => format!("{COLUMNS}{}", toml_key(name)),
        }
    }
}

impl From<Field> for Attribute {
    fn from(field: Field) -> Self {
        Self::Field(field)
    }
}

impl PartialEq<Field> for Attribute {
    fn eq(&self, field: &Field) -> bool {
        matches!(self, Self::Field(own) if own == field)
    }
}

/// The key in `oauth.toml`, without quotes: `name`, `columns.tenant_id`.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => field.fmt(f),
            Self::Column(name) => f.pad(&format!("{COLUMNS}{name}")),
        }
    }
}

impl JsonSchema for Attribute {
    fn schema_name() -> Cow<'static, str> {
        "Attribute".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

impl Serialize for Attribute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix(COLUMNS) {
            Some(name) => Ok(Self::Column(name.to_owned())),
            None => Field::deserialize(StrDeserializer::new(&text)).map(Self::Field),
        }
    }
}

/// Whose a column of the application table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnOwner {
    /// DOT's; the key of `[applications.x]` that declares it, or none: DOT alone writes it.
    Dot(Option<&'static str>),
    Project,
}

/// Whose a column of that name is, unless it is the primary key.
#[must_use]
pub fn column_owner(name: &str) -> ColumnOwner {
    if name == "client_id" {
        return ColumnOwner::Dot(Some("client_id"));
    }
    match Field::ALL.iter().copied().find(|field| field.column() == name || field.key() == name) {
        Some(field) => ColumnOwner::Dot(Some(field.key())),
        None if OWN.contains(&name) => ColumnOwner::Dot(None),
        None => ColumnOwner::Project,
    }
}

/// What a file says of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnValue {
    Text(String),
    /// A whole number.
    Integer(i64),
    Float(f64),
    /// `true` or `false`.
    Flag(bool),
    /// A date, a time or both, as TOML writes it.
    Moment(Moment, String),
    /// A list or a table: JSON.
    Nested(serde_json::Value),
}

impl ColumnValue {
    /// The value as JSON, where dates are text.
    ///
    /// # Errors
    /// [`Misfit::NoJsonNumber`].
    pub fn json(&self) -> Result<serde_json::Value, Misfit> {
        Ok(match self {
            Self::Text(text) | Self::Moment(_, text) => text.clone().into(),
            Self::Integer(number) => (*number).into(),
            Self::Float(number) => {
                serde_json::Number::from_f64(*number).map(Into::into).ok_or(Misfit::NoJsonNumber)?
            }
            Self::Flag(flag) => (*flag).into(),
            Self::Nested(value) => value.clone(),
        })
    }
}

/// What TOML's four kinds of dates say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Date, time and offset.
    Instant,
    /// Date and time.
    Local,
    Date,
    Time,
}

/// What a column can hold, as far as a file is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// `text`, `varchar`, `char`, `citext`, and domains over them.
    Text,
    /// `smallint`, `integer`, `bigint`: from here to there.
    Integer(i64, i64),
    /// `numeric`.
    Decimal,
    /// `real`, `double precision`.
    Float,
    /// `boolean`.
    Flag,
    /// `timestamp with time zone`, `timestamp`, `date`, `time`.
    Moment(Moment),
    /// `json`, `jsonb`.
    Json,
    /// Anything else: text in PostgreSQL's own form.
    Other,
}

/// Why a value does not fit a column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// It is of another kind.
    #[error("takes {0}")]
    Kind(&'static str),
    /// It is too large or too small.
    #[error("takes numbers from {0} to {1}")]
    Range(i64, i64),
    /// Not a number, or infinite, in JSON.
    #[error("holds JSON, which has no such number")]
    NoJsonNumber,
}

impl ColumnKind {
    /// What to write for it in a file.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Text => "text in quotes",
            Self::Integer(..) => "a whole number",
            Self::Decimal => "a number, or one in quotes where every digit counts",
            Self::Float => "a number",
            Self::Flag => "true or false",
            Self::Moment(Moment::Instant) => "a date and time with an offset, such as 2026-01-31T12:00:00Z",
            Self::Moment(Moment::Local) => "a date and time without an offset, such as 2026-01-31T12:00:00",
            Self::Moment(Moment::Date) => "a date, such as 2026-01-31",
            Self::Moment(Moment::Time) => "a time, such as 12:00:00",
            Self::Json => "any value, as JSON",
            Self::Other => "text in quotes, as PostgreSQL writes it",
        }
    }

    /// The smallest value that a file can give it, as TOML.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Text | Self::Other => "\"\"",
            Self::Integer(..) | Self::Decimal => "0",
            Self::Float => "0.0",
            Self::Flag => "false",
            Self::Moment(Moment::Instant) => "2026-01-31T12:00:00Z",
            Self::Moment(Moment::Local) => "2026-01-31T12:00:00",
            Self::Moment(Moment::Date) => "2026-01-31",
            Self::Moment(Moment::Time) => "12:00:00",
            Self::Json => "{}",
        }
    }

    /// The text that PostgreSQL is given for a value.
    ///
    /// # Errors
    /// When the kinds differ. Whether the text is in order only PostgreSQL knows.
    pub fn accept(self, value: &ColumnValue) -> Result<String, Misfit> {
        match (self, value) {
            (Self::Json, value) => value.json().map(|value| value.to_string()),
            (Self::Text | Self::Other | Self::Decimal, ColumnValue::Text(text)) => Ok(text.clone()),
            (Self::Integer(lowest, highest), ColumnValue::Integer(number)) => {
                if (lowest..=highest).contains(number) {
                    Ok(number.to_string())
                } else {
                    Err(Misfit::Range(lowest, highest))
                }
            }
            (Self::Decimal | Self::Float, ColumnValue::Integer(number)) => Ok(number.to_string()),
            (Self::Decimal | Self::Float, ColumnValue::Float(number)) => Ok(float(*number)),
            (Self::Flag, ColumnValue::Flag(flag)) => Ok(flag.to_string()),
            (Self::Moment(wanted), ColumnValue::Moment(given, text)) if wanted == *given => Ok(text.clone()),
            _ => Err(Misfit::Kind(self.expected())),
        }
    }

    /// Whether two texts of PostgreSQL's are the same value: neither the scale of a number nor the order of JSON's keys
    /// makes a difference.
    #[must_use]
    pub fn same(self, one: &str, other: &str) -> bool {
        match self {
            Self::Decimal => unscaled(one) == unscaled(other),
            Self::Json => match (parse(one), parse(other)) {
                (Some(one), Some(other)) => one == other,
                _ => one == other,
            },
            Self::Text | Self::Integer(..) | Self::Float | Self::Flag | Self::Moment(_) | Self::Other => {
                one == other
            }
        }
    }

    /// What a file would say for a text of PostgreSQL's; `None`: no file can say it.
    #[must_use]
    pub fn read(self, text: &str) -> Option<ColumnValue> {
        let value = match self {
            Self::Text | Self::Other => ColumnValue::Text(text.to_owned()),
            Self::Integer(..) => ColumnValue::Integer(text.parse().ok()?),
            Self::Decimal => decimal(text),
            Self::Float => ColumnValue::Float(match text {
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                "NaN" => f64::NAN,
                number => number.parse().ok()?,
            }),
            Self::Flag => ColumnValue::Flag(text.parse().ok()?),
            Self::Moment(moment) => ColumnValue::Moment(moment, moment_text(text)?),
            Self::Json => from_json(parse(text)?)?,
        };
        // What cannot be written back as it was must not be written at all.
        let is_faithful = self
            .accept(&value)
            .is_ok_and(|given| matches!(self, Self::Float | Self::Moment(_)) || self.same(&given, text));
        is_faithful.then_some(value)
    }
}

/// Years of four digits, no infinity: what TOML can write.
fn moment_text(text: &str) -> Option<String> {
    let is_plain = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | 'Z' | '.'));
    let is_date_ok = text.find('-').is_none_or(|year| year == 4);
    (is_plain && is_date_ok && !text.starts_with("24:")).then(|| text.to_owned())
}

/// Rust's shortest text that reads back as the same number; PostgreSQL's words for what is none.
fn float(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        number.to_string()
    }
}

/// A number without the zeros at the end of its fraction.
fn unscaled(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn decimal(text: &str) -> ColumnValue {
    if let Ok(number) = text.parse() {
        return ColumnValue::Integer(number);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && unscaled(&number.to_string()) == unscaled(text) => {
            ColumnValue::Float(number)
        }
        _ => ColumnValue::Text(text.to_owned()),
    }
}

fn parse(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}

/// TOML has no null, and no numbers beyond 64 bits.
fn from_json(value: serde_json::Value) -> Option<ColumnValue> {
    Some(match value {
        serde_json::Value::String(text) => ColumnValue::Text(text),
        serde_json::Value::Bool(flag) => ColumnValue::Flag(flag),
        serde_json::Value::Number(ref number) => match number.as_i64() {
            Some(number) => ColumnValue::Integer(number),
            None if number.is_u64() => return None,
            None => ColumnValue::Float(number.as_f64()?),
        },
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            is_toml(&value).then_some(ColumnValue::Nested(value))?
        }
    })
}

fn is_toml(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => false,
        serde_json::Value::Number(number) => number.is_i64() || number.is_f64(),
        serde_json::Value::Array(items) => items.iter().all(is_toml),
        serde_json::Value::Object(entries) => entries.values().all(is_toml),
        serde_json::Value::String(_) | serde_json::Value::Bool(_) => true,
    }
}

#[cfg(test)]
mod tests;
