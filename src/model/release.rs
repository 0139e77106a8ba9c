//! The releases of DOT, as far as their databases and rules differ.

use std::fmt;

use strum::VariantArray;

/// A release that brought something, oldest first. Displays as `DOT 2.4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, VariantArray)]
pub enum Release {
    /// The oldest that is supported.
    V1_5,
    V2_3,
    V2_4,
    V3_0,
    V3_1,
    V3_2,
    V3_4,
    V3_4_1,
    /// What no release has yet.
    Main,
}

impl Release {
    /// All of them, oldest first.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The oldest that is supported.
    pub const OLDEST: Self = Self::V1_5;

    /// The newest that has been released, of those that are known here.
    pub const NEWEST: Self = Self::V3_4_1;

    /// The day of the main branch that [`Self::Main`] stands for.
    pub const MAIN_AS_OF: &'static str = "2026-08-22";

    /// The last of DOT's migrations that is known here.
    pub const NEWEST_MIGRATION: u32 = 25;

    /// What to do about a table that is DOT's and not known here, or a column.
    pub const UPDATE: &'static str = "this DOT is newer than what oauthctl knows, which is DOT's main branch of \
                                      2026-08-22 (migration 0025): update oauthctl";

    /// As DOT writes it; the branch has a name.
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Self::V1_5 => "1.5",
            Self::V2_3 => "2.3",
            Self::V2_4 => "2.4",
            Self::V3_0 => "3.0",
            Self::V3_1 => "3.1",
            Self::V3_2 => "3.2",
            Self::V3_4 => "3.4",
            Self::V3_4_1 => "3.4.1",
            Self::Main => "main",
        }
    }

    /// The releases that cannot be told from it by their columns.
    #[must_use]
    pub const fn generation(self) -> &'static str {
        match self {
            Self::V1_5 => "DOT 1.5 to 2.2",
            Self::V2_3 => "DOT 2.3",
            Self::V2_4 => "DOT 2.4",
            Self::V3_0 | Self::V3_1 => "DOT 3.0 or 3.1",
            Self::V3_2 => "DOT 3.2 or 3.3",
            Self::V3_4 | Self::V3_4_1 => "DOT 3.4",
            Self::Main => "DOT's main branch, after 3.4.1",
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => f.write_str(self.generation()),
            Self::V1_5
            | Self::V2_3
            | Self::V2_4
            | Self::V3_0
            | Self::V3_1
            | Self::V3_2
            | Self::V3_4
            | Self::V3_4_1 => write!(f, "DOT {}", self.number()),
        }
    }
}
