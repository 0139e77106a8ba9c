//! `list` and `show`: what is there, how it is used, and how it stands to the file.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::support::database::Template;
use super::support::rows::{application, insert, session, user};
use super::support::sandbox::Output;
use super::support::{Database, Sandbox};

const FILE: &str = r#"
[applications.web]
name = "Shop"
redirect_uris = ["https://b.example/"]
client_secret = { env = "WEB_SECRET" }

[applications.reports]
name = "Reports"

[applications.tomorrow]
name = "Tomorrow"
client_type = "public"
authorization_grant_type = "client-credentials"

[applications.nobodys]
user = { username = "nobody" }

[[removed]]
client_id = "legacy"
"#;

const HUNTER2: &str = "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=";

struct World {
    database: Database,
    sandbox: Sandbox,
}

impl World {
    fn new(template: Template) -> Self {
        let database = Database::create(template);
        let sandbox = Sandbox::with(&database);
        user(&database, 1, "alice");
        user(&database, 7, "ops");
        let web = json!({
            "name": "Web shop 日本", "authorization_grant_type": "authorization-code", "client_secret": HUNTER2,
            "redirect_uris": "https://b.example/\n https://a.example/", "user_id": 7,
        });
        application(&database, 1, "web", &web);
        application(&database, 2, "reports", &json!({ "name": "Reports", "client_secret": "hunter2" }));
        application(&database, 3, "legacy", &json!({ "name": "L\u{1b}[31megacy\nline" }));
        application(&database, 4, "nobodys", &json!({}));
        application(
            &database,
            5,
            "console-with-a-long-client-id-as-dot-makes",
            &json!({ "client_type": "public" }),
        );
        application(&database, 6, "sheet", &json!({ "registration_source": "dcr" }));
        for (id, expires) in
            [(1, "2024-01-02T00:00:00Z"), (2, "2999-01-01T00:00:00Z"), (3, "2999-01-01T00:00:00Z")]
        {
            session(&database, id, 1, expires);
        }
        for table in ["accesstoken", "refreshtoken"] {
            database.execute(format!(
                "UPDATE oauth2_provider_{table} SET created = now() - interval '1 hour' * id, updated = now() - interval '1 hour' * id"
            ));
        }
        for (id, minutes) in [(1, -30), (2, 630), (3, 90)] {
            database.execute(format!(
                "UPDATE oauth2_provider_accesstoken SET expires = now() + interval '{minutes} minutes' WHERE id = {id}"
            ));
        }
        database.execute(
            "UPDATE oauth2_provider_refreshtoken SET revoked = now() - interval '2 days' WHERE id = 1",
        );
        Self { database, sandbox }
    }

    fn with_file(template: Template) -> Self {
        let world = Self::new(template);
        world.sandbox.write("oauth.toml", FILE);
        world
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.oauthctl(arguments)
    }
}

