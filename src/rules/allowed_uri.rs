//! DOT 3.4.1's `AllowedURIValidator`: the verdict on one redirect URI or origin, in its words.
//!
//! Its regular expression has no end anchor, so most of a host goes unread; that is the contract, and lint rules are
//! where its blind spots are reported.

use super::python::{is_digit, is_space};
use super::urlsplit::{Split, is_ipv6, urlsplit};

/// Django's `MAX_URL_LENGTH`, in characters.
const MAX_LENGTH: usize = 2048;
/// The longest host name (RFC 1034 section 3.1), in characters.
const MAX_HOST: usize = 253;
/// Schemes whose own specifications require a host.
const WITH_HOST: [&str; 5] = ["http", "https", "ws", "wss", "ftp"];

/// What a URI is for: decides about the parts that it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Where a user is sent: path and query are allowed.
    RedirectUri,
    /// An origin of CORS requests: neither is allowed.
    AllowedOrigin,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::RedirectUri => "redirect uri",
            Self::AllowedOrigin => "allowed origin",
        }
    }
}

/// The server settings that decide about URIs.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'a> {
    /// The schemes. Redirect URIs: `ALLOWED_REDIRECT_URI_SCHEMES`, compared in lower case; origins: `ALLOWED_SCHEMES`,
    /// compared as written with the lower-cased scheme of the origin.
    pub schemes: &'a [String],
    /// `ALLOW_URI_WILDCARDS`.
    pub wildcards: bool,
}

/// Why DOT refuses a URI. Displays as DOT's message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} URI {} error. {cause}: {uri}", purpose.name(), validation(cause))]
pub struct UriError {
    /// What the URI was for.
    pub purpose: Purpose,
    /// As it was given.
    pub uri: String,
    pub cause: Cause,
}

/// Django writes the word with a capital letter for one cause.
fn validation(cause: &Cause) -> &'static str {
    if *cause == Cause::InvalidScheme { "Validation" } else { "validation" }
}

/// DOT's causes. Displays as DOT's `params["cause"]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// `urlsplit` raised `ValueError`, in Python's words.
    #[error("{0}")]
    Unsplittable(String),
    /// The scheme is not among the allowed ones.
    #[error("invalid_scheme")]
    InvalidScheme,
    /// A `?` in an origin.
    #[error("query string not allowed")]
    Query,
    /// A `#`.
    #[error("fragment not allowed")]
    Fragment,
    /// A path in an origin, be it a slash.
    #[error("path not allowed")]
    Path,
    /// `https:/path` and the like.
    #[error("missing host")]
    MissingHost,
    /// Neither `scheme://host` nor `scheme:/path`.
    #[error("invalid URI")]
    InvalidUri,
    /// More than one `*` in the host.
    #[error("only one wildcard is allowed in the hostname")]
    TwoWildcards,
    /// A `*` that is not the first character of the host.
    #[error("wildcards must be at the beginning of the hostname")]
    WildcardInside,
    /// A `*` with fewer than two dots after it.
    #[error("wildcards cannot be in the top level or second level domain")]
    WildcardTooWide,
    /// Django's `URLValidator`: no host that it knows, or too long.
    #[error("['Enter a valid URL.']")]
    InvalidUrl,
}

/// Validates one URI.
///
/// # Errors
/// The first thing that DOT finds.
pub fn check(purpose: Purpose, uri: &str, allowed: Allowed<'_>) -> Result<(), UriError> {
    verdict(purpose, uri, allowed).map_err(|cause| UriError { purpose, uri: uri.to_owned(), cause })
}

/// The checks in DOT's order.
fn verdict(purpose: Purpose, uri: &str, allowed: Allowed<'_>) -> Result<(), Cause> {
    let split = urlsplit(uri).map_err(Cause::Unsplittable)?;
    let is_allowed = match purpose {
        Purpose::RedirectUri => allowed.schemes.iter().any(|scheme| scheme.to_lowercase() == split.scheme),
        Purpose::AllowedOrigin => allowed.schemes.contains(&split.scheme),
    };
    if !is_allowed {
        return Err(Cause::InvalidScheme);
    }
    let is_origin = purpose == Purpose::AllowedOrigin;
    // Asked of the text itself, because a bare `?` or `#` leaves an empty part.
    if is_origin && uri.split('#').next().is_some_and(|before| before.contains('?')) {
        return Err(Cause::Query);
    }
    if uri.contains('#') {
        return Err(Cause::Fragment);
    }
    if is_origin && !split.path.is_empty() {
        return Err(Cause::Path);
    }
    if split.netloc.is_empty() {
        return without_host(&split.scheme, uri);
    }
    let netloc = if allowed.wildcards { without_wildcard(&split.netloc)? } else { &split.netloc };
    if is_valid_url(&split, netloc) { Ok(()) } else { Err(Cause::InvalidUrl) }
}

/// A private-use scheme (RFC 8252 section 7.1): one slash, and no length limit.
fn without_host(scheme: &str, uri: &str) -> Result<(), Cause> {
    if WITH_HOST.contains(&scheme) {
        return Err(Cause::MissingHost);
    }
    let is_private_use = uri.split_once(':').is_some_and(|(before, after)| {
        before.starts_with(|first: char| first.is_ascii_alphabetic())
            && before.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
            && after.starts_with('/')
            && !after.starts_with("//")
            && !after.contains(is_space)
    });
    if is_private_use { Ok(()) } else { Err(Cause::InvalidUri) }
}

