//! Token cleanup while it runs: a bar on a terminal, a line now and then elsewhere, an object a line for scripts.
//!
//! Everything goes to stderr. The bar shows nothing for the first 300 ms, redraws 20 times a second at most, fits the
//! terminal, and is gone before anything else is written. [`View`] is pure: events in, text out.

mod glyphs;
mod view;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub use glyphs::Glyphs;
use view::is_frequent;
pub use view::{Total, View, because, key, short};

use super::cleanup::stopped_json;
use super::{Chatter, Ui};
use crate::sweep::{Event, Outcome};

/// A run that is over by then shows no bar at all.
const PATIENCE: Duration = Duration::from_millis(300);

/// The most redraws a second.
const REDRAWS: u8 = 20;

/// A line this often where there is no bar.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// An object this often.
const OBJECT_EVERY: Duration = Duration::from_secs(1);

/// The width where the terminal does not say.
const WIDTH: usize = 80;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// A bar that is redrawn.
    Bar,
    Lines,
    /// JSON, an object a line.
    Objects,
    /// Not at all.
    Silent,
}

impl Manner {
    /// What suits the streams; `objects`: `--format json`.
    #[must_use]
    pub fn of(ui: &Ui, objects: bool) -> Self {
        match (ui.chatter(), objects, ui.terminal().animated) {
            (Chatter::Quiet, _, _) => Self::Silent,
            (Chatter::Normal, true, _) => Self::Objects,
            (Chatter::Normal, false, true) => Self::Bar,
            (Chatter::Normal, false, false) => Self::Lines,
        }
    }
}

/// Shows the events of one run.
pub struct Progress<'a> {
    ui: &'a mut Ui,
    manner: Manner,
    view: View,
    line: Line,
    started: Instant,
    last: Duration,
}

impl<'a> Progress<'a> {
    /// `total`: how many rows will go, if that is known or estimated.
    #[must_use]
    pub fn new(ui: &'a mut Ui, manner: Manner, total: Option<Total>) -> Self {
        let started = Instant::now();
        Self { ui, manner, view: View::new(total), line: Line::default(), started, last: Duration::ZERO }
    }

    /// Takes note of an event, and shows what is worth showing.
    pub fn on(&mut self, event: &Event<'_>) {
        let now = self.started.elapsed();
        self.view.update(event, now);
        match self.manner {
            Manner::Silent => {}
            Manner::Bar => {
                if let Some(notice) = self.view.notice(event).filter(|_| {
                    matches!(event, Event::Unwatched(_) | Event::Unvacuumed { .. } | Event::Triggers { .. })
                }) {
                    match &self.line.bar {
                        Some(bar) => bar.println(notice),
                        None => self.ui.status(notice),
                    }
                }
                self.draw(now);
            }
            Manner::Lines => {
                if let Some(line) = self.view.notice(event) {
                    self.ui.status(line);
                } else if matches!(event, Event::Held { .. } | Event::Step { .. })
                    && self.due(now, LINE_EVERY)
                {
                    self.ui.status(self.view.waiting().unwrap_or_default());
                } else if matches!(event, Event::Batch(_)) && self.due(now, LINE_EVERY) {
                    self.ui.status(self.view.line());
                }
            }
            Manner::Objects => {
                let often = match event {
                    Event::Batch(_) => true,
                    Event::Held { cause, waited } => !waited.is_zero() || is_frequent(cause),
                    Event::Step { elapsed, .. } => !elapsed.is_zero(),
                    Event::Started { .. }
                    | Event::Retry { .. }
                    | Event::Blocked(_)
                    | Event::Waiting { .. }
                    | Event::Unwatched(_)
                    | Event::Triggers { .. }
                    | Event::Unvacuumed { .. }
                    | Event::Finished { .. } => false,
                };
                let due = !often || self.due(now, OBJECT_EVERY);
                if let Some(object) = self.view.object(event).filter(|_| due) {
                    self.ui.stderr_line(object);
                }
            }
        }
    }

    /// The run has ended: the last of the objects.
    pub fn stopped(&mut self, outcome: &Outcome) {
        if self.manner == Manner::Objects
            && let Ok(object) = stopped_json(outcome)
        {
            self.ui.stderr_line(object);
        }
    }

    fn due(&mut self, now: Duration, every: Duration) -> bool {
        let due = now.saturating_sub(self.last) >= every;
        if due {
            self.last = now;
        }
        due
    }

    fn draw(&mut self, now: Duration) {
        let glyphs = if self.ui.terminal().unicode { Glyphs::Unicode } else { Glyphs::Ascii };
        self.line.show(now, |width| self.view.bar(width, glyphs));
    }
}

/// The last line of a terminal, redrawn, and gone when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Line {
    bar: Option<ProgressBar>,
}

impl Line {
    /// Shows a text for the width of the terminal, unless it is too early to bother anybody.
    pub fn show(&mut self, elapsed: Duration, text: impl FnOnce(usize) -> String) {
        if elapsed < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(REDRAWS));
            // The line is laid out by the caller; the crate places, throttles and clears it.
            bar.set_style(
                ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        let stderr = std::io::stderr();
        let width = if stderr.is_terminal() {
            terminal_size::terminal_size_of(&stderr).map_or(WIDTH, |(width, _)| usize::from(width.0))
        } else {
            WIDTH
        };
        bar.set_message(text(width));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
