//! Python's `urllib.parse.urlsplit`, which decides what the parts of a URI are.
//!
//! No crate splits as it does: it decodes, normalises and checks almost nothing, and DOT's verdicts depend on that. The
//! rules are those of Python 3.11.4 to 3.11.11, 3.12.0 to 3.12.8 and 3.13.0 to 3.13.1; later ones also refuse text
//! beside the brackets of an IPv6 address, earlier ones do not look into the brackets.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::python::repr;

/// The five parts. Together with their delimiters they are the URI without leading controls and without line breaks
/// and tabs.
#[derive(Debug, PartialEq, Eq)]
pub struct Split {
    /// Lower-cased; empty if there is none.
    pub scheme: String,
    /// What stands between `//` and the first of `/?#`: user, host and port.
    pub netloc: String,
    /// From the first slash.
    pub path: String,
    /// Without its `?`.
    pub query: String,
    /// Without its `#`.
    pub fragment: String,
}

/// Characters that NFKC turns into a text with one of `/?#@:` (complete for Unicode 14.0).
const DELIMITERS_IN_DISGUISE: &str = "⁇⁈⁉℀℁℅℆⩴︓︖﹕﹖﹟﹫＃／：？＠";

/// What Python takes out of a URI, wherever it stands.
const IGNORED: [char; 3] = ['\t', '\r', '\n'];

/// Splits a URI, or says why Python raises `ValueError`, in its words.
///
/// # Errors
/// Python's message.
pub fn urlsplit(uri: &str) -> Result<Split, String> {
    let mut text = Cow::Borrowed(uri.trim_start_matches(|c: char| c <= ' '));
    if text.contains(IGNORED) {
        text = Cow::Owned(text.replace(IGNORED, ""));
    }
    let (scheme, rest) = split_scheme(&text);
    let (netloc, rest) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", rest),
    };
    check_brackets(netloc)?;
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !netloc.is_ascii() && netloc.contains(|character| DELIMITERS_IN_DISGUISE.contains(character)) {
        return Err(format!("netloc '{netloc}' contains invalid characters under NFKC normalization"));
    }
    Ok(Split {
        scheme,
        netloc: netloc.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        fragment: fragment.to_owned(),
    })
}

fn split_scheme(text: &str) -> (String, &str) {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
        _ => (String::new(), text),
    }
}

/// Between the first `[` and the `]` after it there must be an IPv6 address, or the form of a future one.
fn check_brackets(netloc: &str) -> Result<(), String> {
    if netloc.contains('[') != netloc.contains(']') {
        return Err("Invalid IPv6 URL".to_owned());
    }
    let Some((_, rest)) = netloc.split_once('[') else { return Ok(()) };
    let host = rest.split_once(']').map_or(rest, |(host, _)| host);
    if let Some(future) = host.strip_prefix('v') {
        let is_future = future.split_once('.').is_some_and(|(version, address)| {
            !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit()) && !address.is_empty()
        });
        return if is_future { Ok(()) } else { Err("IPvFuture address is invalid".to_owned()) };
    }
    if host.parse::<Ipv4Addr>().is_ok() {
        return Err("An IPv4 address cannot be in brackets".to_owned());
    }
    if is_ipv6(host) {
        Ok(())
    } else {
        Err(format!("{} does not appear to be an IPv4 or IPv6 address", repr(host)))
    }
}

/// `ipaddress.IPv6Address`, with its zone.
pub(super) fn is_ipv6(host: &str) -> bool {
    let (address, zone) = host.split_once('%').map_or((host, None), |(address, zone)| (address, Some(zone)));
    zone.is_none_or(|zone| !zone.is_empty() && !zone.contains('%')) && address.parse::<Ipv6Addr>().is_ok()
}

impl Split {
    /// `SplitResult.hostname`, as its length in characters; `None` where Python says `None`.
    pub(super) fn hostname_length(netloc: &str) -> Option<usize> {
        let (_, host) = netloc.rsplit_once('@').unwrap_or(("", netloc));
        let host = match host.split_once('[') {
            Some((_, bracketed)) => bracketed.split(']').next(),
            None => host.split(':').next(),
        };
        let host = host.filter(|host| !host.is_empty())?;
        // Lower-cased up to a zone: U+0130 becomes two characters, no other changes its length.
        let (name, _) = host.split_once('%').unwrap_or((host, ""));
        Some(host.chars().count() + name.matches('\u{130}').count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str) -> [String; 5] {
        let Split { scheme, netloc, path, query, fragment } = urlsplit(uri).unwrap();
        [scheme, netloc, path, query, fragment]
    }

    #[test]
    fn parts_are_those_of_python() {
        for (uri, expected) in [
            ("HTTPS://u:p@Host:1/p?q#f", ["https", "u:p@Host:1", "/p", "q", "f"]),
            ("\0 \thttps://a\tb\n/\rc", ["https", "ab", "/c", "", ""]),
            ("https://a?b/c#d?e#f", ["https", "a", "", "b/c", "d?e#f"]),
            ("com.example.app:/cb", ["com.example.app", "", "/cb", "", ""]),
            ("1http://a/b", ["", "", "1http://a/b", "", ""]),
            ("a_b://a/b", ["", "", "a_b://a/b", "", ""]),
            ("//a/b", ["", "a", "/b", "", ""]),
            (":a", ["", "", ":a", "", ""]),
            ("", ["", "", "", "", ""]),
        ] {
            assert_eq!(parts(uri), expected, "{uri:?}");
        }
    }

    #[test]
    fn errors_are_those_of_python() {
        for (uri, expected) in [
            ("https://[::1/cb", "Invalid IPv6 URL"),
            ("https://::1]/cb", "Invalid IPv6 URL"),
            ("https://[1.2.3.4]/cb", "An IPv4 address cannot be in brackets"),
            ("https://[v1.]/cb", "IPvFuture address is invalid"),
            ("https://[x]/cb", "'x' does not appear to be an IPv4 or IPv6 address"),
            ("https://[]/cb", "'' does not appear to be an IPv4 or IPv6 address"),
            ("https://[::1%]/cb", "'::1%' does not appear to be an IPv4 or IPv6 address"),
            ("https://a／b/cb", "netloc 'a／b' contains invalid characters under NFKC normalization"),
        ] {
            assert_eq!(urlsplit(uri), Err(expected.to_owned()), "{uri:?}");
        }
        for uri in [
            "https://[::1]x/cb",
            "https://[fe80::1%eth0]/cb",
            "https://[vA.x]/cb",
            "https://][/",
            "https://x/[a",
        ] {
            assert!(urlsplit(uri).is_ok() != uri.contains("]["), "{uri:?}");
        }
    }

    #[test]
    fn host_names_are_measured_as_python_does() {
        for (netloc, length) in [
            ("host", Some(4)),
            ("u:p@host:1", Some(4)),
            ("u@", None),
            (":80", None),
            ("[::1]:80", Some(3)),
            ("u@x[::1]", Some(3)),
            ("[]", None),
            ("İİ%İ", Some(6)),
            ("%a", Some(2)),
        ] {
            assert_eq!(Split::hostname_length(netloc), length, "{netloc:?}");
        }
    }
}
