//! URIs that DOT accepts and that no request will ever equal, that break `/authorize`, or that RFC 9700 and RFC 8252
//! advise against.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Advice, Rule, recommended};
use crate::model::{Application, Declaration, Field};
use crate::rules::{Split, split_uri};

pub(super) static BAD_HOST: Rule = recommended(
    "bad-host",
    "a host that no name server knows: `exa_mple.com`, `a..b`, `256.1.1.1`",
    "RFC 1123 section 2.1",
);
pub(super) static BAD_PORT: Rule = recommended(
    "bad-port",
    "a port that is no number from 1 to 65535: `/authorize` answers 500 when it compares it",
    "DOT 3.4.1's `redirect_to_uri_allowed`",
);
pub(super) static HTTP_ORIGIN: Rule =
    recommended("http-origin", "an origin without TLS that is not this machine", "RFC 9700 section 2.6");
pub(super) static HTTP_REDIRECT: Rule = recommended(
    "http-redirect",
    "a redirect without TLS that does not stay on this machine: codes in clear text",
    "RFC 9700 section 2.6",
);
pub(super) static LOCALHOST_REDIRECT: Rule = recommended(
    "localhost-redirect",
    "`http://localhost`: DOT allows any port only for 127.0.0.1 and [::1], and a name can be made to point elsewhere",
    "RFC 8252 section 8.3",
);
pub(super) static POST_LOGOUT_URI: Rule = recommended(
    "post-logout-uri",
    "a post-logout URI that is not absolute, or not https: DOT does not look at these",
    "OpenID Connect RP-Initiated Logout 1.0 section 3.1",
);
pub(super) static PRIVATE_USE_SCHEME: Rule = recommended(
    "private-use-scheme",
    "a scheme of an app that is no reversed domain name: other apps may claim it",
    "RFC 8252 section 7.1",
);
pub(super) static UNMATCHED_SPELLING: Rule = recommended(
    "unmatched-spelling",
    "a spelling that browsers change, so that it is never equal: `:443`, a dot at the end, an umlaut",
    "RFC 9700 section 2.1",
);
pub(super) static USERINFO: Rule =
    recommended("userinfo", "a user name in a URI: it can never match", "RFC 3986 section 3.2.1");
pub(super) static WILDCARD: Rule = recommended(
    "wildcard",
    "a `*` in a host: whoever gets one of those names gets the codes",
    "RFC 9700 section 4.1",
);

/// Schemes that no app has made up for itself.
const OF_THE_WEB: [&str; 7] = ["data", "file", "ftp", "javascript", "urn", "ws", "wss"];

pub(super) fn advise(application: &Application) -> Vec<Advice> {
    let mut advice = Vec::new();
    for field in Field::ALL.iter().copied() {
        let Some(Declaration::Uris(uris)) = application.declared(field) else { continue };
        for (index, uri) in uris.iter().enumerate() {
            advice.extend(of_uri(field, uri).into_iter().map(|advice| advice.at(index)));
        }
    }
    advice
}

fn of_uri(field: Field, uri: &str) -> Vec<Advice> {
    let Ok(split) = split_uri(uri) else {
        // DOT's own rules refuse it elsewhere.
        let advice = || Advice::of(&POST_LOGOUT_URI, field, "this is no URI");
        return if field == Field::PostLogoutRedirectUris { vec![advice()] } else { Vec::new() };
    };
    let authority = Authority::of(&split.netloc);
    let mut advice: Vec<Advice> = transport(field, &split, &authority).into_iter().collect();
    if split.netloc.is_empty() {
        return advice;
    }
    if authority.userinfo {
        advice.push(
            Advice::of(&USERINFO, field, "a URI with a user name never matches")
                .hint("leave out what is before the @"),
        );
    }
    if authority.port.is_some_and(|port| !is_port(port)) {
        advice.push(
            Advice::of(
                &BAD_PORT,
                field,
                "the port is no number from 1 to 65535, and `/authorize` fails when it reads it",
            )
            .hint("http://127.0.0.1 and http://[::1] match with any port; others need the number"),
        );
    }
    if authority.host.contains('*') {
        advice.push(
            Advice::of(&WILDCARD, field, "everybody who gets hold of one such name gets the codes")
                .hint("list the hosts"),
        );
    } else if !is_host(authority.host) {
        advice.push(Advice::of(&BAD_HOST, field, "no name server knows such a host"));
    }
    advice.extend(spelling(field, &split.scheme, &authority));
    advice
}