/// Instants that differ from run to run, in text and JSON.
fn shown(output: &Output) -> String {
    assert!(!output.to_string().contains("hunter2"), "{output}");
    let pattern = regex::Regex::new(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z( +[0-9]+[yd] ago)?").unwrap();
    pattern.replace_all(&output.to_string(), "[instant]").into_owned()
}

/// PostgreSQL has instants that RFC 3339 has not, and a project's own model may allow a NULL name.
#[test]
fn rows_that_django_would_not_write_are_read() {
    let world = World::new(Template::Dot341);
    world.database.execute("ALTER TABLE oauth2_provider_application ALTER name DROP NOT NULL");
    world.database.execute(
        "UPDATE oauth2_provider_application SET created = '-infinity', updated = '4714-11-24 00:00 BC', name = NULL
         WHERE client_id = 'web'",
    );
    for table in ["accesstoken", "refreshtoken"] {
        let sql = format!("UPDATE oauth2_provider_{table} SET created = 'infinity', updated = '20000-01-01'");
        world.database.execute(sql);
    }
    world.database.execute("UPDATE oauth2_provider_accesstoken SET expires = 'infinity' WHERE id = 2");
    world.database.execute("UPDATE oauth2_provider_refreshtoken SET revoked = '-infinity' WHERE id = 1");
    let show = world.sandbox.oauthctl(&["show", "web", "--format", "json"]).exits(0);
    let show: Value = serde_json::from_slice(&show.raw_stdout).unwrap();
    assert_eq!(
        (&show["application"]["created"], &show["application"]["updated"]),
        (&json!("0001-01-01T00:00:00Z"), &json!("0001-01-01T00:00:00Z"))
    );
    world.sandbox.write("oauth.toml", "[applications.reports]\n[policy]\nprune = \"all\"\n");
    for arguments in [
        &["show", "web"][..],
        &["list"],
        &["list", "--format", "json"],
        &["status", "--format", "json", "--metrics-file", "oauthctl.prom"],
        &["status"],
        &["import", "--all", "--dry-run"],
        &["plan"],
        &["cleartokens", "--dry-run"],
        &["cleartokens"],
    ] {
        world.sandbox.oauthctl(arguments).exits(0);
    }
}

#[test]
fn a_list_without_a_file() {
    assert_snapshot!(shown(&World::new(Template::Dot341).run(&["list"]).exits(0)));
}

#[test]
fn a_list_says_how_everything_stands_to_the_file() {
    let world = World::with_file(Template::Dot341);
    assert_snapshot!("list_with_drift", shown(&world.run(&["list"]).exits(0)));
    assert_snapshot!(
        "list_without_tokens_of_every_source",
        shown(&world.run(&["list", "--no-tokens", "--registration-source", "all"]).exits(0))
    );
    assert_snapshot!(
        "list_that_matches",
        shown(&world.run(&["list", "--match", "*e*", "--client-type", "confidential"]).exits(0))
    );
}

/// `list` verifies no hashes, so "unchanged" is not about secrets; `plan` and `show` say more.
#[test]
fn a_list_says_that_secrets_were_not_compared() {
    let mut world = World::with_file(Template::Dot341);
    world.sandbox.set("WEB_SECRET", "another");
    let said = "Secrets were not compared: `oauthctl plan` and `oauthctl show CLIENT_ID` do.";
    assert!(world.run(&["list"]).exits(0).stderr.contains(said));
    assert!(!world.run(&["list", "reports"]).exits(0).stderr.contains(said));
    assert!(!world.run(&["list", "--quiet"]).exits(0).stderr.contains(said));
    assert!(!world.run(&["list", "--format", "json"]).exits(0).stderr.contains(said));
}

#[test]
fn a_list_for_scripts() {
    let world = World::with_file(Template::Dot341);
    assert_snapshot!(shown(&world.run(&["list", "--format", "json", "web"]).exits(0)));
    let whole = world.run(&["list", "--format", "json"]).exits(0);
    let whole: Value = serde_json::from_str(&whole.stdout).unwrap();
    assert_eq!(whole["applications"].as_array().unwrap().len(), 5);
    assert_eq!((&whole["missing"], &whole["dynamic"]), (&json!(["tomorrow"]), &json!(1)));
}

#[test]
fn one_application_in_full() {
    let mut world = World::with_file(Template::Dot341);
    world.sandbox.set("WEB_SECRET", "another");
    assert_snapshot!(shown(&world.run(&["show", "web"]).exits(0)));
    for client_id in ["reports", "legacy", "nobodys", "sheet"] {
        assert_snapshot!(client_id, shown(&world.run(&["show", client_id]).exits(0)));
    }
}

#[test]
fn one_application_for_scripts() {
    let world = World::with_file(Template::Dot341);
    assert_snapshot!(shown(&world.run(&["show", "web", "--format", "json"]).exits(0)));
}

#[test]
fn an_application_that_is_not_there() {
    let world = World::with_file(Template::Dot341);
    assert_snapshot!("show_a_misspelt_name", world.run(&["show", "wbe"]).exits(1));
    assert_snapshot!("show_a_name_that_is_only_declared", world.run(&["show", "tomorrow"]).exits(1));
    assert_snapshot!("list_an_unknown_name", world.run(&["list", "zzz", "web"]).exits(1));
}

#[test]
fn every_schema_can_be_listed_and_shown() {
    for template in Template::VERSIONS {
        let world = World::new(template);
        let listed = world.run(&["list"]).exits(0);
        let web = listed.stdout.lines().find(|line| line.starts_with("web ")).unwrap();
        let numbers: Vec<&str> = web.split_whitespace().filter(|word| word.parse::<u32>().is_ok()).collect();
        assert_eq!(
            numbers,
            ["2", "2", "1h"].map(|number| number.trim_end_matches('h'))[..2],
            "{template:?}\n{listed}"
        );
        let shown = world.run(&["show", "web"]).exits(0);
        assert!(shown.stdout.contains("hashed with pbkdf2_sha256, 1 iteration"), "{template:?}\n{shown}");
    }
}

/// Nothing is written, and nothing asks for the right to: a role that may only read is enough.
#[test]
fn reading_is_enough() {
    let world = World::with_file(Template::Dot341);
    let role = format!("reader_of_{}", world.database.name());
    world.database.execute(format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; \
         ALTER ROLE {role} SET default_transaction_read_only = on"
    ));
    let mut sandbox = Sandbox::with(&world.database);
    sandbox.set("PGUSER", role.as_str());
    for arguments in [&["list"][..], &["show", "web"], &["import", "--all", "-f", "new.toml"]] {
        sandbox.oauthctl(arguments).exits(0);
    }
    world.database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn ten_thousand_applications() {
    let world = World::new(Template::Dot341);
    let row = |number: u32| {
        json!({
            "id": 1_000 + number, "client_id": format!("many-{number:05}"), "redirect_uris": "", "name": "", "algorithm": "",
            "client_type": "public", "authorization_grant_type": "client-credentials", "client_secret": "",
            "skip_authorization": false, "created": "2024-01-01T00:00:00Z", "updated": "2024-01-01T00:00:00Z",
            "post_logout_redirect_uris": "", "hash_client_secret": true, "allowed_origins": "", "registration_source": "manual",
        })
    };
    insert(&world.database, "oauth2_provider_application", &row(0));
    world.database.execute(
        "INSERT INTO oauth2_provider_application \
         SELECT (jsonb_populate_record(a, jsonb_build_object('id', 2000 + n, 'client_id', 'many-' || n))).* \
         FROM oauth2_provider_application a, generate_series(1, 10000) n WHERE a.id = 1000",
    );
    let listed = world.run(&["list"]).exits(0);
    assert_eq!(listed.stdout.lines().count(), 1 + 10_006);
    let imported = world.run(&["import", "--all"]).exits(0);
    assert!(imported.stdout.starts_with("Imported 10,006 applications"), "{imported}");
    world.run(&["plan", "--detailed-exitcode"]).exits(0);
}

/// Models of the project's own may lack `updated` (django-ansible-base), and have other columns: "never" would invite to
/// delete an application that is in use.
#[test]
fn last_use_is_the_newest_of_the_instants_that_there_are() {
    let world = World::with_file(Template::Dot341);
    let last = || {
        let json = world.run(&["list", "--format", "json"]).exits(0).raw_stdout;
        let list: Value = serde_json::from_slice(&json).unwrap();
        let web =
            list["applications"].as_array().unwrap().iter().find(|it| it["client_id"] == "web").unwrap();
        let show = world.run(&["show", "web"]).exits(0);
        let never = show.stdout.lines().any(|line| line.contains("last use") && line.ends_with("never"));
        assert_eq!(never, web["last_use"].is_null(), "{show}");
        web["last_use"].clone()
    };
    let tables = |sql: &str| {
        for table in ["accesstoken", "refreshtoken"] {
            world.database.execute(format!("ALTER TABLE oauth2_provider_{table} {sql}"));
        }
    };
    for table in ["accesstoken", "refreshtoken"] {
        let sql =
            format!("UPDATE oauth2_provider_{table} SET created = '2024-01-01Z', updated = '2024-01-02Z'");
        world.database.execute(sql);
    }
    assert_eq!(last(), "2024-01-02T00:00:00Z");
    tables("ADD modified timestamptz DEFAULT '2024-01-03Z'");
    assert_eq!(last(), "2024-01-03T00:00:00Z");
    tables("DROP updated");
    assert_eq!(last(), "2024-01-03T00:00:00Z");
    // A column of that name with another type is not used.
    tables("ALTER modified DROP DEFAULT, ALTER modified TYPE text USING 'yes'");
    assert_eq!(last(), "2024-01-01T00:00:00Z");
    // Of the end of a token is known that it was made before, and not in the future.
    tables("DROP created, DROP modified");
    world.database.execute("UPDATE oauth2_provider_accesstoken SET expires = '2024-01-04Z'");
    assert_eq!(last(), "2024-01-04T00:00:00Z");
    world.database.execute("UPDATE oauth2_provider_accesstoken SET expires = now() + interval '10 hours'");
    assert!(last().as_str().unwrap() > "2026", "{}", last());
    let list = world.run(&["list"]).exits(0);
    assert!(list.stdout.lines().any(|line| line.contains("web ") && line.contains("now")), "{list}");
    world.database.execute("ALTER TABLE oauth2_provider_accesstoken ALTER expires DROP NOT NULL");
    world.database.execute("UPDATE oauth2_provider_accesstoken SET expires = NULL");
    assert_eq!(last(), Value::Null);
}
