//! What must hold of any file: neither the order of its tables and keys nor a mutation of its text does harm.

use std::path::Path;

use proptest::prelude::*;

use super::super::{Presence, Surroundings, load, read_file};
use super::{FULL, good, meaning};

/// The lines of `FULL`: tables, each with its keys.
fn tables() -> Vec<(String, Vec<String>)> {
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    for line in FULL.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match tables.last_mut() {
            Some((_, keys)) if !line.starts_with('[') => keys.push(line.to_owned()),
            _ => tables.push((line.to_owned(), Vec::new())),
        }
    }
    tables
}

fn shuffled_text() -> impl Strategy<Value = String> {
    let tables = tables();
    let keys: Vec<_> = tables.iter().map(|(_, keys)| Just(keys.clone()).prop_shuffle()).collect();
    let order = Just((0..tables.len()).collect::<Vec<_>>()).prop_shuffle();
    (keys, order).prop_map(move |(keys, order)| {
        let table = |index: &usize| format!("{}\n{}\n", tables[*index].0, keys[*index].join("\n"));
        order.iter().map(table).collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_tables_and_keys_never_matters(text in shuffled_text()) {
        prop_assert_eq!(meaning(&good(&text)), meaning(&good(FULL)));
    }

    #[test]
    fn no_mutation_of_a_file_panics(
        at in 0..FULL.len(),
        length in 0usize..40,
        insert in prop_oneof![
            "[\\x00-\\x7f]{0,6}",
            "\\PC{0,6}",
            prop::sample::select(vec!["[", "]", "{", "}", "\"", "'''", "\n", "=", "#", "\\u0000", "[[", "\r", "1e9"])
                .prop_map(str::to_owned),
        ],
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, insert.into_bytes());
        let around = Surroundings { variable: &|_| None, file: &read_file };
        let (source, problems) = match load(bytes, Path::new("oauth.toml"), around, Presence::Optional) {
            Ok(config) => (config.source, config.problems),
            Err(rejected) => {
                prop_assert!(rejected.problems.error_count() > 0);
                (rejected.source, rejected.problems)
            }
        };
        for problem in problems.shown() {
            let span = problem.span.clone().unwrap();
            prop_assert!(span.start <= span.end && span.end <= source.text().len());
            prop_assert!(!problem.message.contains(char::is_control));
        }
    }
}
