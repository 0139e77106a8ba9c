//! The rows as they would be, as a query: what the plan gives, what the rows have, and the defaults.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::catalogue::Column;
use crate::db::applications::filled_here;
use crate::db::layout::Table;
use crate::model::printable::{literal, quote};
use crate::model::{ClientId, Field, Key, announces_secret};

/// The number of a row in the query's answers.
pub(super) const NUMBER: &str = "\"oauthctl n\"";
/// The rows in the query.
pub(super) const ROWS: &str = "\"oauthctl rows\"";

/// A row that a plan creates or changes. A plan may have very many, so its cells are asked for when they are needed.
pub trait PlannedRow {
    /// Its client id afterwards.
    fn client_id(&self) -> &ClientId;

    /// The row that is there; `None`: it is new.
    fn key(&self) -> Option<&Key>;

    /// What the plan writes into its columns, each of them once.
    fn cells(&self) -> impl Iterator<Item = (&str, PlannedCell<'_>)>;

    /// What the plan writes into a column; `None`: nothing.
    fn cell(&self, column: &str) -> Option<PlannedCell<'_>> {
        self.cells().find(|(name, _)| *name == column).map(|(_, cell)| cell)
    }
}

/// What a plan writes into a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlannedCell<'a> {
    Null,
    /// Text that PostgreSQL casts.
    Text(&'a str),
    /// These, with a space between two.
    Words(&'a [String]),
    /// Not known yet: a secret.
    Unknown,
}

impl PlannedCell<'_> {
    const fn kind(self) -> CellKind {
        match self {
            Self::Null => CellKind::Null,
            Self::Text(_) | Self::Words(_) => CellKind::Value,
            Self::Unknown => CellKind::Unknown,
        }
    }
}

/// What can be said of a cell without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum CellKind {
    Null,
    Value,
    Unknown,
}

/// What rows have in common that fill the same columns: of all of them the same is unknown, and the same is NULL.
struct Shape<'a> {
    /// The number of the first one.
    first: i64,
    /// The columns that the plan writes.
    given: BTreeSet<&'a str>,
    /// The columns whose values are not known yet.
    unknown: BTreeSet<&'a str>,
}

/// The rows, and what is needed to ask about them.
pub(super) struct Rows<'a, R> {
    table: &'a Table,
    columns: &'a [Column],
    planned: &'a [R],
    shapes: Vec<Shape<'a>>,
    /// The position of each row's shape.
    shape_of: Vec<usize>,
}

impl<'a, R: PlannedRow> Rows<'a, R> {
    /// Finds the columns that are not known.
    pub fn new(table: &'a Table, columns: &'a [Column], planned: &'a [R]) -> Self {
        let (mut shapes, mut positions) = (Vec::new(), HashMap::new());
        let shape_of = (1..).zip(planned).map(|(first, row)| {
            let cells: Vec<(&str, CellKind)> = row.cells().map(|(name, cell)| (name, cell.kind())).collect();
            *positions.entry((row.key().is_none(), cells)).or_insert_with_key(|(_, cells)| {
                let given = cells.iter().map(|(name, _)| *name).collect();
                shapes.push(Shape { first, given, unknown: unknown(table, columns, row) });
                shapes.len() - 1
            })
        });
        let shape_of = shape_of.collect();
        Self { table, columns, planned, shapes, shape_of }
    }

    /// The numbers of the rows, from 1, for which something holds.
    pub fn numbers(&self, is_asked: impl Fn(&R) -> bool) -> Vec<i64> {
        (1..).zip(self.planned).filter(|(_, row)| is_asked(row)).map(|(number, _)| number).collect()
    }

    /// A row of each shape.
    pub fn samples(&self) -> Vec<i64> {
        self.shapes.iter().map(|shape| shape.first).collect()
    }

