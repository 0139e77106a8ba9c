//! What every section needs to be resolved, and the kinds of values that several sections have.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::config::problem::{Problem, Problems, Severity, Span};
use crate::config::slot::{Placed, Slot};
use crate::config::suggest::quoted;
use crate::config::surroundings::{Presence, Surroundings};
use crate::config::{duration, values};

/// What resolving needs besides the document.
pub(in crate::config) struct Context<'a> {
    pub problems: &'a RefCell<Problems>,
    /// The files that are referred to.
    pub files: &'a RefCell<Vec<PathBuf>>,
    /// The environment variables that are referred to.
    pub environment: &'a RefCell<BTreeSet<String>>,
    pub surroundings: Surroundings<'a>,
    pub presence: Presence,
    /// The directory of the file: secret files are relative to it.
    pub directory: &'a Path,
}

impl Context<'_> {
    /// The same, without looking for the secrets of an application that needs none because it must not exist.
    pub(super) fn without_secrets_if(&self, is_disabled: bool) -> Self {
        let Self { problems, files, environment, surroundings, presence, directory } = *self;
        Self {
            problems,
            files,
            environment,
            surroundings,
            presence: if is_disabled { Presence::Withheld } else { presence },
            directory,
        }
    }

    pub(super) fn push(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Notes why a value cannot be used.
    pub(super) fn reject<T>(&self, problem: Problem) -> Option<T> {
        self.push(problem);
        None
    }

    /// Text that may not be empty.
    pub(super) fn text(&self, key: &str, slot: Slot<String>) -> Option<Placed<String>> {
        let text = slot.present()?;
        if text.value.is_empty() {
            return self.reject(Problem::error("empty", format!("`{key}` is empty")).at(text.span));
        }
        Some(text)
    }

    /// A whole number within bounds, which are also in the JSON Schema.
    pub(super) fn number<N: TryFrom<i64>>(
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
                self.reject(
                    Problem::error("out-of-range", format!("`{key}` must be {bound}")).at(number.span),
                )
            }
        }
    }

    /// A length of time.
    pub(super) fn duration(
        &self,
        key: &str,
        slot: Slot<values::Duration>,
    ) -> Option<Placed<std::time::Duration>> {
        let written = slot.present()?;
        let read = match &written.value.0 {
            values::NumberOrText::Number(seconds) => duration::from_seconds(*seconds),
            values::NumberOrText::Text(text) => duration::parse(text),
        };
        match read {
            Ok(duration) => Some(written.with(duration)),
            Err(error) => {
                self.reject(Problem::error("invalid-duration", format!("`{key}` {error}")).at(written.span))
            }
        }
    }

    /// Warns of an item that a list has twice, and leaves the second one out.
    pub(super) fn without_duplicates<T: Ord + Clone>(
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
