//! The rows as they would be, as a query: what the plan gives, what the rows have, and the defaults.

use std::borrow::Cow;
use std::collections::BTreeSet;

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

/// A row that a plan creates or changes.
#[derive(Debug)]
pub struct PlannedRow<'a> {
    /// Its client id afterwards.
    pub client_id: &'a ClientId,
    /// The row that is there; `None`: it is new.
    pub key: Option<&'a Key>,
    /// What the plan writes into its columns, each of them once.
    pub cells: Vec<(&'a str, PlannedCell<'a>)>,
}

impl PlannedRow<'_> {
    /// What the plan writes into a column; `None`: nothing.
    pub(super) fn cell(&self, column: &str) -> Option<&PlannedCell<'_>> {
        self.cells.iter().find(|(name, _)| *name == column).map(|(_, cell)| cell)
    }
}

/// What a plan writes into a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlannedCell<'a> {
    Null,
    /// Text that PostgreSQL casts.
    Text(Cow<'a, str>),
    /// Not known yet: a secret.
    Unknown,
}

/// The rows, and what is needed to ask about them.
pub(super) struct Rows<'a> {
    planned: &'a [PlannedRow<'a>],
    columns: &'a [Column],
    /// The columns of each row whose values are not known yet.
    unknown: Vec<BTreeSet<&'a str>>,
    /// `WITH …`, over the parameter `$1`.
    pub sql: String,
    /// That parameter: the planned rows as JSON, with their numbers.
    pub json: String,
}

impl<'a> Rows<'a> {
    /// Makes the query, and finds the columns that are not known.
    pub fn new(table: &Table, columns: &'a [Column], planned: &'a [PlannedRow<'a>]) -> Self {
        let unknown = planned.iter().map(|row| unknown(table, columns, row)).collect();
        let sql = sql(table, columns, planned);
        let json = as_json((1..).zip(planned));
        Self { planned, columns, unknown, sql, json }
    }

    /// The numbers of the rows, from 1, for which something holds.
    pub fn numbers(&self, is_asked: impl Fn(&PlannedRow<'_>) -> bool) -> Vec<i64> {
        (1..).zip(self.planned).filter(|(_, row)| is_asked(row)).map(|(number, _)| number).collect()
    }

    /// The parameter for these rows only.
    pub fn json_of(&self, numbers: &[i64]) -> String {
        as_json(numbers.iter().filter_map(|number| Some((*number, self.row(*number)?))))
    }

    /// The planned row of a number.
    pub fn row(&self, number: i64) -> Option<&PlannedRow<'a>> {
        self.planned.get(usize::try_from(number - 1).ok()?)
    }

    /// Whether it is known what a row will hold in a column.
    pub fn knows(&self, number: i64, column: &str) -> bool {
        let unknown = usize::try_from(number - 1).ok().and_then(|position| self.unknown.get(position));
        unknown.is_some_and(|unknown| !unknown.contains(column))
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

/// Rows with their numbers as a JSON array. Only one at a time is a value: all of them would take ten times the memory.
fn as_json<'a>(rows: impl Iterator<Item = (i64, &'a PlannedRow<'a>)>) -> String {
    let mut array = String::from("[");
    for (number, row) in rows {
        if array.len() > 1 {
            array.push(',');
        }
        array += &as_object(number, row).to_string();
    }
    array + "]"
}

fn as_object(number: i64, row: &PlannedRow<'_>) -> Value {
    let cells: serde_json::Map<String, Value> = row
        .cells
        .iter()
        .map(|(name, cell)| match cell {
            PlannedCell::Null | PlannedCell::Unknown => ((*name).to_owned(), Value::Null),
            PlannedCell::Text(text) => ((*name).to_owned(), Value::from(&**text)),
        })
        .collect();
    json!({ "n": number, "key": row.key.map(Key::as_str), "cells": cells })
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

fn unknown<'a>(table: &Table, columns: &'a [Column], row: &PlannedRow<'_>) -> BTreeSet<&'a str> {
    let (generated, plain): (Vec<&Column>, Vec<&Column>) =
        columns.iter().partition(|column| column.generated);
    let is_unknown = |column: &&Column| match row.cell(&column.name) {
        Some(cell) => *cell == PlannedCell::Unknown,
        None if row.key.is_some() => !table.reads(&column.name),
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

/// All rows at once, under the columns' own names and types; domains are left to their CHECKs.
fn sql(table: &Table, columns: &[Column], rows: &[PlannedRow<'_>]) -> String {
    let given: BTreeSet<&str> = rows.iter().flat_map(|row| &row.cells).map(|(name, _)| *name).collect();
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
        let given = if given.contains(column.name.as_str()) {
            format!("WHEN jsonb_exists(w.cells, {text}) THEN (w.cells ->> {text})::{base} ")
        } else {
            String::new()
        };
        let collation = collation.as_ref().map(|collation| format!(" COLLATE {collation}"));
        format!(
            "(CASE {given}WHEN w.key IS NULL THEN ({new})::{base} ELSE ({stored})::{base} END){} AS {name}",
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
        "SELECT w.n AS {NUMBER}, {plain} FROM (SELECT (j ->> 'n')::int8 AS n, j ->> 'key' AS key, j -> 'cells' AS cells \
         FROM jsonb_array_elements($1::text::jsonb) AS e(j)) w \
         LEFT JOIN {table} t ON t.{key} = w.key::{key_type} WHERE w.key IS NULL OR t.{key} IS NOT NULL",
        plain = plain.collect::<Vec<_>>().join(", "),
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
