//! Where the file says what: for findings that are made after the text is forgotten, such as a column that this
//! database lacks or a user that does not exist.

use std::collections::BTreeMap;

use super::problem::Span;
use super::slot::Placed;
use crate::model::{Attribute, ClientId, Field, ReferenceName};

/// Something in the file that a later stage has an opinion on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceOf<'a> {
    /// The header of a declared application.
    Application(&'a ClientId),
    /// The client id of a declared application: `client_id` if written, else the header.
    ClientId(&'a ClientId),
    /// The key of a field or a column; the header where it is not written.
    Key(&'a ClientId, Attribute),
    /// The value of a field or a column; the header where it is not written.
    Value(&'a ClientId, Attribute),
    /// One item of a list, from 0; the whole value where there is no such item.
    Item(&'a ClientId, Field, usize),
    /// The client id in `[[removed]]`.
    Removed(&'a ClientId),
    /// The old client id in `[[renamed]]`.
    Renamed(&'a ClientId),
    /// The column of an item of `[policy] dynamic`, from 0.
    MarkColumn(usize),
    MarkValue(usize),
    /// The value of a key in another table: `("database", "url")`, `("database.tables", "application")`,
    /// `("policy", "max_deletes")`, `("cleanup", "only")`, …
    Setting(&'a str, &'a str),
    /// The key of a column in `[cleanup.references]`.
    Reference(&'a ReferenceName),
}

/// The index behind [`PlaceOf`].
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub applications: BTreeMap<ClientId, ApplicationPlaces>,
    pub removed: BTreeMap<ClientId, Span>,
    pub renamed: BTreeMap<ClientId, Span>,
    /// Column and value of the items of `[policy] dynamic`.
    pub marks: Vec<(Span, Span)>,
    pub references: BTreeMap<ReferenceName, Span>,
    settings: BTreeMap<(&'static str, &'static str), Span>,
}

#[derive(Clone, Debug)]
pub(super) struct ApplicationPlaces {
    /// The name in `[applications.NAME]`.
    pub header: Span,
    pub client_id: Option<Span>,
    fields: BTreeMap<Attribute, FieldPlace>,
}

#[derive(Clone, Debug)]
struct FieldPlace {
    key: Span,
    value: Span,
    items: Vec<Span>,
    /// Whether it is a default's, which the application does not write itself.
    inherited: bool,
}

impl ApplicationPlaces {
    /// The places of a block of which only the header has been read.
    pub fn new(header: Span) -> Self {
        Self { header, client_id: None, fields: BTreeMap::new() }
    }

    /// Whether a key is written.
    pub fn has(&self, attribute: &Attribute) -> bool {
        self.fields.contains_key(attribute)
    }

    /// Notes a field or a column and gives its value back.
    pub fn note<T>(&mut self, attribute: impl Into<Attribute>, placed: Placed<T>) -> T {
        let place = FieldPlace { key: placed.key, value: placed.span, items: Vec::new(), inherited: false };
        self.fields.insert(attribute.into(), place);
        placed.value
    }

    /// Notes a list, and gives its items back.
    pub fn note_list<T>(&mut self, field: Field, list: Placed<Vec<Placed<T>>>) -> Vec<T> {
        let items = list.value.iter().map(|item| item.span.clone()).collect();
        let place = FieldPlace { key: list.key, value: list.span, items, inherited: false };
        self.fields.insert(field.into(), place);
        list.value.into_iter().map(|item| item.value).collect()
    }

    /// Takes over where the defaults say what this application does not.
    pub fn inherit(&mut self, defaults: &Self) {
        for (attribute, place) in &defaults.fields {
            let inherited = || FieldPlace { inherited: true, ..place.clone() };
            self.fields.entry(attribute.clone()).or_insert_with(inherited);
        }
    }

    /// A part of the place of a field; the header where it is not written.
    fn part(&self, attribute: &Attribute, part: impl Fn(&FieldPlace) -> &Span) -> &Span {
        self.fields.get(attribute).map_or(&self.header, part)
    }
}

impl Places {
    /// Notes a setting and gives its value back.
    pub fn note<T>(&mut self, table: &'static str, key: &'static str, placed: Placed<T>) -> T {
        self.settings.insert((table, key), placed.span);
        placed.value
    }

    /// Whether an application has the key.
    pub fn has(&self, client_id: &ClientId, attribute: &Attribute) -> bool {
        self.applications.get(client_id).is_some_and(|application| application.has(attribute))
    }

    /// Whether an application has the key by a default only.
    pub fn inherits(&self, client_id: &ClientId, attribute: &Attribute) -> bool {
        let application = self.applications.get(client_id);
        application.and_then(|found| found.fields.get(attribute)).is_some_and(|place| place.inherited)
    }

    /// See [`PlaceOf`]; `None` where the file does not mention it.
    pub fn find(&self, place: PlaceOf<'_>) -> Option<Span> {
        let application = |client_id| self.applications.get(client_id);
        let span = match place {
            PlaceOf::Application(id) => &application(id)?.header,
            PlaceOf::ClientId(id) => {
                let found = application(id)?;
                found.client_id.as_ref().unwrap_or(&found.header)
            }
            PlaceOf::Key(id, attribute) => application(id)?.part(&attribute, |place| &place.key),
            PlaceOf::Value(id, attribute) => application(id)?.part(&attribute, |place| &place.value),
            PlaceOf::Item(id, field, index) => {
                application(id)?.part(&field.into(), |place| place.items.get(index).unwrap_or(&place.value))
            }
            PlaceOf::Removed(id) => self.removed.get(id)?,
            PlaceOf::Renamed(id) => self.renamed.get(id)?,
            PlaceOf::MarkColumn(position) => &self.marks.get(position)?.0,
            PlaceOf::MarkValue(position) => &self.marks.get(position)?.1,
            PlaceOf::Setting(table, key) => self.settings.get(&(table, key))?,
            PlaceOf::Reference(name) => self.references.get(name)?,
        };
        Some(span.clone())
    }
}
