//! On which columns of a table a role needs a privilege.

use std::collections::BTreeSet;

use crate::db::query;

/// The columns on which a privilege is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Any of them, as for a lock on a row.
    Any,
    /// All of these.
    These(BTreeSet<String>),
    /// The table as a whole.
    Whole,
}

impl Columns {
    /// The privilege is needed on all of these columns.
    pub fn these<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::These(names.into_iter().map(str::to_owned).collect())
    }

    /// Enough for both.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole, _) | (_, Self::Whole) => Self::Whole,
            (Self::Any, other) => other,
            (mine, Self::Any) => mine,
            (Self::These(mut mine), Self::These(theirs)) => {
                mine.extend(theirs);
                Self::These(mine)
            }
        }
    }

    /// As the query of `granted` takes them: NULL for the whole table, none for any.
    pub(super) fn argument(&self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Any => Some("{}".to_owned()),
            Self::These(names) => Some(query::array(names.iter().map(String::as_str))),
        }
    }
}