/// Checks the place of a `*` and takes it away, with the dot or up to two hyphens after it.
fn without_wildcard(netloc: &str) -> Result<&str, Cause> {
    match netloc.matches('*').count() {
        0 => return Ok(netloc),
        1 => {}
        _ => return Err(Cause::TwoWildcards),
    }
    let Some(rest) = netloc.strip_prefix('*') else { return Err(Cause::WildcardInside) };
    if rest.split('.').count() < 3 {
        return Err(Cause::WildcardTooWide);
    }
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    Ok(rest.strip_prefix("--").or_else(|| rest.strip_prefix('-')).unwrap_or(rest))
}

/// Django's `URLValidator` with DOT's expression, on `scheme://netloc` with the path and the query.
fn is_valid_url(split: &Split, netloc: &str) -> bool {
    let Split { scheme, netloc: _, path, query, fragment: _ } = split;
    let query_length = if query.is_empty() { 0 } else { 1 + query.chars().count() };
    let length = scheme.len() + "://".len() + netloc.chars().count() + path.chars().count() + query_length;
    !scheme.is_empty()
        && length <= MAX_LENGTH
        && begins_like_a_host(netloc)
        && is_not_a_bad_ipv6_address(netloc)
        && Split::hostname_length(netloc).is_some_and(|length| length <= MAX_HOST)
}

/// The host part of the expression, which has no end: a name without dots is accepted at its first character.
fn begins_like_a_host(netloc: &str) -> bool {
    let Some(first) = netloc.chars().next() else { return false };
    // The last four are letters that, ignoring case, are between A and Z.
    if first.is_ascii_alphabetic() || is_digit(first) || matches!(first, 'İ' | 'ı' | 'ſ' | '\u{212a}') {
        return true;
    }
    if let Some(rest) = netloc.strip_prefix('[') {
        let address = rest.trim_start_matches(|c: char| c.is_ascii_hexdigit() || c == ':' || c == '.');
        return address.len() < rest.len() && address.starts_with(']');
    }
    begins_like_a_domain(netloc)
}

/// A name with a top-level domain of two letters or more, of which the beginning is enough.
fn begins_like_a_domain(netloc: &str) -> bool {
    let mut labels = netloc.split('.');
    let Some(host) = labels.next() else { return false };
    if !is_label(host) {
        return false;
    }
    for label in labels {
        if begins_like_a_top_level_domain(label) {
            return true;
        }
        if !is_label(label) {
            return false;
        }
    }
    false
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.chars().count())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .chars()
            .all(|character| character == '-' || is_letter(character) || character.is_ascii_digit())
}

/// `[letters-]{2,63}` that neither begins nor ends with a hyphen, and then anything.
fn begins_like_a_top_level_domain(label: &str) -> bool {
    let run = label.chars().take(63).take_while(|character| *character == '-' || is_letter(*character));
    !label.starts_with('-') && run.skip(1).any(is_letter)
}

/// Django's letters: `a-z`, ignoring case, and all from U+00A1 to U+FFFF.
fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic() || matches!(character, '\u{a1}'..='\u{ffff}')
}

/// A host that is nothing but brackets, with or without a port, must hold an address of at most 39 characters.
fn is_not_a_bad_ipv6_address(netloc: &str) -> bool {
    let Some(rest) = netloc.strip_prefix('[') else { return true };
    let Some((host, port)) = rest.rsplit_once(']') else { return true };
    let is_port =
        |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_bracketed = !host.is_empty() && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    !is_bracketed || (host.chars().count() <= 39 && is_ipv6(host))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The verdicts of the real validator, as `tests/data/cases` has them.
    fn agree(purpose: Purpose, file: &str, expected_cases: usize) {
        let file: Value = serde_json::from_str(file).unwrap();
        let cases = file["cases"].as_array().unwrap();
        assert_eq!(cases.len(), expected_cases);
        for case in cases {
            let schemes: Vec<String> = serde_json::from_value(case["allowed_schemes"].clone()).unwrap();
            let allowed = Allowed { schemes: &schemes, wildcards: case["allow_uri_wildcards"] == true };
            let verdict = check(purpose, case["uri"].as_str().unwrap(), allowed);
            assert_eq!(verdict.is_ok(), case["verdict"] == "accept", "{case}");
            if let Err(error) = verdict {
                // The file has Django's message without the brackets of the list that DOT prints.
                let cause =
                    case["cause"].as_str().unwrap().replace("Enter a valid URL.", "['Enter a valid URL.']");
                assert_eq!(error.cause.to_string(), cause, "{case}");
            }
        }
    }

    #[test]
    fn redirect_uris_are_judged_as_by_dot() {
        agree(Purpose::RedirectUri, include_str!("../../tests/data/cases/redirect_uri_cases.json"), 128);
    }

    #[test]
    fn origins_are_judged_as_by_dot() {
        agree(Purpose::AllowedOrigin, include_str!("../../tests/data/cases/origin_cases.json"), 40);
    }

    #[test]
    fn messages_are_those_of_dot() {
        let schemes = ["https".to_owned()];
        let message = |purpose, uri| {
            check(purpose, uri, Allowed { schemes: &schemes, wildcards: false }).unwrap_err().to_string()
        };
        assert_eq!(
            message(Purpose::RedirectUri, "ftp://x/"),
            "redirect uri URI Validation error. invalid_scheme: ftp://x/"
        );
        assert_eq!(
            message(Purpose::AllowedOrigin, "https://x/"),
            "allowed origin URI validation error. path not allowed: https://x/"
        );
        assert_eq!(
            message(Purpose::RedirectUri, "https://-x/"),
            "redirect uri URI validation error. ['Enter a valid URL.']: https://-x/"
        );
    }
}
