//! What SARIF says of each rule of the advice and of each code of a problem. The codes are described in one place, which is
//! the page of the documentation; a test holds it to the codes that there are.

use serde_json::{Value, json};

use crate::lint::Rule;

const DIAGNOSTICS: &str = include_str!("../../docs/diagnostics.md");

/// The rules, then the codes.
pub(super) fn all() -> Vec<Value> {
    let codes = codes().map(|(code, is_error, text)| {
        let level = if is_error { "error" } else { "warning" };
        json!({
            "id": code,
            "shortDescription": { "text": text },
            "help": { "text": format!("{text}. docs/diagnostics.md describes all codes."), "markdown": text },
            "defaultConfiguration": { "level": level },
        })
    });
    Rule::ALL.iter().copied().map(advice).chain(codes).collect()
}

/// The position of a rule or of a code.
pub(super) fn position(id: &str) -> Option<usize> {
    let rules = Rule::ALL.iter().map(|rule| rule.id());
    rules.chain(codes().map(|(code, ..)| code)).position(|known| known == id)
}

fn advice(rule: Rule) -> Value {
    let (finds, source) = (rule.finds(), rule.source());
    json!({
        "id": rule.id(),
        "shortDescription": { "text": finds },
        "fullDescription": { "text": format!("{finds} ({source})") },
        "help": {
            "text": format!("{finds}. Why: {source}. To hear nothing of it: [lint] ignore = [\"{}\"]", rule.id()),
            "markdown": format!("{finds}. Why: {source}. To hear nothing of it: `[lint] ignore = [\"{}\"]`", rule.id()),
        },
        "defaultConfiguration": { "level": "warning" },
    })
}

/// The rows of the table: code, whether it is an error, description.
fn codes() -> impl Iterator<Item = (&'static str, bool, &'static str)> {
    let (_, table) = DIAGNOSTICS.split_once("## Codes").unwrap_or_default();
    table.lines().filter_map(|line| {
        let (code, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (severity, text) = rest.strip_suffix(" |")?.split_once(" | ")?;
        Some((code, severity.starts_with("error"), text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_read() {
        let rows = DIAGNOSTICS.lines().filter(|line| line.starts_with("| `")).count();
        let fields = DIAGNOSTICS.split("## Codes").next().unwrap();
        let before = fields.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(codes().count(), rows - before);
        assert!(codes().any(|(code, is_error, _)| code == "unknown-key" && is_error));
        assert!(codes().any(|(code, is_error, _)| code == "no-owner" && !is_error));
        let first = codes().next().unwrap().0;
        assert_eq!(position(first), Some(Rule::ALL.len()));
    }
}
