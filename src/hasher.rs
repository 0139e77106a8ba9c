//! Django's password hashes: recognised, verified and made. (Skeleton; see the `secrets` branch.)

/// An encoded Django hash, safe to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedHash(String);

/// What the `client_secret` column holds.
pub struct StoredSecret(String);

impl std::fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredSecret(…)")
    }
}

impl StoredSecret {
    /// Wraps the column's text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }
}

impl StoredSecret {
    /// Whether Django would take it for a hash.
    #[must_use]
    pub fn is_hashed(&self) -> bool {
        self.0.contains('$')
    }
    /// Whether it is this text.
    #[must_use]
    pub fn is_text(&self, text: &str) -> bool {
        self.0 == text
    }
}
impl EncodedHash {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl StoredSecret {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}
/// Why a text is no encoded hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a hash that Django writes")]
pub struct NotAHash;
impl EncodedHash {
    /// Reads an encoded hash. (Skeleton.)
    pub fn parse(text: &str) -> Result<Self, NotAHash> {
        if text.split('$').count() >= 3 { Ok(Self(text.to_owned())) } else { Err(NotAHash) }
    }
}
