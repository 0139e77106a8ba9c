//! Warnings of the server: collected here, and shown when a verb ends.
//!
//! Notices come to the task that drives a connection, apart from the answer to any statement, so there is one
//! collection for the process.

use std::sync::{Mutex, PoisonError};

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps a warning, once.
pub(super) fn warn(message: &str, detail: Option<&str>) {
    let text = match detail {
        Some(detail) => format!("the server says: {message}. {}", detail.trim_end_matches('.')),
        None => format!("the server says: {message}"),
    };
    let mut warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    if !warnings.contains(&text) {
        warnings.push(text);
    }
}

/// What was warned of since the last time.
#[must_use]
pub fn take() -> Vec<String> {
    std::mem::take(&mut WARNINGS.lock().unwrap_or_else(PoisonError::into_inner))
}
