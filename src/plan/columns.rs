//! Columns of the project's own: what the file says against the catalogue and against the row.
//!
//! The database has said beforehand what it makes of each declared value ([`Actual::renderings`]); here nothing is
//! parsed. What does not fit is found before anything is written. Pure.

use std::collections::BTreeMap;

use super::{FieldChange, FieldSetting, Finding, FindingCause, Value};
use crate::model::{
    Actual, Attribute, ClientId, ColumnKind, ColumnValue, CustomColumn, Declared, Desired, StoredFields,
    Unfilled,
};

/// What the file asks of the columns that they cannot be.
pub(super) fn check(
    client_id: &ClientId,
    columns: &BTreeMap<String, ColumnValue>,
    actual: &Actual,
) -> Vec<Finding> {
    columns
        .iter()
        .filter_map(|(name, value)| {
            let cause = wanted(name, value, actual).err()?;
            let field = Some(Attribute::Column(name.clone()));
            Some(Finding { client_id: client_id.clone(), field, cause })
        })
        .collect()
}

/// The columns that a new row needs a value for and does not get.
pub(super) fn unfilled(declared: &Declared, actual: &Actual) -> Option<FindingCause> {
    let given = &declared.application.columns;
    let missing = actual
        .custom
        .iter()
        .filter(|(name, column)| column.must_be_given(name) && !given.contains_key(name.as_str()));
    let (undeclarable, declarable): (Vec<_>, Vec<_>) =
        missing.partition(|(name, column)| column.is_confidential(name));
    let columns: Vec<Unfilled> = declarable
        .into_iter()
        .map(|(name, column)| Unfilled { name: name.clone(), kind: column.kind, usual: column.usual.clone() })
        .collect();
    let undeclarable: Vec<String> =
        undeclarable.into_iter().map(|(name, _)| name.clone()).chain(actual.unfilled_key.clone()).collect();
    (!columns.is_empty() || !undeclarable.is_empty())
        .then_some(FindingCause::UnfilledColumns { columns, undeclarable })
}

/// The declared columns that Django maintains: the value in the file counts for a new row only. Columns that
/// `ignore` names are left out.
#[must_use]
pub fn maintained(desired: &Desired, actual: &Actual) -> Vec<(ClientId, String)> {
    let declared = desired.applications.iter().flat_map(|(client_id, declared)| {
        let columns = declared.application.columns.keys();
        columns.map(move |name| (client_id, declared, name))
    });
    declared
        .filter(|(_, declared, name)| {
            actual.custom.get(*name).is_some_and(|column| column.maintained(name).is_some())
                && !declared.ignores(&Attribute::Column((*name).clone()))
        })
        .map(|(client_id, _, name)| (client_id.clone(), name.clone()))
        .collect()
}

/// The columns of a new row. What only the project can fill, and what may not be NULL, becomes an empty text.
pub(super) fn settings(declared: &Declared, actual: &Actual) -> Vec<FieldSetting> {
    let given = &declared.application.columns;
    let empty = actual
        .custom
        .iter()
        .filter(|(name, column)| column.is_left_empty(name) && !given.contains_key(name.as_str()))
        .map(|(name, _)| FieldSetting {
            field: Attribute::Column(name.clone()),
            value: Value::Text(String::new()),
            declared: false,
        });
    let columns = declared.application.columns.iter();
    let settings = columns.filter_map(|(name, value)| {
        let (column, text) = wanted(name, value, actual).ok()?;
        let value = shown(column.kind, text);
        Some(FieldSetting { field: Attribute::Column(name.clone()), value, declared: true })
    });
    settings.chain(empty).collect()
}

/// The columns of a row that are not as declared, and how many there are to compare.
pub(super) fn changes(declared: &Declared, row: &StoredFields, actual: &Actual) -> (Vec<FieldChange>, usize) {
    let mut changes = Vec::new();
    let mut compared = 0;
    for (name, value) in &declared.application.columns {
        let field = Attribute::Column(name.clone());
        let Ok((column, text)) = wanted(name, value, actual) else { continue };
        // Django's saves would undo it again and again; and what may hold a secret is not read.
        let is_written_once = column.maintained(name).is_some() || column.is_confidential(name);
        if is_written_once || declared.ignores(&field) {
            continue;
        }
        compared += 1;
        let stored = row.columns.get(name).and_then(Option::as_deref);
        if stored.is_some_and(|stored| column.kind.same(stored, text)) {
            continue;
        }
        let before = stored.map_or(Value::Absent, |stored| shown(column.kind, stored));
        changes.push(FieldChange { field, before, after: shown(column.kind, text) });
    }
    (changes, compared)
}

/// The columns that were read with a row.
pub(super) fn held(row: &StoredFields, actual: &Actual) -> Vec<(Attribute, Value)> {
    let text = |name: &str, text: &str| match actual.custom.get(name) {
        Some(column) => shown(column.kind, text),
        None => Value::Text(text.to_owned()),
    };
    let held = |(name, stored): (&String, &Option<String>)| {
        let value = stored.as_deref().map_or(Value::Absent, |stored| text(name, stored));
        (Attribute::Column(name.clone()), value)
    };
    row.columns.iter().map(held).collect()
}

/// The column and the text that it is to hold.
fn wanted<'a>(
    name: &str,
    value: &ColumnValue,
    actual: &'a Actual,
) -> Result<(&'a CustomColumn, &'a str), FindingCause> {
    let Some(column) = actual.custom.get(name) else {
        return Err(FindingCause::NoSuchCustomColumn { known: actual.custom.keys().cloned().collect() });
    };
    if column.generated {
        return Err(FindingCause::GeneratedColumn);
    }
    if column.is_confidential(name) {
        let is_empty = matches!(value, ColumnValue::Text(text) if text.is_empty());
        return if is_empty && column.kind == ColumnKind::Text {
            Ok((column, ""))
        } else {
            Err(FindingCause::ConfidentialColumn)
        };
    }
    let sql_type = || column.sql_type.clone();
    let text = column.kind.accept(value).map_err(|why| FindingCause::Misfit { sql_type: sql_type(), why })?;
    if let Some(max) = column.max_length
        && text.chars().count() > usize::try_from(max).unwrap_or(usize::MAX)
    {
        return Err(FindingCause::TooLong { length: text.chars().count(), max });
    }
    match actual.renderings.get(&(name.to_owned(), text.clone())) {
        // PostgreSQL would cut or pad it, and the next plan would find another value.
        Some(Ok(rendered)) if column.kind == ColumnKind::Text && *rendered != text => {
            Err(FindingCause::ColumnAlters { sql_type: sql_type() })
        }
        Some(Ok(rendered)) => Ok((column, rendered)),
        Some(Err(why)) => Err(FindingCause::ColumnRefuses { sql_type: sql_type(), why: why.clone() }),
        None => Err(FindingCause::ColumnRefuses { sql_type: sql_type(), why: "it was not asked".to_owned() }),
    }
}

/// A text of PostgreSQL's as plans have it.
fn shown(kind: ColumnKind, text: &str) -> Value {
    match kind {
        ColumnKind::Text | ColumnKind::Other => Value::Text(text.to_owned()),
        ColumnKind::Flag => Value::Flag(text == "true"),
        ColumnKind::Integer(..)
        | ColumnKind::Decimal
        | ColumnKind::Float
        | ColumnKind::Moment(_)
        | ColumnKind::Json => Value::Literal(text.to_owned()),
    }
}
