//! The sessions in README.md and in the tutorial, and the pictures in docs/images: made by the built program on the
//! quickstart's database, and compared with what is there. `OAUTHCTL_ACCEPT_DOCS=1` writes them instead.
//!
//! What differs from run to run (instants, durations, rates) is compared by its shape only.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use anstyle::RgbColor;
use oauthctl::embedded::DIRECTORY_VARIABLE;
use oauthctl::model::{Category, Doomed, Sweep, Tally};
use oauthctl::sweep::{Batch, Event};
use oauthctl::ui::progress::{Glyphs, Total, View};
use regex::Regex;
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::support::database::Template;
use crate::support::terminal::run_in_terminal;
use crate::support::{Database, binary, environment};

const README: &str = "README.md";
const TUTORIAL: &str = "docs/tutorial.md";

/// The documents whose ```` ```console ```` blocks are made here.
pub const SESSIONS: [&str; 2] = [README, TUTORIAL];

/// What stands in a document for the directory in which its commands run.
const DIRECTORY: &str = "/home/you/oauthctl-tutorial";

#[test]
fn the_session_in_the_readme_is_real() {
    accept_or_compare(Path::new(README), &replayed(README, &Machine::new()));
}

#[test]
fn the_session_in_the_tutorial_is_real() {
    accept_or_compare(Path::new(TUTORIAL), &replayed(TUTORIAL, &Machine::embedded()));
}

/// A document with what its commands really print. In the blocks that begin with ```` ```console ````, lines that begin
/// with `$ ` are typed, one after the other on one machine; what follows is what a person then sees. `...` stands for
/// lines that were left out. A ```` ```diff ```` block is a change that the reader makes to `oauth.toml`.
fn replayed(document: &str, machine: &Machine) -> String {
    let text = fs::read_to_string(document).unwrap();
    let mut real = String::new();
    let mut lines = text.lines().peekable();
    let mut inside = false;
    while let Some(line) = lines.next() {
        real.push_str(line);
        real.push('\n');
        match line.strip_prefix("$ ") {
            Some(command) if inside => {
                let mut expected = Vec::new();
                while let Some(line) = lines.next_if(|line| !line.starts_with("$ ") && *line != "```") {
                    expected.push(line);
                }
                real.push_str(&elided(&machine.run(command), &expected));
            }
            _ => inside = line == "```console",
        }
        if line == "```diff" {
            let mut change = Vec::new();
            while let Some(line) = lines.next_if(|line| *line != "```") {
                change.push(line);
                real.push_str(line);
                real.push('\n');
            }
            machine.edit(&change);
        }
    }
    real
}

/// Leaves out of `output` what `expected` leaves out: everything between as many lines as stand before its `...` and as
/// many as stand behind it. What is only printed where the machine is slow is left out, too.
fn elided(output: &str, expected: &[&str]) -> String {
    let mut lines: Vec<&str> = output.lines().filter(|line| !line.contains(" rows deleted, ")).collect();
    if let Some(before) = expected.iter().position(|line| *line == "...") {
        let behind = lines.len().saturating_sub(expected.len() - before - 1);
        lines.splice(before..behind.max(before), ["..."]);
    }
    lines.into_iter().map(|line| line.to_owned() + "\n").collect()
}

#[test]
fn the_plan_looks_as_in_the_picture() {
    let machine = Machine::new();
    let text = machine.run("oauthctl plan --color always");
    accept_or_compare(Path::new("docs/images/plan.svg"), &picture("oauthctl plan", &text));
}

