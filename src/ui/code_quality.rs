//! Problems of the file as GitLab's Code Quality report, which it shows beside the lines of a merge request.

use serde::Serialize;

use super::diagnostics::shown_path;
use crate::config::{Problem, Problems, Severity, Source};
use crate::model::{digest, json};

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: &'static str,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

/// The report. `path`: the file as seen from the top of the repository. Ends with a newline.
///
/// # Errors
/// Serde's, which do not occur.
pub fn render(source: &Source, problems: &Problems) -> serde_json::Result<String> {
    let mut issues: Vec<Issue> = Vec::new();
    for problem in problems.shown() {
        let mut issue = issue(source, problem);
        // GitLab takes two issues with one fingerprint for one.
        let earlier = issues
            .iter()
            .filter(|other| (other.check_name, &other.description) == (issue.check_name, &issue.description));
        issue.fingerprint = fingerprint(&issue, earlier.count());
        issues.push(issue);
    }
    json::document(&issues)
}

fn issue(source: &Source, problem: &Problem) -> Issue {
    let Problem { severity, code, message, span, label, hint, related: _ } = problem;
    let text: Vec<&str> =
        [Some(message), label.as_ref(), hint.as_ref()].into_iter().flatten().map(String::as_str).collect();
    Issue {
        description: text.join("; "),
        check_name: code,
        fingerprint: String::new(),
        severity: match severity {
            Severity::Error => "major",
            Severity::Warning => "minor",
        },
        location: Location {
            path: shown_path(source.path()),
            lines: Lines { begin: span.as_ref().map_or(1, |span| source.position(span.start).line) },
        },
    }
}

/// Without the line: a problem that has moved is the same.
fn fingerprint(issue: &Issue, earlier: usize) -> String {
    let Issue { description, check_name, fingerprint: _, severity: _, location } = issue;
    digest(&format!("{check_name}\n{}\n{description}\n{earlier}", location.path))
}
