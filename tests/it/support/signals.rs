//! Signals as at a terminal. Under `nohup`, or as a background job of a script, a process begins with some of them ignored
//! and its children inherit that; but tests send these signals to `oauthctl`.

use std::fs;
use std::sync::Once;

use tokio::signal::unix::{SignalKind, signal};

use super::server::block_on;

/// Puts a handler in the place of each ignored signal: children begin with the default in its place. This process still
/// ignores it, because nothing waits for the handler.
pub fn heed() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
        for kind in [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()] {
            if ignored >> (kind.as_raw_value() - 1) & 1 == 1 {
                block_on(async move { drop(signal(kind).unwrap()) });
            }
        }
    });
}
