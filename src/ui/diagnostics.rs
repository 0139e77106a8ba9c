//! Problems of the file, as people read them (in the manner of rustc) and as JSON.
//!
//! Invariant: what the source conceals is shown as `***`, in text and in JSON alike, and a line of any length costs
//! one screen width. Only lines that a problem points at are looked at, so ten megabytes cost no more than ten lines.
//! Makes no decision about what is a problem.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use crate::config::{Mark, Problem, Problems, Severity, Source, Span};
use crate::model::json;
use crate::model::visible::is_hidden;
use crate::model::visible::visible;

/// What stands in the place of a secret.
const CONCEALED: &str = "***";

/// The most bytes that are shown before and after the start of what is wrong.
const REACH: usize = 160;

/// All problems that are kept, for stderr, with a blank line between them. Empty if there is none.
#[must_use]
pub fn render(source: &Source, problems: &Problems) -> String {
    let mut text = String::new();
    for problem in problems.shown() {
        text.push_str(&render_one(source, problem));
        text.push_str("\n\n");
    }
    match problems.hidden_count() {
        0 => {}
        1 => text.push_str("1 more problem is not shown.\n\n"),
        hidden => {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{hidden} more problems are not shown.\n");
        }
    }
    if text.ends_with("\n\n") {
        text.pop();
    }
    text
}

/// One problem, without a newline at its end.
#[must_use]
pub fn render_one(source: &Source, problem: &Problem) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let path = shown_path(source.path());
    let mut group = Group::with_title(level.primary_title(&problem.message).id(problem.code));
    let excerpt = problem.span.as_ref().map(|span| Excerpt::new(source, span));
    let related = problem.related.as_ref().map(|mark| (mark, Excerpt::new(source, &mark.span)));
    let mut elsewhere = related.as_ref();
    if let Some(excerpt) = &excerpt {
        let mut snippet = excerpt.snippet(AnnotationKind::Primary, problem.label.as_deref());
        if let Some((mark, other)) =
            elsewhere.take_if(|(_, other)| other.text == excerpt.text && other.line == excerpt.line)
        {
            snippet = snippet
                .annotation(AnnotationKind::Context.span(other.marked.clone()).label(mark.label.as_str()));
        }
        group = group.element(snippet.path(path.as_str()));
    }
    if let Some((mark, other)) = elsewhere {
        let snippet = other.snippet(AnnotationKind::Context, Some(&mark.label));
        group = group.element(snippet.path(path.as_str()));
    }
    // A hint may have lines of its own, for example of TOML; what comes from others stays on its line.
    let hint = problem.hint.as_ref().map(|hint| hint.lines().map(visible).collect::<Vec<_>>().join("\n"));
    if let Some(hint) = &hint {
        group = group.element(Level::HELP.message(hint));
    }
    let text = Renderer::styled().render(&[group]);
    let excerpts = excerpt.iter().chain(related.iter().map(|(_, excerpt)| excerpt));
    excerpts.fold(text, |text, excerpt| excerpt.with_true_column(text, &path))
}

/// Whether a line of [`render`] is a message or a hint; the others quote the file.
#[must_use]
pub fn is_sentence(line: &str) -> bool {
    let plain = anstream::adapter::strip_str(line).to_string();
    plain.starts_with("error") || plain.starts_with("warning") || plain.trim_start().starts_with("= ")
}

/// One line for the end: `oauth.toml has 2 errors and 1 warning.`
#[must_use]
pub fn summary(source: &Source, problems: &Problems) -> String {
    let count = |count: u64, noun: &str| match count {
        0 => None,
        1 => Some(format!("1 {noun}")),
        _ => Some(format!("{count} {noun}s")),
    };
    let counts = [count(problems.error_count(), "error"), count(problems.warning_count(), "warning")];
    let counts: Vec<_> = counts.into_iter().flatten().collect();
    let counts = if counts.is_empty() { "no problems".to_owned() } else { counts.join(" and ") };
    format!("{} has {counts}.", shown_path(source.path()))
}

