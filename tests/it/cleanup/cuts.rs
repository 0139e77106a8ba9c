//! The connection is cut at every message of a cleanup: nothing dangles, nothing is lost that should live, and in the end
//! there is what DOT would have left.

use std::collections::BTreeSet;
use std::time::Duration;

use oauthctl::model::CleanupPolicy;

use super::draft::Draft;
use super::graph::Graph;
use super::runner::now;
use crate::support::cutter::{Cutter, Network, cut_at_places};
use crate::support::{Database, Sandbox, Template};

const DOT: Template = Template::Dot341;
const CLEAN: [&str; 5] = ["cleartokens", "--as-of", "2026-01-02T03:04:05.6Z", "--refresh-token-expire", "1h"];

/// A table whose rows go with the tokens, as this says.
const DECLARED: &str = "[cleanup.references]\n\"link.accesstoken_id\" = \"delete\"\n";
const LINKS: &str = "\
    CREATE TABLE link (id bigserial PRIMARY KEY, accesstoken_id bigint NOT NULL REFERENCES oauth2_provider_accesstoken \
        DEFERRABLE INITIALLY DEFERRED); \
    CREATE INDEX ON link (accesstoken_id); \
    INSERT INTO link (accesstoken_id) SELECT id FROM oauth2_provider_accesstoken";

struct World {
    template: Database,
    before: Graph,
    after: Graph,
    file: &'static str,
}

fn world(ddl: &str) -> World {
    let policy =
        CleanupPolicy { refresh_token_expire: Some(Duration::from_hours(1)), ..CleanupPolicy::default() };
    let template = Database::create(DOT);
    Draft::random(5, 60, &policy, now()).insert(&template, DOT);
    let before = Graph::read(&template, DOT);
    let after = before.cleared(&policy, now(), &BTreeSet::new());
    template.execute(ddl);
    World { template, before, after, file: if ddl == LINKS { DECLARED } else { "" } }
}

/// One run of which a message is lost, and the next one, of which none is.
fn run(world: &World, flags: &[&str], cut: Option<(usize, Network)>) -> usize {
    let database = world.template.copy();
    let mut sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", world.file);
    let (at, network) = cut.unwrap_or((usize::MAX, Network::ComesBack));
    let cutter = Cutter::on(&database, at, network);
    cutter.lead(&mut sandbox);
    let arguments = [&CLEAN[..], flags].concat();
    let output = sandbox.oauthctl(&arguments);
    let what = format!("{flags:?} cut at {cut:?}\n{output}");
    let now = Graph::read(&database, DOT);
    now.assert_between(&world.before, &world.after);
    assert!(output.code != Some(0) || now == world.after, "{what}");
    let direct = Sandbox::with(&database);
    direct.write("oauth.toml", world.file);
    let again = direct.oauthctl(&arguments);
    assert_eq!(again.code, Some(0), "{what}\nagain: {again}");
    assert_eq!(Graph::read(&database, DOT), world.after, "{what}\nagain: {again}");
    cutter.messages()
}

fn cut_everywhere(ddl: &str, flags: &[&str]) {
    let world = world(ddl);
    let messages = run(&world, flags, None);
    for network in [Network::ComesBack, Network::StaysAway] {
        let count = cut_at_places(messages, network, |place| {
            run(&world, flags, Some((place, network)));
        });
        println!("cleartokens {flags:?}: {count} of {messages} messages cut, {network:?}");
    }
}

#[test]
fn one_worker() {
    cut_everywhere("SELECT 1", &["--batch-size", "20"]);
}

#[test]
fn two_workers() {
    cut_everywhere("SELECT 1", &["--batch-size", "10", "--workers", "2"]);
}

#[test]
fn foreign_keys_checked_in_sets() {
    let flags = ["--batch-size", "20", "--fk-checks", "set", "--allow", "fk-checks=set"];
    cut_everywhere("SELECT 1", &flags);
}

#[test]
fn link_tables() {
    cut_everywhere(LINKS, &["--batch-size", "20"]);
}

#[test]
fn a_rewrite() {
    cut_everywhere("SELECT 1", &["--strategy", "rewrite", "--allow", "rewrite"]);
}
