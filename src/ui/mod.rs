//! Humans: the only module that prints.
//!
//! Four channels with names. `answer` is what was asked for, on stdout; everything else goes to stderr: `status` is
//! chatter and silent with `--quiet`, `warning` and `hint` are not, `error` comes once, at the end. Colour is decided
//! here and nowhere else; renderers write styled text and the stream strips it. Makes no decisions about data.

pub mod about;
pub mod annotations;
pub mod application;
pub mod backlog;
pub mod cause;
pub mod cleanup;
pub mod code_quality;
pub mod counter;
pub mod diagnostics;
pub mod doctor;
mod forecast_json;
mod grid;
pub mod history;
pub mod history_json;
pub mod hook_json;
mod html;
pub mod import;
pub mod inventory;
pub mod inventory_json;
mod json_schema;
pub mod metrics;
pub mod picking;
pub mod plan;
pub mod plan_counts;
mod plan_failure;
pub mod plan_html;
pub mod plan_json;
pub mod plan_markdown;
pub mod progress;
pub mod reclaim;
pub mod report_json;
pub mod roles;
pub mod sarif;
mod sarif_rules;
pub mod status;
pub mod status_html;
pub mod status_json;
mod step_json;
mod tables;
pub mod undo;
pub mod undo_json;
pub mod version;
pub mod waiting;
pub mod wrap;

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use crate::model::visible::defused;

/// The width of an answer that goes to no terminal.
const WIDTH: usize = 80;

pub const BOLD: Style = Style::new().bold();
/// Faint: what is there but does not matter now.
pub const DIM: Style = Style::new().dimmed();
pub const GREEN: Style = AnsiColor::Green.on_default();
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
/// Removed, or wrong.
pub const RED: Style = AnsiColor::Red.on_default();
/// Hints and moves.
pub const CYAN: Style = AnsiColor::Cyan.on_default();

/// Styled text: `paint(BOLD, "x")`.
#[must_use]
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Text that may quote a file, a database or a server: escape sequences in it are shown, not obeyed, and its later lines
/// are indented, so that none looks like an error, a warning or a hint of ours.
fn shown(text: impl std::fmt::Display) -> String {
    text.to_string().lines().map(plan::visible).collect::<Vec<_>>().join("\n  ")
}

/// A sentence for stderr, broken between words where that is a terminal.
fn fitted(text: &str) -> String {
    let stderr = io::stderr();
    let size = stderr.is_terminal().then(|| terminal_size::terminal_size_of(&stderr)).flatten();
    size.map_or_else(|| text.to_owned(), |(width, _)| wrap::wrap(text, usize::from(width.0)))
}

/// Lines of which none is a command to a CI runner. Names are escaped where they are written; this is for all the rest,
/// such as lines of the file.
fn harmless(text: &str) -> String {
    text.split('\n').map(defused).collect::<Vec<_>>().join("\n")
}

/// An answer is written in parts of this many bytes and the rest of their last lines: a long one is not copied at once.
const PART: usize = 64 << 10;

fn in_parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.as_bytes().iter().skip(PART).position(|byte| *byte == b'\n');
        let (part, after) = rest.split_at(end.map_or(rest.len(), |end| PART + end + 1));
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// On a terminal and in a pipe.
    Always,
    /// Not even on a terminal.
    Never,
}

/// How much of the chatter is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chatter {
    /// All of it.
    #[default]
    Normal,
    /// Warnings and errors only.
    Quiet,
}

/// Who was there to read an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The stream took all of it.
    There,
    /// The other end of the pipe is closed, as after `| head`, or the terminal has hung up.
    Gone,
}

/// What the terminal is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Whether stdin and stderr are terminals, so that a question can be asked.
    pub interactive: bool,
    /// Whether stderr is a terminal that understands cursor movement.
    pub animated: bool,
    /// Whether the locale is UTF-8.
    pub unicode: bool,
}

/// The two streams and what may go there.
pub struct Ui {
    stdout: AutoStream<Box<dyn Write + Send>>,
    stderr: AutoStream<Box<dyn Write + Send>>,
    chatter: Chatter,
    terminal: Terminal,
    colored_stderr: bool,
    /// Whether stdout was a terminal at the start; one that hangs up is none any more.
    on_terminal: bool,
}

impl Ui {
    /// The process's own streams.
    #[must_use]
    pub fn new(color: Color, chatter: Chatter, unicode: bool, dumb: bool) -> Self {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let choice = |automatic: ColorChoice| match color {
            Color::Auto => automatic,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let stdout_choice = choice(AutoStream::choice(&stdout));
        let stderr_choice = choice(AutoStream::choice(&stderr));
        let terminal = Terminal {
            interactive: io::stdin().is_terminal() && stderr.is_terminal(),
            animated: stderr.is_terminal() && !dumb,
            unicode,
        };
        let on_terminal = stdout.is_terminal();
        Self {
            stdout: AutoStream::new(Box::new(stdout), stdout_choice),
            stderr: AutoStream::new(Box::new(stderr), stderr_choice),
            chatter,
            terminal,
            colored_stderr: stderr_choice != ColorChoice::Never,
            on_terminal,
        }
    }

    /// What the terminal is like.
    #[must_use]
    pub const fn terminal(&self) -> Terminal {
        self.terminal
    }

    /// How many columns stdout has; `None`: it is no terminal, and lines may be as long as they are.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        let stdout = io::stdout();
        let size = stdout.is_terminal().then(|| terminal_size::terminal_size_of(&stdout)).flatten();
        size.map(|(width, _)| usize::from(width.0))
    }

