//! URIs that DOT accepts and that no request will ever equal, that break `/authorize`, or that RFC 9700 and RFC 8252
//! advise against.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Advice, Rule};
use crate::model::{Application, Declaration, Field, Provider, UriRules};
use crate::rules::{Allowed, Cause, Purpose, Split, check_uri, split_uri};

/// Schemes that no app has made up for itself.
const OF_THE_WEB: [&str; 7] = ["data", "file", "ftp", "javascript", "urn", "ws", "wss"];

pub(super) fn advise(application: &Application, provider: &Provider) -> Vec<Advice> {
    let mut advice = Vec::new();
    for field in Field::ALL.iter().copied() {
        let Some(Declaration::Uris(uris)) = application.declared(field) else { continue };
        for (index, uri) in uris.iter().enumerate() {
            let found = if is_joined(uri) { vec![joined(field)] } else { of_uri(field, uri) };
            let refused = refused(field, uri, provider);
            let found = found.into_iter().chain(refused);
            advice.extend(found.map(|advice| Advice { index: Some(index), ..advice }));
        }
    }
    advice
}

/// Whether a second URI follows a comma.
fn is_joined(uri: &str) -> bool {
    uri.match_indices(',').any(|(comma, _)| {
        uri[comma + 1..].split_once("://").is_some_and(|(scheme, _)| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        })
    })
}

fn joined(field: Field) -> Advice {
    let message = "these are two URIs, and DOT takes them for one that never matches";
    Advice::of(Rule::JoinedUris, field, message, "make each an element of the list")
}

/// What DOT's own validator would say. As long as the server has it, `rules` say it, as an error.
fn refused(field: Field, uri: &str, provider: &Provider) -> Option<Advice> {
    if provider.uri_rules != UriRules::Lint {
        return None;
    }
    let (purpose, schemes) = match field {
        Field::RedirectUris => (Purpose::RedirectUri, &provider.allowed_redirect_uri_schemes),
        Field::AllowedOrigins => (Purpose::AllowedOrigin, &provider.allowed_schemes),
        _ => return None,
    };
    let allowed = Allowed { schemes, wildcards: provider.allow_uri_wildcards };
    let error = check_uri(purpose, uri, allowed).err()?;
    let cause = match error.cause {
        Cause::InvalidScheme => "its scheme is not allowed".to_owned(),
        Cause::InvalidUrl => "it has no host that DOT accepts, or more than 2048 characters".to_owned(),
        Cause::Unsplittable(_) => "it is no URI".to_owned(),
        cause => cause.to_string(),
    };
    let message = format!("DOT's own validator refuses this: {cause}");
    Some(Advice::of(Rule::DotUri, field, message, "be sure that the server's validator accepts it"))
}

fn of_uri(field: Field, uri: &str) -> Vec<Advice> {
    let Ok(split) = split_uri(uri) else {
        // DOT's own rules refuse it elsewhere.
        let advice = || Advice::of(Rule::PostLogoutUri, field, "this is no URI", None);
        return if field == Field::PostLogoutRedirectUris { vec![advice()] } else { Vec::new() };
    };
    let authority = Authority::of(&split.netloc);
    let mut advice: Vec<Advice> = transport(field, &split, &authority).into_iter().collect();
    if split.path.contains('*') || split.query.contains('*') {
        let message = "a `*` here stands for itself, so this never matches what was meant";
        advice.push(Advice::of(Rule::LiteralAsterisk, field, message, "list the URIs one by one"));
    }
    if split.netloc.is_empty() {
        return advice;
    }
    if authority.userinfo {
        advice.push(Advice::of(
            Rule::Userinfo,
            field,
            "a URI with a user name never matches",
            "leave out what is before the @",
        ));
    }
    if authority.port.is_some_and(|port| !is_port(port)) {
        advice.push(Advice::of(
            Rule::BadPort,
            field,
            "the port is no number from 1 to 65535, and `/authorize` fails when it reads it",
            "http://127.0.0.1 and http://[::1] match with any port; others need the number",
        ));
    }
    if authority.host.contains('*') {
        advice.push(Advice::of(
            Rule::Wildcard,
            field,
            "the owner of any such name gets the codes",
            "list the hosts",
        ));
    } else if !is_host(authority.host) {
        advice.push(Advice::of(Rule::BadHost, field, "no name server knows such a host", None));
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
            Some(Advice::of(Rule::PostLogoutUri, field, "this is not an absolute URI", None))
        }
        Field::PostLogoutRedirectUris if is_open => Some(Advice::of(
            Rule::PostLogoutUri,
            field,
            "this goes through the network in clear text",
            "use https",
        )),
        Field::RedirectUris if is_localhost => Some(Advice::of(
            Rule::LocalhostRedirect,
            field,
            "`localhost` is a name, and matches with this port only",
            "use http://127.0.0.1, which matches with any port",
        )),
        Field::RedirectUris if is_open => Some(Advice::of(
            Rule::HttpRedirect,
            field,
            "codes go through the network in clear text",
            "use https",
        )),
        Field::AllowedOrigins if is_open => {
            Some(Advice::of(Rule::HttpOrigin, field, "this origin is not protected by TLS", "use https"))
        }
        Field::RedirectUris
            if !is_web && !split.scheme.contains('.') && !OF_THE_WEB.contains(&split.scheme.as_str()) =>
        {
            Some(Advice::of(
                Rule::PrivateUseScheme,
                field,
                "other apps may claim this scheme, too",
                "use a domain of yours, reversed: com.example.app:/callback",
            ))
        }
        _ => None,
    }
}

/// What a browser would send is another text.
fn spelling(field: Field, scheme: &str, authority: &Authority<'_>) -> Option<Advice> {
    let default = matches!((scheme, authority.port), ("https", Some("443")) | ("http", Some("80")));
    let (message, hint) = if default {
        ("browsers leave the default port out, so this never matches", None)
    } else if authority.host.ends_with('.') {
        ("the dot at the end of the host makes it another host", None)
    } else if !authority.host.is_ascii() {
        let message = "browsers send such a host in its ASCII form, so this never matches";
        (message, Some("write the host in Punycode: xn--…"))
    } else {
        return None;
    };
    Some(Advice::of(Rule::UnmatchedSpelling, field, message, hint))
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
