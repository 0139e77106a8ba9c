//! The rules of the house that the compiler does not know: who may import whom, what files are called, how long
//! they get, and that each says what it is for. The table in `src/lib.rs` is the only statement of the first one;
//! this reads it.

mod circles;
mod doc_comments;
mod snapshot_names;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Names that say nothing about what is inside.
const FORBIDDEN_NAMES: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];

/// A longer file says in its header why it is not two: a sentence with these words in it.
const MOST_LINES: usize = 400;
const EXCUSE: &str = "400 lines";

#[test]
fn imports_follow_the_table() {
    let allowed = allowed_imports();
    let mut violations = Vec::new();
    for file in rust_files("src") {
        let Some(module) = module_of(&file) else { continue };
        let allowed = &allowed[&module];
        let text = without_unit_tests(&fs::read_to_string(&file).unwrap());
        for (number, line) in (1..).zip(text.lines()) {
            for imported in crate_paths(strip_comment(line)) {
                if imported != module && !allowed.contains(&imported) {
                    let file = file.display();
                    violations.push(format!("{file}:{number}: `{module}` may not import `{imported}`"));
                }
            }
        }
    }
    assert!(violations.is_empty(), "see the table in src/lib.rs:\n{}", violations.join("\n"));
}

#[test]
fn the_table_names_every_module() {
    let source = fs::read_to_string("src/lib.rs").unwrap();
    let declared: BTreeSet<String> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    let in_table: BTreeSet<String> = allowed_imports().into_keys().collect();
    assert_eq!(in_table, declared);
}

/// What the reader above would not see, so there is none of it.
#[test]
fn imports_of_the_crate_are_readable_line_by_line() {
    for file in rust_files("src") {
        let inside = file.strip_prefix("src").unwrap().with_extension("");
        let depth = inside.iter().filter(|part| *part != "mod").count();
        let to_the_root = "super::".repeat(depth);
        let text = without_unit_tests(&fs::read_to_string(&file).unwrap());
        for (number, line) in (1..).zip(text.lines()) {
            let (line, place) = (strip_comment(line), format!("{}:{number}", file.display()));
            assert!(!line.contains("crate::{"), "{place}: one module of the crate per `use`");
            assert!(!line.contains(&to_the_root), "{place}: say `crate::…`, so that the module is named");
        }
    }
}

/// What the driver has to execute a statement with.
const EXECUTES: [&str; 6] =
    [".query_", ".execute_typed(", ".batch_execute(", ".simple_query(", ".copy_in(", ".copy_out("];

#[test]
fn only_db_executes_statements() {
    let mut violations = Vec::new();
    for file in rust_files("src").into_iter().filter(|file| !file.starts_with("src/db")) {
        let text = without_unit_tests(&fs::read_to_string(&file).unwrap());
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| line.contains("SET LOCAL")) {
            violations.push(format!("{}:{number}: {}", file.display(), line.trim()));
        }
        // A call whose receiver is on the line above begins the line.
        let is_call = |line: &&str| EXECUTES.iter().any(|call| strip_comment(line).contains(call));
        for line in text.lines().filter(is_call) {
            violations.push(format!("{}: {}", file.display(), line.trim()));
        }
    }
    assert!(violations.is_empty(), "move these to src/db:\n{}", violations.join("\n"));
}

/// `doctor` proposes statements for people to type; all others are made in `src/db`.
#[test]
fn only_db_and_the_proposals_of_doctor_have_statements() {
    let statement =
        Regex::new(r"\b(?:SELECT [a-z*{]|INSERT INTO [a-z{]|UPDATE [a-z.{}_]+ SET|DELETE FROM [a-z{])")
            .unwrap();
    let mut violations = Vec::new();
    let is_elsewhere = |file: &PathBuf| !file.starts_with("src/db") && !file.starts_with("src/health");
    for file in rust_files("src").into_iter().filter(is_elsewhere) {
        let text = without_unit_tests(&fs::read_to_string(&file).unwrap());
        let found = text.lines().filter(|line| statement.is_match(strip_comment(line)));
        violations.extend(found.map(|line| format!("{}: {}", file.display(), line.trim())));
    }
    assert!(violations.is_empty(), "move these to src/db:\n{}", violations.join("\n"));
}

/// The files of `src/command` that know every verb.
const KNOW_ALL_VERBS: [&str; 3] = ["src/command/cli.rs", "src/command/dispatch.rs", "src/command/mod.rs"];