/// A path in a message; what is not UTF-8 is replaced.
pub(super) fn shown_path(path: &Path) -> String {
    path.display().to_string().chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// The line of a problem, as far as it may and needs to be seen.
struct Excerpt {
    line: usize,
    column: usize,
    text: String,
    /// What is wrong, in `text`.
    marked: Range<usize>,
}

impl Excerpt {
    fn new(source: &Source, span: &Span) -> Self {
        let position = source.position(span.start);
        let line = source.line(span.start);
        let start = position.byte.clamp(line.start, line.end);
        let end = span.end.clamp(start, line.end);
        let from = boundary(source.text(), start.saturating_sub(REACH).max(line.start));
        let to = boundary(source.text(), start.saturating_add(REACH).min(line.end));
        let mut excerpt =
            Self { line: position.line, column: position.column, text: String::new(), marked: 0..0 };
        if from > line.start {
            excerpt.text.push('…');
        }
        let wrong = start..end;
        let mut at = from;
        for hidden in source.concealed(from..to) {
            excerpt.copy(source, at..hidden.start, &wrong);
            excerpt.conceal(&hidden, &wrong);
            at = hidden.end;
        }
        excerpt.copy(source, at..to, &wrong);
        if to < line.end {
            excerpt.text.push('…');
        }
        excerpt.marked.end = excerpt.marked.end.clamp(excerpt.marked.start, excerpt.text.len());
        excerpt
    }

    /// Shows a part of the line, and marks what of it is wrong. The renderer takes care of most controls; the second
    /// set, which some terminals obey and TOML allows, goes here.
    fn copy(&mut self, source: &Source, part: Range<usize>, wrong: &Range<usize>) {
        let text = source.text().get(part.clone()).unwrap_or_default();
        for (offset, c) in text.char_indices() {
            self.mark(part.start + offset, wrong);
            self.text.push(if is_hidden(c) && !c.is_ascii() { char::REPLACEMENT_CHARACTER } else { c });
        }
        self.mark(part.end, wrong);
    }

    /// Shows that something is there. If any of it is wrong, all of the stand-in is.
    fn conceal(&mut self, hidden: &Range<usize>, wrong: &Range<usize>) {
        self.text.push_str(CONCEALED);
        if wrong.end > hidden.start {
            self.marked.end = self.text.len();
        }
    }

    /// Notes where a byte of the line has come to stand. The last one that is not past an end is that end.
    fn mark(&mut self, byte: usize, wrong: &Range<usize>) {
        if byte <= wrong.start {
            self.marked.start = self.text.len();
        }
        if byte <= wrong.end {
            self.marked.end = self.text.len();
        }
    }

    /// The renderer counts columns in what it is given. Where something before the mark was left out or concealed,
    /// this puts the file's column in the place of that one.
    fn with_true_column(&self, rendered: String, path: &str) -> String {
        let counted = self.text.get(..self.marked.start).unwrap_or_default().chars().count() + 1;
        if counted == self.column {
            return rendered;
        }
        let place = |column| format!("{path}:{}:{column}", self.line);
        rendered.replacen(&place(counted), &place(self.column), 1)
    }

    fn snippet<'a>(
        &'a self,
        kind: AnnotationKind,
        label: Option<&'a str>,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let annotation = kind.span(self.marked.clone());
        Snippet::source(self.text.as_str()).line_start(self.line).annotation(annotation.label(label))
    }
}

/// The start of the character that holds a byte.
fn boundary(text: &str, byte: usize) -> usize {
    (0..=byte).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// The problems as JSON, documented in docs/diagnostics.md. Ends with a newline.
///
/// # Errors
/// Those of `serde_json`; the types below have none.
pub fn json(source: &Source, problems: &Problems) -> serde_json::Result<String> {
    let path = shown_path(source.path());
    let diagnostics =
        problems.shown().into_iter().map(|problem| Diagnostic::new(source, &path, problem)).collect();
    let report = Report {
        format_version: "1.0",
        valid: problems.error_count() == 0,
        error_count: problems.error_count(),
        warning_count: problems.warning_count(),
        diagnostics,
    };
    json::document(&report)
}

#[derive(Serialize)]
struct Report<'a> {
    format_version: &'static str,
    valid: bool,
    error_count: u64,
    warning_count: u64,
    diagnostics: Vec<Diagnostic<'a>>,
}

#[derive(Serialize)]
struct Diagnostic<'a> {
    severity: &'static str,
    code: &'static str,
    summary: &'a str,
    detail: Option<&'a str>,
    hint: Option<&'a str>,
    file: &'a str,
    range: Option<Place>,
    snippet: Option<String>,
    related: Option<Related<'a>>,
}

#[derive(Serialize)]
struct Related<'a> {
    summary: &'a str,
    range: Place,
}

#[derive(Serialize)]
struct Place {
    start: Point,
    end: Point,
}

#[derive(Serialize)]
struct Point {
    line: usize,
    column: usize,
    byte: usize,
}

impl<'a> Diagnostic<'a> {
    fn new(source: &Source, path: &'a str, problem: &'a Problem) -> Self {
        Self {
            severity: problem.severity.name(),
            code: problem.code,
            summary: &problem.message,
            detail: problem.label.as_deref(),
            hint: problem.hint.as_deref(),
            file: path,
            range: problem.span.as_ref().map(|span| Place::new(source, span)),
            snippet: problem.span.as_ref().map(|span| Excerpt::new(source, span).text),
            related: problem.related.as_ref().map(|mark| Related::new(source, mark)),
        }
    }
}

impl<'a> Related<'a> {
    fn new(source: &Source, mark: &'a Mark) -> Self {
        Self { summary: &mark.label, range: Place::new(source, &mark.span) }
    }
}

impl Place {
    fn new(source: &Source, span: &Span) -> Self {
        let point = |byte| {
            let position = source.position(byte);
            Point { line: position.line, column: position.column, byte: position.byte }
        };
        Self { start: point(span.start), end: point(span.end) }
    }
}

#[cfg(test)]
mod tests;
