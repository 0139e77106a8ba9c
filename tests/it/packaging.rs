//! What the packages of a release are made from agrees with the code and with the examples that install them. `.ci/dist`
//! makes the packages, `tests/packaging` installs and runs them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory as _;
use oauthctl::command::Cli;
use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

use super::support::Sandbox;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Where `.ci/dist` puts what it makes before it is packed.
const STAGE: &str = "target/packaging/";

fn manifest() -> Table {
    fs::read_to_string("Cargo.toml").unwrap().parse().unwrap()
}

fn metadata(tool: &str) -> Table {
    manifest()["package"]["metadata"][tool].as_table().unwrap().clone()
}

fn text<'a>(table: &'a Table, key: &str) -> &'a str {
    table[key].as_str().unwrap()
}

/// From which file to which: the assets of the Debian package.
fn assets() -> Vec<(String, String)> {
    let deb = metadata("deb");
    let words = |asset: &Value, at: usize| asset[at].as_str().unwrap().to_owned();
    deb["assets"].as_array().unwrap().iter().map(|asset| (words(asset, 0), words(asset, 1))).collect()
}

#[test]
fn every_asset_of_the_debian_package_is_there_or_made() {
    let script = fs::read_to_string(".ci/dist").unwrap();
    for (from, _) in assets() {
        match from.strip_prefix(STAGE) {
            None => assert!(Path::new(&from).is_file(), "{from}: no such file"),
            Some(made) => {
                // The completions are made in a loop over the shells.
                let words = ["bin/oauthctl", "man/*.1", "completions/oauthctl."];
                assert!(words.iter().any(|word| made.starts_with(word)), "{from}: .ci/dist does not make it");
                let directory = made.split('/').next().unwrap();
                assert!(script.contains(&format!("$stage/{directory}")), "{from}: .ci/dist does not make it");
            }
        }
    }
    let deb = metadata("deb");
    for file in [text(&deb, "changelog"), deb["license-file"][0].as_str().unwrap()] {
        let made = file.strip_prefix(STAGE).is_some_and(|name| script.contains(&format!("$stage/{name}")));
        assert!(made || Path::new(file).is_file(), "{file}");
    }
}

#[test]
fn the_debian_package_has_every_unit_and_the_program_that_they_start() {
    let assets = assets();
    for entry in fs::read_dir("examples/systemd").unwrap() {
        let path = entry.unwrap().path();
        let packed = assets.iter().find(|(from, _)| Path::new(from) == path);
        let (_, to) = packed.unwrap_or_else(|| panic!("{}: not in the package", path.display()));
        assert_eq!(to, "usr/lib/systemd/system/");
        let unit = fs::read_to_string(&path).unwrap();
        for line in unit.lines().filter_map(|line| line.strip_prefix("ExecStart=/")) {
            let program = line.split_whitespace().next().unwrap();
            assert!(
                assets.iter().any(|(from, to)| Path::new(to).join(Path::new(from).file_name().unwrap())
                    == Path::new(program)),
                "{}: {program} is not in the package",
                path.display()
            );
        }
    }
}

/// The page of a command, and those of what stands behind it.
fn pages(command: &clap::Command, name: &str, into: &mut BTreeSet<String>) {
    into.insert(format!("{name}.1"));
    for verb in command.get_subcommands() {
        pages(verb, &format!("{name}-{}", verb.get_name()), into);
    }
}

