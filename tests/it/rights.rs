//! Privileges: what a verb lacks is named before anything is written, what is named is enough, and `doctor` agrees.

mod reading;
mod roles;
mod without_secrets;

use serde_json::json;

use super::support::rows::{application, everything, session, user};
use super::support::sandbox::Output;
use super::support::{Database, Sandbox, Template};

/// Everything that `apply` can do: create, change, delete, clean up.
const FILE: &str = r#"
[applications.new]
client_type = "confidential"
authorization_grant_type = "client-credentials"
client_secret = { env = "NEW" }
user = { username = "ada" }
[applications.web]
name = "renamed"
[[removed]]
client_id = "old"
[cleanup]
refresh_token_expire = "1h"
"#;

const TOKENS: [&str; 4] = [
    "oauth2_provider_accesstoken",
    "oauth2_provider_refreshtoken",
    "oauth2_provider_idtoken",
    "oauth2_provider_grant",
];

struct World {
    database: Database,
    sandbox: Sandbox,
    role: String,
}

impl World {
    /// A role without any right, and rows for every verb.
    fn new(template: Template, ledger: bool) -> Self {
        let database = Database::create(template);
        user(&database, 1, "ada");
        for (id, client_id) in [(1, "web"), (2, "old")] {
            application(&database, id, client_id, &json!({}));
            session(&database, id, id, "2024-01-02T00:00:00Z");
        }
        // As if Django had made them.
        database.execute("SELECT setval(pg_get_serial_sequence('oauth2_provider_application', 'id'), 100)");
        let mut sandbox = Sandbox::with(&database);
        sandbox.write("oauth.toml", FILE);
        sandbox.set("NEW", "an-excellent-secret-of-enough-length");
        if ledger {
            sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
        }
        let role = format!("poor_{}", database.name());
        database.execute(format!("CREATE ROLE {role} LOGIN"));
        Self { database, sandbox, role }
    }

    /// The same on tables without rows.
    fn empty(template: Template) -> Self {
        let database = Database::create(template);
        let sandbox = Sandbox::with(&database);
        let role = format!("poor_{}", database.name());
        database.execute(format!("CREATE ROLE {role} LOGIN"));
        Self { database, sandbox, role }
    }

    fn grant(&self, what: &str) {
        self.database.execute(format!("GRANT {what} TO {}", self.role));
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.command(arguments).env("PGUSER", &self.role).run()
    }

    fn snapshot(&self) -> String {
        everything(&self.database, "public")
    }

    /// Types every GRANT of an output.
    fn type_grants(&self, output: &Output) -> usize {
        let grants = grants(output);
        for grant in &grants {
            self.database.execute(grant.as_str());
        }
        grants.len()
    }

    /// What `doctor` says about the role and a verb.
    fn doctor(&self, verb: &str) -> String {
        unwrapped(&self.sandbox.oauthctl(&["doctor", "--for", verb, "--role", &self.role]).stdout)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.database.execute(format!("DROP OWNED BY {0}; DROP ROLE {0}", self.role));
    }
}

/// A text without the line breaks of a terminal.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The statements of an output, as a person would copy them.
fn grants(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.raw_stderr).into_owned();
    let lines = text.lines().filter_map(|line| Some(&line[line.find("GRANT ")?..]));
    lines.map(str::to_owned).collect()
}

