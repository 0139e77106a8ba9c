//! A list that gets other items: those that stay keep their place, their spelling and their comments.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml_edit::Document;

use super::outline::{indent, line_end, line_start};
use super::render::{Newline, on_one_line, value};
use super::{Splice, Written, spliced};
use crate::config::variables::resolved;
use crate::model::toml_value;

/// What makes a value a document.
const KEY: &str = "x=";

/// The text of the list with exactly the wanted items; `None`: the text is no list.
/// `variables`: those of the file, with their values.
pub(super) fn merged(
    text: &str,
    wanted: &[String],
    newline: Newline,
    variables: &BTreeMap<String, String>,
) -> Option<String> {
    let items = items(text, variables)?;
    let mut missing: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    let (kept, gone): (Vec<_>, Vec<_>) =
        items.iter().partition(|item| item.text.as_deref().is_some_and(|item| missing.remove(item)));
    let added: Vec<&String> = wanted.iter().filter(|uri| missing.contains(uri.as_str())).collect();
    let Some(last) = kept.last() else {
        // Comments that stood between the items have nothing to be about any more.
        let written = Written::Uris(added.into_iter().cloned().collect());
        let is_long = text.contains('\n');
        return Some(if is_long { value(&written, "", newline) } else { on_one_line(&written) });
    };
    let mut splices = Vec::new();
    if !added.is_empty() {
        splices.extend(additions(text, last, &added, newline));
    }
    let mut previous: Option<&Item> = None;
    for item in &items {
        if gone.iter().any(|gone| gone.span == item.span) {
            let is_last = items.last().is_some_and(|last| last.span == item.span);
            splices.push((removal(text, item, previous.filter(|_| is_last)), String::new()));
        } else {
            previous = Some(item);
        }
    }
    Some(spliced(text, splices))
}

struct Item {
    /// The string with its variables replaced; `None`: something else.
    text: Option<String>,
    span: Range<usize>,
}

fn items(text: &str, variables: &BTreeMap<String, String>) -> Option<Vec<Item>> {
    let document = Document::parse(format!("{KEY}{text}")).ok()?;
    let array = document.as_table().iter().next()?.1.as_array()?;
    let item = |value: &toml_edit::Value| {
        let span = value.span()?;
        let span = span.start.checked_sub(KEY.len())?..span.end.checked_sub(KEY.len())?;
        Some(Item { text: value.as_str().map(|text| resolved(text, variables).into_owned()), span })
    };
    array.iter().map(item).collect()
}

/// Where the comma behind an item is, if there is one.
fn comma_after(text: &str, mut at: usize) -> Option<usize> {
    loop {
        let rest = text.get(at..)?;
        at += rest.len() - rest.trim_start().len();
        match text.get(at..)?.chars().next()? {
            '#' => at = line_end(text, at),
            ',' => return Some(at),
            _ => return None,
        }
    }
}

/// Whether an item has its line for itself; from there to there.
fn own_line(text: &str, item: &Item) -> Option<Range<usize>> {
    let end = comma_after(text, item.span.end).map_or(item.span.end, |comma| comma + 1);
    let line = line_start(text, item.span.start)..line_end(text, end);
    let before = text.get(line.start..item.span.start)?;
    let after = text.get(end..line.end)?.trim_start();
    let is_alone = line.start > 0 && before.trim().is_empty() && (after.is_empty() || after.starts_with('#'));
    (is_alone && text.get(line.clone())?.ends_with('\n')).then_some(line)
}

fn additions(text: &str, last: &Item, added: &[&String], newline: Newline) -> Vec<Splice> {
    let Some(line) = own_line(text, last) else {
        let items: String = added.iter().map(|uri| format!(", {}", toml_value(uri))).collect();
        return vec![(last.span.end..last.span.end, items)];
    };
    let comma = comma_after(text, last.span.end).is_none();
    let indent = indent(text.get(line.clone()).unwrap_or_default());
    let lines: String =
        added.iter().map(|uri| format!("{indent}{},{}", toml_value(uri), newline.text())).collect();
    let comma = comma.then(|| (last.span.end..last.span.end, ",".to_owned()));
    comma.into_iter().chain([(line.end..line.end, lines)]).collect()
}

/// What goes with an item. `previous`: the one that will be the last, if this one was.
fn removal(text: &str, item: &Item, previous: Option<&Item>) -> Range<usize> {
    if let Some(line) = own_line(text, item) {
        return line;
    }
    if let Some(comma) = comma_after(text, item.span.end) {
        let rest = text.get(comma + 1..).unwrap_or_default();
        let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        return item.span.start..comma + 1 + spaces;
    }
    match previous {
        Some(previous)
            if !text.get(previous.span.end..item.span.start).unwrap_or_default().contains('\n') =>
        {
            previous.span.end..item.span.end
        }
        _ => item.span.clone(),
    }
}
