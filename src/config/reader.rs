//! A parsed TOML value as a serde deserialiser that goes on after an error.
//!
//! serde stops at the first error; here each [`Slot`](super::slot::Slot) and each unknown key is a place to go on from,
//! so that strict structs (`deny_unknown_fields`) and all problems in one run go together.
//! Invariant: every value is visited once, and no error ends the visit. Knows no table and no key by name.

use std::borrow::Cow;
use std::cell::RefCell;

use serde::de::value::SeqDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::mistake::{Error, kind};
use super::problem::{Problem, Problems, Severity, Span};
use super::slot::SLOT;
use super::suggest::{self, harmless, quoted};
use super::values::{OR_DATE, OR_TABLE};
use super::variables::Variables;

/// Reads a whole document. What is wrong with it is in `problems` afterwards.
pub(super) fn read<'de, T: Deserialize<'de> + Default>(
    document: &Spanned<DeValue<'de>>,
    notes: Notes<'_>,
) -> T {
    let root = Node { value: document, trail: Trail { above: None, key: "" }, key: None, notes };
    match T::deserialize(root) {
        Ok(read) => read,
        Err(error) => {
            let problem = Problem::error("invalid-value", error.to_string());
            notes.push(problem.at(notes.place(document.span())));
            T::default()
        }
    }
}

/// Where the problems of a text are noted.
#[derive(Clone, Copy)]
pub(super) struct Notes<'a> {
    pub problems: &'a RefCell<Problems>,
    /// Where the text begins in the file, in bytes.
    pub offset: usize,
    /// What `${var.NAME}` stands for; `None`: for itself.
    pub variables: Option<&'a Variables<'a>>,
}

impl Notes<'_> {
    fn push(self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// The place in the file of a place in the text.
    pub fn place(self, span: Span) -> Span {
        span.start + self.offset..span.end + self.offset
    }
}

/// The keys that lead to a value.
#[derive(Clone, Copy)]
pub(super) struct Trail<'a> {
    above: Option<&'a Trail<'a>>,
    key: &'a str,
}

impl Trail<'_> {
    /// The keys from the top.
    pub fn keys(&self) -> Vec<&str> {
        let Some(above) = self.above else { return Vec::new() };
        let mut keys = above.keys();
        keys.push(self.key);
        keys
    }
}

/// A value, and the way to it.
struct Node<'a, 'de> {
    value: &'a Spanned<DeValue<'de>>,
    trail: Trail<'a>,
    /// Where the key is; `None` for an item of a list and for the document.
    key: Option<Span>,
    notes: Notes<'a>,
}

impl<'de> Node<'_, 'de> {
    fn wrong_type(&self, expected: &str) -> Error {
        Error::WrongType { expected: expected.to_owned(), found: kind(self.value.get_ref()) }
    }

    fn table(&self, fields: Option<&'static [&'static str]>) -> Result<TableAccess<'_, 'de>, Error> {
        let DeValue::Table(table) = self.value.get_ref() else { return Err(self.wrong_type("a table")) };
        Ok(TableAccess {
            entries: table.iter().collect::<Vec<_>>().into_iter(),
            next: None,
            trail: &self.trail,
            fields,
            notes: self.notes,
        })
    }

    /// A string with its variables replaced.
    fn text<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, Error> {
        let Some(variables) = self.notes.variables else { return Ok(Cow::Borrowed(text)) };
        let trail = || self.trail.keys().into_iter().map(str::to_owned).collect();
        let expanded = variables.expand(text, &trail)?;
        if expanded.contains('\0') { Err(Error::NulByte) } else { Ok(expanded) }
    }

    fn list(&self) -> Result<ListAccess<'_, 'de>, Error> {
        let DeValue::Array(items) = self.value.get_ref() else { return Err(self.wrong_type("a list")) };
        Ok(ListAccess { items: items.iter(), trail: self.trail, notes: self.notes })
    }

    /// Turns an error into a problem at this value.
    fn report(&self, error: &Error) {
        let subject = match self.key {
            Some(_) => quoted(self.trail.key),
            None => format!("an item of {}", quoted(self.trail.key)),
        };
        let problem = error.problem(&subject, self.trail.key, self.value.get_ref());
        let problem = match split_name(&self.trail.keys(), self.value.get_ref()) {
            Some(name) => problem.hint(format!("write the whole name in quotes: \"{name}\"")),
            None => problem,
        };
        self.notes.push(problem.at(self.notes.place(self.value.span())));
    }
}

