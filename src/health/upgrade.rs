//! `--upgrade`: what a future version of DOT will refuse, by application.

use serde::Serialize;

use super::{Check, Finding, Verdict};
use crate::model::health::{Affected, Change};
use crate::model::visible::visible;
use crate::model::words::{grouped, listed, plural};

/// The number of applications that the text lists. The JSON document has all.
const LISTED: usize = 50;

/// What DOT 4.0 changes for one application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upgrade {
    #[serde(flatten)]
    pub application: Affected,
    pub changes: Vec<Foreseen>,
}

/// One change, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Foreseen {
    pub change: Change,
    /// What keeps the old default, if it is `False`.
    pub setting: &'static str,
    /// Whether requests are refused, or only the deploy check fails.
    pub refused: bool,
}

impl Upgrade {
    fn refused(&self) -> bool {
        self.changes.iter().any(|foreseen| foreseen.refused)
    }

    fn tokens(&self) -> u64 {
        self.application.access_tokens_live + self.application.refresh_tokens_live
    }
}

/// The applications that meet a change, those that are refused and in use first.
pub(super) fn upgrades(affected: &[Affected]) -> Vec<Upgrade> {
    let of = |application: &Affected| {
        let changes = Change::ALL.iter().copied().filter(|change| meets(application, *change));
        let changes =
            changes.map(|change| Foreseen { change, setting: change.setting(), refused: change.refuses() });
        Upgrade { application: application.clone(), changes: changes.collect() }
    };
    let mut all: Vec<Upgrade> =
        affected.iter().map(of).filter(|upgrade| !upgrade.changes.is_empty()).collect();
    all.sort_by_key(|upgrade| std::cmp::Reverse((upgrade.refused(), upgrade.tokens())));
    all
}

fn meets(application: &Affected, change: Change) -> bool {
    let mut uris = application.redirect_uris.split_whitespace();
    match change {
        Change::ImplicitGrant => application.authorization_grant_type == "implicit",
        Change::PasswordGrant => application.authorization_grant_type == "password",
        Change::PlainPkce => application.plain_pkce_codes > 0,
        Change::WildcardRedirect => uris.any(|uri| host(uri).contains('*')),
        Change::HttpRedirect => uris.any(|uri| uri.to_ascii_lowercase().starts_with("http:")),
    }
}

