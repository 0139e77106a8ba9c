//! Grants and client types that RFC 9700 and OAuth 2.1 leave behind, or that do not go together.

use super::{Advice, Rule, recommended, strict};
use crate::model::{Application, Field};

pub(super) static IMPLICIT_GRANT: Rule = recommended(
    "implicit-grant",
    "the implicit grant: access tokens in URLs, without a sender constraint",
    "RFC 9700 section 2.1.2",
);
pub(super) static HYBRID_GRANT: Rule =
    strict("hybrid-grant", "the hybrid flow: tokens in the authorization response", "RFC 9700 section 2.1.2");
pub(super) static PASSWORD_GRANT: Rule = recommended(
    "password-grant",
    "the resource owner password credentials grant: clients see passwords",
    "RFC 9700 section 2.4",
);
pub(super) static PUBLIC_CLIENT_CREDENTIALS: Rule = recommended(
    "public-client-credentials",
    "a public client with the client credentials grant: anybody is that client",
    "RFC 6749 section 4.4",
);
pub(super) static PUBLIC_SKIP_AUTHORIZATION: Rule = recommended(
    "public-skip-authorization",
    "a public client without a consent screen: any program can pass for it",
    "RFC 8252 section 8.6",
);
pub(super) static SKIP_AUTHORIZATION: Rule = strict(
    "skip-authorization",
    "no consent screen, which suits only the operator's own clients",
    "RFC 6749 section 10.2",
);
pub(super) static UNUSED_REDIRECT_URIS: Rule = strict(
    "unused-redirect-uris",
    "redirect URIs with a grant type that never redirects",
    "RFC 6749 section 3.1.2.2",
);

/// The grant types that end in a redirect.
const REDIRECTING: [&str; 3] = ["authorization-code", "implicit", "openid-hybrid"];

pub(super) fn advise(application: &Application) -> Vec<Advice> {
    let grant = application.authorization_grant_type.as_deref();
    let is_public = application.client_type.as_deref() == Some("public");
    let skips = application.skip_authorization == Some(true);
    let mut advice = Vec::new();
    match grant {
        Some("implicit") => advice.push(
            Advice::of(
                &IMPLICIT_GRANT,
                Field::AuthorizationGrantType,
                "the implicit grant puts access tokens into URLs, and OAuth 2.1 has dropped it",
            )
            .hint("use \"authorization-code\" with PKCE, also for clients in a browser"),
        ),
        Some("password") => advice.push(
            Advice::of(
                &PASSWORD_GRANT,
                Field::AuthorizationGrantType,
                "the password grant shows users' passwords to the client, and OAuth 2.1 has dropped it",
            )
            .hint("use \"authorization-code\" for people and \"client-credentials\" for machines"),
        ),
        Some("openid-hybrid") => advice.push(
            Advice::of(
                &HYBRID_GRANT,
                Field::AuthorizationGrantType,
                "the hybrid flow delivers tokens by way of the browser",
            )
            .hint("use \"authorization-code\" unless the client needs its ID token before the code is exchanged"),
        ),
        Some("client-credentials") if is_public => advice.push(
            Advice::of(
                &PUBLIC_CLIENT_CREDENTIALS,
                Field::AuthorizationGrantType,
                "a public client cannot keep the credentials that this grant is all about",
            )
            .hint("make the client confidential"),
        ),
        _ => {}
    }
    if skips && is_public {
        advice.push(
            Advice::of(
                &PUBLIC_SKIP_AUTHORIZATION,
                Field::SkipAuthorization,
                "any program can pass for a public client, and users will not be asked",
            )
            .hint("leave the consent screen on for public clients"),
        );
    } else if skips {
        advice.push(Advice::of(
            &SKIP_AUTHORIZATION,
            Field::SkipAuthorization,
            "users are not asked whether they agree: only for clients of the same house",
        ));
    }
    let has_uris = application.redirect_uris.as_ref().is_some_and(|uris| !uris.is_empty());
    if has_uris && grant.is_some_and(|grant| !REDIRECTING.contains(&grant)) {
        advice.push(Advice::of(
            &UNUSED_REDIRECT_URIS,
            Field::RedirectUris,
            "this grant type never redirects, so these URIs are never used",
        ));
    }
    advice
}
