//! The values that a field of an application may have, as they are written.
//!
//! What each means is in `rules`.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::Display;

/// RFC 6749 section 2.1.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum ClientType {
    /// Can keep a secret: a server.
    Confidential,
    /// Cannot: a browser or an app.
    Public,
}

/// The grant types of DOT's `AbstractApplication`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(super) enum GrantType {
    /// RFC 6749 section 4.1.
    AuthorizationCode,
    /// RFC 6749 section 4.2.
    Implicit,
    /// RFC 6749 section 4.3.
    Password,
    /// RFC 6749 section 4.4.
    ClientCredentials,
    /// OpenID Connect Core section 3.3 (DOT 1.5).
    OpenidHybrid,
    /// RFC 8628 (DOT 3.2).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    #[strum(serialize = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
}

/// How ID tokens are signed.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Display)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub(super) enum Algorithm {
    /// Not at all: no OpenID Connect.
    #[serde(rename = "")]
    #[strum(serialize = "")]
    None,
    /// With the server's RSA key.
    Rs256,
    /// With the client secret, which must then be stored in clear.
    Hs256,
}

/// How a client authenticates at the token endpoint (RFC 7591 section 2).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum AuthMethod {
    /// As its type says: with its secret if it is confidential, else not at all.
    #[serde(rename = "")]
    #[strum(serialize = "")]
    Unset,
    /// Not at all: a public client.
    None,
    /// With its secret in the Authorization header.
    ClientSecretBasic,
    /// With its secret in the body.
    ClientSecretPost,
    /// With a JWT that its secret signs; the secret must be stored in clear.
    ClientSecretJwt,
    /// With a JWT that one of its keys signs.
    PrivateKeyJwt,
}
