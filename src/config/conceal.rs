//! What of the text no one may see: secrets that someone wrote into the file in spite of everything.
//!
//! A diagnostic shows the line that it is about, and that line may hold a secret next to the mistake, or be the
//! mistake. Two views: of a document that parses, and of one that does not, where only words can be trusted. Both
//! rather hide too much. What the file may name openly stays visible: environment variables, paths, known settings.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Span;
use super::suggest::is_known_key;
use crate::model::{announces_secret, holds_private_key};

/// Known keys whose value can be a secret where someone misunderstood them.
const CONFIDENTIAL_KEYS: [&str; 3] = ["client_secret", "oidc_rsa_private_key", "url"];

/// How many slips of the fingers still make an unknown key one of those: `client_secrt`, `clientSecert`.
const SLIPS: usize = 4;

fn is_confidential(key: &str) -> bool {
    let key = key.to_lowercase().replace('-', "_");
    if CONFIDENTIAL_KEYS.contains(&key.as_str()) {
        return true;
    }
    if is_known_key(&key) {
        return false;
    }
    let is_telling = key == "dsn" || key.contains("private") || announces_secret(&key);
    is_telling || is_nearly_confidential(&key)
}

fn is_nearly_confidential(key: &str) -> bool {
    CONFIDENTIAL_KEYS.iter().any(|confidential| {
        let is_comparable = confidential.len() > 2 * SLIPS && key.len().abs_diff(confidential.len()) <= SLIPS;
        is_comparable && strsim::osa_distance(key, confidential) <= SLIPS
    })
}

/// The name of an environment variable, which may be shown. Anything else in its place may be the secret itself.
pub(super) fn is_variable_name(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What to hide of a document that parses.
pub(super) fn in_document(document: &DeTable<'_>) -> Vec<Span> {
    let mut spans = Vec::new();
    for (key, value) in document {
        match (key.get_ref().as_ref(), value.get_ref()) {
            // The keys below are names of applications, even if they contain such a word.
            ("applications", DeValue::Table(applications)) => {
                applications.iter().for_each(|(_, application)| search(application, &mut spans));
            }
            (key, _) if is_confidential(key) => hide(value, &mut spans),
            _ => search(value, &mut spans),
        }
    }
    spans
}

fn search(value: &Spanned<DeValue<'_>>, spans: &mut Vec<Span>) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                let is_key = value.get_ref().as_str().is_some_and(holds_private_key);
                if is_key || is_confidential(key.get_ref()) {
                    hide(value, spans);
                } else {
                    search(value, spans);
                }
            }
        }
        DeValue::Array(items) => items.iter().for_each(|item| search(item, spans)),
        _ => {}
    }
}

fn hide(value: &Spanned<DeValue<'_>>, spans: &mut Vec<Span>) {
    match value.get_ref() {
        DeValue::Boolean(_) => {}
        DeValue::Table(table) => {
            for (key, value) in table {
                let is_open = match (key.get_ref().as_ref(), value.get_ref()) {
                    ("env", DeValue::String(name)) => is_variable_name(name),
                    ("file", DeValue::String(_)) => true,
                    _ => false,
                };
                if !is_open {
                    hide(value, spans);
                }
            }
        }
        DeValue::Array(items) => items.iter().for_each(|item| hide(item, spans)),
        _ => spans.push(value.span()),
    }
}

/// What to hide of a text that does not parse: everything after a word that announces a secret, up to the next line
/// that looks like an assignment or a header.
pub(super) fn in_text(text: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut start = 0;
    // Where the secret that is being hidden began, and where the quotes that enclose it end.
    let mut hiding: Option<usize> = None;
    let mut quoted_until = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        if start >= quoted_until && begins_something(line) {
            spans.extend(hiding.take().map(|from| from..start));
        }
        if hiding.is_none()
            && let Some(offset) = confidential_word_end(line)
        {
            let from = start + offset;
            quoted_until = closing_quotes(text, from, end);
            hiding = Some(from);
        }
        start = end;
    }
    spans.extend(hiding.map(|from| from..text.len()));
    // A key set of several lines has no such word.
    let mut end = 0;
    spans.extend(text.split_inclusive('\n').filter_map(|line| {
        end += line.len();
        holds_private_key(line).then(|| end - line.len()..end)
    }));
    spans
}

