//! Every command and every statement of SQL in the documents is executed: each page as a reader types it from top to
//! bottom, in a directory and on a database of its own. What cannot run here is in [`NOT_RUN`], with the reason.
//!
//! The `console` blocks of README.md and of the tutorial are made by `crate::session`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use clap::Parser;
use clap::error::ErrorKind;
use oauthctl::command::Cli;
use regex::Regex;
use serde_json::json;
use tempfile::TempDir;

use super::{blocks_of_every_language, documents};
use crate::session::SESSIONS;
use crate::support::database::Template;
use crate::support::rows::{application, session, user};
use crate::support::server::programs;
use crate::support::{Database, Instance, binary, environment, not_run};

/// Commands that no test can run: how the line begins, and why.
const NOT_RUN: [(&str, &str); 14] = [
    ("pip install oauthctl", "nothing is published yet; `tests/packaging` installs the wheel"),
    ("cargo install --locked --path .", "compiles for minutes; what it installs is the binary under test"),
    ("examples/quickstart/run", "`.ci/run` runs it in a section of its own"),
    ("cargo insta review", "asks questions; cargo-insta is no dependency"),
    ("tests/run", "runs this test"),
    ("INSTA_UPDATE=always tests/run", "runs this test, and writes into the work tree"),
    ("OAUTHCTL_ACCEPT_DOCS=1 tests/run", "runs tests, and writes into the work tree"),
    ("systemctl ", "needs systemd"),
    ("[Timer]", "systemd reads it, and it calls no oauthctl"),
    ("python manage.py migrate", "`interoperability::takeover` runs these with the real Django"),
    ("- alert: ", "Prometheus reads it; `alerts_are_about_real_metrics` compares the names"),
    ("- if: ${{ !cancelled() }}", "needs GitHub"),
    ("oauthctl apply --pick", "asks questions; `picking` answers them"),
    ("oauthctl apply --yes --hooks", "needs kubectl; `hooks` runs other programs"),
];

/// Paths and names that only an installed system has, and what the test uses instead.
const INSTALLED: [(&str, &str); 3] = [
    ("/usr/local/bin/oauthctl", "oauthctl"),
    ("/var/lib/node_exporter/", "./"),
    // The database that the environment names.
    ("postgresql:///shop", "postgresql:///"),
];

/// Languages of blocks in which nothing can be typed.
const NOTHING_TO_TYPE: [&str; 5] = ["toml", "toml wrong", "json", "text", "diff"];

/// Pages that begin with an empty database and without a file.
const FROM_NOTHING: [&str; 1] = ["docs/without-django.md"];

const FILE: &str = r#"
[applications.web]
client_type = "confidential"
authorization_grant_type = "authorization-code"
redirect_uris = ["https://shop.example.com/callback"]

[applications.nightly-export]
client_type = "confidential"
authorization_grant_type = "client-credentials"

[cleanup]
refresh_token_expire = "14d"
"#;

#[test]
fn every_command_runs() {
    let world = World::new();
    let mut unused: BTreeSet<&str> = NOT_RUN.iter().map(|(line, _)| *line).collect();
    for document in documents() {
        let page = Page::read(&document);
        for (line, excuse) in &page.not_run {
            unused.remove(excuse);
            for call in calls(line) {
                assert_parses(&format!("{}: {line}", document.display()), &call);
            }
        }
        if !page.script.is_empty() {
            world.run(&document, &page.script);
        }
    }
    assert!(unused.is_empty(), "nothing in the documents begins with: {unused:?}");
}

/// Calls in the text around the blocks: the verbs and flags exist.
#[test]
fn calls_in_sentences_parse() {
    let code = Regex::new(r"`(oauthctl [^`]*)`").unwrap();
    let mut count = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap().replace('\n', " ");
        for found in code.captures_iter(&text) {
            for call in calls(&found[1]) {
                assert_parses(&document.display().to_string(), &call);
                count += 1;
            }
        }
    }
    assert!(count > 0);
}

/// What a page has to type, as one script for `sh`.
struct Page {
    script: String,
    /// Lines that are not run, each with the entry of [`NOT_RUN`] that excuses it.
    not_run: Vec<(String, &'static str)>,
}

impl Page {
    fn read(document: &Path) -> Self {
        let mut page = Self { script: String::new(), not_run: Vec::new() };
        for (number, language, text) in blocks_of_every_language(&fs::read_to_string(document).unwrap()) {
            let place = format!("{}:{number}", document.display());
            let text = INSTALLED.iter().fold(text, |text, (path, with)| text.replace(path, with));
            writeln!(page.script, "echo '{place}' >&2").unwrap();
            match language.as_str() {
                "sh" => page.shell(&text),
                "sql" => page.sql(&text),
                "ini" | "crontab" | "yaml" => page.configuration(&place, &text),
                "console" => {
                    assert!(
                        SESSIONS.iter().any(|made| document == Path::new(made)),
                        "{place}: made by no test"
                    );
                }
                other if NOTHING_TO_TYPE.contains(&other) => {
                    assert!(!text.lines().any(is_typed), "{place}: a command in a block of `{other}`");
                }
                other => panic!("{place}: blocks of `{other}` are not tested; use one of those above"),
            }
        }
        if page.script.lines().all(|line| line.starts_with("echo '")) {
            page.script.clear();
        }
        page
    }

    fn shell(&mut self, text: &str) {
        for line in text.lines() {
            match excuse(line.trim_start()) {
                Some(excuse) => self.not_run.push((line.to_owned(), excuse)),
                None => writeln!(self.script, "{line}").unwrap(),
            }
        }
    }

