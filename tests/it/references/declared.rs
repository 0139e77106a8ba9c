//! Rows of the project's own that go or are changed because the file says so.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::super::support::rows::{application, everything, session};
use super::super::support::{Database, Sandbox};
use super::links::{EXPIRE, link, own, pretix};
use super::{ACCESS, refers, world};

const APPLICATION: &str = "oauth2_provider_application";

/// A file with these references, and a cleanup.
fn file(references: &str) -> String {
    format!("[cleanup]\nrefresh_token_expire = \"1h\"\n[cleanup.references]\n{references}\n")
}

/// As AWX has it: every token and every application is linked to entries of the activity stream.
#[test]
fn awx_keeps_its_activity_stream_and_loses_the_links() {
    let database = pretix();
    database.execute("CREATE TABLE stream (id bigint PRIMARY KEY, what text); INSERT INTO stream VALUES (1, 'created'), (2, 'used')");
    for (table, to) in [("stream_token", "accesstoken"), ("stream_application", "application")] {
        link(&database, table, to);
        database.execute(format!(
            "ALTER TABLE {table} DROP CONSTRAINT {table}_organizer;
             ALTER TABLE {table} ADD CONSTRAINT {table}_organizer FOREIGN KEY (organizer_id) REFERENCES stream DEFERRABLE INITIALLY DEFERRED"
        ));
    }
    let sandbox = Sandbox::with(&database);
    sandbox.oauthctl(&EXPIRE).exits(0);
    let left = "SELECT (SELECT count(*) FROM stream_token) || ' ' || (SELECT count(*) FROM stream_application) || ' ' || (SELECT count(*) FROM stream)";
    assert_eq!(database.value(left), "20 1 2");
    sandbox.write("oauth.toml", "[[removed]]\nclient_id = \"old\"\n");
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert_eq!(database.value(left), "0 0 2");
}

/// As `AllianceAuth` has it: audit rows are kept with `SET_NULL`, which the database does not know; states and groups are
/// linked to the application.
#[test]
fn allianceauth_keeps_its_audit_rows() {
    let (database, sandbox) = world();
    application(&database, 2, "stays", &json!({}));
    refers(&database, "issuedcodeaudit", APPLICATION, "DEFERRABLE INITIALLY DEFERRED", "1,1,2");
    refers(&database, "logoutattempt", ACCESS, "DEFERRABLE INITIALLY DEFERRED", "1,3");
    for table in ["states", "groups"] {
        link(&database, table, "application");
    }
    sandbox.write("oauth.toml", "[[removed]]\nclient_id = \"old\"\n");
    let before = everything(&database, "public");
    assert_snapshot!("allianceauth_refused", sandbox.oauthctl(&["plan"]).exits(3));
    sandbox.oauthctl(&["apply", "--yes"]).exits(3);
    assert_eq!(everything(&database, "public"), before);
    sandbox.write(
        "oauth.toml",
        "[[removed]]\nclient_id = \"old\"\n[cleanup.references]\n\"issuedcodeaudit.ref\" = \"null\"\n\"logoutattempt.ref\" = \"null\"\n",
    );
    // References alone switch no cleanup on.
    assert_snapshot!("allianceauth_applied", sandbox.oauthctl(&["apply", "--yes"]).exits(0));
    let audit = "SELECT string_agg(coalesce(ref::text, '-'), ',' ORDER BY id) FROM";
    assert_eq!(database.value(format!("{audit} issuedcodeaudit")), "-,-,2");
    assert_eq!(database.value(format!("{audit} logoutattempt")), "-,-");
    assert_eq!(database.value("SELECT string_agg(source_id::text, ',') FROM states"), "2");
}