/// A moment of `cleartokens`, late in the first sweep: drawn by the program's own bar from events of a fixed pace, so that
/// it looks the same on every machine.
#[test]
fn the_progress_bar_looks_as_in_the_picture() {
    let mut deleted = Tally::ZERO;
    for (category, rows) in [(Category::Revoked, 510), (Category::Expired, 1_310), (Category::Access, 1_600)]
    {
        deleted.add(category, rows);
    }
    let sweep = Sweep { doomed: sessions(), excluded: BTreeSet::new() };
    let elapsed = Duration::from_millis(81);
    let batch = Batch { sweep: &sweep, deleted, others: 0, examined: 3_420, size: 3_420, elapsed };
    let mut view = View::new(Some(Total { rows: 236_100, exact: true }));
    view.update(&Event::Started { sweep: &sweep, rows: Some(180_000) }, Duration::ZERO);
    for number in 1..=40 {
        view.update(&Event::Batch(batch), number * (elapsed + Duration::from_millis(6)));
    }
    // As wide as a page of a forge shows it without making it smaller.
    let bar = view.bar(92, Glyphs::Unicode);
    accept_or_compare(Path::new("docs/images/progress.svg"), &picture("oauthctl cleartokens", &bar));
}

fn sessions() -> Doomed {
    let at = Some(OffsetDateTime::UNIX_EPOCH);
    Doomed::Sessions { revoked: at, idle: at, expired: at }
}

/// With pauses between the batches, so that the run lasts long enough for a bar also where a machine is fast.
#[test]
fn a_terminal_gets_that_bar() {
    let machine = Machine::new();
    let text = machine.run_in_terminal("oauthctl cleartokens --batch-size 4000 --batch-interval 20ms", 120);
    let bar = Regex::new(r"expired refresh and access tokens [█░]+ +[0-9]+%  [0-9,]+/236,100 rows").unwrap();
    assert!(bar.is_match(&text), "{text:?}");
    assert!(text.contains("Cleanup: 236,100 rows deleted"), "{text:?}");
}

/// A machine with a working directory and a database, which is set up as far as the document says.
struct Machine {
    directory: TempDir,
    variables: Vec<(&'static str, String)>,
    database: Option<Database>,
}

impl Machine {
    /// The quickstart's database, and its `oauth.toml` in the working directory.
    fn new() -> Self {
        // 300,000 rows take some seconds, so they are made once.
        static SEEDED: LazyLock<Database> = LazyLock::new(|| {
            let database = Database::create(Template::Dot341);
            database.execute(include_str!("../../examples/quickstart/seed.sql"));
            database
        });
        let database = SEEDED.copy();
        let directory = TempDir::new().unwrap();
        fs::copy("examples/quickstart/oauth.toml", directory.path().join("oauth.toml")).unwrap();
        Self { directory, variables: database.variables().into(), database: Some(database) }
    }

    /// No database yet, and what the tutorial copies into its directory.
    fn embedded() -> Self {
        let directory = TempDir::new().unwrap();
        // The user that root's server runs as has to get through.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
        fs::copy("examples/quickstart/seed.sql", directory.path().join("seed.sql")).unwrap();
        let place = directory.path().join("postgresql").to_str().unwrap().to_owned();
        Self { directory, variables: vec![(DIRECTORY_VARIABLE, place)], database: None }
    }

    /// Makes a change to `oauth.toml`: lines with `-` go, lines with `+` come, the others say where.
    fn edit(&self, change: &[&str]) {
        let side = |gone: char| {
            let kept = change.iter().filter(|line| !line.starts_with(gone));
            kept.map(|line| line.get(1..).unwrap_or_default().to_owned() + "\n").collect::<String>()
        };
        let (before, after) = (side('+'), side('-'));
        let path = self.directory.path().join("oauth.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(&before).count(), 1, "the lines to change:\n{before}\nin\n{text}");
        fs::write(path, text.replace(&before, &after)).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("oauthctl"), "a session consists of calls of oauthctl: {line}");
        let mut command = Command::new(binary());
        command.args(words).current_dir(self.directory.path()).env_clear().envs(self.variables.clone());
        command.env("PATH", environment("PATH").unwrap()).env("HOME", self.directory.path());
        command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
        // As examples/quickstart/run does.
        command.env("PARTNER_API_CLIENT_SECRET", "quickstart-partner-api");
        command.env("BILLING_CLIENT_SECRET", "quickstart-billing-rotated");
        command
    }

