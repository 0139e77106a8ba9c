//! `plan --out FILE` and `apply FILE`: what was reviewed is done, or nothing.

use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::support::rows::{APPLICATIONS, application, everything, session, user};
use super::support::{Database, Instance, Sandbox, Template};

const FILE: &str = r#"
[provider]
client_secret_iterations = 1

[applications.web]
name = "Web shop"
client_secret = { env = "WEB_SECRET" }

[applications.batch]
client_type = "confidential"
authorization_grant_type = "client-credentials"

[[removed]]
client_id = "legacy"

[cleanup]
"#;

const APPLY: [&str; 5] = ["apply", "saved.plan", "--yes", "--secrets-out", "secrets.json"];

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "alice");
    application(&database, 11, "web", &json!({ "name": "Shop", "client_secret": "the old one" }));
    application(&database, 12, "legacy", &json!({}));
    application(&database, 13, "other", &json!({}));
    session(&database, 1, 12, "2999-01-01T00:00:00Z");
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("WEB_SECRET", "the-new-one-of-27-letters-x");
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

#[test]
fn what_was_saved_is_applied_once() {
    let (database, sandbox) = world();
    let before = everything(&database, "public");
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    assert_eq!(before, everything(&database, "public"));
    let saved: Value = serde_json::from_str(&sandbox.read("saved.plan")).unwrap();
    assert_eq!(saved["proposal"]["plan"]["steps"].as_array().unwrap().len(), 3);
    for secret in ["the-new-one", "the old one"] {
        assert!(!saved.to_string().contains(secret), "{saved}");
    }
    // Tokens come and go; a row that the plan does not touch may change.
    session(&database, 2, 12, "2999-01-01T00:00:00Z");
    database.execute(format!("UPDATE {APPLICATIONS} SET name = 'x' WHERE client_id = 'other'"));
    let output = sandbox.oauthctl(&APPLY).exits(0);
    assert!(
        output.stdout.contains("Applied: 1 created, 1 updated, 1 deleted (with 6 dependent rows).\n"),
        "{output}"
    );
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
    assert_snapshot!(sandbox.oauthctl(&APPLY).exits(4));
}

#[test]
fn whatever_has_changed_meanwhile_stops_it() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    let saved = sandbox.read("saved.plan");
    let before = everything(&database, "public");
    let mut told = String::new();
    let mut refused = |what: &str, code: i32| {
        let output = sandbox.oauthctl(&APPLY).exits(code);
        let _ = writeln!(told, "{what}\n{output}");
    };
    sandbox.write("saved.plan", saved.replace("Web shop", "Evil shop"));
    refused("# the plan was edited", 4);
    sandbox.write("saved.plan", "{}");
    refused("# it is something else", 64);
    sandbox.write("saved.plan", &saved);
    sandbox.write("oauth.toml", FILE.replace("Web shop", "Shop"));
    refused("# the file was edited", 4);
    sandbox.write("oauth.toml", FILE);
    std::fs::remove_file(sandbox.path().join("saved.plan")).unwrap();
    refused("# it is not there", 64);
    sandbox.write("saved.plan", &saved);
    assert_eq!(before, everything(&database, "public"));
    // The same values, but written.
    database.execute(format!("UPDATE {APPLICATIONS} SET name = name WHERE client_id = 'web'"));
    refused("# a row was written", 4);
    database.execute(format!("UPDATE {APPLICATIONS} SET client_id = 'batch' WHERE client_id = 'other'"));
    refused("# what would be created is there", 4);
    assert_snapshot!(told);
    assert_eq!(database.value(format!("SELECT count(*) FROM {APPLICATIONS}")), "3");
    assert!(!sandbox.path().join("secrets.json").exists());
}

/// Whatever a plan may depend on is part of the file, and the file's digest is part of the plan.
#[test]
fn each_key_of_the_file_counts() {
    let (database, sandbox) = world();
    database
        .execute(format!("ALTER TABLE {APPLICATIONS} ADD tenant integer, ADD is_dcr boolean DEFAULT false"));
    for (key, other) in [
        (
            "[policy]\ndynamic = { column = \"is_dcr\", value = true }\n",
            "[policy]\ndynamic = { column = \"is_dcr\", value = false }\n",
        ),
        ("[defaults.columns]\ntenant = 1\n", "[defaults.columns]\ntenant = 2\n"),
        (
            "[cleanup.dcr_applications]\nmin_age = \"7d\"\nmax_age = \"30d\"\n",
            "[cleanup.dcr_applications]\nmin_age = \"7d\"\nmax_age = \"31d\"\n",
        ),
        (
            "[cleanup.dcr_applications]\nmin_age = \"7d\"\nmax_age = \"30d\"\n",
            "[cleanup.dcr_applications]\nmin_age = \"7d\"\nmax_age = \"30d\"\ndormant = true\n",
        ),
    ] {
        sandbox.write("oauth.toml", format!("{FILE}{key}"));
        sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
        sandbox.write("oauth.toml", format!("{FILE}{other}"));
        let before = everything(&database, "public");
        let refused = sandbox.oauthctl(&APPLY).exits(4);
        assert!(refused.stderr.contains("oauth.toml is not the one"), "{key}: {refused}");
        assert_eq!(everything(&database, "public"), before);
    }
}