    fn sql(&mut self, text: &str) {
        writeln!(self.script, "psql -Xq -v ON_ERROR_STOP=1 <<'END-OF-SQL'\n{text}\nEND-OF-SQL").unwrap();
    }

    /// The calls of `oauthctl` in the files of other programs. A file without one needs an excuse.
    fn configuration(&mut self, place: &str, text: &str) {
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        for excused in lines.iter().filter_map(|line| Some((line.trim_start(), excuse(line.trim_start())?))) {
            self.not_run.push((excused.0.to_owned(), excused.1));
        }
        let calls: Vec<&str> =
            lines.iter().filter_map(|line| line.find("oauthctl ").map(|at| &line[at..])).collect();
        assert!(
            !calls.is_empty() || lines.iter().any(|line| excuse(line.trim_start()).is_some()),
            "{place}: calls no oauthctl, and is not in NOT_RUN"
        );
        for call in calls {
            writeln!(self.script, "{call}").unwrap();
        }
    }
}

fn is_typed(line: &str) -> bool {
    line.starts_with("oauthctl ") || line.starts_with("$ ")
}

fn excuse(line: &str) -> Option<&'static str> {
    NOT_RUN.iter().map(|(begin, _)| *begin).find(|begin| line.starts_with(begin))
}

/// The calls of `oauthctl` in a line, each without redirections, comments and the marks of an incomplete example.
fn calls(line: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for call in line.split("oauthctl ").skip(1) {
        let call = call.split(['<', '>', '|', '#', ';']).next().unwrap();
        let words = call.split_whitespace().filter(|word| *word != "…");
        // `VERB` stands for any of them.
        let words = words.map(|word| if word == "VERB" { "plan" } else { word });
        let words: Vec<&str> = words.collect();
        if words.is_empty() {
            continue;
        }
        calls.push(words.into_iter().map(|word| word.trim_matches(['\'', '"']).to_owned()).collect());
    }
    calls
}

fn assert_parses(place: &str, words: &[String]) {
    let Err(error) = Cli::try_parse_from(["oauthctl".to_owned()].iter().chain(words)) else { return };
    // A sentence names a verb or a flag; it need not be a complete call.
    let named = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion, ErrorKind::MissingRequiredArgument];
    assert!(named.contains(&error.kind()), "{place}: {words:?}: {error}");
}

fn from_nothing(document: &Path) -> bool {
    FROM_NOTHING.iter().any(|page| document == Path::new(page))
}

/// A server of its own, because roles belong to the whole server.
struct World {
    instance: Instance,
}

impl World {
    fn new() -> Self {
        let instance = Instance::start(&[]);
        let database = instance.database(Template::Empty);
        database.execute("CREATE ROLE planner; CREATE ROLE applier; CREATE ROLE cleaner");
        Self { instance }
    }

    fn database(&self, document: &Path) -> Database {
        if from_nothing(document) {
            return self.instance.database(Template::Empty);
        }
        let database = self.instance.database(Template::Dot341);
        user(&database, 1, "ops");
        for (id, client_id) in (1..).zip(["web", "reports", "shop-app"]) {
            let with = json!({ "user_id": 1, "authorization_grant_type": "authorization-code",
                "redirect_uris": "https://shop.example.com/callback" });
            application(&database, id, client_id, &with);
        }
        session(&database, 1, 1, "2999-01-01T00:00:00Z");
        session(&database, 2, 2, "2020-01-01T00:00:00Z");
        // As if Django had inserted these rows.
        for table in ["application", "accesstoken", "refreshtoken", "idtoken"] {
            database.execute(format!("SELECT setval('oauth2_provider_{table}_id_seq', 1000)"));
        }
        database.execute("ANALYZE");
        database
    }

    /// Types the script. Everything has to end with 0.
    fn run(&self, document: &Path, script: &str) {
        let grants_parameters = script.contains("GRANT SET ON PARAMETER");
        let database = self.database(document);
        if grants_parameters && database.major() < 15 {
            not_run(&format!("docs::commands on {}", document.display()), "needs PostgreSQL 15");
            return;
        }
        if script.contains("flock ") && !cfg!(target_os = "linux") {
            not_run(&format!("docs::commands on {}", document.display()), "needs Linux's flock");
            return;
        }
        let home = TempDir::new().unwrap();
        // The user that an embedded server of root's runs as has to get through.
        fs::set_permissions(home.path(), Permissions::from_mode(0o711)).unwrap();
        let programs_here = home.path().join("bin");
        fs::create_dir(&programs_here).unwrap();
        symlink(fs::canonicalize(binary()).unwrap(), programs_here.join("oauthctl")).unwrap();
        let mut script = script.to_owned();
        if !from_nothing(document) {
            fs::write(home.path().join("oauth.toml"), FILE).unwrap();
            script.insert_str(0, "oauthctl migrate --ledger >/dev/null\n");
        }
        symlink(fs::canonicalize("examples").unwrap(), home.path().join("examples")).unwrap();
        let path = [programs_here.as_path(), programs().bindir()].map(|path| path.display().to_string());
        let path = format!("{}:{}", path.join(":"), environment("PATH").unwrap().display());

        let mut shell = Command::new("sh");
        shell.args(["-euc", script.as_str()]);
        shell.current_dir(home.path()).env_clear().envs(database.variables());
        shell.env("PATH", path).env("HOME", home.path()).env("LC_ALL", "C.UTF-8");
        let output = shell.stdin(Stdio::null()).output().unwrap();
        assert!(
            output.status.success(),
            "{} does not work; the last place on stderr says where: {}\n{}\n{}",
            document.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
