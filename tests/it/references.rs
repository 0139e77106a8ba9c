//! Rows of other tables that refer to DOT's: PostgreSQL refuses, deletes or changes them, and every verb says the same.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::support::rows::{application, everything, session, user};
use super::support::{Database, Sandbox, Template};

const CLEANUP: &str = "[cleanup]\nrefresh_token_expire = \"1h\"\n";

/// Application 1 `old` with sessions 1 and 2 that expired long ago and 3 that lives.
fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "ada");
    application(&database, 1, "old", &json!({}));
    for id in [1, 2] {
        session(&database, id, 1, "2024-01-02T00:00:00Z");
    }
    session(&database, 3, 1, "2124-01-02T00:00:00Z");
    let sandbox = Sandbox::with(&database);
    (database, sandbox)
}

/// A table of the project's own with a row for each of these keys.
fn refers(database: &Database, table: &str, to: &str, action: &str, keys: &str) {
    database.execute(format!(
        "CREATE TABLE {table} (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ref bigint {}
             CONSTRAINT {table}_fk REFERENCES {to} {action});
         INSERT INTO {table} (ref) SELECT unnest('{{{keys}}}'::bigint[])",
        if action.contains("DEFAULT") { "DEFAULT 3" } else { "" },
    ));
}

const ACCESS: &str = "oauth2_provider_accesstoken";

/// What PostgreSQL resolves is in nobody's way, and afterwards is as PostgreSQL leaves it.
#[test]
fn what_postgresql_resolves_is_let_through_by_every_verb() {
    let actions = [
        ("ON DELETE CASCADE", "3"),
        ("ON DELETE SET NULL", "-,-,3"),
        ("ON DELETE SET DEFAULT", "3,3,3"),
        ("ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED", "3"),
    ];
    for (action, left) in actions {
        let (database, sandbox) = world();
        refers(&database, "site", ACCESS, action, "1,2,3");
        sandbox.write("oauth.toml", CLEANUP);
        let doctor = sandbox.oauthctl(&["doctor", "--for", "cleartokens", "--format", "json"]);
        assert!(!doctor.stdout.contains("would delete"), "{action}: {doctor}");
        let plan = sandbox.oauthctl(&["plan"]).exits(0);
        assert_eq!(plan.stderr, "", "{action}: {plan}");
        let dry = sandbox.oauthctl(&["cleartokens", "--dry-run"]).exits(0);
        assert_eq!(dry.stderr, "", "{action}: {dry}");
        let copy = database.copy();
        sandbox.oauthctl(&["cleartokens", "-q"]).exits(0);
        let of_copy = Sandbox::with(&copy);
        of_copy.write("oauth.toml", CLEANUP);
        of_copy.oauthctl(&["apply", "--yes", "-q"]).exits(0);
        for database in [&database, &copy] {
            let refs = "SELECT string_agg(coalesce(ref::text, '-'), ',' ORDER BY id) FROM site";
            assert_eq!(database.value(refs), left, "{action}");
            assert_eq!(database.value(format!("SELECT count(*) FROM {ACCESS}")), "1", "{action}");
        }
    }
}

/// What PostgreSQL refuses is refused by every verb before anything is written; `SET NULL` on a column that takes none is.
#[test]
fn what_postgresql_refuses_is_refused_by_every_verb() {
    for action in
        ["ON DELETE NO ACTION", "ON DELETE RESTRICT", "DEFERRABLE INITIALLY DEFERRED", "ON DELETE SET NULL"]
    {
        let (database, sandbox) = world();
        refers(&database, "site", ACCESS, action, "1,2,3");
        if action == "ON DELETE SET NULL" {
            database.execute("ALTER TABLE site ALTER ref SET NOT NULL");
        }
        sandbox.write("oauth.toml", CLEANUP);
        let before = everything(&database, "public");
        let doctor = sandbox.oauthctl(&["doctor", "--for", "cleartokens"]).exits(1);
        assert!(doctor.stdout.contains("2 rows of public.site (ref)"), "{action}: {doctor}");
        for (verb, code) in [
            (&["plan"][..], 3),
            (&["apply", "--yes"], 3),
            (&["cleartokens", "--dry-run"], 0),
            (&["cleartokens"], 3),
        ] {
            let output = sandbox.oauthctl(verb).exits(code);
            assert!(output.stderr.contains("2 rows of public.site"), "{action}: {output}");
        }
        assert_eq!(before, everything(&database, "public"), "{action}");
    }
}

const REMOVED: &str = "[[removed]]\nclient_id = \"old\"\n";

/// Rows that go or are changed with an application: in the plan, in its JSON, and once it is done.
#[test]
fn what_goes_with_an_application_is_counted_and_named() {
    let (database, sandbox) = world();
    refers(&database, "consent", "oauth2_provider_application", "ON DELETE CASCADE", "1,1");
    refers(&database, "site", ACCESS, "ON DELETE SET NULL", "1,2,3");
    refers(&database, "scope_of", "oauth2_provider_grant", "ON DELETE CASCADE", "");
    sandbox.write("oauth.toml", REMOVED);
    assert_snapshot!("goes_along_plan", sandbox.oauthctl(&["plan"]).exits(0));
    let plan = sandbox.oauthctl(&["plan", "--format", "markdown"]).exits(0);
    assert!(plan.stdout.contains("deletes 2 rows of public.consent"), "{plan}");
    let json = sandbox.oauthctl(&["plan", "--format", "json"]).exits(0);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let others = json!([
        { "table": "public.consent", "column": "ref", "constraint": "consent_fk", "on_delete": "cascade", "rows": 2 },
        { "table": "public.site", "column": "ref", "constraint": "site_fk", "on_delete": "set_null", "rows": 3 },
    ]);
    assert_eq!(json["steps"][0]["others"], others);
    let copy = database.copy();
    assert_snapshot!("goes_along_apply", sandbox.oauthctl(&["apply", "--yes"]).exits(0));
    let left =
        "SELECT (SELECT count(*) FROM consent) || ' ' || (SELECT count(*) FROM site WHERE ref IS NULL)";
    assert_eq!(database.value(left), "0 3");
    let of_copy = Sandbox::with(&copy);
    of_copy.write("oauth.toml", REMOVED);
    let done = of_copy.oauthctl(&["apply", "--yes", "--format", "json"]).exits(0);
    let done: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(done["outcome"]["applied"]["others"], others);
}

/// A saved plan holds no counts: they change with every row of the project's.
#[test]
fn a_saved_plan_does_not_go_stale_by_rows_that_go_along() {
    let (database, sandbox) = world();
    refers(&database, "consent", "oauth2_provider_application", "ON DELETE CASCADE", "1");
    sandbox.write("oauth.toml", REMOVED);
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    database.execute("INSERT INTO consent (ref) VALUES (1)");
    let applied = sandbox.oauthctl(&["apply", "saved.plan", "--yes"]).exits(0);
    assert!(applied.stdout.contains("2 rows of public.consent: deleted with it"), "{applied}");
}

/// They stay in the way of what looks at references itself, or at none.
#[test]
fn the_fast_ways_refuse_them_all() {
    let (database, sandbox) = world();
    refers(&database, "site", ACCESS, "ON DELETE CASCADE", "1,2,3");
    let expire = ["cleartokens", "--refresh-token-expire", "1h"];
    for way in
        [["--fk-checks", "set", "--allow", "fk-checks=set"], ["--strategy", "rewrite", "--allow", "rewrite"]]
    {
        let output = sandbox.oauthctl(&[&expire[..], &way].concat()).exits(3);
        assert!(output.stderr.contains("public.site"), "{output}");
    }
}