/// A device of each token, its sessions, and their entries in a log: `CASCADE` three levels deep; a note about an entry is
/// kept. Everything is checked at once, so the order matters.
fn chain(database: &Database, action: &str) {
    database.execute(format!(
        "CREATE TABLE device (id bigint PRIMARY KEY, token_id bigint NOT NULL REFERENCES {ACCESS} {action});
         CREATE TABLE sitting (id bigint PRIMARY KEY, device_id bigint NOT NULL REFERENCES device {action});
         CREATE TABLE entry (id bigint PRIMARY KEY, sitting_id bigint NOT NULL REFERENCES sitting {action});
         CREATE TABLE note (id bigint PRIMARY KEY, entry_id bigint REFERENCES entry {action});
         CREATE INDEX ON device (token_id); CREATE INDEX ON sitting (device_id); CREATE INDEX ON entry (sitting_id);
         INSERT INTO device SELECT 10 * id + n, id FROM {ACCESS}, generate_series(1, 2) n;
         INSERT INTO sitting SELECT 10 * id + n, id FROM device, generate_series(1, 2) n;
         INSERT INTO entry SELECT id, id FROM sitting;
         INSERT INTO note SELECT id, id FROM entry"
    ));
}

const CHAIN: &str = "\"device.token_id\" = \"delete\"\n\"sitting.device_id\" = \"delete\"\n\"entry.sitting_id\" = \"delete\"\n\"note.entry_id\" = \"null\"";

#[test]
fn a_chain_is_followed_to_its_end() {
    for action in ["DEFERRABLE INITIALLY DEFERRED", "", "ON DELETE RESTRICT"] {
        let ways: [&[&str]; 3] = [&[], &["--batch-size", "1"], &["--exclude-client", "none"]];
        for way in ways {
            let (database, sandbox) = world();
            application(&database, 2, "none", &json!({}));
            chain(&database, action);
            sandbox.write("oauth.toml", file(CHAIN));
            let dry = sandbox.oauthctl(&["cleartokens", "--dry-run", "--format", "json"]).exits(0);
            let dry: Value = serde_json::from_str(&dry.stdout).unwrap();
            let done = sandbox.oauthctl(&[&["cleartokens", "--format", "json"], way].concat()).exits(0);
            let done: Value = serde_json::from_str(&done.stdout).unwrap();
            assert_eq!(done["run"]["others"], dry["others"], "{action} {way:?}");
            let rows: Vec<u64> =
                dry["others"].as_array().unwrap().iter().map(|rows| rows["rows"].as_u64().unwrap()).collect();
            assert_eq!(rows, [4, 8, 8, 8], "{dry}");
            let left = "SELECT (SELECT string_agg(id::text, ',' ORDER BY id) FROM device) || ' ' || (SELECT count(*) FROM sitting) || ' '
                || (SELECT count(*) FROM entry) || ' ' || (SELECT count(*) || ',' || count(entry_id) FROM note)";
            assert_eq!(database.value(left), "31,32 4 4 12,4", "{action} {way:?}");
        }
    }
}