/// What is named is enough, for each verb, with and without a ledger; nothing is written before.
#[test]
fn each_verb_works_with_exactly_what_it_names() {
    let create =
        ["createapplication", "confidential", "client-credentials", "--client-id", "made", "--user", "1"];
    let rotate = ["rotate-secret", "web", "--yes", "--secrets-out", "secrets.json"];
    let verbs: [(&str, &[&str], i32); 5] = [
        ("plan", &["plan"], 1),
        ("apply", &["apply", "--yes"], 3),
        ("createapplication", &create, 3),
        ("rotate-secret", &rotate, 3),
        ("cleartokens", &["cleartokens"], 3),
    ];
    for ledger in [false, true] {
        for (verb, arguments, code) in verbs {
            let world = World::new(Template::Dot341, ledger);
            let before = world.snapshot();
            let mut rounds = 0;
            let worked = loop {
                let output = world.run(arguments);
                if output.code == Some(0) {
                    break output;
                }
                let output = output.exits(code);
                assert_eq!(before, world.snapshot(), "{verb}: {output}");
                assert!(world.doctor(verb).contains(&format!("For {verb}")), "{verb}: {output}");
                assert!(world.type_grants(&output) > 0, "{verb}: {output}");
                rounds += 1;
                // What is read is named first, what is written then.
                assert!(rounds <= 2, "{verb}: {output}");
            };
            assert!(rounds > 0, "{verb} needs something");
            if verb != "plan" {
                assert!(
                    world.doctor(verb).contains("has the privileges for"),
                    "{verb}: {}",
                    world.doctor(verb)
                );
            }
            let unnoted = worked.stderr.contains("ledger");
            assert_eq!(unnoted, ledger, "{verb}: {worked}");
            assert!(!worked.stderr.contains("failed"), "{verb}: {worked}");
        }
    }
}

/// Without the names and the instant of this run.
fn steady(world: &World, output: &Output) -> String {
    let text = output.to_string().replace(&format!("poor_{}", world.database.name()), "[role]");
    let text = text.replace("poor_[database]", "[role]");
    regex::Regex::new(r"as of \d{4}-[0-9T:.-]+Z").unwrap().replace_all(&text, "as of [instant]").into_owned()
}

/// A plan warns of what apply refuses; then that is enough for apply, too.
#[test]
fn a_plan_warns_of_what_apply_refuses() {
    let world = World::new(Template::Dot341, false);
    world.grant("SELECT, INSERT, UPDATE, DELETE ON oauth2_provider_application");
    world.grant("SELECT (id, username) ON auth_user");
    for table in TOKENS {
        world.grant(&format!("SELECT ON {table}"));
    }
    let before = world.snapshot();
    let plan = world.run(&["plan"]).exits(0);
    let apply = world.run(&["apply", "--yes"]).exits(3);
    assert_eq!(before, world.snapshot());
    assert_eq!(grants(&plan), grants(&apply), "{plan}{apply}");
    insta::assert_snapshot!("plan_warns", steady(&world, &plan));
    insta::assert_snapshot!("apply_refuses", steady(&world, &apply));
    world.type_grants(&plan);
    assert_eq!(world.run(&["plan"]).exits(0).stderr, "");
    world.run(&["apply", "--yes"]).exits(0);
}

/// Grants on columns are enough, without those that hold tokens.
#[test]
fn grants_on_columns_are_enough() {
    let world = World::new(Template::Dot341, false);
    world.grant("SELECT (id, client_id) ON oauth2_provider_application");
    world.grant("SELECT (id, expires, application_id, user_id, created, updated, scope, id_token_id, \
                 source_refresh_token_id), UPDATE (source_refresh_token_id), DELETE ON oauth2_provider_accesstoken");
    world.grant(
        "SELECT (id, revoked, application_id, user_id, created, updated, access_token_id), \
                 UPDATE (access_token_id), DELETE ON oauth2_provider_refreshtoken",
    );
    world.grant(
        "SELECT (id, expires, application_id, user_id, created, updated, scope), UPDATE (updated), DELETE \
                 ON oauth2_provider_idtoken",
    );
    world.grant(
        "SELECT (id, expires, application_id, user_id, created, updated, scope), UPDATE (updated), DELETE \
                 ON oauth2_provider_grant",
    );
    let output = world.run(&["cleartokens", "-q", "--exclude-client", "web"]).exits(0);
    assert_eq!(
        world.database.value("SELECT string_agg(id::text, ' ') FROM oauth2_provider_accesstoken"),
        "1"
    );
    assert_eq!(output.stderr, "", "{output}");
}