#[test]
fn another_database_is_another_plan() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    let other = database.copy();
    let output = sandbox.command(&APPLY).env("PGDATABASE", other.name()).run().exits(4);
    assert!(
        output.stderr.starts_with("error: the plan was made for another database: [database]\n"),
        "{output}"
    );
    assert_eq!(everything(&database, "public"), everything(&other, "public"));
}

#[test]
fn it_remembers_the_target_and_the_instant_and_rails_still_hold() {
    let (database, sandbox) = world();
    sandbox.write("oauth.toml", FILE.replace("[cleanup]", "[policy]\nprotect = [\"legacy\"]\n\n[cleanup]"));
    database.execute("UPDATE oauth2_provider_accesstoken SET expires = '2020-01-01'");
    database.execute("UPDATE oauth2_provider_refreshtoken SET revoked = '2020-01-01'");
    let plan = ["plan", "--target", "legacy", "--out", "saved.plan", "--as-of", "2019-01-01T00:00:00Z"];
    sandbox.oauthctl(&plan).exits(3);
    sandbox.oauthctl(&APPLY).exits(3);
    let output = sandbox.oauthctl(&[&APPLY[..], &["--allow", "delete:legacy"]].concat()).exits(0);
    assert!(output.stdout.contains("Applied: 1 deleted"), "{output}");
    assert!(output.stdout.contains("Cleanup: nothing to delete as of 2019-01-01T00:00:00Z."), "{output}");
    let left = database.table(format!("SELECT client_id, name FROM {APPLICATIONS} ORDER BY id"));
    assert_eq!(left, "web | Shop\nother | ");
    for flag in [&["--target", "web"][..], &["--no-cleanup"], &["--as-of", "2019-01-01T00:00:00Z"]] {
        sandbox.oauthctl(&[&APPLY[..], flag].concat()).exits(64);
    }
}

/// What the plan would change, or create next to, has gone: planning again even fails, because the file alone does not say
/// enough to create it.
#[test]
fn a_row_that_is_gone_makes_the_plan_stale() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    database.execute(format!("DELETE FROM {APPLICATIONS} WHERE client_id = 'web'"));
    let before = everything(&database, "public");
    assert_snapshot!("gone_update", sandbox.oauthctl(&APPLY).exits(4));
    assert_eq!(before, everything(&database, "public"));
    // The same when the row that is to be deleted has gone, or an owner.
    let (database, sandbox) = world();
    sandbox.write("oauth.toml", FILE.replace("Web shop\"", "Web shop\"\nuser = { username = \"alice\" }"));
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    database.execute(
        "UPDATE oauth2_provider_accesstoken SET user_id = NULL; UPDATE oauth2_provider_idtoken SET user_id = NULL; \
         DELETE FROM oauth2_provider_refreshtoken; DELETE FROM auth_user",
    );
    let output = sandbox.oauthctl(&APPLY).exits(4);
    assert!(
        output.stderr.starts_with("error: the plan is stale: \"web\" changed since it was made\n"),
        "{output}"
    );
    let (database, sandbox) = world();
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    database.execute(format!(
        "TRUNCATE oauth2_provider_accesstoken, oauth2_provider_idtoken, oauth2_provider_refreshtoken CASCADE; \
         DELETE FROM {APPLICATIONS} WHERE client_id = 'legacy'"
    ));
    let output = sandbox.oauthctl(&APPLY).exits(4);
    assert!(output.stderr.starts_with("error: the plan is stale: \"legacy\" changed"), "{output}");
}

#[test]
fn a_plan_of_an_older_oauthctl_is_refused() {
    let (_database, sandbox) = world();
    sandbox.write(
        "saved.plan",
        r#"{ "format": "oauthctl saved plan 1", "digest": "00", "origin": { "config": "00", "database": "shop",
             "table": 16496, "targets": [], "cleanup": true, "as_of": null }, "steps": [] }"#,
    );
    assert_snapshot!("older_plan", sandbox.oauthctl(&APPLY).exits(4));
}

const CREATES: &str = "[applications.batch]\nclient_type = \"confidential\"\n\
                       authorization_grant_type = \"client-credentials\"\n[cleanup]\n";

