//! The server settings that the rules for applications depend on: DOT's `OAUTH2_PROVIDER`, as far as it matters.
//!
//! They live in Django's settings, where no database query can see them, so the file repeats them. Defaults are
//! those of DOT 3.4.1.

use std::num::NonZeroU16;

use crate::hasher::Hasher;

/// `[provider]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub allowed_redirect_uri_schemes: Vec<String>,
    /// `ALLOWED_SCHEMES`, for origins.
    pub allowed_schemes: Vec<String>,
    /// `ALLOW_URI_WILDCARDS` (DOT 3.1).
    pub allow_uri_wildcards: bool,
    /// Whether `OIDC_RSA_PRIVATE_KEY` is set; the key itself is not needed here.
    pub oidc_rsa_private_key: bool,
    /// `CLIENT_SECRET_HASHER` (DOT 3.1; before, the first of `PASSWORD_HASHERS`), and its iteration count.
    pub client_secret_hasher: Hasher,
    /// `CLIENT_SECRET_GENERATOR_LENGTH`, in characters; the column holds 255.
    pub client_secret_generator_length: NonZeroU16,
}

impl Provider {
    /// DOT's `CLIENT_SECRET_GENERATOR_LENGTH`.
    pub const DEFAULT_SECRET_LENGTH: NonZeroU16 = NonZeroU16::MIN.saturating_add(127);
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            allowed_redirect_uri_schemes: vec!["http".to_owned(), "https".to_owned()],
            allowed_schemes: vec!["https".to_owned()],
            allow_uri_wildcards: false,
            oidc_rsa_private_key: false,
            client_secret_hasher: Hasher::default(),
            client_secret_generator_length: Self::DEFAULT_SECRET_LENGTH,
        }
    }
}