/// Who is to be left alone is looked up among the applications: not before it is known that they may be read.
#[test]
fn whoever_may_not_read_the_applications_is_told_what_to_grant() {
    let world = World::new(Template::Dot341, false);
    world.grant("ALL ON ALL TABLES IN SCHEMA public");
    world.database.execute(format!("REVOKE ALL ON oauth2_provider_application FROM {}", world.role));
    let file = |policy: &str| world.sandbox.write("oauth.toml", policy);
    file("[cleanup]\nrefresh_token_expire = \"1h\"\n");
    let lacks = "lacks SELECT";
    let by_flag = world.run(&["cleartokens", "--exclude-client", "web"]).exits(3);
    file("[cleanup]\nrefresh_token_expire = \"1h\"\nexclude_clients = [\"web\"]\n");
    let by_file = world.run(&["cleartokens"]).exits(3);
    for output in [by_flag, by_file] {
        assert!(output.stderr.contains(lacks) && !output.stderr.contains("permission denied"), "{output}");
        assert_eq!(world.type_grants(&output), 1, "{output}");
        world.run(&["cleartokens", "-q", "--dry-run"]).exits(0);
        world.database.execute(format!("REVOKE ALL ON oauth2_provider_application FROM {}", world.role));
    }
}

/// A category that is chosen by name has no setting of its own.
#[test]
fn a_plan_asks_for_the_tables_of_the_chosen_categories() {
    let world = World::new(Template::Dot341, false);
    world.sandbox.write("oauth.toml", "[cleanup]\nonly = [\"device\"]\n");
    world.grant("USAGE ON SCHEMA public");
    let output = world.run(&["plan"]).exits(1);
    assert!(unwrapped(&output.stderr).contains("oauth2_provider_devicegrant"), "{}", output.stderr);
    assert!(world.type_grants(&output) > 0);
    world.run(&["plan"]).exits(0);
}

/// Row-level security on the applications: rows that are not seen would be created again, or cleaned though excluded.
#[test]
fn policies_on_the_application_table_are_refused() {
    let world = World::new(Template::Dot341, false);
    world.database.execute(
        "ALTER TABLE oauth2_provider_application ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY not_web ON oauth2_provider_application USING (client_id <> 'web')",
    );
    world.grant("ALL ON ALL TABLES IN SCHEMA public");
    let before = world.snapshot();
    let security = "row-level security";
    // The file says enough to change the application that is hidden, not to create it.
    let plan = world.run(&["plan"]).exits(64);
    assert!(
        plan.stderr.starts_with(&format!("warning: as this role, apply would be refused: {security}")),
        "{plan}"
    );
    let verbs: [&[&str]; 4] = [
        &["apply", "--yes"],
        &["createapplication", "confidential", "client-credentials"],
        &["rotate-secret", "old", "--yes", "--secrets-out", "s.json"],
        &["cleartokens", "--exclude-client", "web"],
    ];
    for verb in verbs {
        let output = world.run(verb).exits(3);
        assert!(output.stderr.contains(security), "{output}");
    }
    assert_eq!(before, world.snapshot());
    let doctor = world.doctor("apply");
    assert!(doctor.contains("Policies may hide rows of public.oauth2_provider_application"), "{doctor}");
    world.run(&["cleartokens", "-q"]).exits(0);
}

