//! The columns of `[policy] dynamic` against the catalogue.

use super::columns::kind;
use crate::db::layout::{Layout, Marked};
use crate::model::{ColumnKind, Mark, Misfit, announces_secret};

/// Why a mark cannot be looked for in this database.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    #[error("the application table has no such column")]
    NoSuchColumn {
        /// Those that it has.
        known: Vec<String>,
    },
    #[error("its name suggests a secret; the file and the plan would show it")]
    Confidential,
    #[error("the column is of type {sql_type}, and only flags, whole numbers and text are compared")]
    Incomparable { sql_type: String },
    #[error("the column is of type {sql_type} and {why}")]
    Misfit { sql_type: String, why: Misfit },
}

/// Lets the layout tell by the marks which applications registered themselves.
///
/// # Errors
/// Each mark that does not fit, by its position.
pub fn mark(layout: &mut Layout, marks: &[Mark]) -> Result<(), Vec<(usize, MarkError)>> {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for (position, mark) in marks.iter().enumerate() {
        match marked(layout, mark) {
            Ok(marked) => found.push(marked),
            Err(error) => errors.push((position, error)),
        }
    }
    layout.marks = found;
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn marked(layout: &Layout, mark: &Mark) -> Result<Marked, MarkError> {
    let columns = &layout.application().columns;
    let Some(column) = columns.get(&mark.column) else {
        return Err(MarkError::NoSuchColumn { known: columns.keys().cloned().collect() });
    };
    if announces_secret(&column.name) {
        return Err(MarkError::Confidential);
    }
    let sql_type = || column.full_type.clone();
    let text = match kind(column) {
        kind @ (ColumnKind::Text | ColumnKind::Integer(..) | ColumnKind::Flag | ColumnKind::Other) => {
            kind.accept(&mark.value).map_err(|why| MarkError::Misfit { sql_type: sql_type(), why })?
        }
        ColumnKind::Decimal | ColumnKind::Float | ColumnKind::Moment(_) | ColumnKind::Json => {
            return Err(MarkError::Incomparable { sql_type: sql_type() });
        }
    };
    Ok(Marked { column: column.name.clone(), text })
}
