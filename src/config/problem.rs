//! What is wrong with the file, and where.
//!
//! A problem is a value: text, a byte range and a stable code. It never holds a value of the file that could be a
//! secret, and it knows no colour and no terminal; `ui::diagnostics` shows it. However broken the file is, only the
//! first [`LIMIT`] errors and warnings are kept; the rest are counted.

use std::collections::BTreeMap;
use std::ops::Range;

use strum::IntoStaticStr;

/// Bytes of the file's text.
pub type Span = Range<usize>;

/// How many errors, and how many warnings, are kept and shown.
pub const LIMIT: usize = 50;

/// Whether the file can be used in spite of the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}

impl Severity {
    /// What people and scripts read.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

/// A second place that explains a problem, such as the first of two declarations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub span: Span,
    /// What is there.
    pub label: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// A stable identifier in kebab case, listed in docs/diagnostics.md.
    pub code: &'static str,
    /// One line, lower-case start, no full stop.
    pub message: String,
    /// Where; `None`: the file as a whole.
    pub span: Option<Span>,
    /// A few words beside the underlined text.
    pub label: Option<String>,
    /// What to write or do instead.
    pub hint: Option<String>,
    pub related: Option<Mark>,
}

impl Problem {
    /// A problem that makes the file unusable.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A problem that does not.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    pub(super) fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { severity, code, message, span: None, label: None, hint: None, related: None }
    }

    /// Says which part of the file it is about; `None`: the file as a whole.
    #[must_use]
    pub fn at(mut self, span: impl Into<Option<Span>>) -> Self {
        self.span = span.into();
        self
    }

    /// Writes beside the underlined text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Points at a second place.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related = Some(Mark { span, label: label.into() });
        self
    }
}

/// The problems of one file: the first of each severity in the order of the file, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    errors: First,
    warnings: First,
}

impl Problems {
    /// Notes a problem.
    pub fn push(&mut self, problem: Problem) {
        let start = problem.span.as_ref().map_or(0, |span| span.start);
        self.push_with(problem.severity, start, || problem);
    }

    /// Notes a problem that starts at a byte, and describes it only if it will be shown: a file of millions of
    /// unknown keys costs no suggestion for each.
    pub fn push_with(&mut self, severity: Severity, start: usize, describe: impl FnOnce() -> Problem) {
        let first = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        first.push(start, describe);
    }

    /// Whether one of the errors that will be shown is inside of a place.
    #[must_use]
    pub fn has_error_in(&self, place: &Span) -> bool {
        let mut spans = self.errors.kept.values().filter_map(|problem| problem.span.as_ref());
        spans.any(|span| place.start <= span.start && span.end <= place.end)
    }

    /// How many errors there are, shown or not.
    #[must_use]
    pub const fn error_count(&self) -> u64 {
        self.errors.count
    }

    /// How many warnings there are, shown or not.
    #[must_use]
    pub const fn warning_count(&self) -> u64 {
        self.warnings.count
    }

    /// Whether every error has this code. False where there are more errors than are kept.
    #[must_use]
    pub fn has_only_errors_of(&self, code: &str) -> bool {
        let kept = &self.errors.kept;
        kept.len() as u64 == self.errors.count && kept.values().all(|problem| problem.code == code)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.errors.count == 0 && self.warnings.count == 0
    }

    /// At most [`LIMIT`] problems in the order of the file; errors go before warnings where not all fit.
    #[must_use]
    pub fn shown(&self) -> Vec<&Problem> {
        let errors = self.errors.kept.iter();
        let mut shown: Vec<_> = errors.chain(&self.warnings.kept).take(LIMIT).collect();
        shown.sort_by_key(|((start, order), problem)| (*start, problem.severity, *order));
        shown.into_iter().map(|(_, problem)| problem).collect()
    }

    /// How many problems [`Problems::shown`] leaves out.
    #[must_use]
    pub fn hidden_count(&self) -> u64 {
        let shown = (self.errors.kept.len() + self.warnings.kept.len()).min(LIMIT) as u64;
        (self.errors.count + self.warnings.count).saturating_sub(shown)
    }
}

/// The [`LIMIT`] problems of one severity that start first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct First {
    count: u64,
    /// By start, then by arrival.
    kept: BTreeMap<(usize, u64), Problem>,
}

impl First {
    fn push(&mut self, start: usize, describe: impl FnOnce() -> Problem) {
        let place = (start, self.count);
        self.count += 1;
        let is_late = self.kept.last_key_value().is_some_and(|(last, _)| *last < place);
        if self.kept.len() >= LIMIT && is_late {
            return;
        }
        self.kept.insert(place, describe());
        if self.kept.len() > LIMIT {
            self.kept.pop_last();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(problems: &Problems) -> Vec<&str> {
        problems.shown().into_iter().map(|problem| problem.message.as_str()).collect()
    }

    #[test]
    fn the_first_errors_are_kept_and_all_are_counted() {
        let mut problems = Problems::default();
        for start in (0..1_000).rev() {
            problems.push(Problem::error("x", format!("e{start}")).at(start..start + 1));
            problems.push(Problem::warning("x", format!("w{start}")).at(start..start + 1));
        }
        assert_eq!((problems.error_count(), problems.warning_count()), (1_000, 1_000));
        assert_eq!(problems.hidden_count(), 1_950);
        let expected: Vec<_> = (0..50).map(|start| format!("e{start}")).collect();
        assert_eq!(messages(&problems), expected);
    }

    #[test]
    fn errors_and_warnings_are_shown_in_the_order_of_the_file() {
        let mut problems = Problems::default();
        problems.push(Problem::error("x", "second").at(5..6));
        problems.push(Problem::warning("x", "first").at(2..3));
        problems.push(Problem::error("x", "third").at(5..9));
        assert_eq!(messages(&problems), ["first", "second", "third"]);
        assert_eq!(problems.hidden_count(), 0);
    }
}