    /// The rows that have the shape of this one.
    pub fn alike(&self, number: i64) -> impl Iterator<Item = i64> {
        let shape = position(number).and_then(|position| self.shape_of.get(position));
        (1..).zip(&self.shape_of).filter(move |(_, other)| Some(*other) == shape).map(|(number, _)| number)
    }

    /// The planned row of a number.
    pub fn row(&self, number: i64) -> Option<&'a R> {
        self.planned.get(position(number)?)
    }

    /// Whether it is known what a row will hold in a column.
    pub fn knows(&self, number: i64, column: &str) -> bool {
        let shape = position(number).and_then(|position| self.shape_of.get(position));
        shape.and_then(|shape| self.shapes.get(*shape)).is_some_and(|shape| !shape.unknown.contains(column))
    }

    /// `WITH …`, over the parameter `$1`, with these columns.
    pub fn sql(&self, columns: &[String]) -> String {
        let plain = self.plain(columns);
        let chosen = |column: &&Column| {
            if column.generated { columns.contains(&column.name) } else { plain.contains(&column.name) }
        };
        let columns: Vec<&Column> = self.columns.iter().filter(chosen).collect();
        let is_given = |column: &str| self.shapes.iter().any(|shape| shape.given.contains(column));
        sql(self.table, &columns, is_given)
    }

    /// That parameter: these rows as JSON, with their numbers.
    pub fn json(&self, numbers: &[i64], columns: &[String]) -> String {
        let plain = self.plain(columns);
        as_json(numbers.iter().filter_map(|number| Some((*number, self.row(*number)?))), &plain)
    }

    /// The same columns, with those that a generated one is computed from in its place.
    pub fn plain(&self, columns: &[String]) -> Vec<String> {
        let mut plain: Vec<String> = Vec::new();
        for name in columns {
            let found = self.columns.iter().find(|column| column.generated && column.name == *name);
            let from: Vec<String> =
                found.map_or_else(|| vec![name.clone()], |column| column.from.iter().cloned().collect());
            plain.extend(from.into_iter().filter(|from| !plain.contains(from)).collect::<Vec<_>>());
        }
        plain
    }

    /// A text array of what a row holds in these columns, shortened; NULL where that is a secret.
    pub fn values(&self, columns: &[String]) -> String {
        let values = columns.iter().map(|column| {
            if self.hides(column) { "NULL".to_owned() } else { format!("left({}::text, 80)", quote(column)) }
        });
        format!("ARRAY[{}]::text[]", values.collect::<Vec<_>>().join(", "))
    }

    /// Whether a column holds a secret, by its name and its type.
    pub fn hides(&self, column: &str) -> bool {
        let is_text = |found: &Column| {
            !matches!(found.base.as_str(), "boolean" | "smallint" | "integer" | "bigint")
                && !found.base.starts_with("timestamp")
        };
        // A key set may hold a private key, also where only its beginning is shown.
        if column == Field::ClientJwks.column() {
            return true;
        }
        announces_secret(column) && self.columns.iter().find(|found| found.name == column).is_none_or(is_text)
    }
}

fn position(number: i64) -> Option<usize> {
    usize::try_from(number - 1).ok()
}

