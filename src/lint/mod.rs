//! Advice: what DOT accepts and one will be sorry for.
//!
//! Every rule has a source that says why. A rule looks at what the file declares and nothing else; what is not managed
//! is passed over. Pure: places, words on the screen and what to do about advice are the business of others.

mod clients;
mod secrets;
mod uris;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Application, Field, Provider};
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

/// A rule that gives advice.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stable name in kebab case; docs/lint.md lists it.
    pub id: &'static str,
    /// The smallest set that it belongs to.
    pub set: Set,
    /// What it finds, in a few words.
    pub finds: &'static str,
    /// Where it is written that this is bad.
    pub source: &'static str,
}

const fn recommended(id: &'static str, finds: &'static str, source: &'static str) -> Rule {
    Rule { id, set: Set::Recommended, finds, source }
}

const fn strict(id: &'static str, finds: &'static str, source: &'static str) -> Rule {
    Rule { id, set: Set::Strict, finds, source }
}

/// All rules, by name.
pub static RULES: [&Rule; 24] = [
    &uris::BAD_HOST,
    &uris::BAD_PORT,
    &uris::HTTP_ORIGIN,
    &uris::HTTP_REDIRECT,
    &clients::HYBRID_GRANT,
    &clients::IMPLICIT_GRANT,
    &uris::LOCALHOST_REDIRECT,
    &secrets::LOW_ITERATIONS,
    &clients::PASSWORD_GRANT,
    &secrets::PLAIN_SECRET,
    &uris::POST_LOGOUT_URI,
    &uris::PRIVATE_USE_SCHEME,
    &clients::PUBLIC_CLIENT_CREDENTIALS,
    &secrets::PUBLIC_SECRET,
    &clients::PUBLIC_SKIP_AUTHORIZATION,
    &secrets::SECRET_CHARACTERS,
    &secrets::SIGNING_SECRET,
    &clients::SKIP_AUTHORIZATION,
    &secrets::UNAVAILABLE_HASHER,
    &uris::UNMATCHED_SPELLING,
    &clients::UNUSED_REDIRECT_URIS,
    &uris::USERINFO,
    &secrets::WEAK_SECRET,
    &uris::WILDCARD,
];

/// The rule of a name.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

/// What one rule has to say of one application.
#[derive(Debug, PartialEq, Eq)]
pub struct Advice {
    pub rule: &'static Rule,
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
    fn of(rule: &'static Rule, field: Field, message: impl Into<String>) -> Self {
        Self { rule, field, index: None, message: message.into(), hint: None }
    }

    const fn at(mut self, index: usize) -> Self {
        self.index = Some(index);
        self
    }

    const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

/// What the recommended rules have to say of a secret in plain text that no file declares.
#[must_use]
pub fn advise_on_secret(secret: &Secret) -> Vec<Advice> {
    secrets::of_plain(secret)
}

/// What the rules of all sets have to say, field by field.
#[must_use]
pub fn advise(application: &Application, provider: &Provider) -> Vec<Advice> {
    let mut advice = clients::advise(application);
    advice.extend(uris::advise(application));
    advice.extend(secrets::advise(application, provider));
    advice.sort_by_key(|advice| advice.field);
    advice
}
