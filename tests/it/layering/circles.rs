//! No circle between the files of a module.
//!
//! A file depends on another one if it names an item that the other one *defines*. What counts, and what does not:
//!
//! - A name that a parent re-exports (`pub use child::Name`) is the child's: who uses it depends on the child.
//! - `mod child;` and `pub use child::Name` alone are no dependency. A parent depends on its child if its own code names
//!   something of it; a child depends on its parent if it names what the parent's file defines. Both together are a
//!   circle, as between any other two files.
//! - Methods cannot be seen in a text, so an `impl` of a type in another file than the type's counts once: that file
//!   names the type.
//! - Unit tests may look at everything, and do not count.
//!
//! A circle is the largest set of files that all depend on each other, directly or through others of the set. The layers
//! between the modules of `src` are not looked at here: the table in `src/lib.rs` is for those.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use regex::Regex;

use super::{rust_files, without_unit_tests};

/// Lists the circles that stay, with the reason: `` - `src/a.rs`, `src/b.rs`: because … ``.
const NAMED_IN: &str = "docs/design/structure.md";
const MOST_NAMED: usize = 2;

#[test]
fn the_files_of_a_module_form_no_circle() {
    let tree = Tree::read();
    let named = named_circles();
    assert!(named.len() <= MOST_NAMED, "{NAMED_IN} names more than {MOST_NAMED} circles");
    let circles = tree.circles();
    let mut violations = Vec::new();
    for circle in circles.iter().filter(|circle| !named.contains(*circle)) {
        violations.push(tree.describe(circle));
    }
    assert!(
        violations.is_empty(),
        "move what both sides need to a file of its own:\n{}",
        violations.join("\n")
    );
    for circle in &named {
        assert!(circles.contains(circle), "{NAMED_IN} names a circle that is none: {circle:?}");
    }
}

/// The names of modules from the root of the crate to a module or an item.
type Path = Vec<String>;

/// Everything in `src`, by module.
struct Tree {
    files: BTreeMap<Path, Source>,
}

struct Source {
    file: String,
    /// Without comments, texts, unit tests and `use`.
    body: String,
    imports: Vec<Import>,
}

/// One leaf of a `use`.
struct Import {
    path: Path,
    /// What it is called in this file.
    name: String,
    is_public: bool,
}

impl Tree {
    fn read() -> Self {
        let noise = Regex::new(r##"(?s)//[^\n]*|r#".*?"#|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'"##).unwrap();
        let imports = Regex::new(r"(?m)^\s*(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);").unwrap();
        let mut files = BTreeMap::new();
        for path in rust_files("src") {
            let inside = path.strip_prefix("src").unwrap().with_extension("");
            let module: Path = inside
                .iter()
                .filter_map(|part| part.to_str())
                .filter(|part| !["mod", "lib"].contains(part))
                .map(str::to_owned)
                .collect();
            let text = without_unit_tests(&fs::read_to_string(&path).unwrap());
            let text = noise.replace_all(&text, " ");
            let found = imports.captures_iter(&text).flat_map(|found| {
                let is_public = found.get(1).is_some();
                let leaves = leaves(&found[2]);
                leaves.into_iter().map(move |(path, name)| Import { path, name, is_public })
            });
            let imports_here = found.collect();
            let body = imports.replace_all(&text, " ").into_owned();
            let file = path.to_str().unwrap().to_owned();
            files.insert(module, Source { file, body, imports: imports_here });
        }
        Self { files }
    }

    /// A path as it is written in a module, from the root; `None`: it is of another crate, or a local name.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Path> {
        let ups = path.iter().take_while(|name| *name == "super").count();
        if ups > 0 {
            return Some([&module[..module.len().checked_sub(ups)?], &path[ups..]].concat());
        }
        match path[0].as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([module, &path[1..]].concat()),
            first if self.files.contains_key(&[module, &[first.to_owned()]].concat()) => {
                Some([module, path].concat())
            }
            first => {
                let imports = &self.files[module].imports;
                let import = imports.iter().find(|import| import.name == first && import.path[0] != first)?;
                Some([&self.absolute(module, &import.path)?[..], &path[1..]].concat())
            }
        }
    }

    /// The module whose file defines what the path leads to.
    fn definer(&self, path: &[String], follow: u32) -> Path {
        let mut module: &[String] = &[];
        for (index, name) in path.iter().enumerate() {
            if self.files.contains_key(&path[..=index]) {
                module = &path[..=index];
                continue;
            }
            let imports = self.files.get(module).map_or(&[][..], |source| &source.imports);
            let elsewhere = imports.iter().find(|import| import.name == *name);
            let elsewhere = elsewhere.and_then(|import| self.absolute(module, &import.path));
            return match elsewhere {
                Some(target) if follow > 0 => {
                    self.definer(&[&target[..], &path[index + 1..]].concat(), follow - 1)
                }
                _ => module.to_vec(),
            };
        }
        module.to_vec()
    }

    /// What a file needs of others of its module: the other module → the names.
    fn needs(&self, module: &Path) -> BTreeMap<Path, BTreeSet<String>> {
        let source = &self.files[module];
        let tokens = tokens(&source.body);
        let mut paths: Vec<Path> = Vec::new();
        for import in &source.imports {
            let Some(mut path) = self.absolute(module, &import.path) else { continue };
            if path.last().is_some_and(|last| last == "*") {
                path.pop();
            }
            let is_called = |token: &Token| token.path == [import.name.as_str()] && token.is_use;
            let is_entered = |token: &Token| token.path.len() > 1 && token.path[0] == import.name;
            let counts = if import.is_public {
                tokens.iter().any(is_called)
            } else {
                !self.files.contains_key(&path) || !tokens.iter().any(is_entered)
            };
            paths.extend(counts.then_some(path));
        }
        let entered = tokens.iter().filter(|token| token.path.len() > 1);
        paths.extend(entered.filter_map(|token| {
            self.absolute(module, &token.path.iter().map(|name| (*name).to_owned()).collect::<Path>())
        }));
        let mut needs: BTreeMap<Path, BTreeSet<String>> = BTreeMap::new();
        for path in paths {
            let definer = self.definer(&path, 5);
            if definer != *module && definer.first() == module.first() && !module.is_empty() {
                needs.entry(definer).or_default().extend(path.last().cloned());
            }
        }
        needs
    }

    fn circles(&self) -> BTreeSet<BTreeSet<String>> {
        let needs: BTreeMap<&Path, BTreeSet<Path>> =
            self.files.keys().map(|module| (module, self.needs(module).into_keys().collect())).collect();
        let reachable = |from: &Path| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
            while let Some(module) = next.pop() {
                next.extend(needs[module].iter().filter(|needed| seen.insert((*needed).clone())));
            }
            seen
        };
        let all: BTreeMap<&Path, BTreeSet<Path>> =
            self.files.keys().map(|module| (module, reachable(module))).collect();
        let circle = |module: &Path| {
            let mutual = all[module].iter().filter(|other| all[*other].contains(module));
            mutual.map(|other| self.files[other].file.clone()).collect::<BTreeSet<String>>()
        };
        self.files.keys().map(circle).filter(|circle| circle.len() > 1).collect()
    }

    /// The circle with the names that make it one.
    fn describe(&self, circle: &BTreeSet<String>) -> String {
        let mut lines = vec![format!("a circle of {} files:", circle.len())];
        for (module, source) in self.files.iter().filter(|(_, source)| circle.contains(&source.file)) {
            for (needed, names) in self.needs(module) {
                let needed = &self.files[&needed].file;
                if circle.contains(needed) {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    lines.push(format!("    {} needs {} of {needed}", source.file, names.join(", ")));
                }
            }
        }
        lines.join("\n")
    }
}

