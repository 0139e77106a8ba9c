//! Where the applications of a parsed file are, and what they look like. Changes nothing.

use std::collections::BTreeMap;
use std::ops::Range;

use toml_edit::{Document, InlineTable, Item, Key, TableLike, Value};

use super::COLUMNS;
use crate::config::variables::resolved;
use crate::model::{Attribute, toml_key};

/// How an application is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `[applications.web]`.
    Header,
    /// `web.name = "…"`.
    Dotted,
    /// `web = { name = "…" }`.
    Inline,
}

/// What holds the applications.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parent<'d> {
    Absent,
    /// A table, which ends here.
    Table {
        end: usize,
    },
    /// `applications = { … }`.
    Inline(&'d InlineTable),
}

/// An application as the file writes it.
#[derive(Debug)]
pub(super) struct App<'d> {
    /// The name of its table.
    pub block: &'d str,
    pub client_id: String,
    pub item: &'d Item,
    /// How it is written.
    pub shape: Shape,
    /// From its first key to its last value, tables beneath it included.
    pub extent: Range<usize>,
    /// Whether it is part of `applications = { … }`.
    pub is_inside_inline: bool,
    /// Whether its keys begin with `applications.`.
    is_below_dotted: bool,
    key: &'d Key,
}

#[derive(Debug)]
pub(super) struct Outline<'d> {
    pub apps: Vec<App<'d>>,
    pub parent: Parent<'d>,
}

impl<'d> Outline<'d> {
    /// `None`: `applications` is no table.
    pub fn of<S>(document: &'d Document<S>, variables: &BTreeMap<String, String>) -> Option<Self> {
        let Some((key, item)) = document.as_table().get_key_value("applications") else {
            return Some(Self { apps: Vec::new(), parent: Parent::Absent });
        };
        let (parent, is_below_dotted) = match item {
            Item::Table(table) => (Parent::Table { end: extent(key, item).end }, table.is_dotted()),
            Item::Value(Value::InlineTable(table)) if table.is_dotted() => {
                (Parent::Table { end: extent(key, item).end }, true)
            }
            Item::Value(Value::InlineTable(table)) => (Parent::Inline(table), false),
            _ => return None,
        };
        let is_inside_inline = matches!(parent, Parent::Inline(_));
        let table = item.as_table_like()?;
        let apps = table.iter().filter_map(|(block, item)| {
            let (key, shape) = (table.key(block)?, shape(item)?);
            let client_id = item.as_table_like()?.get("client_id").and_then(Item::as_str).unwrap_or(block);
            let (client_id, extent) = (resolved(client_id, variables).into_owned(), extent(key, item));
            Some(App { block, client_id, item, shape, extent, is_inside_inline, is_below_dotted, key })
        });
        Some(Self { apps: apps.collect(), parent })
    }

    /// The application that ends last.
    pub fn last(&self) -> Option<&App<'d>> {
        self.apps.iter().max_by_key(|app| app.extent.end)
    }
}

fn shape(item: &Item) -> Option<Shape> {
    match item {
        Item::Table(table) if table.is_dotted() => Some(Shape::Dotted),
        Item::Table(_) => Some(Shape::Header),
        Item::Value(Value::InlineTable(table)) if table.is_dotted() => Some(Shape::Dotted),
        Item::Value(Value::InlineTable(_)) => Some(Shape::Inline),
        _ => None,
    }
}

