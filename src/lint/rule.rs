//! The rules: what each finds, and which source says why.

use strum::{EnumMessage, EnumProperty, EnumString, IntoStaticStr, VariantArray};

use super::Set;

/// A rule that gives advice. The message says what it finds, in a few words; the source says that this is bad.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumMessage, EnumProperty, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(const_into_str, serialize_all = "kebab-case")]
pub enum Rule {
    #[strum(message = "a host that no name server knows: `exa_mple.com`, `a..b`, `256.1.1.1`")]
    #[strum(props(source = "RFC 1123 section 2.1"))]
    BadHost,
    #[strum(
        message = "a port that is no number from 1 to 65535: `/authorize` answers 500 when it compares it"
    )]
    #[strum(props(source = "DOT 3.4.1's `redirect_to_uri_allowed`"))]
    BadPort,
    #[strum(
        message = "a URI that DOT's own validator refuses, where the server has others (`uri_rules = \"lint\"`)"
    )]
    #[strum(props(source = "DOT's `REDIRECT_URI_VALIDATOR` and `ALLOWED_ORIGIN_VALIDATOR`, after 3.4.1"))]
    DotUri,
    #[strum(message = "an origin without TLS that is not this machine")]
    #[strum(props(source = "RFC 9700 section 2.6"))]
    HttpOrigin,
    #[strum(message = "a redirect without TLS that does not stay on this machine: codes in clear text")]
    #[strum(props(source = "RFC 9700 section 2.6"))]
    HttpRedirect,
    #[strum(message = "the hybrid flow: tokens in the authorization response")]
    #[strum(props(source = "RFC 9700 section 2.1.2"))]
    HybridGrant,
    #[strum(message = "the implicit grant: access tokens in URLs, without a sender constraint")]
    #[strum(props(source = "RFC 9700 section 2.1.2"))]
    ImplicitGrant,
    #[strum(
        message = "two URIs joined by a comma: DOT separates them by white space and takes these for one"
    )]
    #[strum(props(source = "DOT 3.4.1's `redirect_to_uri_allowed`"))]
    JoinedUris,
    #[strum(message = "a `*` in a path or query: it stands for itself, and no request has it")]
    #[strum(props(source = "RFC 9700 section 2.1"))]
    LiteralAsterisk,
    #[strum(
        message = "`http://localhost`: DOT allows any port only for 127.0.0.1 and [::1], and a name can be made to point elsewhere"
    )]
    #[strum(props(source = "RFC 8252 section 8.3"))]
    LocalhostRedirect,
    #[strum(message = "PBKDF2 with fewer than 600,000 iterations of SHA-256, or 1,300,000 of SHA-1")]
    #[strum(props(source = "OWASP Password Storage Cheat Sheet"))]
    LowIterations,
    #[strum(message = "the resource owner password credentials grant: clients see passwords")]
    #[strum(props(source = "RFC 9700 section 2.4"))]
    PasswordGrant,
    #[strum(
        message = "`hash_client_secret = false` without need: a copy of the database is a copy of the secrets"
    )]
    #[strum(props(source = "RFC 6819 section 5.1.4.1.3"))]
    PlainSecret,
    #[strum(message = "a post-logout URI that is not absolute, or not https: DOT does not look at these")]
    #[strum(props(source = "OpenID Connect RP-Initiated Logout 1.0 section 3.1"))]
    PostLogoutUri,
    #[strum(message = "a scheme of an app that is no reversed domain name: other apps may claim it")]
    #[strum(props(source = "RFC 8252 section 7.1"))]
    PrivateUseScheme,
    #[strum(message = "a public client with the client credentials grant: anyone can be that client")]
    #[strum(props(source = "RFC 6749 section 4.4"))]
    PublicClientCredentials,
    #[strum(message = "a secret for a public client, which cannot keep one")]
    #[strum(props(source = "RFC 8252 section 8.5"))]
    PublicSecret,
    #[strum(message = "a public client without a consent screen: any program can pass for it")]
    #[strum(props(source = "RFC 8252 section 8.6"))]
    PublicSkipAuthorization,
    #[strum(
        message = "a secret with characters beyond printable ASCII: clients and servers may encode them differently"
    )]
    #[strum(props(source = "RFC 6749 appendix A.2"))]
    SecretCharacters,
    #[strum(
        message = "HS256 or `client_secret_jwt`: the client secret is a signing key, so it is stored in clear"
    )]
    #[strum(props(source = "OpenID Connect Core 1.0 section 10.1"))]
    SigningSecret,
    #[strum(message = "no consent screen, which suits only the operator's own clients")]
    #[strum(props(source = "RFC 6749 section 10.2"))]
    SkipAuthorization,
    #[strum(
        message = "a hash of an algorithm that not every server has: one that lacks it takes the text of the hash for the secret"
    )]
    #[strum(props(source = "DOT's `_check_secret`, from 2.0 to 3.4.1"))]
    UnavailableHasher,
    #[strum(
        message = "a stored secret in clear where `hash_client_secret` is true, or becomes true: what `loaddata`, `update()` and `bulk_update()` leave (`plan` and `apply` only)"
    )]
    #[strum(props(source = "RFC 6819 section 5.1.4.1.3"))]
    UnhashedSecret,
    #[strum(
        message = "a spelling that browsers change, so that it is never equal: `:443`, a dot at the end, an umlaut"
    )]
    #[strum(props(source = "RFC 9700 section 2.1"))]
    UnmatchedSpelling,
    #[strum(message = "redirect URIs with a grant type that never redirects")]
    #[strum(props(source = "RFC 6749 section 3.1.2.2"))]
    UnusedRedirectUris,
    #[strum(message = "a user name in a URI: it can never match")]
    #[strum(props(source = "RFC 3986 section 3.2.1"))]
    Userinfo,
    #[strum(message = "a secret of fewer than 22 characters, which holds less than 128 bits")]
    #[strum(props(source = "RFC 6749 section 10.10"))]
    WeakSecret,
    #[strum(message = "a `*` in a host: the owner of any such name gets the codes")]
    #[strum(props(source = "RFC 9700 section 4.1"))]
    Wildcard,
}

impl Rule {
    /// All rules, by name.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The stable name in kebab case; docs/lint.md lists it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.into_str()
    }

    /// The smallest set that it belongs to.
    #[must_use]
    pub const fn set(self) -> Set {
        match self {
            Self::HybridGrant
            | Self::LowIterations
            | Self::SigningSecret
            | Self::SkipAuthorization
            | Self::UnusedRedirectUris => Set::Strict,
            Self::BadHost
            | Self::BadPort
            | Self::DotUri
            | Self::HttpOrigin
            | Self::HttpRedirect
            | Self::ImplicitGrant
            | Self::JoinedUris
            | Self::LiteralAsterisk
            | Self::LocalhostRedirect
            | Self::PasswordGrant
            | Self::PlainSecret
            | Self::PostLogoutUri
            | Self::PrivateUseScheme
            | Self::PublicClientCredentials
            | Self::PublicSecret
            | Self::PublicSkipAuthorization
            | Self::SecretCharacters
            | Self::UnavailableHasher
            | Self::UnhashedSecret
            | Self::UnmatchedSpelling
            | Self::Userinfo
            | Self::WeakSecret
            | Self::Wildcard => Set::Recommended,
        }
    }

    /// What it finds, in a few words.
    #[must_use]
    pub fn finds(self) -> &'static str {
        self.get_message().unwrap_or_default()
    }

    /// Where it is written that this is bad.
    #[must_use]
    pub fn source(self) -> &'static str {
        self.get_str("source").unwrap_or_default()
    }
}
