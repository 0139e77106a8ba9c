//! What the rules find, and what they leave alone.

use std::str::FromStr as _;

use super::*;
use crate::hasher::EncodedHash;
use crate::model::{SecretDeclaration, UriRules};
use crate::secret::Secret;

/// The names of the rules that speak, each with the element of the list that it is about.
fn found(application: &Application) -> Vec<String> {
    advise(application, &Provider::default())
        .iter()
        .map(|advice| match advice.index {
            Some(index) => format!("{}[{index}] {}", advice.field, advice.rule.id()),
            None => format!("{} {}", advice.field, advice.rule.id()),
        })
        .collect()
}

fn redirecting_to(uri: &str) -> Vec<String> {
    let application = Application { redirect_uris: Some(vec![uri.to_owned()]), ..Application::default() };
    found(&application).iter().map(|found| found.replace("redirect_uris[0] ", "")).collect()
}

#[test]
fn names_are_in_order_and_unique() {
    let names: Vec<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted);
    assert_eq!(Rule::from_str("wildcard").map(Rule::set), Ok(Set::Recommended));
    assert_eq!(Rule::from_str("nothing").ok(), None);
}

#[test]
fn redirect_uris() {
    for (uri, expected) in [
        ("https://shop.example.com/callback?x=1", [].as_slice()),
        ("https://shop.example.com:8443/cb", &[]),
        ("https://shop.example.com:/cb", &[]),
        ("http://127.0.0.1/cb", &[]),
        ("http://[::1]:3000/cb", &[]),
        ("com.example.app:/cb", &[]),
        ("http://intranet/cb", &["http-redirect"]),
        ("http://localhost:8080/cb", &["localhost-redirect"]),
        ("myapp:/cb", &["private-use-scheme"]),
        ("https://*.example.com/cb", &["wildcard"]),
        ("https://example.com:abc/cb", &["bad-port"]),
        ("https://example.com:99999/cb", &["bad-port"]),
        ("https://example.com:0/cb", &["bad-port"]),
        ("https://example.com:80:80/cb", &["bad-port"]),
        ("https://user:pw@example.com/cb", &["userinfo"]),
        ("https://exa_mple.com/cb", &["bad-host"]),
        ("https://example..com/cb", &["bad-host"]),
        ("https://a,b/cb", &["bad-host"]),
        ("https://a.example/*/cb", &["literal-asterisk"]),
        ("https://a.example/cb?next=*", &["literal-asterisk"]),
        ("https://a.example/cb,https://b.example/cb", &["joined-uris"]),
        ("https://a.example,com.example.app://b", &["joined-uris"]),
        ("https://a.example/cb?x=1,2", &[]),
        ("https://[::1]x/cb", &["bad-host"]),
        ("http://256.1.1.1/cb", &["http-redirect", "bad-host"]),
        ("https://example.com./cb", &["unmatched-spelling"]),
        ("https://example.com:443/cb", &["unmatched-spelling"]),
        ("http://127.0.0.1:80/cb", &["unmatched-spelling"]),
        ("https://bücher.example/cb", &["unmatched-spelling"]),
    ] {
        assert_eq!(redirecting_to(uri), expected, "{uri}");
    }
}

/// With validators of the server's own, DOT's verdict is advice.
#[test]
fn uris_that_dot_would_refuse() {
    let list = |uris: &[&str]| Some(uris.iter().map(|uri| (*uri).to_owned()).collect());
    let application = Application {
        redirect_uris: list(&["https://a.example/cb#x", "myapp.example.com:/cb", "https://a.example/"]),
        allowed_origins: list(&["https://a.example/"]),
        ..Application::default()
    };
    assert_eq!(found(&application), [""; 0]);
    let provider = Provider { uri_rules: UriRules::Lint, ..Provider::default() };
    let advice = advise(&application, &provider);
    let found: Vec<_> = advice.iter().map(|advice| (advice.rule, advice.field, advice.index)).collect();
    assert_eq!(
        found,
        [
            (Rule::DotUri, Field::RedirectUris, Some(0)),
            (Rule::DotUri, Field::RedirectUris, Some(1)),
            (Rule::DotUri, Field::AllowedOrigins, Some(0)),
        ]
    );
    assert_eq!(advice[1].message, "DOT's own validator refuses this: its scheme is not allowed");
}

