//! How a client authenticates with a JWT (RFC 7523): DOT's rules for the method and for the client's public keys, as its
//! main branch has them, with jwcrypto's notion of a key set and Django's of a URL.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value};

use super::Candidate;
use super::python::is_space;
use super::violation::{Reason, Violation};
use crate::model::{Field, PRIVATE_MEMBERS};

/// The values of `token_endpoint_auth_method`.
pub const AUTH_METHODS: [&str; 6] =
    ["", "none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"];
pub(super) const SECRET_JWT: &str = "client_secret_jwt";
const PRIVATE_KEY_JWT: &str = "private_key_jwt";

/// Django's `MAX_URL_LENGTH`, in characters.
const MAX_URL: usize = 2048;
/// The longest host name, in characters.
const MAX_HOST: usize = 253;

/// DOT's `_clean_client_assertion_config()`, but for what it asks of the secret.
pub(super) fn clean(candidate: &Candidate<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut report = |field, reason| found.push(Violation::of(field, reason));
    let (keys, uri) = (candidate.text(Field::ClientJwks), candidate.text(Field::ClientJwksUri));
    let is_filled = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
    if is_filled(keys) && is_filled(uri) {
        report(Field::ClientJwks, Reason::KeysTwice);
    }
    if let Some(Err(reason)) = keys.filter(|keys| !keys.is_empty()).map(key_set) {
        report(Field::ClientJwks, reason);
    }
    let is_https = |uri: &str| uri.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    if uri.is_some_and(|uri| !uri.is_empty() && !is_https(uri)) {
        report(Field::ClientJwksUri, Reason::KeysWithoutTls);
    }
    let client_type = candidate.text(Field::ClientType);
    match candidate.text(Field::TokenEndpointAuthMethod) {
        Some("none") if client_type == Some("confidential") => {
            report(Field::TokenEndpointAuthMethod, Reason::NoAuthentication);
        }
        Some(method @ (SECRET_JWT | PRIVATE_KEY_JWT)) => {
            if client_type.is_some_and(|client_type| client_type != "confidential") {
                let method = method.to_owned();
                report(Field::TokenEndpointAuthMethod, Reason::AssertionIsNotForPublic { method });
            }
            if method == PRIVATE_KEY_JWT && keys == Some("") && uri == Some("") {
                report(Field::ClientJwks, Reason::NoKeys);
            }
        }
        _ => {}
    }
    found
}

/// The set as jwcrypto reads it. Keys of a type that it does not know are none.
fn key_set(text: &str) -> Result<(), Reason> {
    let invalid = |why: &str| Reason::NoKeySet { why: why.to_owned() };
    let set: Value = serde_json::from_str(text).map_err(|_| invalid("it is no JSON"))?;
    let keys = set.get("keys").and_then(Value::as_array);
    let mut known: Vec<&Map<String, Value>> = Vec::new();
    for key in keys.ok_or_else(|| invalid("it has no list `keys`"))? {
        let key = key.as_object().ok_or_else(|| invalid("a key is no object"))?;
        let Some(members) = key.get("kty").and_then(Value::as_str).and_then(members) else { continue };
        for name in members {
            let is_base64 = |text: &str| *name == "crv" || text.len() % 4 != 1;
            if !key.get(*name).and_then(Value::as_str).is_some_and(is_base64) {
                return Err(invalid(&format!("a key has no valid `{name}`")));
            }
        }
        // Of two that are the same key, jwcrypto keeps the first, whatever else they say.
        let is_same = |other: &&Map<String, Value>| {
            other.get("kty") == key.get("kty")
                && members.iter().all(|name| other.get(*name) == key.get(*name))
        };
        if !known.iter().any(is_same) {
            known.push(key);
        }
    }
    if known.is_empty() {
        return Err(Reason::EmptyKeySet);
    }
    let has = |key: &Map<String, Value>, names: &[&str]| names.iter().any(|name| key.contains_key(*name));
    let is_symmetric = |key: &Map<String, Value>| key.get("kty").is_some_and(|kty| kty == "oct");
    if known.iter().any(|key| !is_symmetric(key) && has(key, &PRIVATE_MEMBERS)) {
        return Err(Reason::PrivateKey);
    }
    let verifies = |key: &Map<String, Value>| {
        key.get("use").is_none_or(|usage| usage == "sig")
            && key.get("key_ops").is_none_or(|operations| {
                operations.as_array().is_some_and(|operations| operations.iter().any(|name| name == "verify"))
            })
    };
    if known.iter().any(|key| verifies(key)) { Ok(()) } else { Err(Reason::NoVerifyingKey) }
}

