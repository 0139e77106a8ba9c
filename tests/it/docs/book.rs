//! docs/ is a book for mdBook and a folder of pages on a forge at once. `bash .ci/run` builds the book and looks for dead
//! links in the HTML; what mdBook needs for that is tested here, without mdBook.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use oauthctl::conninfo::{Given, Machine, Sources, resolve};
use tempfile::TempDir;

use super::{blocks, files_under, links};

const SUMMARY: &str = "docs/SUMMARY.md";

#[test]
fn every_page_is_in_the_summary_once() {
    let mut times: BTreeMap<PathBuf, usize> = files_under("docs", "md")
        .into_iter()
        .filter(|page| page != Path::new(SUMMARY))
        .map(|page| (page, 0))
        .collect();
    for target in links(&fs::read_to_string(SUMMARY).unwrap()) {
        *times.entry(Path::new("docs").join(target)).or_default() += 1;
    }
    let wrong: Vec<_> = times.into_iter().filter(|(_, times)| *times != 1).collect();
    assert!(wrong.is_empty(), "not in docs/SUMMARY.md exactly once: {wrong:?}");
}

/// mdBook copies nothing from elsewhere. So a link that leaves docs/ is right on a forge and dead in the book; such a
/// file is named in back-ticks instead.
#[test]
fn no_page_links_to_a_file_outside_the_book() {
    for page in files_under("docs", "md") {
        for target in links(&fs::read_to_string(&page).unwrap()) {
            let inside = target.split('#').next().unwrap();
            let mut depth = page.parent().unwrap().components().count();
            for component in Path::new(inside).components() {
                depth = if component == Component::ParentDir { depth - 1 } else { depth + 1 };
                assert!(depth > 0, "{}: {target}", page.display());
            }
        }
    }
}

/// The book makes one heading of the first level from each page.
#[test]
fn every_page_begins_with_its_title() {
    for page in files_under("docs", "md") {
        let text = fs::read_to_string(&page).unwrap();
        assert!(text.starts_with("# "), "{}", page.display());
    }
}

/// The block of docs/connection.md in which each line is a connection string.
#[test]
fn the_connection_strings_are_read() {
    let page = fs::read_to_string("docs/connection.md").unwrap();
    let (_, strings) = blocks(&page, "text").into_iter().next().unwrap();
    let directory = TempDir::new().unwrap();
    let services = directory.path().join("services");
    fs::write(&services, "[shop]\nhost=db1\ndbname=shop\n").unwrap();
    let variable =
        |name: &str| (name == "PGSERVICEFILE").then(|| services.to_str().expect("a UTF-8 path").to_owned());
    for text in strings.lines() {
        let command_line = Some(Given { label: "--database-url", text });
        if let Err(error) = resolve(&Sources { command_line, file: None }, &Machine::new(variable)) {
            panic!("{text}: {error}");
        }
    }
}
