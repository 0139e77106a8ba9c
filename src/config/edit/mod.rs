//! Changes to the text of `oauth.toml` that leave every byte alone that they are not about.
//!
//! Text in, text out. `toml_edit` says where things are; what changes is spliced into the text, so that comments,
//! order, spacing, line endings and a byte order mark survive because they are not touched (`toml_edit`'s own output
//! has other line endings than its input). New things look like their neighbours: tables with headers, dotted keys or
//! inline tables. Knows no database: what is written is an argument, and whether it is valid is the caller's to check.

mod array;
mod block;
mod outline;
mod render;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml_edit::{Document, InlineTable, Item, Value};

use self::block::{dotted_lines, free_name, header_lines, inline_entry, inline_lines, pair};
use self::outline::{Outline, Parent, Shape, indent, line_end, line_start};
use self::render::Newline;
use crate::hasher::EncodedHash;
use crate::model::{Attribute, ClientId, ColumnValue, Named, Unfilled, toml_key, toml_string, toml_value};

/// The key of an application's own columns.
const COLUMNS: &str = "columns";

/// The header of an application's own columns.
#[must_use]
pub fn columns_table(block: &str) -> String {
    format!("[applications.{}.{COLUMNS}]", toml_key(block))
}

/// A line for each column, with the value that most rows have, else the smallest that it can have.
#[must_use]
pub fn column_lines(columns: &[Unfilled]) -> String {
    let line = |column: &Unfilled| {
        let usual = column.usual().map(|value| render::column(&value));
        let value = usual.unwrap_or_else(|| column.kind.example().to_owned());
        format!("{} = {value}", toml_key(&column.name))
    };
    columns.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A value as the file can hold it. Never a secret.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    Text(String),
    /// `true` or `false`.
    Flag(bool),
    Uris(Vec<String>),
    /// `{ username = "…" }`, `{ email = "…" }`, or another column of the user table.
    User(Named),
    /// A primary key of the user table.
    UserKey(String),
    /// `{ hash = "…" }`.
    Hash(EncodedHash),
    /// Of a column of the project's own.
    Column(ColumnValue),
}

/// One line of a new table.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// A key with its value.
    Field(Attribute, Written),
    /// A comment in the place of a key that the file cannot have.
    Omitted {
        field: Attribute,
        /// What it would be, where the file may hold that.
        value: Option<Written>,
        /// Why it is not written.
        why: String,
        /// What to do about it; not for the file.
        hint: Option<String>,
    },
}

/// A new application.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub client_id: ClientId,
    /// What to write, in this order.
    pub lines: Vec<Line>,
}

/// A key of a declared application, and its new value.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    pub client_id: ClientId,
    /// Which key; added where it is not written.
    pub field: Attribute,
    pub value: Written,
}

/// What to change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Applications that the file does not declare.
    pub add: Vec<Block>,
    /// Keys of those that it does.
    pub set: Vec<Assignment>,
}

/// A changed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    pub text: String,
    /// What could not be set: the key is written in a form that a value of the new kind has no place in.
    pub left: Vec<(ClientId, Attribute)>,
}

/// Why a text cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is no TOML.
    #[error("the file cannot be edited, because it is not TOML")]
    Syntax(#[source] toml_edit::TomlError),
    /// `applications` is something else than a table.
    #[error("`applications` is not a table")]
    NotATable,
}

/// Makes the changes. The caller reads the result as it reads any file, before it is written. `variables`: those that the
/// file uses, with their values; a list keeps an item that has a wanted value by a variable.
///
/// # Errors
/// [`EditError`]; the text is not half changed.
pub fn edit(text: &str, changes: Changes, variables: &BTreeMap<String, String>) -> Result<Edited, EditError> {
    let document = Document::parse(text).map_err(EditError::Syntax)?;
    let outline = Outline::of(&document, variables).ok_or(EditError::NotATable)?;
    let mut editor = Editor {
        text,
        variables,
        outline,
        newline: Newline::of(text),
        splices: Vec::new(),
        left: Vec::new(),
    };
    editor.set(&changes.set);
    editor.add(changes.add);
    Ok(editor.finish())
}

/// A part of a text, and what takes its place.
type Splice = (Range<usize>, String);

