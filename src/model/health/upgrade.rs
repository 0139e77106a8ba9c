//! What of an application a version of DOT that is to come will not serve.

use serde::Serialize;
use strum::VariantArray;

/// A default that changes in DOT 4.0, as far as a row of the database can be affected. Sources: the changelog of 3.4.0,
/// `settings.py` and `core/checks.py` of DOT's main branch of 2026-08-22.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, VariantArray)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// `response_type=token`, `id_token` and both.
    ImplicitGrant,
    PasswordGrant,
    /// `code_challenge_method=plain`.
    PlainPkce,
    /// A `*` in the host of a redirect URI.
    WildcardRedirect,
    /// A redirect URI without TLS.
    HttpRedirect,
}

impl Change {
    /// All, in order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The setting in `OAUTH2_PROVIDER` whose default becomes `True`.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::ImplicitGrant => "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT",
            Self::PasswordGrant => "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT",
            Self::PlainPkce => "COMPLIANT_BCP_RFC9700_PKCE_METHOD",
            Self::WildcardRedirect => "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING",
            Self::HttpRedirect => "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME",
        }
    }

    /// Whether requests are refused; else only `manage.py check --deploy` fails, and requests work as before.
    #[must_use]
    pub const fn refuses(self) -> bool {
        match self {
            Self::ImplicitGrant | Self::PasswordGrant | Self::PlainPkce => true,
            Self::WildcardRedirect | Self::HttpRedirect => false,
        }
    }
}

/// An application that uses something of the kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Affected {
    pub client_id: String,
    pub name: String,
    pub authorization_grant_type: String,
    #[serde(skip)]
    pub redirect_uris: String,
    /// Authorization codes that were asked for with a plain challenge, and that no cleanup has deleted yet.
    pub plain_pkce_codes: u64,
    /// Access tokens that have not expired.
    pub access_tokens_live: u64,
    /// Refresh tokens that are not revoked.
    pub refresh_tokens_live: u64,
}
