//! `plan` and `apply` on real rows: the file, the rows, and what the user sees. After every apply planning finds
//! nothing, and applying twice changes nothing.

use insta::assert_snapshot;
use serde_json::json;

use super::support::database::Template;
use super::support::rows::{application, everything, session, user};
use super::support::sandbox::Output;
use super::support::{Database, Sandbox};

/// A well-formed hash that is cheap to verify; of the secret `hunter2`.
const HUNTER2: &str = "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=";

struct World {
    database: Database,
    sandbox: Sandbox,
}

impl World {
    fn new(template: Template, toml: &str) -> Self {
        let database = Database::create(template);
        let sandbox = Sandbox::with(&database);
        sandbox.write("oauth.toml", format!("[provider]\nclient_secret_iterations = 1\n{toml}"));
        Self { database, sandbox }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.oauthctl(arguments)
    }

    /// Applies; then nothing is left to do, and applying again changes no row.
    fn converges(&self) -> Output {
        let applied = self.run(&["apply", "--yes", "--secrets-out", "secrets.json"]).exits(0);
        let planned = self.run(&["plan", "--detailed-exitcode"]).exits(0);
        assert!(planned.stdout.contains("No changes."), "{planned}");
        let before = everything(&self.database, "public");
        self.run(&["apply", "--yes"]).exits(0);
        assert_eq!(before, everything(&self.database, "public"));
        applied
    }
}

const EVERY_FIELD: &str = r#"
[applications.web]
name = "Wëb shop"
client_type = "confidential"
authorization_grant_type = "authorization-code"
redirect_uris = ["https://b.example/cb", "https://a.example/cb"]
post_logout_redirect_uris = ["https://a.example/bye"]
allowed_origins = ["https://a.example"]
client_secret = { env = "WEB_SECRET" }
hash_client_secret = true
algorithm = "RS256"
skip_authorization = true
user = { username = "ops" }
"#;

#[test]
fn a_missing_application_is_created_with_every_field() {
    let mut world = World::new(Template::Dot341, &format!("oidc_rsa_private_key = true\n{EVERY_FIELD}"));
    world.sandbox.set("WEB_SECRET", "hunter2");
    user(&world.database, 1, "ops");
    assert_snapshot!("every_field_planned", world.run(&["plan"]));
    assert_snapshot!("every_field_created", world.converges());
    assert_snapshot!("every_field_in_the_row", world.database.table(
        "SELECT client_id, name, client_type, authorization_grant_type, redirect_uris, post_logout_redirect_uris, \
                allowed_origins, hash_client_secret, algorithm, skip_authorization, user_id, registration_source, \
                split_part(client_secret, '$', 1), updated > now() - interval '1 minute', created = updated \
         FROM oauth2_provider_application"
    ));
}

#[test]
fn a_drifted_application_is_updated_in_the_fields_that_drifted() {
    let mut world = World::new(Template::Dot341, &format!("oidc_rsa_private_key = true\n{EVERY_FIELD}"));
    world.sandbox.set("WEB_SECRET", "hunter2");
    user(&world.database, 1, "ops");
    user(&world.database, 2, "else");
    let drifted = json!({
        "name": "Shop", "client_type": "public", "authorization_grant_type": "implicit", "user_id": 2,
        "redirect_uris": "https://old.example/cb\n https://a.example/cb", "client_secret": "plain",
        "allowed_origins": "https://old.example",
    });
    application(&world.database, 7, "web", &drifted);
    application(&world.database, 8, "console", &json!({}));
    assert_snapshot!("drifted_fields_planned", world.run(&["plan", "--detailed-exitcode"]));
    assert_snapshot!("drifted_fields_updated", world.converges());
}