/// Rows with their numbers as a JSON array. Only one at a time is a value: all of them would take ten times the memory.
fn as_json<'a, R: PlannedRow + 'a>(rows: impl Iterator<Item = (i64, &'a R)>, columns: &[String]) -> String {
    let mut array = String::from("[");
    for (number, row) in rows {
        if array.len() > 1 {
            array.push(',');
        }
        array += &as_object(number, row, columns).to_string();
    }
    array + "]"
}

fn as_object(number: i64, row: &impl PlannedRow, columns: &[String]) -> Value {
    let sent = row.cells().filter(|(name, _)| columns.iter().any(|column| column == name));
    let cells: serde_json::Map<String, Value> = sent
        .map(|(name, cell)| {
            let value = match cell {
                PlannedCell::Null | PlannedCell::Unknown => Value::Null,
                PlannedCell::Text(text) => Value::from(text),
                PlannedCell::Words(words) => Value::from(words.join(" ")),
            };
            (name.to_owned(), value)
        })
        .collect();
    json!({ "n": number, "key": row.key().map(Key::as_str), "cells": cells })
}

/// What PostgreSQL or DOT's default puts into a column of a new row; `None`: not known.
fn default(table: &Table, column: &Column) -> Option<String> {
    let here = table.columns.get(&column.name).and_then(|found| filled_here(table, found));
    match here {
        Some(_) if column.name == table.key => None,
        Some(value) => Some(value.to_owned()),
        None if column.made => None,
        None => Some(column.expression.clone().unwrap_or_else(|| "NULL".to_owned())),
    }
}

fn unknown<'a>(table: &Table, columns: &'a [Column], row: &impl PlannedRow) -> BTreeSet<&'a str> {
    let (generated, plain): (Vec<&Column>, Vec<&Column>) =
        columns.iter().partition(|column| column.generated);
    let is_unknown = |column: &&Column| match row.cell(&column.name) {
        Some(cell) => cell == PlannedCell::Unknown,
        None if row.key().is_some() => !table.reads(&column.name),
        None => default(table, column).is_none(),
    };
    let mut unknown: BTreeSet<&str> =
        plain.into_iter().filter(is_unknown).map(|column| column.name.as_str()).collect();
    let computed =
        generated.into_iter().filter(|column| column.from.iter().any(|from| unknown.contains(from.as_str())));
    let computed: Vec<&str> = computed.map(|column| column.name.as_str()).collect();
    unknown.extend(computed);
    unknown
}

/// All rows at once, under the columns' own names and types; domains are left to their CHECKs. `is_given`: whether a row
/// gives a value to a column.
fn sql(table: &Table, columns: &[&Column], is_given: impl Fn(&str) -> bool) -> String {
    let plain = columns.iter().filter(|column| !column.generated).map(|column| {
        let Column { name, base, collation, .. } = column;
        let (name, text) = (quote(name), literal(name));
        let stored = match column.name.as_str() {
            // Django's auto_now, as the UPDATE has it.
            "updated" => "now()".to_owned(),
            withheld if !table.reads(withheld) => "NULL".to_owned(),
            _ => format!("t.{name}"),
        };
        let new = default(table, column).unwrap_or_else(|| "NULL".to_owned());
        let given = if is_given(&column.name) {
            format!("WHEN jsonb_exists(w.cells, {text}) THEN (w.cells ->> {text})::{base} ")
        } else {
            String::new()
        };
        let collation = collation.as_ref().map(|collation| format!(" COLLATE {collation}"));
        format!(
            ", (CASE {given}WHEN w.key IS NULL THEN ({new})::{base} ELSE ({stored})::{base} END){} AS {name}",
            collation.unwrap_or_default()
        )
    });
    let generated: Vec<String> = columns
        .iter()
        .filter(|column| column.generated)
        .filter_map(|Column { name, base, expression, .. }| {
            Some(format!("({})::{base} AS {}", expression.as_ref()?, quote(name)))
        })
        .collect();
    let inner = format!(
        "SELECT w.n AS {NUMBER}{plain} FROM (SELECT (j ->> 'n')::int8 AS n, j ->> 'key' AS key, j -> 'cells' AS cells \
         FROM jsonb_array_elements($1::text::jsonb) AS e(j)) w \
         LEFT JOIN {table} t ON t.{key} = w.key::{key_type} WHERE w.key IS NULL OR t.{key} IS NOT NULL",
        plain = plain.collect::<String>(),
        table = table.sql(),
        key = table.key_sql(),
        key_type = table.key_type(),
    );
    let rows = match generated.as_slice() {
        [] => inner,
        // What they are computed from is named without a table.
        generated => format!("SELECT i.*, {} FROM ({inner}) i", generated.join(", ")),
    };
    format!("WITH {ROWS} AS MATERIALIZED ({rows})")
}
