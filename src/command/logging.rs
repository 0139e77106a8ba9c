//! The debugging log of `-v`: on stderr, never part of the answer, and without a value of any secret.

use tracing::level_filters::LevelFilter;

use super::{GlobalArgs, LogFormat};
use crate::ui::Color;

/// Starts the log that the global options ask for.
pub fn start(global: &GlobalArgs) {
    let level = match global.verbose {
        0 => return,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // Our own events only: the driver's would hold statements and rows.
    let filter = tracing_subscriber::EnvFilter::new(format!("oauthctl={level}"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // What cannot be written to stderr cannot be reported there either: trying would panic.
        .log_internal_errors(false)
        .with_ansi(global.color == Color::Always);
    // A second start is no reason to fail.
    let _ = match global.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}
