//! Rows that should not be as they are.

/// Refresh tokens that share their token with others. A newer DOT keeps one of each group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicates {
    pub table: String,
    /// Whether the model is swapped: DOT's migration leaves it alone.
    pub swapped: bool,
    /// Those that go.
    pub rows: u64,
    /// Those of them that are not revoked.
    pub live: u64,
    /// The statement that selects exactly these, without their tokens.
    pub select: String,
}

/// Client secrets in clear in rows that say that theirs is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainSecrets {
    pub table: String,
    pub rows: u64,
    /// The statement that selects exactly these, without their secrets.
    pub select: String,
}