/// A name or a path in a file's code.
struct Token<'a> {
    path: Vec<&'a str>,
    /// Whether a name alone can be an item of a module: not a field, a method, a definition or a local variable.
    is_use: bool,
}

fn tokens(body: &str) -> Vec<Token<'_>> {
    let word = Regex::new(r"\w+(?:::\w+)*").unwrap();
    word.find_iter(body)
        .filter(|found| !body[..found.start()].ends_with("::"))
        .map(|found| {
            let (before, after) = (&body[..found.start()], &body[found.end()..]);
            let is_called = after.starts_with('(') && !before.trim_end().ends_with("fn");
            let is_type = found.as_str().starts_with(char::is_uppercase);
            let is_use = !before.ends_with('.') && (is_called || is_type);
            Token { path: found.as_str().split("::").collect(), is_use }
        })
        .collect()
}

/// The leaves of `a::{b, c::d as e}`: each path, and its name in the file.
fn leaves(tree: &str) -> Vec<(Path, String)> {
    let tree = tree.trim();
    let segments = |path: &str| -> Path {
        path.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    if let Some((prefix, inner)) = tree.strip_suffix('}').and_then(|tree| tree.split_once('{')) {
        let prefix = segments(prefix);
        return branches(inner)
            .into_iter()
            .flat_map(leaves)
            .map(|(path, name)| match &path[..] {
                [only] if only == "self" => (prefix.clone(), prefix.last().unwrap().clone()),
                _ => ([&prefix[..], &path].concat(), name),
            })
            .collect();
    }
    let (path, name) = tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name.trim())));
    let path = segments(path);
    let name = name.map_or_else(|| path.last().unwrap().clone(), str::to_owned);
    vec![(path, name)]
}

/// Splits at the commas that are in no braces.
fn branches(inner: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[begin..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn named_circles() -> Vec<BTreeSet<String>> {
    let text = fs::read_to_string(NAMED_IN).unwrap();
    let bullets = text.lines().filter(|line| line.starts_with("- `src/"));
    bullets.map(|line| super::quoted(line).into_iter().collect()).collect()
}

#[test]
fn a_use_has_its_leaves() {
    let shown = |tree: &str| -> Vec<String> {
        leaves(tree).into_iter().map(|(path, name)| format!("{} as {name}", path.join("::"))).collect()
    };
    assert_eq!(shown("super::a"), ["super::a as a"]);
    assert_eq!(
        shown("crate::a::{self, b, c::{D as E, f},\n    g::*}"),
        [
            "crate::a as a",
            "crate::a::b as b",
            "crate::a::c::D as E",
            "crate::a::c::f as f",
            "crate::a::g::* as *"
        ]
    );
}
