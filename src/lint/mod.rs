//! Advice: what DOT accepts and one will be sorry for.
//!
//! Every rule has a source that says why. A rule looks at what the file declares and nothing else; what is not managed
//! is passed over. Pure: places, words on the screen and what to do about advice are decided elsewhere.

mod clients;
mod rule;
mod secrets;
mod uris;

#[cfg(test)]
mod tests;

pub use rule::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Application, Declared, Field, Provider, StoredFields};
use crate::secret::Secret;

/// Which rules speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Set {
    /// None.
    Off,
    /// Those whose advice holds nearly everywhere.
    #[default]
    Recommended,
    /// All, also those that there are good reasons to ignore.
    Strict,
}

/// What one rule has to say of one application.
#[derive(Debug, PartialEq, Eq)]
pub struct Advice {
    pub rule: Rule,
    /// What it is about.
    pub field: Field,
    /// Which element of a list; from 0.
    pub index: Option<usize>,
    /// What was found, in lower case. Never a secret.
    pub message: String,
    /// What to do instead.
    pub hint: Option<&'static str>,
}

impl Advice {
    fn of(
        rule: Rule,
        field: Field,
        message: impl Into<String>,
        hint: impl Into<Option<&'static str>>,
    ) -> Self {
        Self { rule, field, index: None, message: message.into(), hint: hint.into() }
    }
}

/// What the recommended rules have to say of a secret in plain text that no file declares.
#[must_use]
pub fn advise_on_secret(secret: &Secret) -> Vec<Advice> {
    secrets::of_plain(secret)
}

/// What the rules have to say of a row that the file declares.
#[must_use]
pub fn advise_on_row(declared: &Declared, row: &StoredFields) -> Option<Advice> {
    secrets::of_row(declared, row)
}

/// What the rules of all sets have to say, field by field.
#[must_use]
pub fn advise(application: &Application, provider: &Provider) -> Vec<Advice> {
    let mut advice = clients::advise(application);
    advice.extend(uris::advise(application, provider));
    advice.extend(secrets::advise(application, provider));
    advice.sort_by_key(|advice| advice.field);
    advice
}
