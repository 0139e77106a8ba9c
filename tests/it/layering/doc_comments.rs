//! Doc comments: public types and functions have one, and none is empty.

use std::fs;
use std::path::Path;

use regex::Regex;

use super::{rust_files, without_unit_tests};

/// Fewer words say no more than the name does, unless one of them is code.
const LEAST_WORDS: usize = 3;

#[test]
fn public_types_and_functions_have_docs() {
    let public =
        Regex::new(r"^\s*pub (?:const |async |unsafe )*(?:fn|struct|enum|trait|type|union) ").unwrap();
    let mut violations = Vec::new();
    for file in rust_files("src") {
        for Item { number, docs, line } in items(&file) {
            if docs.is_empty() && public.is_match(&line) {
                violations.push(format!("{}:{number}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(
        violations.is_empty(),
        "say what these are for, or take the `pub` away:\n{}",
        violations.join("\n")
    );
}

/// A unit, a rule or a shape is worth a comment. "The pool." above `pool` is not: leave it out.
#[test]
fn no_doc_comment_is_empty() {
    let mut violations = Vec::new();
    for file in rust_files("src") {
        for Item { number, docs, .. } in items(&file) {
            let is_short = docs.split_whitespace().count() < LEAST_WORDS;
            let is_empty = is_short && (!docs.contains('`') || docs.starts_with("See "));
            if !docs.is_empty() && (is_empty || docs == "See the module.") {
                violations.push(format!("{}:{number}: {docs}", file.display()));
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// A line of code with the doc comment above it.
struct Item {
    number: usize,
    docs: String,
    line: String,
}

fn items(file: &Path) -> Vec<Item> {
    let text = without_unit_tests(&fs::read_to_string(file).unwrap());
    let (mut items, mut docs, mut in_attribute) = (Vec::new(), Vec::new(), false);
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim();
        if let Some(text) = trimmed.strip_prefix("///") {
            docs.push(text.trim().to_owned());
        } else if in_attribute || trimmed.starts_with("#[") {
            in_attribute = !trimmed.ends_with(']');
        } else {
            items.push(Item { number, docs: docs.join(" "), line: line.to_owned() });
            docs.clear();
        }
    }
    items
}
