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

/// A [`Span`] in half of the memory: no file is as long as four gigabytes.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    end: u32,
}

impl From<&Span> for Place {
    fn from(span: &Span) -> Self {
        let short = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        Self { start: short(span.start), end: short(span.end) }
    }
}

impl From<Place> for Span {
    fn from(Place { start, end }: Place) -> Self {
        let long = |byte: u32| usize::try_from(byte).unwrap_or(usize::MAX);
        long(start)..long(end)
    }
}

/// The index behind [`PlaceOf`].
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub applications: BTreeMap<ClientId, Box<Compact>>,
    pub removed: BTreeMap<ClientId, Span>,
    pub renamed: BTreeMap<ClientId, Span>,
    /// Column and value of the items of `[policy] dynamic`.
    pub marks: Vec<(Span, Span)>,
    pub references: BTreeMap<ReferenceName, Span>,
    settings: BTreeMap<(&'static str, &'static str), Span>,
}

/// Where an application and its keys are, while it is read.
#[derive(Debug)]
pub(super) struct ApplicationPlaces {
    /// The name in `[applications.NAME]`.
    header: Place,
    client_id: Option<Place>,
    fields: Vec<(Field, FieldPlace)>,
    columns: Vec<(Box<str>, FieldPlace)>,
    /// The items of lists, in order.
    items: Vec<(Field, Place)>,
}

/// The same, as small as it can be: there may be many of them.
#[derive(Clone, Debug)]
pub(super) struct Compact {
    header: Place,
    client_id: Option<Place>,
    fields: Box<[(Field, FieldPlace)]>,
    columns: Box<[(Box<str>, FieldPlace)]>,
    items: Box<[(Field, Place)]>,
}

#[derive(Clone, Copy, Debug)]
struct FieldPlace {
    key: Place,
    value: Place,
    /// Whether it is a default's, which the application does not write itself.
    inherited: bool,
}

impl ApplicationPlaces {
    /// The places of a block of which only the header has been read.
    pub fn new(header: &Span) -> Self {
        let (fields, columns, items) = (Vec::new(), Vec::new(), Vec::new());
        Self { header: header.into(), client_id: None, fields, columns, items }
    }

    /// The client id: `client_id` if written, else the header.
    pub fn client_id(&self) -> Span {
        self.client_id.unwrap_or(self.header).into()
    }

    /// Whether a key is written.
    pub fn has(&self, attribute: &Attribute) -> bool {
        match attribute {
            Attribute::Field(field) => self.fields.iter().any(|(known, _)| known == field),
            Attribute::Column(name) => self.has_column(name),
        }
    }

    /// Whether a column is written.
    pub fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|(known, _)| **known == *name)
    }

    /// Notes where `client_id` is written.
    pub fn note_client_id(&mut self, place: &Span) {
        self.client_id = Some(place.into());
    }

    /// Notes a field or a column and gives its value back.
    pub fn note<T>(&mut self, attribute: impl Into<Attribute>, placed: Placed<T>) -> T {
        let place = FieldPlace { key: (&placed.key).into(), value: (&placed.span).into(), inherited: false };
        match attribute.into() {
            Attribute::Field(field) => self.fields.push((field, place)),
            Attribute::Column(name) => self.columns.push((name.into(), place)),
        }
        placed.value
    }

    /// Notes a list, and gives its items back.
    pub fn note_list<T>(&mut self, field: Field, list: Placed<Vec<Placed<T>>>) -> Vec<T> {
        self.items.extend(list.value.iter().map(|item| (field, Place::from(&item.span))));
        let items = self.note(field, list);
        items.into_iter().map(|item| item.value).collect()
    }

    /// Takes over where the defaults say what this application does not. Defaults are columns.
    pub fn inherit(&mut self, defaults: &Self) {
        for (name, place) in &defaults.columns {
            if !self.has_column(name) {
                self.columns.push((name.clone(), FieldPlace { inherited: true, ..*place }));
            }
        }
    }

    /// All of it has been read.
    pub fn compact(self) -> Compact {
        let Self { header, client_id, fields, columns, items } = self;
        let (fields, columns, items) = (fields.into(), columns.into(), items.into());
        Compact { header, client_id, fields, columns, items }
    }
}

impl Compact {
    /// The name in `[applications.NAME]`.
    pub fn header(&self) -> Span {
        self.header.into()
    }

    /// The client id: `client_id` if written, else the header.
    pub fn client_id(&self) -> Span {
        self.client_id.unwrap_or(self.header).into()
    }

    fn field(&self, attribute: &Attribute) -> Option<&FieldPlace> {
        match attribute {
            Attribute::Field(field) => self.fields.iter().find(|(known, _)| known == field).map(|(_, at)| at),
            Attribute::Column(name) => {
                self.columns.iter().find(|(known, _)| **known == **name).map(|(_, at)| at)
            }
        }
    }

    /// A part of the place of a field; the header where it is not written.
    fn part(&self, attribute: &Attribute, part: impl Fn(&FieldPlace) -> Place) -> Place {
        self.field(attribute).map_or(self.header, part)
    }

    fn item(&self, field: Field, index: usize) -> Option<Place> {
        self.items.iter().filter(|(known, _)| *known == field).nth(index).map(|(_, place)| *place)
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
        self.applications.get(client_id).is_some_and(|found| found.field(attribute).is_some())
    }

    /// Whether an application has the key by a default only.
    pub fn inherits(&self, client_id: &ClientId, attribute: &Attribute) -> bool {
        let application = self.applications.get(client_id);
        application.and_then(|found| found.field(attribute)).is_some_and(|place| place.inherited)
    }

    /// See [`PlaceOf`]; `None` where the file does not mention it.
    pub fn find(&self, place: PlaceOf<'_>) -> Option<Span> {
        let application = |client_id| self.applications.get(client_id);
        let span = match place {
            PlaceOf::Application(id) => return Some(application(id)?.header()),
            PlaceOf::ClientId(id) => return Some(application(id)?.client_id()),
            PlaceOf::Key(id, attribute) => {
                return Some(application(id)?.part(&attribute, |place| place.key).into());
            }
            PlaceOf::Value(id, attribute) => {
                return Some(application(id)?.part(&attribute, |place| place.value).into());
            }
            PlaceOf::Item(id, field, index) => {
                let found = application(id)?;
                let value = || found.part(&field.into(), |place| place.value);
                return Some(found.item(field, index).unwrap_or_else(value).into());
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
