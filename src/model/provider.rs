//! The server settings that the rules for applications depend on: DOT's `OAUTH2_PROVIDER`, as far as it matters.
//!
//! They live in Django's settings, where no database query can see them, so the file repeats them. Defaults are
//! those of DOT 3.4.1.

use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hasher::Hasher;

/// What becomes of a URI that DOT's own validator refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UriRules {
    /// An error: the server has DOT's validators.
    #[default]
    Dot,
    /// Advice: the server has validators of its own (`REDIRECT_URI_VALIDATOR`, `ALLOWED_ORIGIN_VALIDATOR`).
    Lint,
}

/// `[provider]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub allowed_redirect_uri_schemes: Vec<String>,
    /// `ALLOWED_SCHEMES`, for origins.
    pub allowed_schemes: Vec<String>,
    /// `ALLOW_URI_WILDCARDS` (DOT 3.1).
    pub allow_uri_wildcards: bool,
    pub uri_rules: UriRules,
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
            uri_rules: UriRules::Dot,
            oidc_rsa_private_key: false,
            client_secret_hasher: Hasher::default(),
            client_secret_generator_length: Self::DEFAULT_SECRET_LENGTH,
        }
    }
}
