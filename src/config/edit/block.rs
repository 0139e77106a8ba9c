//! A new application as text: under a header, as dotted keys, or as an inline table.

use std::collections::BTreeSet;

use super::outline::indent;
use super::render::{self, Newline, comment};
use super::{Block, Line, Written};
use crate::model::{Attribute, toml_key, toml_value};

/// A name for the table: the client id, unless another table has it.
pub(super) fn free_name(client_id: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name = client_id.to_owned();
    for number in 2_u32.. {
        if taken.insert(name.clone()) {
            break;
        }
        name = format!("{client_id}-{number}");
    }
    name
}

/// `client_id`, where it is not the name.
fn client_id_value(name: &str, block: &Block) -> Option<String> {
    (name != block.client_id.as_str()).then(|| toml_value(block.client_id.as_str()))
}

pub(super) fn pair(prefix: &str, field: &Attribute, value: &Written) -> String {
    format!("{prefix}{} = {}", field.in_file(), render::on_one_line(value))
}

fn lines(prefix: &str, name: &str, block: &Block, newline: Newline) -> Vec<String> {
    let client_id = client_id_value(name, block).map(|id| format!("{prefix}client_id = {id}"));
    let mut lines: Vec<String> = client_id.into_iter().collect();
    for line in &block.lines {
        match line {
            Line::Field(field, value) => {
                let value = render::value(value, indent(prefix), newline);
                lines.push(format!("{prefix}{} = {value}", field.in_file()));
            }
            Line::Omitted { field, value, why, hint: _ } => {
                lines.extend(omitted(prefix, field, value.as_ref(), why));
            }
        }
    }
    lines
}

fn omitted(prefix: &str, field: &Attribute, value: Option<&Written>, why: &str) -> Vec<String> {
    let indentation = indent(prefix);
    let key = field.in_file();
    let reason = format!("{indentation}# {key} is not managed: {}.", comment(why));
    let value = value.map(|value| format!("{indentation}# {key} = {}", render::on_one_line(value)));
    std::iter::once(reason).chain(value).collect()
}

pub(super) fn header_lines(
    name: &str,
    block: &Block,
    indentation: &str,
    keys: &str,
    newline: Newline,
) -> Vec<String> {
    let header = format!("{indentation}[applications.{}]", toml_key(name));
    std::iter::once(header).chain(lines(keys, name, block, newline)).collect()
}

pub(super) fn dotted_lines(prefix: &str, name: &str, block: &Block, newline: Newline) -> Vec<String> {
    let prefix = format!("{prefix}{}.", toml_key(name));
    let lines = lines(&prefix, name, block, newline);
    // A table without a key would not be there at all.
    if block.lines.iter().any(|line| matches!(line, Line::Field(..))) || name != block.client_id.as_str() {
        return lines;
    }
    lines
        .into_iter()
        .chain([format!("{prefix}client_id = {}", toml_value(block.client_id.as_str()))])
        .collect()
}

pub(super) fn inline_lines(prefix: &str, name: &str, block: &Block) -> Vec<String> {
    let omissions = block.lines.iter().filter_map(|line| match line {
        Line::Omitted { field, value, why, hint: _ } => Some(omitted(prefix, field, value.as_ref(), why)),
        Line::Field(..) => None,
    });
    omissions.flatten().chain([format!("{prefix}{}", inline_entry(name, block))]).collect()
}

/// `name = { … }`; an inline table has no place for comments.
pub(super) fn inline_entry(name: &str, block: &Block) -> String {
    let client_id = client_id_value(name, block).map(|id| format!("client_id = {id}"));
    let fields = block.lines.iter().filter_map(|line| match line {
        Line::Field(field, value) => Some(pair("", field, value)),
        Line::Omitted { .. } => None,
    });
    let pairs: Vec<String> = client_id.into_iter().chain(fields).collect();
    format!("{} = {}", toml_key(name), render::inline_table(&pairs))
}
