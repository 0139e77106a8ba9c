//! The pages under `docs/adding/` name the files that change; these tests compare them with the code.

use std::collections::BTreeSet;
use std::fs;

use super::layering::files;

/// The field that `docs/adding/field.md` follows, as the file writes it and as the code does.
const FOLLOWED: [&str; 2] = ["allowed_origins", "AllowedOrigins"];

/// The files that a new field touches, at most.
const MOST_FILES: usize = 8;

#[test]
fn the_page_about_fields_names_every_file_that_knows_a_field_by_name() {
    let page = fs::read_to_string("docs/adding/field.md").unwrap();
    let (_, steps) = page.split_once("\n## The code\n").unwrap();
    let (steps, _) = steps.split_once("\nA field of a new kind").unwrap();
    let named: BTreeSet<&str> =
        steps.split('`').skip(1).step_by(2).filter(|word| word.starts_with("src/")).collect();

    let files = files("src", "rs");
    let known: BTreeSet<&str> =
        files.iter().filter_map(|file| file.to_str()).filter(|file| knows(file)).collect();
    assert_eq!(named, known);
    assert!(known.len() <= MOST_FILES, "{known:?}");
}

fn knows(file: &str) -> bool {
    let is_test = file.ends_with("/tests.rs") || file.contains("/tests/");
    let text = fs::read_to_string(file).unwrap();
    !is_test && FOLLOWED.iter().any(|name| text.contains(name))
}
