//! The ledger: what a run writes down, who answers for which application, and what `prune = "owned"` may delete.

use serde_json::json;

use super::support::database::Template;
use super::support::rows::application;
use super::support::{Database, Sandbox};

const BOTH: &str = r#"
[applications.made]
client_type = "confidential"
authorization_grant_type = "client-credentials"
client_secret = { hash = "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=" }
[applications.found]
name = ""
"#;

#[test]
fn a_run_is_noted_and_only_what_a_file_created_is_pruned_as_owned() {
    let database = Database::create(Template::Dot341);
    application(&database, 101, "found", &json!({}));
    application(&database, 102, "stray", &json!({}));
    let sandbox = Sandbox::with(&database);
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    sandbox.write("oauth.toml", BOTH);
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let applied = sandbox.command(&["apply", "--yes"]).env("GITHUB_SHA", commit).run().exits(0);
    assert!(applied.stdout.contains("Applied: 1 created, 1 recorded in the ledger."), "{applied}");
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);

    let managed = "SELECT string_agg(client_id || ' ' || origin || ' ' || owner, ', ' ORDER BY client_id) \
                   FROM oauthctl.managed_application";
    assert_eq!(database.value(managed), "found adopted oauth.toml, made created oauth.toml");
    let run = "SELECT concat_ws(' ', verb, outcome, \"commit\", length(config_digest), counts->'applications'->'create') \
               FROM oauthctl.run";
    assert_eq!(database.value(run), format!("apply succeeded {commit} 64 1"));

    // Another file may not take it over.
    sandbox.write("theirs.toml", "[applications.made]\nname = \"Theirs\"\n");
    let theirs = sandbox.oauthctl(&["-f", "theirs.toml", "plan"]).exits(64);
    assert!(theirs.stderr.contains("is managed by another file: oauth.toml"), "{theirs}");

    // The same file may get a name; what it says to do then is enough.
    let named = format!("[policy]\nowner = \"it's ours\"\n{BOTH}");
    sandbox.write("named.toml", &named);
    let renamed = sandbox.oauthctl(&["-f", "named.toml", "plan"]).exits(64);
    let sql = "UPDATE oauthctl.managed_application SET owner = 'it''s ours' WHERE owner = 'oauth.toml' \
               AND application_table = 'public.oauth2_provider_application'";
    assert!(renamed.stderr.contains(sql), "{renamed}");
    database.execute(sql);
    sandbox.oauthctl(&["-f", "named.toml", "plan", "--detailed-exitcode"]).exits(0);
    database.execute("UPDATE oauthctl.managed_application SET owner = 'oauth.toml'");

    sandbox.write("oauth.toml", "[policy]\nprune = \"owned\"\n");
    let pruned = sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert!(pruned.stderr.contains("the ledger knows this file by its path only"), "{pruned}");
    let left = "SELECT string_agg(client_id, ' ' ORDER BY client_id) FROM oauth2_provider_application";
    assert_eq!(database.value(left), "found stray");
    assert_eq!(database.value(managed), "found adopted oauth.toml");
}

#[test]
fn pruning_what_is_owned_needs_the_ledger() {
    let database = Database::create(Template::Dot341);
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", "[policy]\nprune = \"owned\"\n");
    let refused = sandbox.oauthctl(&["plan"]).exits(64);
    assert!(refused.stderr.contains("oauthctl migrate --ledger"), "{refused}");
}
