//! Grants and client types that RFC 9700 and OAuth 2.1 leave behind, or that do not go together.

use super::{Advice, Rule};
use crate::model::{Application, Field};

/// The grant types that end in a redirect.
const REDIRECTING: [&str; 3] = ["authorization-code", "implicit", "openid-hybrid"];

pub(super) fn advise(application: &Application) -> Vec<Advice> {
    let grant = application.authorization_grant_type.as_deref();
    let is_public = application.client_type.as_deref() == Some("public");
    let skips = application.skip_authorization == Some(true);
    let mut advice = Vec::new();
    match grant {
        Some("implicit") => advice.push(Advice::of(
            Rule::ImplicitGrant,
            Field::AuthorizationGrantType,
            "the implicit grant puts access tokens into URLs, and OAuth 2.1 has dropped it",
            "use \"authorization-code\" with PKCE, also for clients in a browser",
        )),
        Some("password") => advice.push(Advice::of(
            Rule::PasswordGrant,
            Field::AuthorizationGrantType,
            "the password grant shows users' passwords to the client, and OAuth 2.1 has dropped it",
            "use \"authorization-code\" for people and \"client-credentials\" for machines",
        )),
        Some("openid-hybrid") => advice.push(Advice::of(
            Rule::HybridGrant,
            Field::AuthorizationGrantType,
            "the hybrid flow delivers tokens by way of the browser",
            "use \"authorization-code\" unless the client needs its ID token before the code is exchanged",
        )),
        Some("client-credentials") if is_public => advice.push(Advice::of(
            Rule::PublicClientCredentials,
            Field::AuthorizationGrantType,
            "a public client cannot keep the credentials that this grant is all about",
            "make the client confidential",
        )),
        _ => {}
    }
    if skips && is_public {
        advice.push(Advice::of(
            Rule::PublicSkipAuthorization,
            Field::SkipAuthorization,
            "any program can pass for a public client, and users will not be asked",
            "leave the consent screen on for public clients",
        ));
    } else if skips {
        advice.push(Advice::of(
            Rule::SkipAuthorization,
            Field::SkipAuthorization,
            "users are not asked whether they agree: only for clients of the same house",
            None,
        ));
    }
    let has_uris = application.redirect_uris.as_ref().is_some_and(|uris| !uris.is_empty());
    if has_uris && grant.is_some_and(|grant| !REDIRECTING.contains(&grant)) {
        advice.push(Advice::of(
            Rule::UnusedRedirectUris,
            Field::RedirectUris,
            "this grant type never redirects, so these URIs are never used",
            None,
        ));
    }
    advice
}
