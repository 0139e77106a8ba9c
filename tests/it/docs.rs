//! What the documents say is true: links lead somewhere, every `oauth.toml` in them is one, the tables agree with the
//! code, and in the modules below: the pages are a book, and every command runs.

mod book;
mod commands;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use oauthctl::config::{self, Presence, Surroundings, VARIABLE_PREFIX};
use oauthctl::model::Category;
use regex::Regex;

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for target in links(&text) {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            let found = file.exists()
                && (anchor.is_empty()
                    || anchors(&fs::read_to_string(&file).unwrap()).contains(&anchor.into()));
            if !found {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// `src/plan/`, `tests/run` and the like in back-ticks.
#[test]
fn paths_exist() {
    let tops = ["src/", "tests/", "docs/", "examples/", "migrations/", ".ci/"];
    let mut missing = Vec::new();
    for document in documents() {
        for words in fs::read_to_string(&document).unwrap().split('`').skip(1).step_by(2) {
            let path = words.split_whitespace().next().unwrap_or_default();
            if tops.iter().any(|top| path.starts_with(top)) && !Path::new(path).exists() {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Blocks that begin with ```` ```toml ````. One that is meant to be wrong begins with ```` ```toml wrong ````.
#[test]
fn every_toml_block_is_an_oauth_toml() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for (line, block) in blocks(&text, "toml") {
            let place = format!("{}:{line}", document.display());
            assert_loads(&place, block.into_bytes());
        }
    }
}

#[test]
fn every_example_is_an_oauth_toml() {
    let mut count = 0;
    for file in files_under("examples", "toml") {
        assert_loads(&file.display().to_string(), fs::read(&file).unwrap());
        count += 1;
    }
    assert!(count > 0);
}

/// The sentences of the exit codes are written twice: for users, and for the reader of the code.
#[test]
fn the_documented_exit_codes_are_those_of_the_code() {
    let page = fs::read_to_string("docs/exit-status.md").unwrap();
    let documented: BTreeMap<u8, String> = page
        .lines()
        .filter_map(|line| {
            let (code, meaning) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
            Some((code.parse().ok()?, meaning.to_owned()))
        })
        .collect();

    let source = fs::read_to_string("src/error.rs").unwrap();
    let (_, body) = source.split_once("pub enum Exit {").unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let mut coded = BTreeMap::new();
    let mut sentence = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            sentence.push(text);
        } else if let Some((_, code)) = line.split_once(" = ") {
            let code: u8 = code.trim_end_matches(',').parse().unwrap();
            coded.insert(code, sentence.join(" "));
            sentence.clear();
        }
    }
    assert!(!coded.is_empty());
    assert_eq!(documented, coded);
}

/// Fails unless these bytes are an `oauth.toml` without errors and warnings, whatever it refers to.
#[track_caller]
fn assert_loads(place: &str, bytes: Vec<u8>) {
    let surroundings = Surroundings {
        variable: &|name| {
            let is_variable = name.starts_with(VARIABLE_PREFIX);
            Some(if is_variable { "example.com" } else { "a value of twenty-four" }.into())
        },
        file: &|_, _| Ok(b"a value of twenty-four".to_vec()),
    };
    let problems = match config::load(bytes, Path::new("oauth.toml"), surroundings, Presence::Required) {
        Ok(config) => config.problems,
        Err(rejected) => rejected.problems,
    };
    assert!(problems.shown().is_empty(), "{place}: {:#?}", problems.shown());
}

fn documents() -> Vec<PathBuf> {
    let mut found: Vec<_> =
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].iter().map(PathBuf::from).collect();
    found.extend(files_under("docs", "md"));
    found.extend(files_under("examples", "md"));
    found
}

fn files_under(root: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::from(root)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The relative targets of `[…](target)` and `src="target"`, outside fenced blocks.
fn links(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (opening, closing) in [("](", ')'), ("src=\"", '"')] {
            for rest in line.split(opening).skip(1) {
                let target = rest.split(closing).next().unwrap();
                if !target.contains("://") && !target.starts_with("mailto:") {
                    targets.push(target.to_owned());
                }
            }
        }
    }
    targets
}

/// What GitHub calls the headings of a document.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let words = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = words.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// The fenced blocks whose information string is exactly `language`, each with the line that it begins at.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let blocks = blocks_of_every_language(text).into_iter().filter(|(_, found, _)| found == language);
    blocks.map(|(line, _, block)| (line, block)).collect()
}

/// The fenced blocks: the line that each begins at, its information string, and what is in it.
fn blocks_of_every_language(text: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(language), None) => open = Some((number, language.to_owned(), String::new())),
            (None, Some((_, _, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// Every key of the JSON documents and every metric is in the tables of the page that promises them.
#[test]
fn the_operations_page_has_every_key_and_every_metric() {
    let page = fs::read_to_string("docs/operations.md").unwrap();
    let documented: BTreeSet<&str> = page.split('`').skip(1).step_by(2).collect();
    let mut missing = BTreeSet::new();
    for name in ["status__scripts_get_the_same_as_json", "doctor__ill_json"] {
        let snapshot = fs::read_to_string(format!("tests/it/snapshots/it__{name}.snap")).unwrap();
        for line in snapshot.lines().filter(|line| line.starts_with("  ")) {
            let key = line.trim_start().strip_prefix('"').and_then(|rest| rest.split_once("\":"));
            let key = key.map(|(key, _)| key).filter(|key| key.parse::<Category>().is_err());
            missing.extend(key.filter(|key| !documented.contains(key)).map(str::to_owned));
        }
    }
    missing.extend(metrics().into_iter().filter(|name| !documented.contains(name.as_str())));
    // Which every document has.
    missing.remove("tool_version");
    assert!(missing.is_empty(), "not in docs/operations.md: {missing:?}");
}

/// In the rules of an alert, say.
#[test]
fn alerts_are_about_real_metrics() {
    let metrics = metrics();
    let name = Regex::new("oauthctl_[a-z_]+").unwrap();
    let mut count = 0;
    for document in documents() {
        for (line, block) in blocks(&fs::read_to_string(&document).unwrap(), "yaml") {
            for found in name.find_iter(&block) {
                assert!(
                    metrics.contains(found.as_str()),
                    "{}:{line}: {}",
                    document.display(),
                    found.as_str()
                );
                count += 1;
            }
        }
    }
    assert!(count > 0);
}

/// The names that a test has seen `status --metrics-file` write.
fn metrics() -> BTreeSet<String> {
    let written =
        fs::read_to_string("tests/it/snapshots/it__status__prometheus_understands_the_metrics.snap").unwrap();
    let lines = written.lines().filter(|line| line.starts_with("oauthctl_"));
    lines.map(|line| line.split([' ', '{']).next().unwrap().to_owned()).collect()
}
