//! A value of the file together with its place, and with the possibility that it is wrong.
//!
//! `Slot` is what lets one run find every problem: a field that does not deserialise is noted by the reader and
//! becomes [`Slot::Invalid`], and the struct around it lives on. It deserialises from `reader` only.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::problem::Span;

/// The newtype name by which the reader recognises a slot.
pub(super) const SLOT: &str = "$oauthctl::Slot";

/// A field of a section.
#[derive(Clone, Debug, Default)]
pub(super) enum Slot<T> {
    #[default]
    Absent,
    /// Written, but wrong; the problem is noted.
    Invalid,
    /// Written and well formed.
    Present(Placed<T>),
}

/// A list in which each item has its place.
pub(super) type List<T> = Slot<Vec<Slot<T>>>;

/// A value and where it is.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    /// The key; for an item of a list, the item itself.
    pub key: Span,
    /// The value; for a `[table]`, its header.
    pub span: Span,
    /// What is there.
    pub value: T,
}

impl<T> Placed<T> {
    /// The same place with another value.
    pub fn with<U>(&self, value: U) -> Placed<U> {
        Placed { key: self.key.clone(), span: self.span.clone(), value }
    }

    /// The value elsewhere in the pipeline, at the same place.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { key: self.key, span: self.span, value: convert(self.value) }
    }
}

impl<T> Slot<T> {
    /// Whether the file says nothing, right or wrong.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value and its place, if there is a good one.
    pub fn present(self) -> Option<Placed<T>> {
        match self {
            Self::Present(placed) => Some(placed),
            Self::Absent | Self::Invalid => None,
        }
    }

    /// The value alone, if there is a good one.
    pub fn value(self) -> Option<T> {
        self.present().map(|placed| placed.value)
    }
}

impl<T> List<T> {
    /// The good items and the place of the whole.
    pub fn items(self) -> Option<Placed<Vec<Placed<T>>>> {
        let list = self.present()?;
        Some(list.map(|items| items.into_iter().filter_map(Slot::present).collect()))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Slot<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SLOT, SlotVisitor(PhantomData))
    }
}

struct SlotVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SlotVisitor<T> {
    type Value = Slot<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with a place")
    }

    /// The reader sends the place, then the value; a value that was wrong is not sent.
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Slot<T>, A::Error> {
        let Some((key_start, key_end, start, end)) = parts.next_element()? else { return Ok(Slot::Invalid) };
        Ok(match parts.next_element()? {
            Some(value) => Slot::Present(Placed { key: key_start..key_end, span: start..end, value }),
            None => Slot::Invalid,
        })
    }
}

impl<T: JsonSchema> JsonSchema for Slot<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}
