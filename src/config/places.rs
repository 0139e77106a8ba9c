//! Where the file says what: for findings that are made after the text is forgotten, such as a column that this
//! database lacks or a user that does not exist.

use std::collections::BTreeMap;

use super::problem::Span;
use super::slot::Placed;
use crate::model::{Attribute, ClientId, Field};

/// Something in the file that a later stage has an opinion on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceOf<'a> {
    /// The header of a declared application.
    Application(&'a ClientId),
    /// The client id of a declared application: `client_id` if written, else the header.
    ClientId(&'a ClientId),
    /// The key of a field; the header where the field is not written.
    Key(&'a ClientId, Field),
    /// The value of a field; the header where the field is not written.
    Value(&'a ClientId, Field),
    /// The name of a column of the project's own; the header where it is not written.
    ColumnKey(&'a ClientId, &'a str),
    /// Its value; the header where it is not written.
    ColumnValue(&'a ClientId, &'a str),
    /// One item of a list, from 0; the whole value where there is no such item.
    Item(&'a ClientId, Field, usize),
    /// The client id in `[[removed]]`.
    Removed(&'a ClientId),
    /// The old client id in `[[renamed]]`.
    Renamed(&'a ClientId),
    /// The value of a key in another table: `("database", "url")`, `("database.tables", "application")`,
    /// `("policy", "max_deletes")`, `("cleanup", "only")`, …
    Setting(&'a str, &'a str),
}

/// The index behind [`PlaceOf`].
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub applications: BTreeMap<ClientId, ApplicationPlaces>,
    pub removed: BTreeMap<ClientId, Span>,
    pub renamed: BTreeMap<ClientId, Span>,
    settings: BTreeMap<(&'static str, &'static str), Span>,
}

#[derive(Clone, Debug)]
pub(super) struct ApplicationPlaces {
    /// The name in `[applications.NAME]`.
    pub header: Span,
    pub client_id: Option<Span>,
    fields: BTreeMap<Field, FieldPlace>,
    columns: BTreeMap<String, FieldPlace>,
}

#[derive(Clone, Debug)]
struct FieldPlace {
    key: Span,
    value: Span,
    items: Vec<Span>,
}

impl ApplicationPlaces {
    /// The places of a block of which only the header has been read.
    pub fn new(header: Span) -> Self {
        Self { header, client_id: None, fields: BTreeMap::new(), columns: BTreeMap::new() }
    }

    /// Whether a key is written.
    pub fn has(&self, attribute: &Attribute) -> bool {
        match attribute {
            Attribute::Field(field) => self.fields.contains_key(field),
            Attribute::Column(name) => self.columns.contains_key(name),
        }
    }

    /// Notes a column and gives its value back.
    pub fn note_column<T>(&mut self, name: &str, placed: Placed<T>) -> T {
        let place = FieldPlace { key: placed.key, value: placed.span, items: Vec::new() };
        self.columns.insert(name.to_owned(), place);
        placed.value
    }

    /// Notes a field and gives its value back.
    pub fn note<T>(&mut self, field: Field, placed: Placed<T>) -> T {
        self.fields.insert(field, FieldPlace { key: placed.key, value: placed.span, items: Vec::new() });
        placed.value
    }

    /// Notes a list, and gives its items back.
    pub fn note_list<T>(&mut self, field: Field, list: Placed<Vec<Placed<T>>>) -> Vec<T> {
        let items = list.value.iter().map(|item| item.span.clone()).collect();
        self.fields.insert(field, FieldPlace { key: list.key, value: list.span, items });
        list.value.into_iter().map(|item| item.value).collect()
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

    /// See [`PlaceOf`]; `None` where the file does not mention it.
    pub fn find(&self, place: PlaceOf<'_>) -> Option<Span> {
        let application = |client_id| self.applications.get(client_id);
        let field = |client_id, field| {
            let application = application(client_id)?;
            Some((application.fields.get(&field), &application.header))
        };
        let column = |client_id, name: &str| {
            let application = application(client_id)?;
            Some((application.columns.get(name), &application.header))
        };
        match place {
            PlaceOf::Application(id) => application(id).map(|found| found.header.clone()),
            PlaceOf::ClientId(id) => {
                application(id).map(|found| found.client_id.as_ref().unwrap_or(&found.header).clone())
            }
            PlaceOf::Key(id, which) => {
                field(id, which).map(|(found, header)| found.map_or(header, |found| &found.key).clone())
            }
            PlaceOf::Value(id, which) => {
                field(id, which).map(|(found, header)| found.map_or(header, |found| &found.value).clone())
            }
            PlaceOf::ColumnKey(id, name) => {
                column(id, name).map(|(found, header)| found.map_or(header, |found| &found.key).clone())
            }
            PlaceOf::ColumnValue(id, name) => {
                column(id, name).map(|(found, header)| found.map_or(header, |found| &found.value).clone())
            }
            PlaceOf::Item(id, which, index) => field(id, which).map(|(found, header)| {
                let item = found.map(|found| found.items.get(index).unwrap_or(&found.value));
                item.unwrap_or(header).clone()
            }),
            PlaceOf::Removed(id) => self.removed.get(id).cloned(),
            PlaceOf::Renamed(id) => self.renamed.get(id).cloned(),
            PlaceOf::Setting(table, key) => self.settings.get(&(table, key)).cloned(),
        }
    }
}