fn host(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// One finding for each application, one for each change, and what the rows do not show.
pub(super) fn check(all: &[Upgrade]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = all.iter().take(LISTED).map(application).collect();
    if all.len() > LISTED {
        let rest = (all.len() - LISTED) as u64;
        findings.push(
            Check::Upgrade
                .found(worst(&all[LISTED..]), format!("{} more are affected.", grouped(rest)))
                .meaning("The JSON document has all of them.")
                .shell("oauthctl doctor --upgrade 4.0 --format json"),
        );
    }
    if all.is_empty() {
        findings.push(Check::Upgrade.ok("No application uses what the defaults of DOT 4.0 refuse."));
    }
    let changes = Change::ALL.iter().copied();
    findings.extend(changes.filter_map(|change| {
        let number =
            all.iter().filter(|upgrade| upgrade.changes.iter().any(|seen| seen.change == change)).count();
        (number > 0).then(|| about(change, number as u64))
    }));
    findings.push(
        Check::Upgrade.note("The Django settings are not checked.")
            .meaning("DOT 4.0 also refuses access tokens in a query string and bodies that are not form-encoded, adds `iss` to its responses, keeps tokens as checksums only, and fails the deploy check without REFRESH_TOKEN_REUSE_PROTECTION or PKCE_REQUIRED.")
            .shell("python manage.py check --deploy"),
    );
    findings
}

fn worst(all: &[Upgrade]) -> Verdict {
    if all.iter().any(Upgrade::refused) { Verdict::Problem } else { Verdict::Note }
}

fn application(upgrade: &Upgrade) -> Finding {
    let Upgrade { application, changes } = upgrade;
    let Affected { client_id, name, plain_pkce_codes, access_tokens_live, refresh_tokens_live, .. } =
        application;
    let what: Vec<String> = changes
        .iter()
        .map(|foreseen| match foreseen.change {
            Change::ImplicitGrant => "the implicit grant".to_owned(),
            Change::PasswordGrant => "the password grant".to_owned(),
            Change::PlainPkce => format!("plain PKCE ({})", plural(*plain_pkce_codes, "code")),
            Change::WildcardRedirect => "a wildcard in a redirect URI".to_owned(),
            Change::HttpRedirect => "a redirect URI without TLS".to_owned(),
        })
        .collect();
    let name = if name.is_empty() { String::new() } else { format!(" ({})", visible(name)) };
    let found = format!(
        "{}{name} uses {}: {}, {}.",
        visible(client_id),
        listed(&what),
        live(*access_tokens_live, "live access token"),
        live(*refresh_tokens_live, "live refresh token"),
    );
    Check::Upgrade.found(worst(std::slice::from_ref(upgrade)), found)
}

fn live(count: u64, noun: &str) -> String {
    if count == 0 { format!("no {noun}") } else { plural(count, noun) }
}

/// What it means for all that use it.
fn about(change: Change, number: u64) -> Finding {
    let number = plural(number, "application");
    let (found, instead) = match change {
        Change::ImplicitGrant => (
            "the implicit grant is refused at /authorize",
            "Move the client to authorization-code with PKCE, then change authorization_grant_type.",
        ),
        Change::PasswordGrant => (
            "the password grant is refused at /token",
            "Move the client to authorization-code, or to client-credentials if no user is involved.",
        ),
        Change::PlainPkce => (
            "code_challenge_method=plain is refused at /authorize",
            "Have the client send S256. Codes live for minutes: clients without a code now are not found.",
        ),
        Change::WildcardRedirect => (
            "the deploy check fails while ALLOW_URI_WILDCARDS is on; requests work as before",
            "List the hosts, then switch the setting off.",
        ),
        Change::HttpRedirect => (
            "the deploy check fails while ALLOWED_REDIRECT_URI_SCHEMES has http; requests work as before",
            "Use https. Native apps with http://127.0.0.1 need the scheme: keep it for them.",
        ),
    };
    Check::Upgrade.note(format!("DOT 4.0, {number}: {found}.")).meaning(format!(
        "{instead} Until then, \"{}\": False in OAUTH2_PROVIDER keeps what DOT 3.4 does.",
        change.setting()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affected(client_id: &str, grant: &str, uris: &str, codes: u64, tokens: u64) -> Affected {
        Affected {
            client_id: client_id.to_owned(),
            name: String::new(),
            authorization_grant_type: grant.to_owned(),
            redirect_uris: uris.to_owned(),
            plain_pkce_codes: codes,
            access_tokens_live: tokens,
            refresh_tokens_live: 0,
        }
    }

    #[test]
    fn each_application_meets_what_its_row_shows() {
        let all = upgrades(&[
            affected("fine", "authorization-code", "https://a.example/*?http:x", 0, 9),
            affected("loose", "authorization-code", "https://*.a.example/cb HTTP://b.example/", 0, 9),
            affected("old", "implicit", "https://a.example/", 0, 0),
            affected("used", "password", "", 0, 3),
            affected("plain", "authorization-code", "https://a.example/", 1, 1),
        ]);
        let found: Vec<(&str, Vec<Change>)> = all
            .iter()
            .map(|upgrade| {
                let changes = upgrade.changes.iter().map(|foreseen| foreseen.change).collect();
                (upgrade.application.client_id.as_str(), changes)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("used", vec![Change::PasswordGrant]),
                ("plain", vec![Change::PlainPkce]),
                ("old", vec![Change::ImplicitGrant]),
                ("loose", vec![Change::WildcardRedirect, Change::HttpRedirect]),
            ]
        );
        let verdicts: Vec<Verdict> = all.iter().map(application).map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Problem, Verdict::Problem, Verdict::Problem, Verdict::Note]);
    }

    #[test]
    fn long_lists_are_cut() {
        let rows: Vec<Affected> = (0..60).map(|n| affected(&n.to_string(), "password", "", 0, 0)).collect();
        let findings = check(&upgrades(&rows));
        assert_eq!(findings.len(), LISTED + 3);
        assert_eq!(findings[LISTED].found, "10 more are affected.");
        assert_eq!(findings[LISTED].verdict, Verdict::Problem);
    }
}
