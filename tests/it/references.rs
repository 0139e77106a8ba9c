//! Rows of other tables that refer to DOT's: PostgreSQL refuses, deletes or changes them, and every verb says the same.

mod declared;
mod links;
mod wrong;

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
        { "table": "public.consent", "column": "ref", "constraint": "consent_fk", "on_delete": "cascade",
          "treatment": "on_delete", "rows": 2 },
        { "table": "public.site", "column": "ref", "constraint": "site_fk", "on_delete": "set_null",
          "treatment": "on_delete", "rows": 3 },
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

/// What `doctor` and a refusal print selects exactly the rows that were counted, however the policy is.
#[test]
fn the_printed_statement_selects_what_was_counted() {
    let policies = [
        "refresh_token_expire = \"30d\"",
        "refresh_token_expire = \"30d\"\nexclude_clients = [\"o'ld\"]",
        "refresh_token_expire = \"30d\"\nskip = [\"access\"]",
        "refresh_token_expire = \"1h\"\nrefresh_token_grace_period = \"1d\"\ndcr_applications = { min_age = \"7d\" }",
    ];
    for policy in policies {
        let (database, sandbox) = world();
        application(&database, 2, "o'ld", &json!({}));
        application(&database, 3, "unused", &json!({ "registration_source": "dcr" }));
        // Expired yesterday, but still to be refreshed; and of another application.
        let yesterday = database.value("SELECT to_json(now() - interval '1 day') #>> '{}'");
        for id in [4, 5, 6] {
            session(&database, id, 1, &yesterday);
        }
        session(&database, 7, 2, "2024-01-02T00:00:00Z");
        database.execute(
            "UPDATE oauth2_provider_refreshtoken SET revoked = now() - interval '2 days' WHERE id = 6",
        );
        let tables = ["accesstoken", "refreshtoken", "idtoken", "grant", "application"];
        for table in tables {
            let to = format!("oauth2_provider_{table}");
            let keys = database.value(format!("SELECT coalesce(string_agg(id::text, ','), '') FROM {to}"));
            refers(&database, &format!("of_{table}"), &to, "DEFERRABLE INITIALLY DEFERRED", &keys);
        }
        sandbox.write("oauth.toml", format!("[cleanup]\n{policy}\n"));
        let counted = |output: &str, table: &str| -> Option<String> {
            let line = output.lines().find(|line| line.contains(&format!("of public.of_{table} ")))?;
            let found = regex::Regex::new(&format!(r"(\d+) rows? of public\.of_{table} ")).unwrap();
            Some(found.captures(line)?[1].to_owned())
        };
        let doctor = sandbox.oauthctl(&["doctor", "--format", "json"]).exits(1);
        let doctor: Value = serde_json::from_slice(&doctor.raw_stdout).unwrap();
        let refused = sandbox.oauthctl(&["cleartokens"]).exits(3);
        let refused = String::from_utf8_lossy(&refused.raw_stderr).into_owned();
        let mut printed = 0;
        for finding in doctor["findings"].as_array().unwrap() {
            let found = finding["found"].as_str().unwrap();
            let Some(table) = tables.iter().find(|table| counted(found, table).is_some()) else { continue };
            let select = finding["remedies"][0]["text"].as_str().unwrap();
            let rows = database.rows(select).len().to_string();
            assert_eq!(counted(found, table), Some(rows.clone()), "{policy}: {found}\n{select}");
            assert_eq!(counted(&refused, table), Some(rows.clone()), "{policy}: {refused}");
            let hint = refused.lines().find_map(|line| {
                let statement = &line[line.find("SELECT f.*")?..];
                statement.contains(&format!("FROM public.of_{table} f")).then_some(statement)
            });
            assert_eq!(database.rows(hint.unwrap()).len().to_string(), rows, "{policy}: {refused}");
            printed += 1;
        }
        assert!(printed > 0, "{policy}");
    }
}

/// The report that this comes from: ten expired tokens, six of which can still be refreshed.
#[test]
fn refreshable_tokens_are_not_selected() {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "ada");
    application(&database, 1, "web", &json!({}));
    let yesterday = database.value("SELECT to_json(now() - interval '1 day') #>> '{}'");
    (1..=10).for_each(|id| session(&database, id, 1, &yesterday));
    database.execute("DELETE FROM oauth2_provider_refreshtoken WHERE id > 6");
    refers(&database, "site", ACCESS, "DEFERRABLE INITIALLY DEFERRED", "1,2,3,4,5,6,7,8,9,10");
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", "[cleanup]\nrefresh_token_expire = \"30d\"\n");
    let doctor = sandbox.oauthctl(&["doctor", "--for", "cleartokens", "--format", "json"]).exits(1);
    let doctor: Value = serde_json::from_slice(&doctor.raw_stdout).unwrap();
    let finding = doctor["findings"].as_array().unwrap().iter().find(|f| f["check"] == "references").unwrap();
    assert!(finding["found"].as_str().unwrap().starts_with("4 rows of public.site"), "{finding}");
    let select = finding["remedies"][0]["text"].as_str().unwrap();
    let ids: Vec<String> =
        database.rows(select).into_iter().map(|row| row[1].clone().unwrap_or_default()).collect();
    assert_eq!(ids, ["7", "8", "9", "10"]);
    // Followed, it is the way out.
    let delete = select.replace("SELECT f.* FROM public.site f WHERE", "DELETE FROM public.site f WHERE");
    database.execute(delete);
    sandbox.oauthctl(&["cleartokens", "-q"]).exits(0);
    assert_eq!(database.value("SELECT count(*) FROM site"), "6");
}
