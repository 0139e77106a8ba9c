//! Problems of the file as workflow commands, which GitHub shows beside the lines of a pull request.

use std::fmt::Write as _;

use super::diagnostics::shown_path;
use crate::config::{Problem, Problems, Source};

/// One line for each problem.
#[must_use]
pub fn render(source: &Source, problems: &Problems) -> String {
    let path = shown_path(source.path());
    problems.shown().into_iter().fold(String::new(), |text, problem| text + &line(source, &path, problem))
}

fn line(source: &Source, path: &str, problem: &Problem) -> String {
    let Problem { severity, code, message, span, label, hint, related: _ } = problem;
    let mut line = format!("::{} file={}", severity.name(), property(path));
    if let Some(span) = span {
        let (start, end) = (source.position(span.start), source.position(span.end));
        // Writing to a String cannot fail. The end column is meant within one line only, and names the last character.
        let _ = write!(line, ",line={},endLine={}", start.line, end.line);
        if start.line == end.line {
            let _ = write!(line, ",col={},endColumn={}", start.column, (end.column - 1).max(start.column));
        }
    }
    let text: Vec<&str> =
        [Some(message), label.as_ref(), hint.as_ref()].into_iter().flatten().map(String::as_str).collect();
    let _ = writeln!(line, ",title={}::{}", property(code), data(&text.join("\n")));
    line
}

/// The text of a command ends at the line's end.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// That of a property at a comma or a colon, too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::property;

    #[test]
    fn properties_are_escaped() {
        assert_eq!(property("a,b:c\n100%"), "a%2Cb%3Ac%0A100%25");
    }
}
