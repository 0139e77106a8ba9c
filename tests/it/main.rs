//! The integration suite: one binary, one module per subject, real PostgreSQL throughout.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test relies on and does not get is a failed test"
)]

mod layering;
mod support;
mod uri_fuzz;
