//! Problems of the file as SARIF 2.1.0, for code scanning. Columns count characters; secrets are never in messages.

use serde_json::{Value, json};

use super::diagnostics::shown_path;
use super::sarif_rules;
use crate::config::{Problem, Problems, Severity, Source, Span};
use crate::model::json;

/// Where the project is, as `repository` in Cargo.toml says; empty as long as that names none. A made-up address would lead
/// readers of code scanning to a page of somebody else.
const HOME: &str = env!("CARGO_PKG_REPOSITORY");

/// One run of `validate`. Ends with a newline.
///
/// # Errors
/// Serde's, which do not occur.
pub fn render(source: &Source, problems: &Problems) -> serde_json::Result<String> {
    let results: Vec<Value> = problems.shown().into_iter().map(|problem| result(source, problem)).collect();
    let driver = driver(HOME);
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints", "results": results }],
    });
    json::document(&log)
}

/// The program. `home`: its address; empty: it has none, and the key is left out.
fn driver(home: &str) -> Value {
    let mut driver = json!({
        "name": "oauthctl",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": sarif_rules::all(),
    });
    if !home.is_empty() {
        driver["informationUri"] = home.into();
    }
    driver
}

fn result(source: &Source, problem: &Problem) -> Value {
    let Problem { severity, code, message, span, label, hint, related } = problem;
    let text = [Some(message), label.as_ref(), hint.as_ref()];
    let text: Vec<&str> = text.into_iter().flatten().map(String::as_str).collect();
    let mut result = json!({
        "ruleId": code,
        "level": match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": { "text": text.join("; ") },
        "locations": [location(source, span.as_ref())],
    });
    if let Some(index) = sarif_rules::position(code) {
        result["ruleIndex"] = json!(index);
    }
    if let Some(mark) = related {
        let mut place = location(source, Some(&mark.span));
        place["message"] = json!({ "text": mark.label });
        result["relatedLocations"] = json!([place]);
    }
    result
}

fn location(source: &Source, span: Option<&Span>) -> Value {
    let mut place = json!({ "artifactLocation": { "uri": uri(&shown_path(source.path())) } });
    if let Some(span) = span {
        let (start, end) = (source.position(span.start), source.position(span.end));
        place["region"] = json!({
            "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column,
        });
    }
    json!({ "physicalLocation": place })
}

/// A path as a relative URI reference (RFC 3986): bytes other than unreserved ones and slashes are escaped.
fn uri(path: &str) -> String {
    use std::fmt::Write as _;
    path.trim_start_matches("./").bytes().fold(String::new(), |mut uri, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
        uri
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{HOME, driver, uri};

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("./conf/oauth.toml"), "conf/oauth.toml");
        assert_eq!(uri("a b/ü:%.toml"), "a%20b/%C3%BC%3A%25.toml");
    }

    /// SARIF 2.1.0 section 3.19.2 wants an absolute URI, and code scanning shows it as a link.
    #[test]
    fn the_address_of_the_project_is_an_absolute_uri_or_left_out() {
        assert_eq!(driver("").get("informationUri"), None);
        assert_eq!(driver("https://git.example/oauthctl")["informationUri"], "https://git.example/oauthctl");
        assert_eq!(driver(HOME).get("informationUri").is_some(), !HOME.is_empty());
        if let Some(Value::String(home)) = driver(HOME).get("informationUri") {
            let (scheme, rest) = home.split_once("://").unwrap_or_default();
            let host = rest.split('/').next().unwrap_or_default();
            assert!(scheme == "https" && host.contains('.'), "{home}");
            assert!(home.chars().all(|c| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c)), "{home}");
        }
    }
}
