//! What a database error means. (Skeleton; see the `conn` branch.)

/// A database error with what was attempted.
#[derive(Debug, thiserror::Error)]
#[error("{attempted} failed: {source}")]
pub struct DbError {
    attempted: String,
    source: tokio_postgres::Error,
}

impl DbError {
    /// Wraps an error.
    #[must_use]
    pub fn new(attempted: impl Into<String>, source: tokio_postgres::Error) -> Self {
        Self { attempted: attempted.into(), source }
    }

    /// For `map_err`.
    pub fn during(attempted: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let attempted = attempted.into();
        |source| Self::new(attempted, source)
    }
}