/// Two servers made in the same way: their databases have the same name and the same oids.
#[test]
fn a_plan_for_one_server_is_not_applied_to_another() {
    let (staging, production) = (Instance::start(&[]), Instance::start(&[]));
    let one = staging.database(Template::Dot341);
    let two = one.twin(production.home(), Template::Dot341);
    let oids = "SELECT string_agg(oid::text, ' ' ORDER BY oid) FROM (SELECT oid FROM pg_database UNION ALL \
                SELECT 'oauth2_provider_application'::regclass::oid) t";
    assert_eq!(one.value(oids), two.value(oids));
    // Nothing is planned for the first, 3 rows would go in the second.
    user(&two, 1, "alice");
    application(&two, 9, "other", &json!({}));
    session(&two, 1, 9, "2020-01-01T00:00:00Z");
    let before = everything(&two, "public");
    let mut sandbox = Sandbox::with(&one);
    sandbox.write("oauth.toml", CREATES);
    sandbox.write("empty.toml", "[cleanup]\n");
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    sandbox.oauthctl(&["-f", "empty.toml", "plan", "--out", "empty.plan"]).exits(0);
    let elsewhere = |sandbox: &mut Sandbox, role: &str| {
        for (name, value) in two.variables() {
            sandbox.set(name, value);
        }
        sandbox.set("PGUSER", role);
    };
    elsewhere(&mut sandbox, "postgres");
    let output = sandbox.oauthctl(&APPLY).exits(4);
    assert!(
        output.stderr.starts_with("error: the plan was made for another database: [database] of socket:"),
        "{output}"
    );
    assert!(output.stderr.contains("(system identifier "), "{output}");
    sandbox.oauthctl(&["-f", "empty.toml", "apply", "empty.plan", "--yes"]).exits(4);
    assert_eq!(everything(&two, "public"), before);

    // Where the server keeps its identity, the ledger has one.
    let hidden = "CREATE ROLE planner LOGIN; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; \
                  GRANT ALL ON ALL TABLES IN SCHEMA public TO planner; \
                  GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO planner";
    let shown = "GRANT USAGE ON SCHEMA oauthctl TO planner; GRANT ALL ON ALL TABLES IN SCHEMA oauthctl TO planner; \
                 GRANT ALL ON ALL SEQUENCES IN SCHEMA oauthctl TO planner";
    one.execute(hidden);
    two.execute(hidden);
    let mut sandbox = Sandbox::with(&one);
    sandbox.write("oauth.toml", CREATES);
    sandbox.set("PGUSER", "planner");
    let weak = sandbox.oauthctl(&["plan", "--out", "weak.plan"]).exits(0);
    assert_snapshot!("weak_identity", weak.stderr);
    sandbox.command(&["migrate", "--ledger"]).env("PGUSER", "postgres").run().exits(0);
    one.execute(shown);
    let strong = sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    assert!(!strong.stderr.contains("identity"), "{strong}");
    elsewhere(&mut sandbox, "postgres");
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    two.execute(shown);
    sandbox.set("PGUSER", "planner");
    sandbox.oauthctl(&APPLY).exits(4);
    assert_eq!(everything(&two, "public"), before);

    // On its own server it is applied, by whichever role, and the weak one with a warning.
    for (name, value) in one.variables() {
        sandbox.set(name, value);
    }
    let output = sandbox.command(&APPLY).env("PGUSER", "planner").run().exits(0);
    assert!(output.stdout.contains("Applied: 1 created."), "{output}");
    one.execute(format!("DELETE FROM {APPLICATIONS}; DELETE FROM oauthctl.managed_application"));
    std::fs::remove_file(sandbox.path().join("secrets.json")).unwrap();
    one.execute("DELETE FROM oauthctl.identity");
    let output = sandbox
        .command(&["apply", "weak.plan", "--yes", "--secrets-out", "secrets.json"])
        .env("PGUSER", "planner")
        .run()
        .exits(0);
    assert!(output.stderr.contains("knows its server by address, name and oids only"), "{output}");
}

/// Live tokens would be deleted, and a reviewer does not look for an instant in a file of steps.
#[test]
fn an_instant_that_has_not_come_is_refused() {
    let (database, sandbox) = world();
    let before = everything(&database, "public");
    sandbox.oauthctl(&["plan", "--as-of", "2999-06-01T00:00:00Z", "--out", "saved.plan"]).exits(0);
    let output = sandbox.oauthctl(&APPLY).exits(4);
    assert!(
        output.stderr.contains("would delete what expires before 2999-06-01T00:00:00Z, which has not come"),
        "{output}"
    );
    assert_eq!(before, everything(&database, "public"));
}