#[test]
fn what_is_as_declared_is_left_alone() {
    let mut world = World::new(
        Template::Dot341,
        r#"
[applications.a]
client_secret = { env = "SECRET" }
redirect_uris = ["https://1.example/", "https://2.example/"]
[applications.b]
client_secret = { hash = "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=" }
[applications.c]
client_secret = { generate = true }
"#,
    );
    world.sandbox.set("SECRET", "hunter2");
    let stored =
        json!({ "client_secret": HUNTER2, "redirect_uris": "https://2.example/\thttps://1.example/" });
    for (id, client_id) in [(1, "a"), (2, "b"), (3, "c")] {
        application(&world.database, id, client_id, &stored);
    }
    let before = everything(&world.database, "public");
    assert_snapshot!(world.run(&["plan", "--full"]));
    world.run(&["apply", "--yes"]).exits(0);
    assert_eq!(before, everything(&world.database, "public"));
}

#[test]
fn removing_and_renaming() {
    let world = World::new(
        Template::Dot341,
        r#"
[applications.reports]
name = "Reports"
[[renamed]]
from = "reporting"
to = "reports"
[[removed]]
client_id = "legacy"
[[removed]]
client_id = "never-was"
"#,
    );
    user(&world.database, 1, "ops");
    application(&world.database, 1, "reporting", &json!({ "name": "Reports" }));
    application(&world.database, 2, "legacy", &json!({ "name": "Old" }));
    session(&world.database, 10, 1, "2099-01-01T00:00:00Z");
    session(&world.database, 20, 2, "2099-01-01T00:00:00Z");
    session(&world.database, 21, 2, "2024-01-01T00:00:00Z");
    // Pointers across applications: the ORM clears them, and takes access tokens along with their ID token.
    world
        .database
        .execute("UPDATE oauth2_provider_accesstoken SET source_refresh_token_id = 20 WHERE id = 10");
    world.database.execute("UPDATE oauth2_provider_refreshtoken SET access_token_id = NULL WHERE id = 21");
    assert_snapshot!("removing_and_renaming_planned", world.run(&["plan"]));
    assert_snapshot!("removed_and_renamed", world.converges());
    assert_snapshot!(
        "rows_after_removing_and_renaming",
        world.database.table(
            "SELECT 'application', id::text, client_id FROM oauth2_provider_application UNION ALL \
         SELECT 'access', id::text, source_refresh_token_id::text FROM oauth2_provider_accesstoken UNION ALL \
         SELECT 'refresh', id::text, access_token_id::text FROM oauth2_provider_refreshtoken UNION ALL \
         SELECT 'id', id::text, NULL FROM oauth2_provider_idtoken ORDER BY 1, 2"
        )
    );
}

#[test]
fn pruning_takes_what_the_file_does_not_mention_but_nothing_registered_dynamically() {
    let world = World::new(
        Template::Dot341,
        r#"
[applications.web]
name = ""
[policy]
prune = "all"
"#,
    );
    application(&world.database, 1, "web", &json!({}));
    application(&world.database, 2, "stray", &json!({}));
    application(&world.database, 3, "registered", &json!({ "registration_source": "dcr" }));
    application(&world.database, 4, "https://client.example/", &json!({ "registration_source": "cimd" }));
    assert_snapshot!("pruning_planned", world.run(&["plan"]));
    world.converges();
    let left = world.database.table("SELECT client_id FROM oauth2_provider_application ORDER BY id");
    assert_snapshot!("what_pruning_left", left);
}

#[test]
fn rails_refuse_with_the_whole_plan_and_the_one_flag() {
    let world = World::new(
        Template::Dot341,
        r#"
[applications.web]
name = "New name"
[[removed]]
client_id = "guarded"
[policy]
protect = ["guarded"]
max_updates = 0
"#,
    );
    application(&world.database, 1, "web", &json!({}));
    application(&world.database, 2, "guarded", &json!({}));
    let before = everything(&world.database, "public");
    assert_snapshot!(world.run(&["apply", "--yes"]));
    assert_eq!(before, everything(&world.database, "public"));
    world.run(&["apply", "--yes", "--allow", "max-updates=1"]).exits(3);
    world.run(&["apply", "--yes", "--allow", "max-updates=1", "--allow", "delete:guarded"]).exits(0);
    assert_eq!(
        world.database.value("SELECT string_agg(name, ',') FROM oauth2_provider_application"),
        "New name"
    );
}

