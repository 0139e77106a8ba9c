//! What the sections mean: `Document` → the nouns of `model`, with every problem noted.
//!
//! One file for each table of `oauth.toml`. Pure but for [`Surroundings`], which is an argument. A section with
//! problems still resolves as far as it can, so that one run finds everything; the caller throws the result away if
//! there was an error.

mod applications;
mod cleanup;
mod columns;
mod conformity;
mod database;
mod lint;
mod policy;
mod provider;
mod references;
mod secrets;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use conformity::rule_problem;
pub(super) use secrets::UNSENDABLE;

use super::document::Document;
use super::places::Places;
use super::problem::{Problem, Problems, Severity, Span};
use super::slot::{Placed, Slot};
use super::suggest::quoted;
use super::surroundings::{Presence, Surroundings};
use super::{Database, duration, values};
use crate::model::{CleanupPolicy, Desired, Policy, Provider};

/// Everything that the file says, resolved.
pub(super) struct Resolved {
    pub desired: Desired,
    pub policy: Policy,
    pub cleanup: Option<CleanupPolicy>,
    pub provider: Provider,
    pub database: Database,
    pub places: Places,
}

/// What resolving needs besides the document.
pub(super) struct Context<'a> {
    pub problems: &'a RefCell<Problems>,
    /// The files that are referred to.
    pub files: &'a RefCell<Vec<PathBuf>>,
    pub surroundings: Surroundings<'a>,
    pub presence: Presence,
    /// The directory of the file: secret files are relative to it.
    pub directory: &'a Path,
}

/// Resolves a document.
pub(super) fn resolve(document: Document, context: &Context<'_>) -> Resolved {
    let Document { database, provider, applications, removed, renamed, policy, cleanup, lint } = document;
    let mut places = Places::default();
    let database = database::resolve(database, context, &mut places);
    let provider = provider::resolve(provider, context, &mut places);
    let declared = applications::resolve(applications, context, &mut places);
    for (client_id, declared) in &declared {
        conformity::check(client_id, declared, &provider, &places, context);
    }
    let desired = references::resolve(declared, removed, renamed, context, &mut places);
    lint::check(lint, &desired, &provider, &mut places, context);
    let policy = policy::resolve(policy, context, &mut places);
    let cleanup = cleanup::resolve(cleanup, context, &mut places);
    Resolved { desired, policy, cleanup, provider, database, places }
}

impl Context<'_> {
    fn push(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Text that may not be empty.
    fn text(&self, key: &str, slot: Slot<String>) -> Option<Placed<String>> {
        let text = slot.present()?;
        if text.value.is_empty() {
            self.push(Problem::error("empty", format!("`{key}` is empty")).at(text.span));
            return None;
        }
        Some(text)
    }

    /// A whole number within bounds, which are also in the JSON Schema.
    fn number<N: TryFrom<i64>>(
        &self,
        key: &str,
        slot: Slot<i64>,
        lowest: i64,
        highest: i64,
    ) -> Option<Placed<N>> {
        let number = slot.present()?;
        let is_within = (lowest..=highest).contains(&number.value);
        match N::try_from(number.value) {
            Ok(value) if is_within => Some(number.with(value)),
            _ => {
                let is_low = number.value < lowest;
                let bound = if is_low { format!("at least {lowest}") } else { format!("at most {highest}") };
                self.push(Problem::error("out-of-range", format!("`{key}` must be {bound}")).at(number.span));
                None
            }
        }
    }

    /// A length of time.
    fn duration(&self, key: &str, slot: Slot<values::Duration>) -> Option<Placed<std::time::Duration>> {
        let written = slot.present()?;
        let read = match &written.value.0 {
            values::NumberOrText::Number(seconds) => duration::from_seconds(*seconds),
            values::NumberOrText::Text(text) => duration::parse(text),
        };
        match read {
            Ok(duration) => Some(written.with(duration)),
            Err(error) => {
                self.push(Problem::error("invalid-duration", format!("`{key}` {error}")).at(written.span));
                None
            }
        }
    }

    /// Warns of an item that a list has twice, and leaves the second one out.
    fn without_duplicates<T: Ord + Clone>(
        &self,
        list: Placed<Vec<Placed<T>>>,
        name: impl Fn(&T) -> String,
    ) -> Placed<Vec<Placed<T>>> {
        let mut seen = BTreeMap::new();
        list.map(|items| {
            let mut kept = Vec::with_capacity(items.len());
            for item in items {
                if let Some(first) = seen.get(&item.value) {
                    let describe = || {
                        let message = format!("{} is in the list twice", quoted(&name(&item.value)));
                        let problem = Problem::warning("duplicate-item", message).at(item.span.clone());
                        problem.related(Span::clone(first), "first here")
                    };
                    self.problems.borrow_mut().push_with(Severity::Warning, item.span.start, describe);
                } else {
                    seen.insert(item.value.clone(), item.span.clone());
                    kept.push(item);
                }
            }
            kept
        })
    }
}
