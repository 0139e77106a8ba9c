//! What `doctor` found, for people and for scripts. Pure.

use std::fmt::Write as _;

use anstyle::Style;
use serde::Serialize;

use super::grid::wrap;
use super::plan::{plural, visible};
use super::{BOLD, CYAN, DIM, GREEN, RED, YELLOW, paint};
use crate::health::{Finding, Report, Upgrade, Verdict};
use crate::model::health::{Encryption, ReadOnly, Server};
use crate::model::json;

/// The version of the JSON document.
pub const FORMAT_VERSION: &str = "1.0";

/// Lines longer than this are hard to read.
const WIDEST: usize = 110;
/// In front of the sentences: verdict and subject.
const MARGIN: usize = 23;
/// Where there is no room for that.
const NARROW: usize = 60;

const fn word(verdict: Verdict) -> (&'static str, Style) {
    match verdict {
        Verdict::Ok => ("ok", GREEN),
        Verdict::Note => ("note", YELLOW),
        Verdict::Problem => ("problem", RED),
    }
}

/// Every finding with its commands, and how many there are of each kind.
#[must_use]
pub fn render(report: &Report, width: usize) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        render_finding(&mut out, finding, width.min(WIDEST));
    }
    let [problems, notes, fine] =
        [Verdict::Problem, Verdict::Note, Verdict::Ok].map(|verdict| report.count(verdict) as u64);
    let summary = match problems {
        0 => paint(BOLD, "No problem"),
        _ => paint(RED.bold(), plural(problems, "problem")),
    };
    let _ = writeln!(out, "\n{summary}, {}, {fine} ok.", plural(notes, "note"));
    out
}

fn render_finding(out: &mut String, finding: &Finding, width: usize) {
    let Finding { check, verdict, found, meaning, remedies } = finding;
    let (word, style) = word(*verdict);
    let (word, subject) = (paint(style, format_args!("{word:<7}")), check.title());
    let margin = if width < NARROW {
        let _ = writeln!(out, "{word}  {subject}");
        4
    } else {
        let _ = write!(out, "{word}  {subject:<14}");
        MARGIN
    };
    let room = width.saturating_sub(margin).max(20);
    let mut first = width >= NARROW;
    let texts = [(found, Style::new()), (meaning, DIM)];
    for (text, style) in texts.into_iter().filter(|(text, _)| !text.is_empty()) {
        for line in wrap(text, room) {
            let indent = if std::mem::take(&mut first) { 0 } else { margin };
            let _ = writeln!(out, "{:indent$}{}", "", paint(style, visible(&line)));
        }
    }
    // Whole, however long, so that they can be copied.
    for line in remedies.iter().flat_map(|remedy| remedy.text().lines()) {
        let _ = writeln!(out, "    {}", paint(CYAN, visible(line)));
    }
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: &'static str,
    tool_version: &'static str,
    verdict: Verdict,
    problems: usize,
    notes: usize,
    server: Option<ServerView<'a>>,
    findings: &'a [Finding],
    upgrade: Option<UpgradeView<'a>>,
}

#[derive(Serialize)]
struct UpgradeView<'a> {
    version: &'static str,
    applications: &'a [Upgrade],
}

#[derive(Serialize)]
struct ServerView<'a> {
    engine: String,
    version: &'a str,
    database: &'a str,
    role: &'a str,
    superuser: bool,
    standby: bool,
    tls: Option<&'a str>,
}

/// The same as a JSON document. `server`: `None` if no server answered.
///
/// # Errors
/// Serde's, which do not occur.
pub fn json(
    report: &Report,
    server: Option<&Server>,
    encryption: Option<&Encryption>,
) -> Result<String, serde_json::Error> {
    let document = Document {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        verdict: report.verdict(),
        problems: report.count(Verdict::Problem),
        notes: report.count(Verdict::Note),
        server: server.map(|server| ServerView {
            engine: server.engine.to_string(),
            version: &server.version,
            database: &server.database,
            role: &server.role,
            superuser: server.superuser,
            standby: server.read_only == Some(ReadOnly::Standby),
            tls: encryption.map(|encryption| encryption.version.as_str()),
        }),
        findings: &report.findings,
        upgrade: report.upgrades.as_deref().map(|applications| UpgradeView { version: "4.0", applications }),
    };
    json::document(&document)
}