/// Whether a line starts a header or an assignment, or would if its `=` were there.
fn begins_something(line: &str) -> bool {
    let line = line.trim_start();
    let first_word = line.split(|c| !is_in_word(c)).next().unwrap_or_default();
    if is_confidential(first_word) {
        return true;
    }
    let rest =
        line.trim_start_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\''));
    line.starts_with('[') || (rest.len() < line.len() && rest.trim_start().starts_with('='))
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// Where the first confidential key of a line ends, with an equals sign and spaces that follow it.
fn confidential_word_end(line: &str) -> Option<usize> {
    let mut offset = 0;
    for word in line.split_inclusive(|c| !is_in_word(c)) {
        let key = word.trim_end_matches(|c| !is_in_word(c));
        if is_confidential(key) {
            let end = offset + key.len();
            let rest = line.get(end..).unwrap_or_default();
            let value = rest.trim_start_matches([' ', '\t']);
            let value = value.strip_prefix('=').map_or(value, |value| value.trim_start_matches([' ', '\t']));
            return Some(end + rest.len() - value.len());
        }
        offset += word.len();
    }
    None
}

/// Where a multi-line string that begins on the line ends: at its closing quotes, or with the text.
fn closing_quotes(text: &str, from: usize, line_end: usize) -> usize {
    let line = text.get(from..line_end).unwrap_or_default();
    let opening = ["\"\"\"", "'''"].into_iter().filter_map(|quotes| Some((line.find(quotes)?, quotes))).min();
    let Some((at, quotes)) = opening else { return line_end };
    let inside = from + at + quotes.len();
    let rest = text.get(inside..).unwrap_or_default();
    rest.find(quotes).map_or(text.len(), |length| inside + length + quotes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen_in_text(text: &str) -> String {
        let spans = in_text(text);
        text.char_indices()
            .filter(|(at, _)| !spans.iter().any(|span| span.contains(at)))
            .map(|(_, c)| c)
            .collect()
    }

    fn hidden_in_document(text: &str) -> Vec<&str> {
        let document = DeTable::parse(text).unwrap();
        in_document(document.get_ref()).into_iter().map(|span| &text[span]).collect()
    }

    #[test]
    fn references_are_shown_and_secrets_are_not() {
        let text = r#"
            secret = 5
            [applications.secret-santa]
            name = "shown"
            client_secret = "one"
            [applications.web]
            client_secret = { env = "SHOWN", file = "shown", hash = "two", generate = true, other = ["three"] }
            client_secrets = { env = "not a name" }
            [provider]
            client_secret_hasher = "shown"
            oidc_rsa_private_key = """
four"""
            [database]
            password = 2020-01-01
            tables.access_token = "shown"
        "#;
        let mut hidden = hidden_in_document(text);
        hidden.sort_unstable();
        let quoted = "\"\"\"\nfour\"\"\"";
        assert_eq!(hidden, [quoted, "\"not a name\"", "\"one\"", "\"three\"", "\"two\"", "2020-01-01", "5"]);
        assert_eq!(hidden_in_document("[database]\nurl = 'postgres://u:p@h/d'"), ["'postgres://u:p@h/d'"]);
    }

    #[test]
    fn broken_text_hides_what_follows_a_telling_word() {
        assert_eq!(seen_in_text("a = 1\nclient_secret \"x\"\nb = [\n"), "a = 1\nclient_secret b = [\n");
        assert_eq!(seen_in_text("client_secret = \"x\ny\n[b]\nc = 1"), "client_secret = [b]\nc = 1");
        assert_eq!(seen_in_text("w = { client_secret = 'x', y = 1 }\nz = 1"), "w = { client_secret = z = 1");
        assert_eq!(seen_in_text("client_secret = '''x\na = 1\n[b]\ny''' = \nc = 1"), "client_secret = c = 1");
        assert_eq!(seen_in_text("client_secret = '''x\na = 1\n[b]\n"), "client_secret = ");
        assert_eq!(seen_in_text("hash_client_secret = yes\nurl = x"), "hash_client_secret = yes\nurl = ");
    }
}
