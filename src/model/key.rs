//! Primary keys of any type.
//!
//! They are carried as text, because swapped models use bigint, UUID or varchar keys; SQL casts them back to the column's
//! own type.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A primary key in PostgreSQL's text form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// Wraps PostgreSQL's text form of a key.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key as PostgreSQL prints it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