/// How the response travels.
fn transport(field: Field, split: &Split, authority: &Authority<'_>) -> Option<Advice> {
    let is_web = matches!(split.scheme.as_str(), "http" | "https");
    let is_open = split.scheme == "http" && !authority.is_loopback();
    let is_localhost = split.scheme == "http" && authority.host.eq_ignore_ascii_case("localhost");
    match field {
        Field::PostLogoutRedirectUris if split.scheme.is_empty() || (is_web && split.netloc.is_empty()) => {
            Some(Advice::of(&POST_LOGOUT_URI, field, "this is not an absolute URI"))
        }
        Field::PostLogoutRedirectUris if is_open => Some(
            Advice::of(&POST_LOGOUT_URI, field, "this goes through the network in clear text")
                .hint("use https"),
        ),
        Field::RedirectUris if is_localhost => Some(
            Advice::of(&LOCALHOST_REDIRECT, field, "`localhost` is a name, and matches with this port only")
                .hint("use http://127.0.0.1, which matches with any port"),
        ),
        Field::RedirectUris if is_open => Some(
            Advice::of(&HTTP_REDIRECT, field, "codes go through the network in clear text").hint("use https"),
        ),
        Field::AllowedOrigins if is_open => {
            Some(Advice::of(&HTTP_ORIGIN, field, "this origin is not protected by TLS").hint("use https"))
        }
        Field::RedirectUris
            if !is_web && !split.scheme.contains('.') && !OF_THE_WEB.contains(&split.scheme.as_str()) =>
        {
            Some(
                Advice::of(&PRIVATE_USE_SCHEME, field, "other apps may claim this scheme, too")
                    .hint("use a domain of yours, reversed: com.example.app:/callback"),
            )
        }
        _ => None,
    }
}

/// What a browser would send is another text.
fn spelling(field: Field, scheme: &str, authority: &Authority<'_>) -> Option<Advice> {
    let default = matches!((scheme, authority.port), ("https", Some("443")) | ("http", Some("80")));
    let message = if default {
        "browsers leave the default port out, so this never matches"
    } else if authority.host.ends_with('.') {
        "the dot at the end of the host makes it another one"
    } else if !authority.host.is_ascii() {
        "browsers send such a host in its ASCII form, so this never matches"
    } else {
        return None;
    };
    let hint = if authority.host.is_ascii() { None } else { Some("write the host in Punycode: xn--…") };
    Some(Advice { hint, ..Advice::of(&UNMATCHED_SPELLING, field, message) })
}

/// The parts of `user@host:port`.
struct Authority<'a> {
    userinfo: bool,
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> Authority<'a> {
    fn of(netloc: &'a str) -> Self {
        let (userinfo, rest) = match netloc.rsplit_once('@') {
            Some((_, rest)) => (true, rest),
            None => (false, netloc),
        };
        let bracket = rest.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match rest[bracket..].find(':') {
            Some(colon) => (&rest[..bracket + colon], Some(&rest[bracket + colon + 1..])),
            None => (rest, None),
        };
        Self { userinfo, host, port }
    }

    fn address(&self) -> Option<Ipv6Addr> {
        self.host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
    }

    fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || self.address().is_some_and(|address| address.is_loopback())
    }
}

/// An empty one is the default port.
fn is_port(port: &str) -> bool {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    port.is_empty() || (is_number && port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// A name of RFC 1123, which letters beyond ASCII may come to be, or an address.
fn is_host(host: &str) -> bool {
    if host.starts_with('[') {
        return host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|inside| inside.parse::<Ipv6Addr>().is_ok());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let labels: Vec<&str> = name.split('.').collect();
    if labels.last().is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())) {
        return name.parse::<Ipv4Addr>().is_ok();
    }
    labels.iter().all(|label| {
        let is_letter =
            |c: char| c.is_ascii_alphanumeric() || c == '-' || (!c.is_ascii() && c.is_alphanumeric());
        (1..=63).contains(&label.chars().count())
            && label.chars().all(is_letter)
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}
