//! The words and numbers that a running cleanup is told in.

use std::time::Duration;

use super::super::glyphs::Glyphs;
use crate::db::tokens::Phase;
use crate::model::TableRole;
use crate::sweep::Transient;

pub(super) fn shortened(text: &str, width: usize, glyphs: Glyphs) -> String {
    let end = match glyphs {
        Glyphs::Unicode => "…",
        Glyphs::Ascii => "...",
    };
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(end.chars().count());
    text.chars().take(kept).chain(end.chars()).take(width).collect()
}

pub(super) fn drawn(permille: u64, width: usize, glyphs: Glyphs) -> String {
    let filled = usize::try_from(permille).unwrap_or(1_000) * width / 1_000;
    let (full, empty) = match glyphs {
        Glyphs::Unicode => ("█", "░"),
        Glyphs::Ascii => ("#", "-"),
    };
    format!("{}{}", full.repeat(filled), empty.repeat(width - filled))
}

/// What a step of a rewrite does, for people.
pub(super) fn step(phase: Phase, table: Option<TableRole>) -> String {
    let what = match phase {
        Phase::PutAside => "keeping what stays of",
        Phase::CatchUp => "looking at what has changed, with the tables locked",
        Phase::Empty => "emptying the tables",
        Phase::PutBack => "putting back",
        Phase::Vacuum => "gathering statistics",
    };
    let rows = table.map(|table| match table {
        TableRole::Application => "applications",
        TableRole::AccessToken => "access tokens",
        TableRole::RefreshToken => "refresh tokens",
        TableRole::IdToken => "ID tokens",
        TableRole::Grant => "authorization codes",
        TableRole::DeviceGrant => "device grants",
        TableRole::ParRequest => "pushed authorization requests",
    });
    rows.map_or_else(|| what.to_owned(), |rows| format!("{what} {rows}"))
}

/// The same for scripts.
pub(super) const fn phase_key(phase: Phase) -> &'static str {
    match phase {
        Phase::PutAside => "put_aside",
        Phase::CatchUp => "catch_up",
        Phase::Empty => "empty",
        Phase::PutBack => "put_back",
        Phase::Vacuum => "vacuum",
    }
}

/// Whole seconds: a clock that ticks.
pub(super) fn clock(elapsed: Duration) -> String {
    if elapsed.as_secs() < 60 { format!("{}s", elapsed.as_secs()) } else { short(elapsed) }
}

/// Why, for people.
#[must_use]
pub const fn because(reason: Transient) -> &'static str {
    match reason {
        Transient::Locked => "another transaction holds a lock",
        Transient::Deadlock => "the server broke a deadlock",
        Transient::Changed => "rows were changed meanwhile",
        Transient::Referenced => "rows are referred to meanwhile",
        Transient::TooSlow => "the batch took too long and is made smaller",
        Transient::Disconnected => "the connection was lost",
    }
}

/// Why, for scripts.
#[must_use]
pub const fn key(reason: Transient) -> &'static str {
    match reason {
        Transient::Locked => "locked",
        Transient::Deadlock => "deadlock",
        Transient::Changed => "changed",
        Transient::Referenced => "referenced",
        Transient::TooSlow => "too_slow",
        Transient::Disconnected => "disconnected",
    }
}

pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

pub(super) fn arrival(eta: Duration) -> String {
    if eta.as_secs() == 0 { "ETA <1s".to_owned() } else { format!("ETA {}", short(eta)) }
}

/// `0.49s`, `4.2s`, `38s`, `3m38s`, `1h05m`.
#[must_use]
pub fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{:.2}s", duration.as_secs_f64()),
        1..=9 => format!("{:.1}s", duration.as_secs_f64()),
        10..=59 => format!("{seconds}s"),
        60..=3_599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}