impl<'de> Deserializer<'de> for Node<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value.get_ref() {
            DeValue::String(text) if text.contains('\0') => Err(Error::NulByte),
            DeValue::String(text) => visitor.visit_str(&self.text(text)?),
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix());
                visitor.visit_i64(number.map_err(|_| Error::OutOfRange)?)
            }
            DeValue::Float(number) => {
                visitor.visit_f64(number.as_str().parse().map_err(|_| Error::OutOfRange)?)
            }
            DeValue::Boolean(flag) => visitor.visit_bool(*flag),
            DeValue::Datetime(_) => Err(Error::WrongType {
                expected: (&visitor as &dyn serde::de::Expected).to_string(),
                found: "a date",
            }),
            DeValue::Array(_) => visitor.visit_seq(self.list()?),
            DeValue::Table(_) => visitor.visit_map(self.table(None)?),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value.get_ref() {
            DeValue::Boolean(flag) => visitor.visit_bool(*flag),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value.get_ref() {
            DeValue::Integer(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong_type("a whole number")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong_type("a number")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value.get_ref() {
            DeValue::String(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong_type("text")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value.get_ref() {
            DeValue::String(text) => visitor.visit_enum(self.text(text)?.as_ref().into_deserializer()),
            _ => Err(self.wrong_type("text")),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.list()?)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self.table(None)?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(self.table(Some(fields))?)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match (name, self.value.get_ref()) {
            (SLOT, _) => visitor.visit_seq(SlotAccess { node: Some(self), has_sent_place: false }),
            (OR_DATE, DeValue::Datetime(date)) => visitor.visit_some(date.to_string().into_deserializer()),
            (OR_TABLE, DeValue::Table(_)) => visitor.visit_newtype_struct(self),
            (OR_TABLE, _) => visitor.visit_some(self),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

/// The name of a column in `[cleanup.references]` that TOML has taken for tables, because it is not in quotes.
fn split_name(trail: &[&str], value: &DeValue<'_>) -> Option<String> {
    let ["cleanup", "references", table] = trail else { return None };
    if table.contains('.') {
        return None;
    }
    let (mut name, mut inner) = (harmless(table), value);
    while let DeValue::Table(entries) = inner {
        let (key, value) = entries.iter().next()?;
        name = format!("{name}.{}", harmless(key.get_ref()));
        inner = value.get_ref();
    }
    (!std::ptr::eq(inner, value)).then_some(name)
}

/// Sends the place of a value, then the value itself unless it is wrong.
struct SlotAccess<'a, 'de> {
    node: Option<Node<'a, 'de>>,
    has_sent_place: bool,
}

impl<'de> SeqAccess<'de> for SlotAccess<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if !self.has_sent_place {
            self.has_sent_place = true;
            let Some(node) = &self.node else { return Ok(None) };
            let span = node.notes.place(node.value.span());
            let key = node.key.clone().map_or_else(|| span.clone(), |key| node.notes.place(key));
            let place = [key.start, key.end, span.start, span.end];
            return seed.deserialize(SeqDeserializer::new(place.into_iter())).map(Some);
        }
        let Some(node) = self.node.take() else { return Ok(None) };
        let again = Node { key: node.key.clone(), ..node };
        match seed.deserialize(node) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                again.report(&error);
                Ok(None)
            }
        }
    }
}

struct ListAccess<'a, 'de> {
    items: std::slice::Iter<'a, Spanned<DeValue<'de>>>,
    trail: Trail<'a>,
    notes: Notes<'a>,
}

impl<'de> SeqAccess<'de> for ListAccess<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(value) = self.items.next() else { return Ok(None) };
        seed.deserialize(Node { value, trail: self.trail, key: None, notes: self.notes }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

type Entry<'a, 'de> = (&'a Spanned<DeString<'de>>, &'a Spanned<DeValue<'de>>);

struct TableAccess<'a, 'de> {
    entries: std::vec::IntoIter<Entry<'a, 'de>>,
    next: Option<Entry<'a, 'de>>,
    trail: &'a Trail<'a>,
    /// The keys that the table may have; `None`: any.
    fields: Option<&'static [&'static str]>,
    notes: Notes<'a>,
}

impl TableAccess<'_, '_> {
    /// Whether the key may stand here; notes why not.
    fn admits(&self, (key, value): Entry<'_, '_>) -> bool {
        let name = key.get_ref();
        if name.contains('\0') {
            let message = format!("{} {}", quoted(name), Error::NulByte);
            self.notes.push(Problem::error("nul-byte", message).at(self.notes.place(key.span())));
            return false;
        }
        let Some(fields) = self.fields else { return true };
        if fields.contains(&name.as_ref()) {
            return true;
        }
        let describe = || suggest::unknown_key(&self.trail.keys(), name, fields, value.get_ref().is_table());
        let place = self.notes.place(key.span());
        let start = place.start;
        let describe = || describe().at(place);
        self.notes.problems.borrow_mut().push_with(Severity::Error, start, describe);
        false
    }
}

impl<'de> MapAccess<'de> for TableAccess<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        while let Some(entry) = self.entries.next() {
            if self.admits(entry) {
                self.next = Some(entry);
                return seed.deserialize(entry.0.get_ref().as_ref().into_deserializer()).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let Some((key, value)) = self.next.take() else {
            return Err(Error::Other("a value was asked for before its key".to_owned()));
        };
        let trail = Trail { above: Some(self.trail), key: key.get_ref() };
        seed.deserialize(Node { value, trail, key: Some(key.span()), notes: self.notes })
    }
}

#[cfg(test)]
mod tests;
