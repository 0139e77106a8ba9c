//! `cleartokens --reclaim`: what is written anew, while it is, and what that has given back.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::Ui;
use super::plan::visible;
use super::progress::{Line, Manner, short};
use crate::health::space::Step;
use crate::model::health::Rebuild;
use crate::model::json;
use crate::model::words::bytes;

/// A line this often where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A table or an index that was written anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reclaimed {
    /// As SQL names it.
    pub name: String,
    pub statement: String,
    /// On disk; of a table with its indexes.
    pub bytes_before: u64,
    pub bytes_after: u64,
}

/// Shows one statement after the other on stderr.
pub struct Reclaiming<'a> {
    ui: &'a mut Ui,
    manner: Manner,
    line: Line,
    began: Instant,
    said: Instant,
}

impl<'a> Reclaiming<'a> {
    /// Nothing has begun.
    #[must_use]
    pub fn new(ui: &'a mut Ui, manner: Manner) -> Self {
        let now = Instant::now();
        Self { ui, manner, line: Line::default(), began: now, said: now }
    }

    /// A statement begins; `number` of `of`.
    pub fn begin(&mut self, step: &Step, number: usize, of: usize) {
        (self.began, self.said) = (Instant::now(), Instant::now());
        match self.manner {
            Manner::Objects => self.object(&serde_json::json!({
                "event": "reclaiming", "name": step.of, "statement": step.sql, "number": number, "of": of,
            })),
            Manner::Bar | Manner::Lines | Manner::Silent => {}
        }
    }

    /// It goes on.
    pub fn tell(&mut self, step: &Step, (number, of): (usize, usize), progress: Option<&Rebuild>) {
        let elapsed = self.began.elapsed();
        let text = text(step, number, of, progress, elapsed);
        match self.manner {
            Manner::Bar => self.line.show(elapsed, |width| text.chars().take(width).collect()),
            Manner::Lines if self.said.elapsed() >= LINE_EVERY => {
                self.said = Instant::now();
                self.ui.status(text);
            }
            Manner::Lines | Manner::Objects | Manner::Silent => {}
        }
    }

    /// It has ended.
    pub fn done(&mut self, reclaimed: &Reclaimed) {
        self.line = Line::default();
        let Reclaimed { name, bytes_before, bytes_after, .. } = reclaimed;
        let elapsed = self.began.elapsed();
        match self.manner {
            Manner::Objects => self.object(&serde_json::json!({
                "event": "reclaimed", "name": name, "bytes_before": bytes_before, "bytes_after": bytes_after,
                "seconds": elapsed.as_secs_f64(),
            })),
            Manner::Bar | Manner::Lines => self.ui.status(format_args!(
                "Written anew: {}, {} before, {} after, in {}",
                visible(name),
                bytes(*bytes_before),
                bytes(*bytes_after),
                short(elapsed)
            )),
            Manner::Silent => {}
        }
    }

    fn object(&mut self, object: &serde_json::Value) {
        if let Ok(line) = json::line(object) {
            self.ui.stderr_line(line);
        }
    }
}

fn text(step: &Step, number: usize, of: usize, progress: Option<&Rebuild>, elapsed: Duration) -> String {
    let mut text = format!("Writing {} anew ({number} of {of}), {}", visible(&step.of), short(elapsed));
    if let Some(Rebuild { phase, blocks: (done, total), waits_for }) = progress {
        text += &match waits_for {
            Some(pid) => format!(": waits for the transaction of session {pid}"),
            None => format!(": {phase}"),
        };
        if *total > 0 && waits_for.is_none() {
            text += &format!(", {}%", done.saturating_mul(100) / total);
        }
    }
    text
}

/// The last lines. `keeps_tables`: only indexes were written anew.
#[must_use]
pub fn render(reclaimed: &[Reclaimed], keeps_tables: bool) -> String {
    if reclaimed.is_empty() {
        return "Nothing to reclaim: no table has lost a quarter of its rows, and none is half empty.\n"
            .to_owned();
    }
    let sum = |of: fn(&Reclaimed) -> u64| reclaimed.iter().map(of).sum::<u64>();
    let (before, after) = (sum(|one| one.bytes_before), sum(|one| one.bytes_after));
    let what = if keeps_tables { ("index", "indexes") } else { ("table", "tables") };
    let count = match reclaimed.len() {
        1 => format!("1 {}", what.0),
        count => format!("{count} {}", what.1),
    };
    let mut text =
        format!("Reclaimed: {count} written anew, {} before, {} after.\n", bytes(before), bytes(after));
    if keeps_tables {
        text += "The tables themselves keep their size, and use the room for new rows: `oauthctl doctor` says what would \
                 give it back.\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reclaimed(name: &str, bytes_before: u64, bytes_after: u64) -> Reclaimed {
        Reclaimed { name: name.to_owned(), statement: String::new(), bytes_before, bytes_after }
    }

    #[test]
    fn the_last_lines() {
        insta::assert_snapshot!(render(&[], true), @"Nothing to reclaim: no table has lost a quarter of its rows, and none is half empty.");
        let both = [reclaimed("a", 30 << 20, 10 << 20), reclaimed("b", 2 << 20, 1 << 20)];
        insta::assert_snapshot!(render(&both, true), @"
        Reclaimed: 2 indexes written anew, 32 MB before, 11 MB after.
        The tables themselves keep their size, and use the room for new rows: `oauthctl doctor` says what would give it back.
        ");
        insta::assert_snapshot!(render(&both[..1], false), @"Reclaimed: 1 table written anew, 30 MB before, 10 MB after.");
    }

    #[test]
    fn the_line_says_what_it_waits_for() {
        let step = Step { of: "public.a".to_owned(), sql: String::new() };
        let elapsed = Duration::from_secs(75);
        let at =
            |done, waits_for| Rebuild { phase: "building index".to_owned(), blocks: (done, 200), waits_for };
        let text = |progress: Option<&Rebuild>| text(&step, 1, 3, progress, elapsed);
        assert_eq!(text(None), "Writing public.a anew (1 of 3), 1m15s");
        assert_eq!(text(Some(&at(50, None))), "Writing public.a anew (1 of 3), 1m15s: building index, 25%");
        assert_eq!(
            text(Some(&at(0, Some(7)))),
            "Writing public.a anew (1 of 3), 1m15s: waits for the transaction of session 7"
        );
    }
}