#[test]
fn rows_of_other_tables_keep_an_application_from_being_deleted() {
    let world = World::new(Template::Dot341, "[[removed]]\nclient_id = \"audited\"\n");
    application(&world.database, 1, "audited", &json!({}));
    world.database.execute(
        "CREATE TABLE audit (id int PRIMARY KEY, application_id bigint CONSTRAINT audit_app \
             REFERENCES oauth2_provider_application DEFERRABLE INITIALLY DEFERRED)",
    );
    world.database.execute("INSERT INTO audit VALUES (1, 1)");
    assert_snapshot!(world.run(&["apply", "--yes"]));
}

#[test]
fn nobody_is_asked_where_nobody_can_answer() {
    let world = World::new(Template::Dot341, "[applications.web]\nname = \"x\"\n");
    application(&world.database, 1, "web", &json!({}));
    let before = everything(&world.database, "public");
    assert_snapshot!(world.run(&["apply"]));
    assert_eq!(before, everything(&world.database, "public"));
}

#[test]
fn a_target_leaves_the_rest_alone() {
    let world =
        World::new(Template::Dot341, "[applications.a]\nname = \"x\"\n[applications.b]\nname = \"x\"\n");
    application(&world.database, 1, "a", &json!({}));
    application(&world.database, 2, "b", &json!({}));
    assert_snapshot!(world.run(&["apply", "--yes", "--target", "b"]));
    let names = world
        .database
        .value("SELECT string_agg(client_id || '=' || name, ' ') FROM oauth2_provider_application");
    assert_eq!(names, "a= b=x");
}

#[test]
fn what_this_database_lacks_is_a_problem_at_its_line() {
    let mut world = World::new(
        Template::Dot150,
        r#"
[applications.web]
client_type = "confidential"
authorization_grant_type = "urn:ietf:params:oauth:grant-type:device_code"
redirect_uris = ["https://a.example/"]
allowed_origins = ["https://a.example"]
post_logout_redirect_uris = []
hash_client_secret = true
user = { username = "nobody" }
"#,
    );
    world.sandbox.set("WEB_SECRET", "x");
    assert_snapshot!(world.run(&["plan"]));
}

#[test]
fn what_dot_would_refuse_with_what_is_in_the_row_is_refused_at_its_line() {
    let world = World::new(
        Template::Dot341,
        r#"
[applications.new]
client_type = "confidential"
authorization_grant_type = "authorization-code"
[applications.old]
algorithm = "HS256"
[applications.odd]
name = "Was like that"
"#,
    );
    application(&world.database, 1, "old", &json!({ "hash_client_secret": true, "client_type": "public" }));
    application(&world.database, 2, "odd", &json!({ "algorithm": "RS256", "redirect_uris": "odd" }));
    let before = everything(&world.database, "public");
    assert_snapshot!(world.run(&["apply", "--yes"]));
    assert_eq!(before, everything(&world.database, "public"));
}

#[test]
fn tables_of_other_names_are_suggested_as_the_file_writes_them() {
    let world = World::new(Template::Swapped341, "");
    assert_snapshot!("swapped_tables_suggested", world.run(&["plan"]));
    let odd = "ALTER TABLE oauth_clients RENAME TO \"o'auth \"\"clients\"\"\"";
    world.database.execute(odd);
    assert_snapshot!("quoted_tables_suggested", world.run(&["plan"]));
}

/// What clients can notice is told with who they are; what they cannot is not.
#[test]
fn changes_that_break_clients_say_whom() {
    let world = World::new(
        Template::Dot341,
        r#"
[applications.secret]
client_secret = { hash = "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=" }
[applications.uris]
redirect_uris = ["https://kept.example/", "https://new.example/"]
[applications.more]
redirect_uris = ["https://a.example/", "https://new.example/"]
[applications.grant]
authorization_grant_type = "password"
[applications.renamed]
[[renamed]]
from = "before"
to = "renamed"
[applications.harmless]
name = "Another"
skip_authorization = true
"#,
    );
    user(&world.database, 1, "ops");
    let uris = json!({ "redirect_uris": "https://kept.example/ https://gone.example/" });
    for (id, client_id) in [(1, "secret"), (2, "uris"), (4, "grant"), (5, "before"), (6, "harmless")] {
        application(&world.database, id, client_id, &uris);
        session(&world.database, 10 * id, id, "2099-01-01T00:00:00Z");
        session(&world.database, 10 * id + 1, id, "2020-01-01T00:00:00Z");
    }
    application(&world.database, 3, "more", &json!({ "redirect_uris": "https://a.example/" }));
    assert_snapshot!(world.run(&["plan"]).exits(0));
}

