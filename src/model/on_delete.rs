//! What PostgreSQL does with rows that refer to a deleted one. Every verb asks here whether such rows prevent a
//! deletion.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `ON DELETE` of a foreign key. Django writes `NO ACTION`, except for `DB_CASCADE` and its siblings (Django 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// The deletion fails, at the end of the transaction where the constraint is deferred.
    NoAction,
    /// The deletion fails at once.
    Restrict,
    /// The referring rows are deleted as well.
    Cascade,
    /// Their columns become NULL.
    SetNull,
    /// Their columns get their default.
    SetDefault,
}

impl OnDelete {
    /// Reads `pg_constraint.confdeltype`; an action that this version does not know counts as `RESTRICT`.
    #[must_use]
    pub fn parse(confdeltype: &str) -> Self {
        match confdeltype {
            "a" => Self::NoAction,
            "c" => Self::Cascade,
            "n" => Self::SetNull,
            "d" => Self::SetDefault,
            _ => Self::Restrict,
        }
    }

    /// Whether a referring row keeps the row that it refers to from being deleted. `not_null`: whether a referring
    /// column takes no NULL, so that setting it fails.
    #[must_use]
    pub const fn blocks(self, not_null: bool) -> bool {
        match self {
            Self::NoAction | Self::Restrict => true,
            Self::SetNull => not_null,
            Self::Cascade | Self::SetDefault => false,
        }
    }

    /// As SQL has it.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        match self {
            Self::NoAction => "NO ACTION",
            Self::Restrict => "RESTRICT",
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
            Self::SetDefault => "SET DEFAULT",
        }
    }

    /// What happens to the referring rows, in a sentence about them.
    #[must_use]
    pub const fn effect(self) -> &'static str {
        match self {
            Self::NoAction | Self::Restrict => "kept",
            Self::Cascade => "deleted",
            Self::SetNull => "set to NULL",
            Self::SetDefault => "set to the default",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgresql_resolves_what_it_can() {
        let blocking =
            |not_null| ["a", "r", "c", "n", "d", "?"].map(|text| OnDelete::parse(text).blocks(not_null));
        assert_eq!(blocking(false), [true, true, false, false, false, true]);
        assert_eq!(blocking(true), [true, true, false, true, false, true]);
    }
}