impl<'d> App<'d> {
    fn table(&self) -> Option<&'d dyn TableLike> {
        self.item.as_table_like()
    }

    /// What is written for a key.
    pub fn entry(&self, attribute: &Attribute) -> Option<&'d Item> {
        match attribute {
            Attribute::Field(field) => self.table()?.get(field.key()),
            Attribute::Column(name) => self.table()?.get(COLUMNS)?.as_table_like()?.get(name),
        }
    }

    /// The keys that stand in the table itself and not under a header of their own.
    fn direct_entries(&self) -> impl Iterator<Item = (&'d Key, &'d Item)> {
        let entries = self
            .table()
            .into_iter()
            .flat_map(|table| table.iter().filter_map(move |(name, item)| Some((table.key(name)?, item))));
        entries.filter(|(_, item)| {
            !matches!(item, Item::Table(table) if !table.is_dotted()) && !item.is_array_of_tables()
        })
    }

    /// Where the last of them ends; else where the header does.
    pub fn last_direct_entry(&self) -> usize {
        let entries = self.direct_entries().map(|(key, item)| extent(key, item).end);
        let header = self.item.as_table().filter(|table| !table.is_dotted()).and_then(toml_edit::Table::span);
        let header = header.map(|span| span.end).or_else(|| self.key.span().map(|span| span.end));
        entries.max().or(header).unwrap_or(self.extent.end)
    }

    /// What stands before a key of it on the same line.
    pub fn key_prefix(&self, text: &str) -> String {
        let direct = self.direct_entries().filter(|(_, item)| item.is_value());
        let last = direct.filter_map(|(key, _)| key.span()).max_by_key(|span| span.start);
        if let Some(span) = last {
            return text.get(line_start(text, span.start)..span.start).unwrap_or_default().to_owned();
        }
        match self.shape {
            Shape::Dotted => format!("{}{}.", self.block_prefix(text), toml_key(self.block)),
            Shape::Header | Shape::Inline => self.block_prefix(text),
        }
    }

    /// What stands before its name on the same line; for a header, before the bracket.
    pub fn block_prefix(&self, text: &str) -> String {
        let start = line_start(text, self.extent.start);
        let indentation = indent(text.get(start..).unwrap_or_default());
        let path = if self.is_below_dotted && self.shape != Shape::Header { "applications." } else { "" };
        format!("{indentation}{path}")
    }

    /// The indentation of its keys under a header.
    pub fn key_indentation(&self, text: &str) -> String {
        let direct = self.direct_entries().filter_map(|(key, _)| key.span()).min_by_key(|span| span.start);
        let start = line_start(text, direct.map_or(self.extent.start, |span| span.start));
        indent(text.get(start..).unwrap_or_default()).to_owned()
    }
}

/// From the key to the end of everything beneath it.
fn extent(key: &Key, item: &Item) -> Range<usize> {
    let mut range = key.span().unwrap_or_default();
    stretch(&mut range, item);
    range
}

fn stretch(range: &mut Range<usize>, item: &Item) {
    if let Some(span) = item.span() {
        range.end = range.end.max(span.end);
        // A header begins before its key.
        range.start = range.start.min(span.start);
    }
    if let Some(table) = item.as_table_like() {
        for (name, item) in table.iter() {
            if let Some(span) = table.key(name).and_then(Key::span) {
                range.end = range.end.max(span.end);
            }
            stretch(range, item);
        }
    } else if let Some(tables) = item.as_array_of_tables() {
        for table in tables {
            range.end = range.end.max(table.span().map_or(0, |span| span.end));
            for (_, item) in table {
                stretch(range, item);
            }
        }
    }
}

/// Where the last entry of a table ends, or its header.
pub(super) fn end_of_table(table: &toml_edit::Table) -> usize {
    let mut range = table.span().unwrap_or_default();
    for (name, item) in table {
        range.end = range.end.max(table.key(name).map_or(0, |key| extent(key, item).end));
    }
    range.end
}

/// Where the last entry of an inline table ends; `None`: it is empty.
pub(super) fn end_of_entries(table: &InlineTable) -> Option<usize> {
    let mut range = 0..0;
    for (_, value) in table {
        stretch(&mut range, &Item::Value(value.clone()));
    }
    (range.end > 0).then_some(range.end)
}

/// The white space that a line begins with.
pub(super) fn indent(line: &str) -> &str {
    let end = line.find(|c| c != ' ' && c != '\t').unwrap_or(line.len());
    line.get(..end).unwrap_or_default()
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    if start == 0 && text.starts_with('\u{feff}') { '\u{feff}'.len_utf8().min(at) } else { start }
}

/// Behind the line break of the line that the byte is on.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |newline| at + newline + 1)
}

/// Behind the line of the last value and the comments that follow it at once, unless these introduce what comes next.
pub(super) fn end_of_block(text: &str, last_value: usize) -> usize {
    let end = line_end(text, last_value);
    let mut at = end;
    for line in text.get(end..).unwrap_or_default().split_inclusive('\n') {
        match line.trim_start().chars().next() {
            Some('#') => at += line.len(),
            Some(_) => return end,
            None => return at,
        }
    }
    at
}