#[test]
fn other_uris() {
    let list = |uris: &[&str]| Some(uris.iter().map(|uri| (*uri).to_owned()).collect());
    let application = Application {
        post_logout_redirect_uris: list(&[
            "https://a.example/",
            "/bye",
            "http://a.example",
            "https:/a",
            "com.example:/x",
        ]),
        allowed_origins: list(&["http://localhost:3000", "http://a.example", "https://*.a.example"]),
        ..Application::default()
    };
    assert_eq!(
        found(&application),
        [
            "post_logout_redirect_uris[1] post-logout-uri",
            "post_logout_redirect_uris[2] post-logout-uri",
            "post_logout_redirect_uris[3] post-logout-uri",
            "allowed_origins[1] http-origin",
            "allowed_origins[2] wildcard",
        ]
    );
}

#[test]
fn clients() {
    let of = |client_type: &str, grant: &str, skip| {
        found(&Application {
            client_type: Some(client_type.to_owned()),
            authorization_grant_type: Some(grant.to_owned()),
            redirect_uris: Some(vec!["https://a.example/".to_owned()]),
            skip_authorization: Some(skip),
            ..Application::default()
        })
    };
    assert_eq!(of("confidential", "authorization-code", false), [""; 0]);
    assert_eq!(
        of("public", "implicit", true),
        ["authorization_grant_type implicit-grant", "skip_authorization public-skip-authorization"]
    );
    assert_eq!(
        of("confidential", "password", true),
        [
            "authorization_grant_type password-grant",
            "redirect_uris unused-redirect-uris",
            "skip_authorization skip-authorization"
        ]
    );
    assert_eq!(of("confidential", "openid-hybrid", false), ["authorization_grant_type hybrid-grant"]);
    assert_eq!(
        of("public", "client-credentials", false),
        ["authorization_grant_type public-client-credentials", "redirect_uris unused-redirect-uris"]
    );
    // What is not managed is not known.
    assert_eq!(
        found(&Application { client_type: Some("public".to_owned()), ..Application::default() }),
        [""; 0]
    );
}

#[test]
fn declared_secrets() {
    let of = |client_type: &str, secret| {
        found(&Application {
            client_type: Some(client_type.to_owned()),
            client_secret: Some(secret),
            ..Application::default()
        })
    };
    let plain = |length| SecretDeclaration::Plain(Secret::new("x".repeat(length)));
    let hash = |text: &str| SecretDeclaration::Hash(EncodedHash::parse(text).unwrap());
    assert_eq!(of("confidential", plain(22)), [""; 0]);
    assert_eq!(of("confidential", plain(21)), ["client_secret weak-secret"]);
    assert_eq!(of("public", plain(22)), ["client_secret public-secret"]);
    assert_eq!(of("public", SecretDeclaration::Generate), ["client_secret public-secret"]);
    let digest = "fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=";
    assert_eq!(of("confidential", hash(&format!("pbkdf2_sha256$600000$salt${digest}"))), [""; 0]);
    assert_eq!(
        of("confidential", hash(&format!("pbkdf2_sha256$599999$salt${digest}"))),
        ["client_secret low-iterations"]
    );
    assert_eq!(
        of("confidential", hash("md5$salt$95ebc3c7b3b9f1d2c40fec14415d3cb8")),
        ["client_secret unavailable-hasher"]
    );
}

#[test]
fn secrets_in_clear() {
    let of = |algorithm: Option<&str>| {
        found(&Application {
            algorithm: algorithm.map(str::to_owned),
            hash_client_secret: Some(false),
            ..Application::default()
        })
    };
    assert_eq!(of(None), ["hash_client_secret plain-secret"]);
    assert_eq!(of(Some("RS256")), ["hash_client_secret plain-secret"]);
    assert_eq!(of(Some("HS256")), ["algorithm signing-secret"]);
    let assertion = Application {
        token_endpoint_auth_method: Some("client_secret_jwt".to_owned()),
        hash_client_secret: Some(false),
        ..Application::default()
    };
    assert_eq!(found(&assertion), ["token_endpoint_auth_method signing-secret"]);
}
