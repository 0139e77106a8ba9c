//! The debugging log of `-v`: on stderr, never part of the answer, and without a value of any secret.

use std::io::{self, Stderr, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

use super::{GlobalArgs, LogFormat};
use crate::model::visible::{defused, defused_json};
use crate::ui::Color;

/// Writes events without what a CI runner would take for a command. Hidden characters are escaped where the values are
/// named, because a line of the log may have colours.
struct Defusing {
    stderr: Stderr,
    format: LogFormat,
}

impl Write for Defusing {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = match self.format {
            LogFormat::Text => defused,
            LogFormat::Json => defused_json,
        };
        self.stderr.write_all(text.split_inclusive('\n').map(line).collect::<String>().as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stderr.flush()
    }
}

/// Starts the log that the global options ask for.
pub fn start(global: &GlobalArgs) {
    let level = match global.verbose {
        0 => return,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let format = global.log_format;
    // Our own events only: the driver's would hold statements and rows.
    let filter = Targets::new().with_target("oauthctl", level);
    let log = fmt::layer()
        .with_writer(move || Defusing { stderr: io::stderr(), format })
        // What cannot be written to stderr cannot be reported there either: trying would panic.
        .log_internal_errors(false)
        .with_ansi(global.color == Color::Always);
    // A second start is no reason to fail.
    let _ = match format {
        LogFormat::Text => registry().with(log.with_filter(filter)).try_init(),
        LogFormat::Json => registry().with(log.json().flatten_event(true).with_filter(filter)).try_init(),
    };
}