/// What a key of the type must have; `None`: the type is unknown.
fn members(kty: &str) -> Option<&'static [&'static str]> {
    Some(match kty {
        "EC" => &["crv", "x", "y"],
        "RSA" => &["n", "e"],
        "oct" => &["k"],
        "OKP" => &["crv", "x"],
        "AKP" => &["pub"],
        _ => return None,
    })
}

/// Django's `URLValidator`.
pub(super) fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let is_known = ["http", "https", "ftp", "ftps"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host =
        authority.rsplit_once('@').map_or(Some(authority), |(user, host)| is_user(user).then_some(host));
    let is_short = text.chars().count() <= MAX_URL;
    is_known && is_short && !tail.contains(is_space) && host.is_some_and(is_host_and_port)
}

fn is_user(user: &str) -> bool {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    !name.is_empty()
        && ![name, password].iter().any(|text| text.contains([':', '@']) || text.contains(is_space))
}

fn is_host_and_port(text: &str) -> bool {
    let bracket = text.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match text[bracket..].split_once(':') {
        Some((beyond, port)) => (&text[..bracket + beyond.len()], Some(port)),
        None => (text, None),
    };
    let is_port =
        |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    port.is_none_or(is_port) && host.chars().count() <= MAX_HOST && is_host(host)
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    if host.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    let is_letter = |c: char| c.is_ascii_alphabetic() || ('\u{a1}'..='\u{ffff}').contains(&c) || c == '-';
    let is_label = |label: &&str| {
        (1..=63).contains(&label.chars().count())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| is_letter(c) || c.is_ascii_digit())
    };
    let labels: Vec<&str> = host.strip_suffix('.').unwrap_or(host).split('.').collect();
    labels.len() > 1
        && labels.iter().all(is_label)
        && labels.last().is_some_and(|last| {
            let is_word = last.chars().count() > 1 && last.chars().all(is_letter);
            is_word || last.to_ascii_lowercase().starts_with("xn--")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each with the verdict of DOT's main branch.
    #[test]
    fn key_sets() {
        let ec = r#"{"kty":"EC","crv":"P-256","x":"MKBC","y":"4Etl"#;
        for (set, expected) in [
            (format!(r#"{{"keys":[{ec}"}}]}}"#), ""),
            (format!(r#"{{"keys":[{ec}","use":"enc"}},{ec}sg","key_ops":["verify"]}}]}}"#), ""),
            (
                format!(r#"{{"keys":[{ec}","use":"enc"}},{ec}","key_ops":["verify"]}}]}}"#),
                "at least one key usable",
            ),
            (format!(r#"{{"keys":[{ec}","use":"enc"}}]}}"#), "at least one key usable"),
            (format!(r#"{{"keys":[{ec}","d":"870M"}}]}}"#), "public keys only"),
            (r#"{"keys":[{"kty":"AKP","pub":"abcd"}]}"#.to_owned(), ""),
            (r#"{"keys":[{"kty":"AKP","pub":"abcd","priv":"abcd"}]}"#.to_owned(), "public keys only"),
            (r#"{"keys":[]}"#.to_owned(), "at least one key."),
            (r#"{"keys":[{"kty":"new"}]}"#.to_owned(), "at least one key."),
            (r#"{"keys":[{"kty":"RSA","n":"abcde","e":"AQAB"}]}"#.to_owned(), "no valid `n`"),
            (r#"{"keys":[{"kty":"RSA","n":"abcd"}]}"#.to_owned(), "no valid `e`"),
            (r#"{"keys":["x"]}"#.to_owned(), "no object"),
            (r#"{"keys":{}}"#.to_owned(), "no list"),
            ("[]".to_owned(), "no list"),
            ("{".to_owned(), "no JSON"),
        ] {
            let found = key_set(&set).map_or_else(|reason| reason.to_string(), |()| String::new());
            assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{set}: {found}");
        }
    }

    /// Each with the verdict of Django 5.2's `URLField`.
    #[test]
    fn urls() {
        for (url, expected) in [
            ("https://a.example/jwks?x#y", true),
            ("HTTPS://A.example.", true),
            ("https://localhost:8443/", true),
            ("https://[::1]:1/", true),
            ("https://user:pw@127.0.0.1", true),
            ("https://b\u{fc}cher.example/", true),
            ("https://a.xn--p1ai/", true),
            ("https://intranet/jwks", false),
            ("https://a.example:123456/", false),
            ("https://a_b.example/", false),
            ("https://-a.example/", false),
            ("https://a.example/x y", false),
            ("https://a.1/", false),
            ("https://@a.example/", false),
            ("https:/a.example", false),
            ("urn:x", false),
            ("", false),
        ] {
            assert_eq!(is_url(url), expected, "{url}");
        }
    }
}