/// What is deleted along may be referred to as well: by default that is refused, and named.
#[test]
fn rows_at_the_end_of_a_chain_are_refused_by_default() {
    let (database, sandbox) = world();
    chain(&database, "DEFERRABLE INITIALLY DEFERRED");
    sandbox.write("oauth.toml", file("\"device.token_id\" = \"delete\"\n\"sitting.device_id\" = \"delete\""));
    let before = everything(&database, "public");
    let as_of = ["cleartokens", "--as-of", "2026-01-02T03:04:05Z"];
    assert_snapshot!("chain_refused", sandbox.oauthctl(&as_of).exits(3));
    let doctor = sandbox.oauthctl(&["doctor", "--for", "cleartokens", "--format", "json"]).exits(1);
    let doctor: Value = serde_json::from_str(&doctor.stdout).unwrap();
    let findings: Vec<&Value> = doctor["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["check"] == "references")
        .collect();
    let found = |text: &str| {
        findings.iter().find(|finding| finding["found"].as_str().unwrap().contains(text)).unwrap()
    };
    found("8 rows of public.entry (sitting_id) refer to rows of public.sitting that would be deleted along");
    let lines: Vec<&str> = found("no entry in")["remedies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|remedy| remedy["text"].as_str().unwrap())
        .collect();
    let block =
        "[cleanup.references]\n\"entry.sitting_id\" = \"refuse\"   # or \"delete\", if on_delete is CASCADE";
    assert_eq!(lines, [block]);
    sandbox.write(
        "oauth.toml",
        format!("[[removed]]\nclient_id = \"old\"\n{}", file("\"device.token_id\" = \"delete\"")),
    );
    let plan = sandbox.oauthctl(&["plan"]).exits(3);
    assert!(plan.stderr.contains("public.sitting refers to it"), "{plan}");
    assert_eq!(everything(&database, "public"), before);
}

/// An application with a chain behind its tokens.
#[test]
fn an_application_goes_with_the_chain_of_its_tokens() {
    let (database, sandbox) = world();
    application(&database, 2, "stays", &json!({}));
    session(&database, 4, 2, "2024-01-02T00:00:00Z");
    chain(&database, "");
    sandbox.write("oauth.toml", format!("[[removed]]\nclient_id = \"old\"\n[cleanup.references]\n{CHAIN}\n"));
    let plan = sandbox.oauthctl(&["plan", "--format", "json"]).exits(0);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let done = sandbox.oauthctl(&["apply", "--yes", "--format", "json"]).exits(0);
    let done: Value = serde_json::from_str(&done.stdout).unwrap();
    let sorted = |value: &Value| {
        let mut rows: Vec<String> = value.as_array().unwrap().iter().map(ToString::to_string).collect();
        rows.sort();
        rows
    };
    assert_eq!(sorted(&plan["steps"][0]["others"]), sorted(&done["outcome"]["applied"]["others"]));
    let left = "SELECT (SELECT string_agg(id::text, ',' ORDER BY id) FROM device) || ' ' || (SELECT count(*) FROM entry) || ' ' || (SELECT count(entry_id) FROM note)";
    assert_eq!(database.value(left), "41,42 4 4");
}

/// A row that refers twice, a table that refers to itself, a foreign key to another column than the key, a schema, and names
/// that SQL has to quote.
#[test]
fn unusual_references() {
    let (database, sandbox) = world();
    database.execute(format!(
        "CREATE SCHEMA site;
         CREATE TABLE site.\"Odd \"\"Table\" (id bigint PRIMARY KEY, \"the Token\" bigint REFERENCES {ACCESS}, other_id bigint REFERENCES {ACCESS},
             parent_id bigint REFERENCES site.\"Odd \"\"Table\");
         INSERT INTO site.\"Odd \"\"Table\" VALUES (1, 1, 2, NULL), (2, 3, 1, 1), (3, 2, NULL, 1), (4, NULL, NULL, 3);
         CREATE TABLE of_client (client text REFERENCES {APPLICATION} (client_id), id int);
         INSERT INTO of_client VALUES ('old', 1)"
    ));
    sandbox.write(
        "oauth.toml",
        file(
            r#""site.Odd \"Table.the Token" = "null"
'site.Odd "Table.other_id' = "null"
"of_client.client" = "delete""#,
        ),
    );
    sandbox.oauthctl(&["cleartokens"]).exits(0);
    let rows = "SELECT string_agg(concat_ws('/', id, coalesce(\"the Token\"::text, '-'), coalesce(other_id::text, '-')), ' ' ORDER BY id) FROM site.\"Odd \"\"Table\"";
    assert_eq!(database.value(rows), "1/-/- 2/3/- 3/-/- 4/-/-");
    sandbox.write(
        "oauth.toml",
        "[[removed]]\nclient_id = \"old\"\n[cleanup.references]\n\"of_client.client\" = \"delete\"\n'site.Odd \"Table.the Token' = \"delete\"\n'site.Odd \"Table.parent_id' = \"null\"\n",
    );
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert_eq!(database.value(rows), "1/-/- 3/-/- 4/-/-");
    assert_eq!(database.value("SELECT count(*) FROM of_client"), "0");
}

/// With triggers switched off, only what is verified: link rows and the like. A chain, and what PostgreSQL resolves, is
/// refused by name; a rewrite refuses them all.
#[test]
fn the_fast_ways_take_what_they_can_verify() {
    const SET: [&str; 4] = ["--fk-checks", "set", "--allow", "fk-checks=set"];
    let (database, sandbox) = world();
    refers(&database, "audit", ACCESS, "DEFERRABLE INITIALLY DEFERRED", "1,2,3");
    sandbox.write("oauth.toml", file("\"audit.ref\" = \"null\""));
    let set = [&["cleartokens"][..], &SET].concat();
    let rewrite = sandbox.oauthctl(&["cleartokens", "--strategy", "rewrite", "--allow", "rewrite"]).exits(3);
    assert!(rewrite.stderr.contains("public.audit is not one of DOT's tables"), "{rewrite}");
    database.execute("CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER mine BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION nothing()");
    let trigger = sandbox.oauthctl(&set).exits(3);
    assert!(trigger.stderr.contains("trigger mine on audit"), "{trigger}");
    database.execute("DROP TRIGGER mine ON audit; CREATE TABLE remark (audit_id int REFERENCES audit)");
    sandbox.oauthctl(&set).exits(0);
    assert_eq!(
        database.value("SELECT string_agg(coalesce(ref::text, '-'), ',' ORDER BY id) FROM audit"),
        "-,-,3"
    );
    let (database, sandbox) = world();
    chain(&database, "");
    sandbox.write("oauth.toml", file(CHAIN));
    let refused = sandbox.oauthctl(&set).exits(3);
    assert!(refused.stderr.contains("public.device is not one of DOT's tables"), "{refused}");
}

/// The declaration is part of a saved plan: with another one it is stale.
#[test]
fn a_saved_plan_holds_the_declaration() {
    let (database, sandbox) = world();
    refers(&database, "audit", APPLICATION, "", "1");
    let declared = |rule: &str| {
        format!("[[removed]]\nclient_id = \"old\"\n[cleanup.references]\n\"audit.ref\" = \"{rule}\"\n")
    };
    sandbox.write("oauth.toml", declared("null"));
    sandbox.oauthctl(&["plan", "--out", "saved.plan"]).exits(0);
    sandbox.write("oauth.toml", declared("delete"));
    let stale = sandbox.oauthctl(&["apply", "saved.plan", "--yes"]);
    assert!(stale.stderr.contains("oauth.toml is not the one"), "{stale}");
    assert_eq!(database.value("SELECT count(*) FROM audit"), "1");
    sandbox.write("oauth.toml", declared("null"));
    sandbox.oauthctl(&["apply", "saved.plan", "--yes"]).exits(0);
    assert_eq!(database.value("SELECT count(*) || ' ' || count(ref) FROM audit"), "1 0");
    assert!(!own(&database).contains("\"old\""));
}

/// Rows that the file itself keeps: the line that it has is not suggested to it.
#[test]
fn what_is_declared_as_refused_is_not_suggested_again() {
    let (database, sandbox) = world();
    refers(&database, "audit", APPLICATION, "", "1");
    refers(&database, "site", ACCESS, "", "1");
    let declared = "[[removed]]\nclient_id = \"old\"\n[cleanup]\nrefresh_token_expire = \"1h\"\n";
    sandbox.write("oauth.toml", declared);
    assert_snapshot!("not_declared", sandbox.oauthctl(&["plan", "--as-of", "2026-01-02T03:04:05Z"]).exits(3));
    let lines = "[cleanup.references]\n\"audit.ref\" = \"refuse\"\n\"site.ref\" = \"refuse\"\n";
    sandbox.write("oauth.toml", format!("{declared}{lines}"));
    assert_snapshot!(
        "declared_as_refused",
        sandbox.oauthctl(&["plan", "--as-of", "2026-01-02T03:04:05Z"]).exits(3)
    );
    let refused = sandbox.oauthctl(&["cleartokens"]).exits(3);
    assert!(refused.stderr.contains("site.ref is declared as \"refuse\""), "{refused}");
    assert!(!refused.stderr.contains("[cleanup.references]"), "{refused}");
}

/// A column becomes NULL, or its row goes, although PostgreSQL would do something else.
#[test]
fn a_declaration_wins_over_postgresql() {
    for (action, rule, left) in [
        ("ON DELETE CASCADE", "null", "-,-,3"),
        ("ON DELETE SET NULL", "delete", "3"),
        ("ON DELETE CASCADE", "refuse", "1,2,3"),
    ] {
        let (database, sandbox) = world();
        refers(&database, "site", ACCESS, action, "1,2,3");
        let flag = format!("site.ref={rule}");
        let output = sandbox.oauthctl(&[&EXPIRE[..], &["--reference", &flag]].concat());
        output.exits(if rule == "refuse" { 3 } else { 0 });
        let refs = "SELECT string_agg(coalesce(ref::text, '-'), ',' ORDER BY id) FROM site";
        assert_eq!(database.value(refs), left, "{action} {rule}");
    }
}
