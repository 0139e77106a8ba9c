//! The integration suite: one binary, one module per subject, real PostgreSQL throughout.

mod layering;