/// The text with its parts replaced. What is put at the same place stays in its order.
fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (range, with) in &splices {
        out.push_str(text.get(done..range.start).unwrap_or_default());
        out.push_str(with);
        done = done.max(range.end);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

struct Editor<'t, 'd> {
    text: &'t str,
    variables: &'t BTreeMap<String, String>,
    outline: Outline<'d>,
    newline: Newline,
    splices: Vec<Splice>,
    left: Vec<(ClientId, Attribute)>,
}

impl Editor<'_, '_> {
    fn finish(self) -> Edited {
        Edited { text: spliced(self.text, self.splices), left: self.left }
    }

    fn insert(&mut self, at: usize, text: String) {
        self.splices.push((at..at, text));
    }

    /// Puts lines where a line ends.
    fn insert_lines(&mut self, at: usize, lines: &[String]) {
        let newline = self.newline.text();
        let joined = lines.join(newline);
        let text = if self.text.get(..at).unwrap_or_default().ends_with('\n') {
            format!("{joined}{newline}")
        } else {
            format!("{newline}{joined}")
        };
        self.insert(at, text);
    }

    fn set(&mut self, assignments: &[Assignment]) {
        let mut missing: BTreeMap<usize, Vec<(&Attribute, &Written)>> = BTreeMap::new();
        let apps = self.outline.apps.iter().enumerate();
        let positions: BTreeMap<String, usize> =
            apps.map(|(position, app)| (app.client_id.clone(), position)).collect();
        for Assignment { client_id, field, value } in assignments {
            let Some(&position) = positions.get(client_id.as_str()) else { continue };
            let Some(item) = self.outline.apps[position].entry(field) else {
                missing.entry(position).or_default().push((field, value));
                continue;
            };
            match self.replacement(item, value) {
                Some(splice) => self.splices.push(splice),
                None => self.left.push((client_id.clone(), field.clone())),
            }
        }
        for (position, fields) in missing {
            self.add_fields(position, &fields);
        }
    }

    /// The value of a key, replaced as narrowly as its form allows.
    fn replacement(&self, item: &Item, value: &Written) -> Option<Splice> {
        let inner = match value {
            Written::User(Named { column, value: _ }) => column.as_str(),
            Written::Hash(_) => "hash",
            _ => "",
        };
        let inner = item.as_table_like().and_then(|table| table.get(inner)).and_then(Item::span);
        let plain = match (item, value) {
            (_, Written::User(named)) if inner.is_some() => return Some((inner?, toml_value(&named.value))),
            (_, Written::Hash(hash)) => return Some((inner?, toml_string(hash.as_str()))),
            (Item::Value(Value::InlineTable(table)), _) if table.is_dotted() => return None,
            (Item::Value(plain), _) => plain,
            _ => return None,
        };
        let span = plain.span()?;
        let text = self.text.get(span.clone())?;
        let rendered = match (value, plain) {
            (Written::Uris(uris), Value::Array(_)) => {
                array::merged(text, uris, self.newline, self.variables)?
            }
            (value, _) => render::on_one_line(value),
        };
        Some((span, rendered))
    }

    fn add_fields(&mut self, position: usize, fields: &[(&Attribute, &Written)]) {
        let (columns, fields): (Vec<_>, Vec<_>) =
            fields.iter().copied().partition(|(key, _)| matches!(key, Attribute::Column(_)));
        let left = self.add_columns(position, columns);
        let fields: Vec<(&Attribute, &Written)> = fields.into_iter().chain(left).collect();
        if fields.is_empty() {
            return;
        }
        let app = &self.outline.apps[position];
        let entries: Vec<String> = if app.shape == Shape::Inline {
            fields.iter().map(|(field, value)| pair("", field, value)).collect()
        } else {
            let (prefix, newline) = (app.key_prefix(self.text), self.newline);
            let value = |value| render::value(value, indent(&prefix), newline);
            fields
                .iter()
                .map(|(field, written)| format!("{prefix}{} = {}", field.in_file(), value(written)))
                .collect()
        };
        let end = app.last_direct_entry();
        match (&app.shape, app.item) {
            (Shape::Inline, Item::Value(Value::InlineTable(table))) => {
                let splice = into_inline(self.text, table, &entries);
                self.splices.extend(splice);
            }
            // `applications = { web.name = "…" }`.
            _ if app.is_inside_inline => {
                let entries: Vec<String> = fields
                    .iter()
                    .map(|(field, value)| pair(&format!("{}.", toml_key(app.block)), field, value))
                    .collect();
                let at = app.extent.end;
                self.insert(at, format!(", {}", entries.join(", ")));
            }
            _ => self.insert_lines(line_end(self.text, end), &entries),
        }
    }

    /// Puts columns into `columns = { … }` or under `[applications.x.columns]`, where there is such a thing; returns
    /// those that are to be dotted keys beside the others.
    fn add_columns<'a>(
        &mut self,
        position: usize,
        columns: Vec<(&'a Attribute, &'a Written)>,
    ) -> Vec<(&'a Attribute, &'a Written)> {
        let table = self.outline.apps[position].item.as_table_like().and_then(|table| table.get(COLUMNS));
        let entries = || -> Vec<String> {
            let entry = |(attribute, value): &(&Attribute, &Written)| {
                format!("{} = {}", toml_key(attribute.column()), render::on_one_line(value))
            };
            columns.iter().map(entry).collect()
        };
        match table {
            _ if columns.is_empty() => Vec::new(),
            Some(Item::Value(Value::InlineTable(table))) if !table.is_dotted() => {
                let splice = into_inline(self.text, table, &entries());
                self.splices.extend(splice);
                Vec::new()
            }
            Some(Item::Table(table)) if !table.is_dotted() => {
                let header = table.span().map_or(0, |span| span.start);
                let indentation = indent(self.text.get(line_start(self.text, header)..).unwrap_or_default());
                let lines: Vec<String> =
                    entries().iter().map(|entry| format!("{indentation}{entry}")).collect();
                let end = outline::end_of_table(table);
                self.insert_lines(line_end(self.text, end), &lines);
                Vec::new()
            }
            _ => columns,
        }
    }

    /// There may be very many: each is forgotten as soon as its text is made.
    fn add(&mut self, blocks: Vec<Block>) {
        if blocks.is_empty() {
            return;
        }
        let mut taken: BTreeSet<String> = self.outline.apps.iter().map(|app| app.block.to_owned()).collect();
        let named =
            blocks.into_iter().map(move |block| (free_name(block.client_id.as_str(), &mut taken), block));
        if let Parent::Inline(table) = self.outline.parent {
            let entries: Vec<String> = named.map(|(name, block)| inline_entry(&name, &block)).collect();
            self.splices.extend(into_inline(self.text, table, &entries));
            return;
        }
        let newline = self.newline;
        match self.outline.last().map(|app| (app.shape, app.extent.end, app.block_prefix(self.text))) {
            Some((Shape::Header, end, prefix)) => {
                let at = outline::end_of_block(self.text, end);
                self.insert_headers(at, named, &prefix);
            }
            Some((shape, end, prefix)) => {
                let render = |(name, block): (String, Block)| match shape {
                    Shape::Dotted => dotted_lines(&prefix, &name, &block, newline),
                    _ => inline_lines(&prefix, &name, &block),
                };
                let lines: Vec<String> = named.flat_map(render).collect();
                self.insert_lines(outline::end_of_block(self.text, end), &lines);
            }
            None => {
                let at = match self.outline.parent {
                    Parent::Table { end } => outline::end_of_block(self.text, end),
                    _ => self.text.len(),
                };
                self.insert_headers(at, named, "");
            }
        }
    }

    /// Tables with headers, set off by blank lines.
    fn insert_headers(&mut self, at: usize, named: impl Iterator<Item = (String, Block)>, indentation: &str) {
        let newline = self.newline.text();
        let (before, after) =
            (self.text.get(..at).unwrap_or_default(), self.text.get(at..).unwrap_or_default());
        let before = before.trim_start_matches('\u{feff}');
        let keys = self.outline.last().map_or(String::new(), |app| app.key_indentation(self.text));
        let mut text = String::new();
        if !before.is_empty() && !before.ends_with('\n') {
            text.push_str(newline);
        }
        let is_set_off = before.is_empty() || line_is_blank(before);
        if !is_set_off {
            text.push_str(newline);
        }
        for (position, (name, block)) in named.enumerate() {
            if position > 0 {
                text.push_str(newline);
            }
            for line in header_lines(&name, &block, indentation, &keys, self.newline) {
                text.push_str(&line);
                text.push_str(newline);
            }
        }
        let next = after.split_inclusive('\n').next().unwrap_or_default();
        if !next.trim().is_empty() {
            text.push_str(newline);
        }
        self.insert(at, text);
    }
}

/// Whether the last line of a text is blank.
fn line_is_blank(text: &str) -> bool {
    text.ends_with('\n')
        && text.trim_end_matches([' ', '\t', '\r', '\n']).len() < line_start(text, text.len() - 1)
        || text.trim().is_empty()
}

/// Puts entries at the end of an inline table.
fn into_inline(text: &str, table: &InlineTable, entries: &[String]) -> Option<Splice> {
    if let Some(end) = outline::end_of_entries(table) {
        return Some((end..end, format!(", {}", entries.join(", "))));
    }
    let span = table.span()?;
    // A comment may stand between the braces: it stays.
    let closing = text.get(span.clone())?.rfind('}')? + span.start;
    Some((closing..closing, format!(" {} ", entries.join(", "))))
}
