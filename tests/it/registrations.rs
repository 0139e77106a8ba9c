//! Applications that registered themselves by something that leaves DOT's `registration_source` at `manual`.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::support::rows::application;
use super::support::sandbox::Output;
use super::support::{Database, Sandbox, Template};

const DYNAMIC: &str = "[policy]\nprune = \"all\"\nmax_deletes = \"100%\"\n\
    dynamic = [{ column = \"is_dcr_client\", value = true }, { column = \"kind\", value = \"it\\\\'s\" }]\n";

const WEB: &str = "[applications.web]\nname = \"\"\n";

/// Six applications: one that people made, one that DOT registered, three that one column marks, and one that another
/// column marks.
fn world(template: Template) -> (Database, Sandbox) {
    let database = Database::create(template);
    for (id, client_id) in (1..).zip(["web", "by-dot", "reg-1", "reg-2", "reg-3", "odd"]) {
        let source = if client_id == "by-dot" { "dcr" } else { "manual" };
        application(&database, id, client_id, &json!({ "registration_source": source }));
    }
    database.execute(
        "ALTER TABLE oauth2_provider_application ADD is_dcr_client boolean, ADD kind text, ADD note jsonb, \
         ADD shop_secret text; \
         UPDATE oauth2_provider_application SET is_dcr_client = true WHERE client_id LIKE 'reg-%'; \
         UPDATE oauth2_provider_application SET kind = E'it\\\\''s' WHERE client_id = 'odd'",
    );
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", format!("{WEB}{DYNAMIC}"));
    (database, sandbox)
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output}"))
}

#[test]
fn they_are_counted_as_registered_and_stay() {
    let (database, sandbox) = world(Template::Dot341);
    let plan = sandbox.oauthctl(&["plan"]).exits(0);
    assert_snapshot!("plan", plan.stdout);
    assert_eq!(json_of(&sandbox.oauthctl(&["plan", "--format", "json"]))["dynamic"], 5);
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert_eq!(database.value("SELECT count(*) FROM oauth2_provider_application"), "6");

    assert_snapshot!("list", sandbox.oauthctl(&["list", "--no-tokens"]));
    let listed = json_of(&sandbox.oauthctl(&["list", "--registration-source", "dcr", "--format", "json"]));
    let of =
        |row: &Value| (row["client_id"].clone(), row["registration_source"].clone(), row["marked"].clone());
    let rows: Vec<_> = listed["applications"].as_array().unwrap().iter().map(of).collect();
    let row = |id: &str, marked: bool| (json!(id), json!("dcr"), json!(marked));
    let registered = [("by-dot", false), ("odd", true), ("reg-1", true), ("reg-2", true), ("reg-3", true)];
    assert_eq!(rows, registered.map(|(id, marked)| row(id, marked)));
    let show = sandbox.oauthctl(&["show", "odd"]).exits(0);
    let line = show.stdout.lines().find(|line| line.contains("registration_source")).unwrap();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>().join(" "),
        "registration_source dcr, by [policy] dynamic; DOT notes manual"
    );

    sandbox.oauthctl(&["import", "--all"]).exits(0);
    assert!(!sandbox.read("oauth.toml").contains("reg-1"), "{}", sandbox.read("oauth.toml"));

    // Without the setting all of them are taken for applications that people made.
    sandbox.write("oauth.toml", format!("{WEB}[policy]\nprune = \"all\"\nmax_deletes = \"100%\"\n"));
    assert!(sandbox.oauthctl(&["plan"]).stdout.contains("4 to delete"));
}

