//! Stub.
use crate::config::{Problems, Source};
/// x
pub fn render(source: &Source, problems: &Problems) -> String {
    problems
        .shown()
        .iter()
        .map(|p| {
            format!(
                "{}:{:?} {}\n",
                source.path().display(),
                p.span.as_ref().map(|s| source.position(s.start)),
                p.message
            )
        })
        .collect()
}
