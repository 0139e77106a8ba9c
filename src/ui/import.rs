//! What `import` did or would do: a difference for reviewers, a sentence for people, an object for scripts. Pure.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;
use similar::TextDiff;

use super::plan::{plural, visible};
use super::{BOLD, CYAN, GREEN, RED, paint};
use crate::import::{Reason, Remark};
use crate::model::json;
use crate::model::{Attribute, ClientId};

/// The version of the JSON object.
pub const FORMAT_VERSION: &str = "1.0";

/// Lines around a difference.
const CONTEXT: usize = 3;

/// More names than this are counted, not listed.
const LISTED: usize = 10;

/// What an import did to the file.
#[derive(Debug)]
pub struct Written {
    pub path: PathBuf,
    /// Its text before, and what it would be, without secrets; `None`: nobody wants to see the difference.
    pub texts: Option<(String, String)>,
    /// Whether it was written.
    pub is_written: bool,
    /// Applications that are declared now.
    pub added: Vec<ClientId>,
    /// Keys of those that were declared before.
    pub set: Vec<(ClientId, Attribute)>,
    /// What of that could not be.
    pub left: Vec<(ClientId, Attribute)>,
    /// What was left out, and why.
    pub remarks: Vec<Remark>,
    /// Applications that are declared as they are.
    pub unchanged: Vec<ClientId>,
}

impl Written {
    fn imported(&self) -> Vec<&ClientId> {
        self.added.iter().collect()
    }

    /// Every changed key, by application.
    fn updated(&self) -> Vec<(&ClientId, Vec<Attribute>)> {
        let mut updated: Vec<(&ClientId, Vec<Attribute>)> = Vec::new();
        for set in self.set.iter().filter(|set| !self.left.contains(set)) {
            let (of, field) = set;
            match updated.last_mut() {
                Some((client_id, fields)) if *client_id == of => fields.push(field.clone()),
                _ => updated.push((of, vec![field.clone()])),
            }
        }
        updated
    }
}

/// The difference as `diff -u` writes it; nothing where there is none.
#[must_use]
pub fn diff(written: &Written) -> String {
    let name = visible(&written.path.display().to_string());
    let Some((before, after)) = &written.texts else { return String::new() };
    let diff = TextDiff::from_lines(before, after);
    let text =
        diff.unified_diff().context_radius(CONTEXT).header(&name, &format!("{name} (imported)")).to_string();
    text.lines().fold(String::new(), |mut out, line| {
        let style = match line.as_bytes().first() {
            _ if line.starts_with("--- ") || line.starts_with("+++ ") => Some(BOLD),
            Some(b'+') => Some(GREEN),
            Some(b'-') => Some(RED),
            Some(b'@') => Some(CYAN),
            _ => None,
        };
        let line = line.replace('\t', "    ");
        let line = visible(line.trim_end_matches('\r'));
        let _ = match style {
            Some(style) => writeln!(out, "{}", paint(style, line)),
            None => writeln!(out, "{line}"),
        };
        out
    })
}

/// `Imported 2 applications into oauth.toml: reports, web.`
#[must_use]
pub fn summary(written: &Written) -> String {
    let path = visible(&written.path.display().to_string());
    let imported = written.imported();
    let updated: Vec<&ClientId> = written.updated().into_iter().map(|(client_id, _)| client_id).collect();
    let mut out = String::new();
    for (verb, preposition, client_ids) in [("Imported", "into", imported), ("Updated", "in", updated)] {
        if !client_ids.is_empty() {
            let count = plural(client_ids.len() as u64, "application");
            let _ = writeln!(out, "{verb} {count} {preposition} {path}: {}.", names(&client_ids));
        }
    }
    if out.is_empty() {
        let declared = match written.unchanged.len() {
            0 => String::new(),
            count => format!(" ({} declared as they are)", plural(count as u64, "application")),
        };
        let _ = writeln!(out, "Nothing to import; {path} is as it was{declared}.");
    }
    out
}

fn names(client_ids: &[&ClientId]) -> String {
    let shown: Vec<String> = client_ids.iter().take(LISTED).map(|id| visible(id.as_str())).collect();
    match client_ids.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: &'static str,
    tool_version: &'static str,
    file: String,
    written: bool,
    imported: Vec<&'a ClientId>,
    updated: Vec<UpdatedView<'a>>,
    unchanged: &'a [ClientId],
    remarks: Vec<RemarkView<'a>>,
}

#[derive(Serialize)]
struct UpdatedView<'a> {
    client_id: &'a ClientId,
    fields: Vec<Attribute>,
}

#[derive(Serialize)]
struct RemarkView<'a> {
    client_id: &'a ClientId,
    kind: &'static str,
    fields: Vec<Attribute>,
    message: String,
    hint: Option<&'a str>,
}

/// The JSON object; docs/import.md describes it.
///
/// # Errors
/// None that can happen: the values serialise.
pub fn json(written: &Written) -> Result<String, serde_json::Error> {
    let updated = written.updated();
    let document = Document {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        file: written.path.display().to_string(),
        written: written.is_written,
        imported: written.imported(),
        updated: updated.into_iter().map(|(client_id, fields)| UpdatedView { client_id, fields }).collect(),
        unchanged: &written.unchanged,
        remarks: written.remarks.iter().map(remark).collect(),
    };
    json::document(&document)
}

fn remark(remark: &Remark) -> RemarkView<'_> {
    let Remark { client_id, reason, hint } = remark;
    let (kind, fields) = match reason {
        Reason::Omitted(field, _) => ("omitted", vec![field.clone()]),
        Reason::Kept(field, _) => ("kept", vec![field.clone()]),
        Reason::Differs(fields) => ("differs", fields.clone()),
        Reason::Renamed(_) => ("renamed", Vec::new()),
        Reason::Removed | Reason::Disabled => ("removed", Vec::new()),
        Reason::Undeclarable(_) => ("undeclarable", Vec::new()),
        Reason::Impossible(_) => ("impossible", Vec::new()),
        Reason::Dynamic => ("dynamic", Vec::new()),
    };
    RemarkView { client_id, kind, fields, message: reason.to_string(), hint: hint.as_deref() }
}
