//! How applications came to be, in SQL: by DOT's `registration_source` (DOT 3.4.0), and by the columns of `[policy]
//! dynamic`, which a project has that registers applications by itself. `t` is a row of the application table.

use super::layout::{Layout, Marked};
use crate::model::printable::{literal, quote};

/// The source that DOT has noted, never NULL; the same rule as `Origin::parse`.
fn noted(layout: &Layout) -> &'static str {
    if layout.application().has("registration_source") {
        "coalesce(nullif(t.registration_source, ''), 'manual')"
    } else {
        "'manual'"
    }
}

fn mark(marked: &Marked) -> String {
    format!("t.{}::text IS NOT DISTINCT FROM {}", quote(&marked.column), literal(&marked.text))
}

/// A mark says that the row registered itself, and DOT's own column does not.
pub fn unnoted(layout: &Layout, marked: &Marked) -> String {
    format!("({} = 'manual' AND {})", noted(layout), mark(marked))
}

/// The row registered itself by something that does not note it as DOT does; the same rule as `Origin::Marked`.
pub fn registered_elsewhere(layout: &Layout) -> String {
    let marks: Vec<String> = layout.marks.iter().map(|marked| unnoted(layout, marked)).collect();
    if marks.is_empty() { "false".to_owned() } else { format!("({})", marks.join(" OR ")) }
}

/// The word for how the row came to be: what registered itself elsewhere counts as `dcr`.
pub fn source(layout: &Layout) -> String {
    let noted = noted(layout);
    if layout.marks.is_empty() {
        return noted.to_owned();
    }
    format!("CASE WHEN {} THEN 'dcr' ELSE {noted} END", registered_elsewhere(layout))
}

/// No client has registered the row; the same rule as `Origin::is_manual`.
pub fn manual(layout: &Layout) -> String {
    format!("{} = 'manual'", source(layout))
}