#[test]
fn the_json_plan() {
    let world = World::new(
        Template::Dot341,
        "[applications.web]\nname = \"x\"\nredirect_uris = [\"https://a.example/\"]\n[[removed]]\nclient_id = \"old\"\n",
    );
    application(&world.database, 1, "web", &json!({ "redirect_uris": "https://b.example/" }));
    application(&world.database, 2, "old", &json!({}));
    let output = world.run(&["plan", "--format", "json", "--json-out", "plan.json"]).exits(0);
    assert_eq!(output.raw_stdout, world.sandbox.read("plan.json").as_bytes());
    let mut plan: serde_json::Value = serde_json::from_slice(&output.raw_stdout).unwrap();
    for step in plan["steps"].as_array_mut().unwrap() {
        step["row"]["fingerprint"] = json!("[fingerprint]");
    }
    plan["tool_version"] = json!("[version]");
    plan["counted_at"] = json!("[instant]");
    assert_eq!(plan["database"], world.database.name());
    plan["database"] = json!("[database]");
    insta::assert_json_snapshot!(plan);
}

#[test]
fn every_schema_is_planned_applied_and_found_in_order() {
    let toml = r#"
[applications.new]
name = "New"
client_type = "confidential"
authorization_grant_type = "authorization-code"
redirect_uris = ["https://a.example/"]
[applications.old]
name = "Renamed"
client_secret = { env = "SECRET" }
[[removed]]
client_id = "gone"
[cleanup]
refresh_token_expire = "14d"
"#;
    for template in Template::VERSIONS {
        let mut world = World::new(template, toml);
        world.sandbox.set("SECRET", "hunter2");
        user(&world.database, 1, "ops");
        application(&world.database, 501, "old", &json!({ "client_secret": HUNTER2 }));
        application(&world.database, 502, "gone", &json!({}));
        session(&world.database, 10, 501, "2024-01-01T00:00:00Z");
        session(&world.database, 11, 501, "2099-01-01T00:00:00Z");
        session(&world.database, 12, 502, "2024-01-01T00:00:00Z");
        world.converges();
        let rows = world.database.value(
            "SELECT string_agg(client_id || ':' || name, ' ' ORDER BY client_id) || ' ' || \
                    (SELECT string_agg(id::text, ' ') FROM oauth2_provider_accesstoken) \
             FROM oauth2_provider_application",
        );
        assert_eq!(rows, "new:New old:Renamed 11", "{template:?}");
    }
}

#[test]
fn no_output_ever_holds_a_secret() {
    let mut world = World::new(Template::Dot341, EVERY_FIELD.replace("algorithm = \"RS256\"", "").as_str());
    world.sandbox.set("WEB_SECRET", "correct-horse-battery");
    user(&world.database, 1, "ops");
    application(&world.database, 1, "web", &json!({ "client_secret": "old-plain-secret" }));
    application(&world.database, 2, "plain", &json!({ "client_secret": "another-plain-secret" }));
    let runs = [
        world.run(&["plan", "-vv", "--full"]),
        world.run(&["plan", "-vv", "--format", "json"]),
        world.run(&["apply", "-vv", "--yes", "--log-format", "json"]),
        world.run(&["apply", "-vv", "--yes", "--format", "json"]),
    ];
    for output in runs {
        let output = output.exits(0);
        let text = [output.raw_stdout.clone(), output.raw_stderr.clone()].concat();
        let text = String::from_utf8_lossy(&text);
        for secret in ["correct-horse-battery", "old-plain-secret", "another-plain-secret", "pbkdf2_sha256$"]
        {
            assert!(!text.contains(secret), "{secret} in\n{output}");
        }
    }
}