/// Also where DOT has no column for it; `max_age` spares what a regular run would have deleted before.
#[test]
fn unused_ones_are_cleaned_up() {
    for template in [Template::Dot341, Template::Dot150] {
        let (database, sandbox) = world(template);
        let ages = "UPDATE oauth2_provider_application SET created = now() - age, updated = now() - age \
                    FROM (VALUES ('reg-1', interval '1 day'), ('reg-2', '10 days'), ('reg-3', '90 days'), \
                    ('odd', '90 days')) a(client, age) WHERE client_id = client";
        database.execute(ages);
        let cleanup = |more: &str| {
            format!(
                "{WEB}{DYNAMIC}[cleanup]\nrefresh_token_expire = \"14d\"\n\
                     dcr_applications = {{ min_age = \"7d\", max_age = \"30d\"{more} }}\n"
            )
        };
        sandbox.write("oauth.toml", cleanup(", dormant = true"));
        let plan = json_of(&sandbox.oauthctl(&["plan", "--format", "json"]));
        let by_dot = u64::from(template == Template::Dot341);
        assert_eq!(plan["cleanup"]["rows"]["dcr"], 3 + by_dot);
        assert_eq!(plan["cleanup"]["spared_by_max_age"], Value::Null);
        sandbox.write("oauth.toml", cleanup(""));
        let plan = json_of(&sandbox.oauthctl(&["plan", "--format", "json"]));
        assert_eq!(
            (&plan["cleanup"]["rows"]["dcr"], &plan["cleanup"]["spared_by_max_age"]),
            (&json!(1), &json!(2 + by_dot))
        );
        if template == Template::Dot341 {
            insta::with_settings!({ filters => [(r"as of \S+", "as of [now]")] }, {
                assert_snapshot!("spared", sandbox.oauthctl(&["plan"]).stdout);
                assert_snapshot!("spared_dry_run", sandbox.oauthctl(&["cleartokens", "--dry-run"]).stdout);
            });
        }
        let ages = ["cleartokens", "--dry-run", "--format", "json", "--dcr-applications"];
        let counted = |range| {
            let counted = json_of(&sandbox.oauthctl(&[&ages[..], &[range]].concat()));
            (counted["to_delete"]["dcr"].clone(), counted["spared_by_max_age"].clone())
        };
        assert_eq!(counted("7d..30d"), (json!(1), json!(2 + by_dot)));
        assert_eq!(counted("1h"), (json!(4 + by_dot), Value::Null));
        assert_eq!(counted("0"), (json!(0), Value::Null));
        if template == Template::Dot150 {
            sandbox.write("oauth.toml", WEB);
            let unknown =
                sandbox.oauthctl(&["cleartokens", "--dry-run", "--dcr-applications", "7d"]).exits(0);
            assert!(unknown.stderr.contains("name it: dynamic = {"), "{unknown}");
            sandbox.write("oauth.toml", cleanup(""));
        }
        sandbox.oauthctl(&["cleartokens"]).exits(0);
        let left = "SELECT count(*) FROM oauth2_provider_application WHERE client_id = 'reg-2'";
        assert_eq!(database.value(left), "0");
        assert_eq!(database.value("SELECT count(*) FROM oauth2_provider_application"), "5");
    }
}

#[test]
fn ages_that_are_none() {
    let sandbox = Sandbox::new();
    let mut told = String::new();
    for ages in ["7d..7d", "30d..7d", "0..7d", "7d..", "..7d", "7d..x", "7d...30d"] {
        let output = sandbox.oauthctl(&["cleartokens", "--dcr-applications", ages]).exits(64);
        told += output.stderr.lines().next().unwrap_or_default();
        told.push('\n');
    }
    assert_snapshot!("ages", told);
}

/// What a database does not have is said at its line, before anything is written, by each verb.
#[test]
fn columns_that_are_not_there() {
    let (_database, sandbox) = world(Template::Dot341);
    sandbox.write(
        "oauth.toml",
        "[applications.new]\nclient_type = \"public\"\nauthorization_grant_type = \"client-credentials\"\n\
         [policy]\ndynamic = [\n  { column = \"is_dcr_clients\", value = true },\n  { column = \"is_dcr_client\", value = 1 },\n  \
         { column = \"kind\", value = true },\n  { column = \"note\", value = \"x\" },\n  \
         { column = \"shop_secret\", value = \"x\" },\n  { column = \"Kind\", value = \"x\" },\n]\n",
    );
    assert_snapshot!("wrong", sandbox.oauthctl(&["plan"]).exits(64));
    for verb in [&["apply", "--yes"][..], &["list"], &["cleartokens"], &["status"], &["import", "--all"]] {
        sandbox.oauthctl(verb).exits(64);
    }
    let doctor = sandbox.oauthctl(&["doctor", "--for", "plan"]).exits(1);
    assert!(doctor.stdout.contains("is_dcr_clients"), "{doctor}");
}

/// What doctor says is what helps: the block in the file, or the statement.
#[test]
fn doctor_prints_the_block_and_the_statement() {
    let (database, sandbox) = world(Template::Dot341);
    database.execute(
        "ALTER TABLE oauth2_provider_application ADD \"Is_CIMD_client\" boolean NOT NULL DEFAULT false; \
         UPDATE oauth2_provider_application SET \"Is_CIMD_client\" = true WHERE client_id = 'odd'",
    );
    sandbox.write("oauth.toml", WEB);
    let report = |sandbox: &Sandbox| {
        let doctor = sandbox.oauthctl(&["doctor", "--for", "plan"]);
        let from =
            doctor.stdout.find("registration").map_or(doctor.stdout.len(), |at| at - "problem  ".len());
        doctor.stdout[from..]
            .lines()
            .take_while(|line| !line.contains("privileges"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let told = report(&sandbox);
    assert_snapshot!("doctor", told);
    let block: Vec<&str> =
        told.lines().skip_while(|line| line.trim() != "[policy]").take(2).map(str::trim).collect();
    sandbox.write("oauth.toml", format!("{WEB}{}\n", block.join("\n")));
    let told_then = report(&sandbox);
    assert!(told_then.starts_with("ok       registration"), "{told_then}");
    sandbox.write("oauth.toml", WEB);
    database.execute(told.lines().find(|line| line.trim().starts_with("UPDATE")).unwrap());
    assert_eq!(json_of(&sandbox.oauthctl(&["plan", "--format", "json"]))["dynamic"], 4);
}