    /// How much of the chatter is shown.
    #[must_use]
    pub const fn chatter(&self) -> Chatter {
        self.chatter
    }

    /// How many columns the answer may have.
    #[must_use]
    pub fn answer_width(&self) -> usize {
        let stdout = io::stdout();
        let width = if stdout.is_terminal() { terminal_size::terminal_size_of(&stdout) } else { None };
        width.map_or(WIDTH, |(width, _)| usize::from(width.0))
    }

    /// Whether stderr takes colour.
    #[must_use]
    pub const fn colored_stderr(&self) -> bool {
        self.colored_stderr
    }

    /// The answer, on stdout; text as it is, so it ends with a newline.
    ///
    /// # Errors
    /// The stream's. A reader that has gone away is no error: who reads the answer decides nothing.
    pub fn answer(&mut self, text: &str) -> io::Result<Reader> {
        let written = self.stdout.write_all(text.as_bytes()).and_then(|()| self.stdout.flush());
        match written {
            Ok(()) => Ok(Reader::There),
            Err(error) if self.has_gone(&error) => Ok(Reader::Gone),
            Err(error) => Err(error),
        }
    }

    /// Whether the error means that stdout has no reader any more: a closed pipe, or a terminal that has hung up.
    fn has_gone(&self, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::BrokenPipe
            || (self.on_terminal && error.raw_os_error() == Some(nix::errno::Errno::EIO as i32))
    }

    /// An answer for people: broken between words where stdout is a terminal, and without commands for a CI runner.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn tell(&mut self, text: &str) -> io::Result<Reader> {
        let Some(width) = self.width() else { return self.tell_whole(text) };
        let mut reader = Reader::There;
        for lines in in_parts(text) {
            reader = self.answer(&harmless(&wrap::wrap(lines, width)))?;
        }
        Ok(reader)
    }

    /// The same for an answer whose lines are broken already, or must not be: lines to copy.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn tell_whole(&mut self, text: &str) -> io::Result<Reader> {
        let mut reader = Reader::There;
        for lines in in_parts(text) {
            reader = self.answer(&harmless(lines))?;
        }
        Ok(reader)
    }

    /// A status line.
    pub fn status(&mut self, text: impl std::fmt::Display) {
        if self.chatter == Chatter::Normal {
            self.sentence(text);
        }
    }

    /// Something that may surprise.
    pub fn warning(&mut self, text: impl std::fmt::Display) {
        self.sentence(format_args!("{} {}", paint(YELLOW.bold(), "warning:"), shown(text)));
    }

    /// What to type next. A statement, and every line after the first, is for copying: no line break is put into it.
    pub fn hint(&mut self, text: impl std::fmt::Display) {
        let text = format!("{} {}", paint(CYAN.bold(), "hint:"), shown(text));
        let (first, rest) = text.split_at(text.find('\n').unwrap_or(text.len()));
        let first = if first.ends_with(';') { first.to_owned() } else { fitted(first) };
        self.stderr_line(first + rest);
    }

    /// What may come next, for people at a terminal: a log needs no advice.
    pub fn next_step(&mut self, text: impl std::fmt::Display) {
        if self.chatter == Chatter::Normal && self.terminal.interactive {
            self.hint(text);
        }
    }

    /// Problems of the file. Their sentences are broken between words; the lines of the file that they quote are not.
    pub fn problems(&mut self, text: &str) {
        let line = |line: &str| if diagnostics::is_sentence(line) { fitted(line) } else { line.to_owned() };
        self.stderr_line(text.split('\n').map(line).collect::<Vec<_>>().join("\n"));
    }

    /// Sentences on stderr whatever the chatter, broken between words where it is a terminal.
    pub fn sentence(&mut self, text: impl std::fmt::Display) {
        self.stderr_line(fitted(&text.to_string()));
    }

    /// Why it failed, with causes; once, at the end.
    pub fn error(&mut self, error: &crate::error::Error) {
        self.sentence(format_args!("{} {}", paint(RED.bold(), "error:"), shown(error)));
        for cause in error.causes() {
            self.sentence(format_args!("  caused by: {}", shown(cause)));
        }
        for hint in error.hints() {
            self.hint(hint);
        }
    }

    /// A line on stderr whatever the chatter. A stderr that is gone is no reason to fail.
    pub fn stderr_line(&mut self, text: impl std::fmt::Display) {
        let text = harmless(&text.to_string());
        let _ = writeln!(self.stderr, "{text}").and_then(|()| self.stderr.flush());
    }

    /// Puts a question; the answer is typed behind it.
    ///
    /// # Errors
    /// The stream's.
    pub fn ask(&mut self, question: &str) -> io::Result<()> {
        self.stderr.write_all(format!("{} ", fitted(question)).as_bytes())?;
        self.stderr.flush()
    }
}