/// A verb is a file of `src/command` with a variant of `Verb`. What two verbs need stands in a file of its own.
#[test]
fn no_verb_imports_another() {
    let source = fs::read_to_string("src/command/cli.rs").unwrap();
    let verbs: BTreeSet<String> = source
        .lines()
        .filter_map(|line| line.trim().strip_suffix("Args),")?.split_once('(')?.1.split_once("::"))
        .map(|(verb, _)| verb.to_owned())
        .collect();
    assert!(verbs.len() >= 15, "{verbs:?}");
    let mut violations = Vec::new();
    let group = Regex::new(r"use super::\{([^}]*)\}").unwrap();
    for file in rust_files("src/command") {
        if KNOW_ALL_VERBS.contains(&file.to_str().unwrap()) {
            continue;
        }
        let text = without_unit_tests(&fs::read_to_string(&file).unwrap());
        let grouped: BTreeSet<String> = group
            .captures_iter(&text)
            .flat_map(|group| group[1].split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>())
            .collect();
        for verb in &verbs {
            let own = file.components().any(|part| Path::new(&part).with_extension("") == Path::new(verb));
            let imports = [format!("super::{verb}::"), format!("super::{verb};"), format!("command::{verb}")];
            if !own && (grouped.contains(verb) || imports.iter().any(|import| text.contains(import))) {
                violations.push(format!("{} imports the verb {verb}", file.display()));
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn names_say_what_is_inside() {
    for file in rust_files("src").into_iter().chain(rust_files("tests")) {
        for part in file.with_extension("").components().filter_map(|part| part.as_os_str().to_str()) {
            assert!(!FORBIDDEN_NAMES.contains(&part), "{}: `{part}` says nothing", file.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut violations = Vec::new();
    for file in rust_files("src").into_iter().chain(rust_files("tests")) {
        let text = fs::read_to_string(&file).unwrap();
        let (header, lines, file) = (header(&text), text.lines().count(), file.display());
        if header.is_empty() {
            violations.push(format!("{file}: no `//!` header"));
        }
        if lines > MOST_LINES && !header.contains(EXCUSE) {
            violations.push(format!("{file}: {lines} lines; split it, or say why it is over {EXCUSE}"));
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// Module → the modules that it may import, out of the table in `src/lib.rs`.
fn allowed_imports() -> BTreeMap<String, BTreeSet<String>> {
    let source = fs::read_to_string("src/lib.rs").unwrap();
    let rows: Vec<(Vec<String>, &str)> = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [")?.strip_suffix(" |")?.split_once(" | "))
        .map(|(modules, may)| (quoted(modules), may))
        .collect();
    let everything: BTreeSet<String> = rows.iter().flat_map(|(modules, _)| modules.clone()).collect();
    let mut allowed = BTreeMap::new();
    for (modules, may) in rows {
        let may = may.split(';').next().unwrap();
        let named: BTreeSet<String> = quoted(may).into_iter().collect();
        assert!(named.is_subset(&everything), "the table speaks of a module that it does not list: {may}");
        let set = match may {
            "each other" => modules.iter().cloned().collect(),
            "nothing of ours" => BTreeSet::new(),
            "everything" => everything.clone(),
            _ if may.starts_with("everything but ") => everything.difference(&named).cloned().collect(),
            _ if may.starts_with('`') => named,
            _ => panic!("this cell of the table is not understood: {may}"),
        };
        for module in modules {
            allowed.insert(module, set.clone());
        }
    }
    assert!(!allowed.is_empty(), "no table found in src/lib.rs");
    allowed
}

/// The words between back-ticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The module whose layer a file belongs to. None for the crate root and `main`, which may see everything.
fn module_of(file: &Path) -> Option<String> {
    let first = file.strip_prefix("src").unwrap().components().next()?;
    let name = Path::new(&first).file_stem()?.to_str()?.to_owned();
    (name != "lib" && name != "main").then_some(name)
}

/// Unit tests may look at everything: they stand at the end of a file, or in a file called `…tests.rs`.
fn without_unit_tests(text: &str) -> String {
    text.split("\n#[cfg(test)]\nmod ").next().unwrap().to_owned()
}

fn strip_comment(line: &str) -> &str {
    line.split("//").next().unwrap()
}

/// The first segment after every `crate::` of a line, if it is a module's name (macros at the root are not).
fn crate_paths(line: &str) -> Vec<String> {
    let name =
        |path: &str| path.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    line.split("crate::").skip(1).map(name).filter(|name| !name.is_empty()).collect()
}

/// The `//!` lines at the top of a file.
fn header(text: &str) -> String {
    text.lines().map_while(|line| line.strip_prefix("//!")).collect::<Vec<_>>().join("\n")
}

/// The Rust files below a directory, but for those of unit tests.
fn rust_files(root: &str) -> Vec<PathBuf> {
    let is_tests = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().ends_with("tests");
    files(root, "rs").into_iter().filter(|path| !is_tests(path)).collect()
}

/// The files below a directory with this extension, sorted.
pub fn files(root: &str, extension: &str) -> Vec<PathBuf> {
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