#[test]
fn every_verb_has_a_manual_page() {
    let sandbox = Sandbox::new();
    sandbox.oauthctl(&["man", "--out", "man"]).exits(0);
    let made: BTreeSet<String> = fs::read_dir(sandbox.path().join("man"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut wanted = BTreeSet::new();
    pages(&Cli::command(), "oauthctl", &mut wanted);
    assert_eq!(made, wanted);
    // The package takes all that there are.
    assert!(assets().iter().any(|(from, _)| from == "target/packaging/man/*.1"));
}

#[test]
fn the_completions_of_the_package_are_those_that_are_made() {
    let script = fs::read_to_string(".ci/dist").unwrap();
    let shells = script.split_once("for shell in ").unwrap().1.split_once(';').unwrap().0;
    let made: BTreeSet<String> =
        shells.split(' ').map(|shell| format!("{STAGE}completions/oauthctl.{shell}")).collect();
    let packed: BTreeSet<String> =
        assets().into_iter().map(|(from, _)| from).filter(|from| from.contains("/completions/")).collect();
    assert_eq!(packed, made);
}

/// maturin takes from Cargo.toml what is named as dynamic, and nothing of it is written twice.
#[test]
fn the_wheel_has_no_metadata_of_its_own() {
    let pyproject: Table = fs::read_to_string("pyproject.toml").unwrap().parse().unwrap();
    let project = pyproject["project"].as_table().unwrap();
    let written: BTreeSet<&str> = project.keys().map(String::as_str).collect();
    assert_eq!(written, BTreeSet::from(["dynamic", "license-files", "name"]));
    let dynamic: Vec<&str> =
        project["dynamic"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    assert_eq!(dynamic, ["version", "description", "readme", "license", "keywords"]);
    assert_eq!(text(pyproject["tool"]["maturin"].as_table().unwrap(), "bindings"), "bin");
}

/// cargo-binstall looks for an archive with the name that `.ci/dist` gives it, and for the program where it is in there.
#[test]
fn binstall_finds_the_archive() {
    let binstall = metadata("binstall");
    let archive = "{ name }-{ version }-{ target }";
    assert!(text(&binstall, "pkg-url").ends_with(&format!("/v{{ version }}/{archive}.tar.gz")));
    assert_eq!(text(&binstall, "bin-dir"), format!("{archive}/{{ bin }}"));
    for (_, host) in binstall["overrides"].as_table().unwrap() {
        let host = host.as_table().unwrap();
        let archive = "{ name }-{ version }-x86_64-unknown-linux-musl";
        assert!(text(host, "pkg-url").ends_with(&format!("/v{{ version }}/{archive}.tar.gz")));
        assert_eq!(text(host, "bin-dir"), format!("{archive}/{{ bin }}"));
    }
    let script = fs::read_to_string(".ci/dist").unwrap();
    assert!(script.contains("name=oauthctl-$version-$target\n"));
    assert!(script.contains(r#""$dist/$name.tar.gz""#));
}

/// Each example that installs a version names this one.
#[test]
fn the_examples_install_this_version() {
    for (path, line) in [
        ("examples/github/action.yml", format!("    default: \"{VERSION}\"")),
        ("examples/gitlab/oauthctl.yml", format!("    OAUTHCTL_VERSION: \"{VERSION}\"")),
        ("examples/compose/compose.yaml", format!("  image: registry.example.com/oauthctl:{VERSION}")),
        (
            "examples/kubernetes/apply.yaml",
            format!("          image: registry.example.com/oauthctl:{VERSION}"),
        ),
        (
            "examples/kubernetes/cleartokens.yaml",
            format!("              image: registry.example.com/oauthctl:{VERSION}"),
        ),
    ] {
        let example = fs::read_to_string(path).unwrap();
        assert!(example.lines().any(|found| found == line), "{path} has no line `{line}`");
    }
}

/// Debian's form of the licence has its words.
#[test]
fn the_copyright_of_the_debian_package_is_the_licence() {
    let words = |text: &str| {
        text.split_whitespace().filter(|word| *word != ".").map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    let licence = fs::read_to_string("LICENSE-MIT").unwrap();
    let (_, terms) = licence.split_once("\n\nPermission ").unwrap();
    let copyright = words(&fs::read_to_string(".ci/packaging/copyright").unwrap());
    assert!(copyright.contains(&words(&format!("Permission {terms}"))));
    assert_eq!(text(manifest()["package"].as_table().unwrap(), "license"), "MIT OR Apache-2.0");
}

/// The image is a function of its arguments, and each blob has the name of its digest.
#[test]
fn the_image_is_the_same_twice() {
    let sandbox = Sandbox::new();
    // The head of a program for x86-64.
    let mut program = vec![0; 64];
    program[..4].copy_from_slice(b"\x7fELF");
    program[18] = 62;
    sandbox.write("program", &program);
    sandbox.write("certificates", "none");
    let made: Vec<Vec<u8>> = ["one.tar", "two.tar"]
        .iter()
        .map(|output| {
            let mut python = Command::new("python3");
            python.arg(fs::canonicalize(".ci/packaging/image.py").unwrap()).current_dir(sandbox.path());
            python.args(["--binary", "program", "--certificates", "certificates", "--output", output]);
            python.args(["--version", VERSION, "--revision", "0", "--created", "1700000000"]);
            let status = python.args(["--description", "d", "--licence", "l"]).status();
            assert!(status.expect("sh tests/setup python").success());
            fs::read(sandbox.path().join(output)).unwrap()
        })
        .collect();
    assert!(made[0] == made[1]);
    let tar = Command::new("tar").args(["-xf", "one.tar"]).current_dir(sandbox.path()).status();
    assert!(tar.unwrap().success());
    let blobs = sandbox.path().join("blobs/sha256");
    let mut count = 0;
    for entry in fs::read_dir(blobs).unwrap() {
        let path = entry.unwrap().path();
        let digest: String =
            Sha256::digest(fs::read(&path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(path.file_name().unwrap().to_str(), Some(digest.as_str()));
        count += 1;
    }
    assert_eq!(count, 3, "the layer, the configuration, the manifest");
}
