//! What a new kind of deletion asks for: in a copy of the code with one variant more, the compiler names every decision.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::support::{environment, not_run};

/// The files that decide something about each variant of an enum that is in `file`.
struct Decided {
    enumeration: &'static str,
    file: &'static str,
    by: &'static [&'static str],
}

const DECIDED: [Decided; 2] = [
    Decided {
        enumeration: "Category",
        file: "src/model/cleanup.rs",
        by: &["src/db/tokens/mod.rs", "src/model/cleanup.rs", "src/plan/retention.rs"],
    },
    Decided {
        enumeration: "Doomed",
        file: "src/model/sweep.rs",
        by: &[
            "src/db/rights.rs",
            "src/db/tokens/definer/bounds.rs",
            "src/db/tokens/definer/call.rs",
            "src/db/tokens/definer/kind.rs",
            "src/db/tokens/predicate.rs",
            "src/db/tokens/steps.rs",
            "src/model/sweep.rs",
        ],
    },
];

/// The page that tells people about these files.
const PAGE: &str = "docs/adding/cleanup-category.md";

/// The compiler sees only the crate itself: the packages that it depends on are those that this test was built with.
#[test]
fn a_new_kind_of_deletion_does_not_compile_until_all_is_decided() {
    let Some((cargo, target)) = builder() else {
        not_run("new_variants", "cargo does not run this test, so it has nothing to compile with");
        return;
    };
    let scratch = scratch();
    for Decided { enumeration, file, by: _ } in &DECIDED {
        let file = scratch.path().join(file);
        let text = fs::read_to_string(&file).unwrap();
        let begin = format!("pub enum {enumeration} {{");
        assert_eq!(text.matches(&begin).count(), 1);
        fs::write(file, text.replace(&begin, &format!("{begin}\n    Unforeseen,"))).unwrap();
    }
    let output = Command::new(cargo)
        .args(["test", "--no-run", "--lib", "--offline", "--locked", "--message-format=short"])
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_INCREMENTAL", "0")
        .current_dir(scratch.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "a new variant compiles: {said}");

    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in said.lines().filter(|line| line.starts_with("src/") && line.contains(" error")) {
        assert!(line.contains("error[E0004]: non-exhaustive patterns"), "{line}\n{said}");
        let (file, _) = line.split_once(':').unwrap();
        for Decided { enumeration, .. } in &DECIDED {
            if line.contains(&format!("{enumeration}::Unforeseen")) {
                found.entry(enumeration).or_default().insert(file);
            }
        }
    }
    let expected: BTreeMap<&str, BTreeSet<&str>> =
        DECIDED.iter().map(|decided| (decided.enumeration, decided.by.iter().copied().collect())).collect();
    assert_eq!(found, expected, "{said}");
    let page = fs::read_to_string(PAGE).unwrap();
    for file in found.values().flatten() {
        assert!(page.contains(&format!("`{file}`")), "{PAGE} does not name {file}");
    }
}

/// Cargo, and the directory in which it has built this test; `None`: cargo does not run the test.
fn builder() -> Option<(std::ffi::OsString, std::path::PathBuf)> {
    let cargo = environment("CARGO")?;
    let program = std::env::current_exe().unwrap();
    let directory = program.parent()?.parent().filter(|directory| directory.ends_with("debug"))?;
    Some((cargo, directory.parent()?.to_owned()))
}

/// A copy of the sources, and everything else that they refer to.
fn scratch() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name == "src" {
            copy(&entry.path(), &scratch.path().join(name));
        } else if name != "target" && name != ".git" {
            symlink(entry.path(), scratch.path().join(name)).unwrap();
        }
    }
    scratch
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
