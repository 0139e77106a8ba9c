//! The names of snapshot files: each says what is seen, and a test refers to each.

use std::fs;
use std::path::{Path, PathBuf};

use super::files;

/// insta numbers the snapshots of a test that have no name. A number says nothing, and changes with the order.
#[test]
fn no_snapshot_has_a_number_for_a_name() {
    for file in snapshots() {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let number = name.rsplit_once('-').map_or("", |(_, number)| number);
        assert!(number.parse::<u32>().is_err(), "{}: give `assert_snapshot!` a name", file.display());
    }
}

#[test]
fn every_snapshot_has_a_test() {
    let orphans: Vec<PathBuf> = snapshots().into_iter().filter(|file| !has_a_test(file)).collect();
    assert!(orphans.is_empty(), "no test writes these any more; delete them: {orphans:#?}");
}

/// `DIRECTORY/snapshots/CRATE__MODULE__NAME.snap` is written by a test of `DIRECTORY/MODULE.rs`, `DIRECTORY/mod.rs` or
/// `DIRECTORY.rs`. There NAME is a test, a text in quotes, or a text in quotes with a `{…}` for its end.
fn has_a_test(snapshot: &Path) -> bool {
    let directory = snapshot.parent().unwrap().parent().unwrap();
    let mut names = snapshot.file_stem().unwrap().to_str().unwrap().rsplit("__");
    let (name, module) = (names.next().unwrap(), names.next().unwrap());
    let candidates = [format!("{module}.rs"), format!("{module}/mod.rs"), "mod.rs".to_owned()];
    candidates.iter().map(|file| directory.join(file)).chain([directory.with_extension("rs")]).any(|file| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let begins = |literal: &str| {
            literal.split_once('{').is_some_and(|(begin, _)| !begin.is_empty() && name.starts_with(begin))
        };
        text.contains(&format!("fn {name}("))
            || text.contains(&format!("\"{name}\""))
            || text.split('"').skip(1).any(begins)
    })
}

fn snapshots() -> Vec<PathBuf> {
    let all: Vec<PathBuf> = ["src", "tests"].into_iter().flat_map(|root| files(root, "snap")).collect();
    assert!(all.len() > 200, "{}", all.len());
    all
}
