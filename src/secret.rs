//! A secret that cannot be printed, serialised or copied by accident, and is zeroed when dropped.
//!
//! It must never gain `Display`, `Serialize`, `Clone` or a `Debug` that shows its bytes.

use secrecy::{ExposeSecret, SecretString};

/// A plain-text secret: a client secret or a password.
pub struct Secret(SecretString);

impl Secret {
    /// Takes ownership of the text; the caller's buffer becomes the secret's.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The text itself. Every call site is a place where the secret could leak: keep them few.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
