//! What goes over the wire.

use super::super::support::tap::{Sent, Tap};
use super::super::support::{Database, Template};
use super::{FILE, VERBS, seed};

/// What belongs to a session, as it would be written.
const OF_A_SESSION: [&str; 7] = [
    "pg_advisory_lock",
    "pg_try_advisory_lock(",
    "pg_advisory_unlock",
    "listen ",
    "with hold",
    ", false)",
    "session characteristics",
];

#[test]
fn no_statement_has_a_name_and_no_setting_outlives_its_transaction() {
    let database = Database::create(Template::Dot341);
    seed(&database);
    let tap = Tap::on(&database);
    let sandbox = tap.sandbox(&database);
    sandbox.write("oauth.toml", FILE);
    let more: [&[&str]; 4] = [
        &["cleartokens", "--refresh-token-expire", "1s", "--workers", "2"],
        &["cleartokens", "--refresh-token-expire", "1s", "--fk-checks", "set", "--allow", "fk-checks=set"],
        &["import", "--all", "--update"],
        &["createapplication", "--write", "--client-id", "made", "confidential", "client-credentials"],
    ];
    let verbs = VERBS.iter().copied().chain(more.map(|verb| (0, verb)));
    for (code, verb) in verbs {
        sandbox.oauthctl(verb).exits(code);
        let sent = tap.take();
        assert!(sent.len() > 2, "{verb:?} goes another way");
        for statement in sent {
            check(&statement, verb);
        }
    }
    let empty = Database::create(Template::Empty);
    let tap = Tap::on(&empty);
    tap.sandbox(&empty).oauthctl(&["migrate", "--provider"]).exits(0);
    for statement in tap.take() {
        check(&statement, &["migrate"]);
    }
}

fn check(sent: &Sent, verb: &[&str]) {
    let Sent { name, text, in_transaction } = sent;
    assert_eq!(name, "", "{verb:?} prepares {text}");
    let lower = text.to_lowercase();
    for part in lower.split(';').map(str::trim).filter(|part| part.starts_with("set ")) {
        let local = part.starts_with("set local ") || part.starts_with("set constraints ");
        assert!(
            local && (*in_transaction || lower.starts_with("begin")),
            "{verb:?} sets outside of a transaction: {text}"
        );
    }
    for what in OF_A_SESSION {
        let allowed = what == ", false)" && !lower.contains("set_config");
        assert!(allowed || !lower.contains(what), "{verb:?} has `{what}`: {text}");
    }
    assert!(
        !lower.contains("create temporary table") || lower.contains("on commit drop"),
        "{verb:?}: {text}"
    );
}
