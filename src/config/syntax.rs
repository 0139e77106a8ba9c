//! Bytes → TOML document, or what keeps them from being one.
//!
//! A broken bracket makes a parser complain about everything after it. Invariant: what is reported is the first
//! complaint and those that cannot be its echo.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Rejected;
use super::conceal;
use super::problem::{Problem, Problems, Span};
use super::source::Source;

/// Texts longer than this are parsed only up to their first error: complaints take more memory than text.
pub(super) const RECOVERY_LIMIT: usize = 1 << 20;

/// Reads the bytes as UTF-8.
pub(super) fn decode(path: &Path, bytes: Vec<u8>) -> Result<Source, Box<Rejected>> {
    let error = match String::from_utf8(bytes) {
        Ok(text) => return Ok(Source::new(path, text)),
        Err(error) => error,
    };
    let at = error.utf8_error().valid_up_to();
    let bytes = error.as_bytes();
    let byte = bytes.get(at).copied().unwrap_or_default();
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let hint =
        if is_utf16 { "this looks like UTF-16; save the file as UTF-8" } else { "save the file as UTF-8" };
    let problem =
        Problem::error("not-utf8", format!("the file is not UTF-8: byte 0x{byte:02X} at offset {at}"))
            .at(at..at)
            .hint(hint);
    // The text up to the bad byte keeps its offsets; of what follows, only the rest of the line is of use.
    let rest = bytes.get(at..).unwrap_or_default();
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut text = String::from_utf8_lossy(bytes.get(..at).unwrap_or_default()).into_owned();
    text.push_str(&String::from_utf8_lossy(line));
    let hidden = conceal::in_text(&text);
    let mut problems = Problems::default();
    problems.push(problem);
    Err(Box::new(Rejected { source: Source::new(path, text).concealing(hidden), problems, flawed: None }))
}

/// A text that parses, but for keys that are there twice.
pub(super) struct Parsed<'t> {
    pub document: Spanned<DeValue<'t>>,
    /// What no one may see of the text.
    pub hidden: Vec<Span>,
}

/// Parses the text. `None`: it makes no sense, and `problems` says why.
pub(super) fn parse<'t>(text: &'t str, problems: &mut Problems) -> Option<Parsed<'t>> {
    let mut hidden = Vec::new();
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(first) if text.len() > RECOVERY_LIMIT => {
            problems.push(problem(text, &first));
            return None;
        }
        Err(_) => {
            let (table, errors) = DeTable::parse_recoverable(text);
            let is_sound = errors.iter().all(is_duplicate);
            for error in originals(text, errors) {
                problems.push(problem(text, &error));
            }
            if !is_sound {
                return None;
            }
            // The document has only one value of a key that is there twice.
            hidden = conceal::in_text(text);
            table
        }
    };
    hidden.extend(conceal::in_document(table.get_ref()));
    let span = table.span();
    Some(Parsed { document: Spanned::new(span, DeValue::Table(table.into_inner())), hidden })
}

/// Parses a text that has no errors; `None`: it has.
pub(super) fn parse_sound(text: &str) -> Option<Parsed<'_>> {
    let table = DeTable::parse(text).ok()?;
    let (span, hidden) = (table.span(), conceal::in_document(table.get_ref()));
    Some(Parsed { document: Spanned::new(span, DeValue::Table(table.into_inner())), hidden })
}

fn is_duplicate(error: &toml::de::Error) -> bool {
    error.message() == "duplicate key"
}

fn span_of(text: &str, error: &toml::de::Error) -> Span {
    error.span().unwrap_or(text.len()..text.len())
}

/// The complaints that are not echoes: one for each line, none after something was left open.
fn originals(text: &str, mut errors: Vec<toml::de::Error>) -> Vec<toml::de::Error> {
    errors.sort_by_key(|error| span_of(text, error).start);
    let mut reported_line_end = 0;
    let mut is_open = false;
    errors.retain(|error| {
        let start = span_of(text, error).start;
        if is_duplicate(error) {
            return !is_open;
        }
        let is_echo = is_open || start < reported_line_end;
        let rest = text.get(start..).unwrap_or_default();
        reported_line_end = rest.find('\n').map_or(text.len() + 1, |length| start + length + 1);
        is_open |= left_open(error).is_some();
        !is_echo
    });
    errors
}

fn problem(text: &str, error: &toml::de::Error) -> Problem {
    let span = span_of(text, error);
    if is_duplicate(error) {
        return Problem::error("duplicate-key", "the key is defined twice").at(span).label("again here");
    }
    let problem = Problem::error("syntax", error.message()).at(span);
    match left_open(error) {
        Some(bracket) => problem.hint(format!("is a `{bracket}` before it not closed?")),
        None => problem,
    }
}

/// The bracket that is probably still open where the parser complains; what follows then makes no sense to it.
fn left_open(error: &toml::de::Error) -> Option<char> {
    let begins = |starts: &[&str]| starts.iter().any(|start| error.message().starts_with(start));
    if begins(&["unclosed array table"]) {
        None
    } else if begins(&["unclosed array", "missing comma between array elements", "unexpected `=` in array"]) {
        Some('[')
    } else if begins(&["unclosed inline table", "missing comma between key-value", "invalid inline table"]) {
        Some('{')
    } else {
        None
    }
}