    /// Both streams, as they come.
    fn run(&self, line: &str) -> String {
        let path = self.directory.path().join("output");
        let output = File::create(&path).unwrap();
        let mut command = self.command(line);
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        command.status().unwrap();
        self.as_documented(&fs::read_to_string(path).unwrap())
    }

    /// With the names that a reader has: the directory, and the embedded server's database.
    fn as_documented(&self, text: &str) -> String {
        let text = text.replace(self.directory.path().to_str().unwrap(), DIRECTORY);
        match &self.database {
            Some(database) => text.replace(database.name(), "postgres"),
            None => text,
        }
    }

    /// What a terminal of this width gets to see, byte for byte.
    fn run_in_terminal(&self, line: &str, columns: u16) -> String {
        let (status, seen) = run_in_terminal(self.command(line), columns);
        assert!(status.success(), "{seen}");
        self.as_documented(&seen)
    }
}

/// A terminal that shows a command and what it printed.
fn picture(command: &str, output: &str) -> String {
    let mut palette = anstyle_svg::WIN10_CONSOLE;
    // Red, green, yellow and cyan that can be read on the background.
    palette.0[1] = RgbColor(0xf1, 0x4c, 0x4c);
    palette.0[2] = RgbColor(0x3f, 0xc5, 0x6b);
    palette.0[3] = RgbColor(0xe5, 0xc0, 0x5b);
    palette.0[6] = RgbColor(0x4f, 0xb3, 0xe8);
    let terminal = anstyle_svg::Term::new()
        .palette(palette)
        .fg_color(RgbColor(0xd0, 0xd0, 0xd0).into())
        .bg_color(RgbColor(0x16, 0x18, 0x1d).into());
    let svg = terminal.render_svg(&format!("$ {command}\n{}", output.trim_end()));
    // Legible on a phone, too.
    let svg = svg.replace(".dimmed { opacity: 0.4; }", ".dimmed { opacity: 0.65; }");
    // A reader's font may be wider than the one that the width was computed for; nothing may be cut off.
    let width = Regex::new(r#"^<svg width="(\d+)px""#).unwrap();
    let computed: u32 = width.captures(&svg).unwrap()[1].parse().unwrap();
    width.replace(&svg, format!("<svg width=\"{}px\"", computed + computed / 20)).into_owned()
}

/// Fails unless the file says this, as far as it does not differ from run to run; or writes it.
#[track_caller]
pub fn accept_or_compare(path: &Path, real: &str) {
    let written = fs::read_to_string(path).unwrap_or_default();
    if shape(&written) == shape(real) {
        return;
    }
    if environment("OAUTHCTL_ACCEPT_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, real).unwrap();
        return;
    }
    let difference = similar::TextDiff::from_lines(shape(&written), shape(real)).unified_diff().to_string();
    let path = path.display();
    panic!("{path} is not what the program prints; OAUTHCTL_ACCEPT_DOCS=1 accepts it:\n{difference}");
}

/// The text without what differs from run to run. Counts of rows are the same in every run and stay.
fn shape(text: &str) -> String {
    static DIFFERENT: LazyLock<[(Regex, &str); 6]> = LazyLock::new(|| {
        [
            (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "[instant]"),
            (r"\b[0-9]+[a-z]+ ago\b", "[time] ago"),
            (r"[0-9,]+ rows/s", "[rate]"),
            (r"\b[0-9hm.]*[0-9]s\b", "[time]"),
            (r"\b[0-9,]+ batch(es)?", "[batches]"),
            (r#"width="[0-9]+px""#, "[width]"),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).unwrap(), with))
    });
    let mut text = text.to_owned();
    for (pattern, with) in DIFFERENT.iter() {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    text
}