/// A ledger that may not be seen is neither none nor in the way; `prune = "owned"` alone needs it.
#[test]
fn a_ledger_that_may_not_be_seen_is_a_warning() {
    let world = World::new(Template::Dot341, true);
    world.grant("ALL ON ALL TABLES IN SCHEMA public");
    let plan = world.run(&["plan"]).exits(0);
    assert!(plan.stderr.contains("the ledger is there and was not looked at"), "{plan}");
    let status = world.run(&["status"]).exits(0);
    assert!(!status.stdout.contains("No ledger"), "{status}");
    assert!(unwrapped(&status.stdout).contains("lacks USAGE on schema oauthctl"), "{status}");
    let json = world.run(&["status", "--format", "json"]).exits(0);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["ledger"], &json["runs"]), (&json!(true), &json!(null)));
    let runs = || world.database.value("SELECT count(*) FROM oauthctl.run");
    let cleaned = world.run(&["cleartokens"]).exits(0);
    assert!(cleaned.stderr.contains("this run is not noted in the ledger"), "{cleaned}");
    assert_eq!(runs(), "0");
    assert!(
        world.doctor("cleartokens").contains("may not write to the ledger"),
        "{}",
        world.doctor("cleartokens")
    );
    world.type_grants(&cleaned);
    assert!(!world.run(&["cleartokens"]).exits(0).stderr.contains("ledger"));
    assert_eq!(runs(), "1");

    world.sandbox.write("oauth.toml", format!("{FILE}\n[policy]\nprune = \"owned\"\n"));
    for (verb, code) in [(&["plan"][..], 3), (&["apply", "--yes"], 3)] {
        let output = world.run(verb).exits(code);
        assert!(output.stderr.contains("`prune = \"owned\"` needs the ledger"), "{output}");
        assert!(output.stderr.contains("GRANT "), "{output}");
    }
}

/// `migrate --provider` makes schema `oauthctl` without a ledger in it: no verb stumbles over that.
#[test]
fn a_schema_without_a_ledger_is_no_ledger() {
    let world = World::new(Template::Dot341, false);
    world.database.execute("CREATE SCHEMA oauthctl; CREATE TABLE oauthctl.provider_migrations (version int)");
    world.grant("ALL ON ALL TABLES IN SCHEMA public");
    assert_eq!(world.run(&["plan"]).exits(0).stderr, "");
    let status = world.run(&["status"]).exits(0);
    assert!(status.stdout.contains("No ledger"), "{status}");
    assert!(!world.run(&["cleartokens"]).exits(0).stderr.contains("ledger"));
    world.run(&["createapplication", "confidential", "client-credentials"]).exits(0);
    let apply = world.run(&["apply", "--yes"]).exits(0);
    assert!(!apply.stderr.contains("ledger"), "{apply}");
}

/// Before DOT 2.4 only `django_migrations` tells whether secrets are hashed.
#[test]
fn old_schemas_need_djangos_table() {
    let world = World::new(Template::Dot150, false);
    world.database.execute("CREATE TABLE IF NOT EXISTS django_migrations (app text, name text)");
    world.sandbox.write("oauth.toml", "[applications.web]\nname = \"renamed\"\n");
    let doctor = world.doctor("plan");
    assert!(doctor.contains("GRANT SELECT (app, name) ON public.django_migrations"), "{doctor}");
    world.grant("SELECT ON oauth2_provider_application");
    let plan = world.run(&["plan"]).exits(1);
    let expected = format!("GRANT SELECT (app, name) ON public.django_migrations TO {};", world.role);
    assert_eq!(grants(&plan), [expected]);
    world.type_grants(&plan);
    world.run(&["plan"]).exits(0);
}

/// Rows of the project's own that may be in the way have to be read; what PostgreSQL resolves need not be.
#[test]
fn tables_of_others_are_read_only_where_they_may_be_in_the_way() {
    for (action, needed) in [("", true), ("ON DELETE CASCADE", false)] {
        let world = World::new(Template::Dot341, false);
        world.database.execute(format!(
            "CREATE TABLE \"Site\" (\"Ref\" bigint REFERENCES oauth2_provider_accesstoken {action})"
        ));
        for table in TOKENS {
            world.grant(&format!("SELECT, UPDATE, DELETE ON {table}"));
        }
        if needed {
            let refused = world.run(&["cleartokens"]).exits(3);
            let expected = format!("GRANT SELECT (\"Ref\") ON public.\"Site\" TO {};", world.role);
            assert_eq!(grants(&refused), [expected]);
            world.type_grants(&refused);
        }
        world.run(&["cleartokens"]).exits(0);
    }
}
