//! Columns of the project's own in a swapped Application model, with UUID keys: from the file to the rows and back.

use insta::assert_snapshot;

use super::support::database::Template;
use super::support::rows::everything;
use super::support::sandbox::Output;
use super::support::{Database, Sandbox};

const TABLES: &str = r#"[provider]
client_secret_iterations = 1
[database.tables]
application = "oauth_clients"
access_token = "myauth_accesstoken"
refresh_token = "myauth_refreshtoken"
id_token = "myauth_idtoken"
"#;

/// A column of every kind, beside those that the captured model has: `logo`, `agree` and `tenant_id`, NOT NULL.
const COLUMNS: &str = r#"
CREATE TYPE public.mood AS ENUM ('calm', 'busy');
CREATE DOMAIN public.level AS integer CHECK (VALUE BETWEEN 1 AND 5);
CREATE DOMAIN public.abbreviation AS varchar(3);
INSERT INTO auth_group VALUES (3, 'tenant'), (4, 'other');
INSERT INTO myauth_user SELECT '!', NULL, false, 'ops', '', '', '', false, true, now(),
    'f81d4fae-7dec-11d0-a765-00a0c91e6bf6';
ALTER TABLE oauth_clients
    ADD "größe 💩" smallint, ADD "odd ""name" text DEFAULT 'it''s', ADD weight numeric(6, 2), ADD exact numeric,
    ADD ratio double precision, ADD small real, ADD since timestamptz, ADD local timestamp, ADD day date, ADD at time,
    ADD settings jsonb DEFAULT '{"a": 1}', ADD raw json, ADD mood mood, ADD level level, ADD abbreviation abbreviation,
    ADD code char(3), ADD address inet, ADD reference uuid, ADD span interval, ADD tags text[],
    ADD twice integer GENERATED ALWAYS AS (tenant_id * 2) STORED, ADD webhook_secret text DEFAULT 'never shown',
    ADD made_at timestamptz DEFAULT now();
"#;

const WEB: &str = r#"
[applications.web]
client_type = "confidential"
authorization_grant_type = "client-credentials"
client_secret = { hash = "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=" }

[applications.web.columns]
logo = "shop.png"
agree = true
tenant_id = 3
"#;

const EVERY_KIND: &str = r#""größe 💩" = -7
'odd "name' = "a \"quoted\" \\ text; -- 日本"
weight = 1.005
exact = "0.12345678901234567890"
ratio = 1e300
small = 0.1
since = 2026-01-31T12:00:00.5+02:00
local = 2026-01-31 12:00:00
day = 2026-01-31
at = 07:30:00
settings = { theme = "dark", "a b" = [1, 2.5, true, { x = "y" }], since = 2026-01-31 }
raw = "only text"
mood = "busy"
level = 5
abbreviation = "日本語"
code = "AB"
address = "10.0.0.1/8"
reference = "F81D4FAE7DEC11D0A76500A0C91E6BF6"
span = "36 hours"
tags = '{a,"b c"}'
"#;

struct World {
    database: Database,
    sandbox: Sandbox,
}

impl World {
    fn new(columns: &str, toml: &str) -> Self {
        let database = Database::create(Template::Swapped341);
        database.execute(columns);
        let sandbox = Sandbox::with(&database);
        sandbox.write("oauth.toml", format!("{TABLES}{toml}"));
        Self { database, sandbox }
    }

    fn write(&self, toml: &str) {
        self.sandbox.write("oauth.toml", format!("{TABLES}{toml}"));
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.oauthctl(arguments)
    }

    /// Applies; then nothing is left to do, whatever the session's settings are.
    fn converges(&self) -> Output {
        let applied = self.run(&["apply", "--yes", "--secrets-out", "secrets.json"]).exits(0);
        let before = everything(&self.database, "public");
        for options in [
            "",
            "-c TimeZone=Asia/Tokyo -c DateStyle=German -c IntervalStyle=iso_8601 -c extra_float_digits=0",
        ] {
            let planned =
                self.sandbox.command(&["plan", "--detailed-exitcode"]).env("PGOPTIONS", options).run();
            assert!(planned.exits(0).stdout.contains("No changes."));
        }
        self.run(&["apply", "--yes"]).exits(0);
        assert_eq!(before, everything(&self.database, "public"));
        applied
    }
}

/// Ids differ from run to run.
fn without_ids(output: &Output) -> String {
    let uuid = regex::Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap();
    uuid.replace_all(&output.to_string(), "[uuid]").into_owned()
}

#[test]
fn every_kind_of_column_is_created_updated_and_imported() {
    let world = World::new(COLUMNS, &format!("{WEB}{EVERY_KIND}"));
    assert_snapshot!("every_kind_is_planned", world.run(&["plan"]).exits(0));
    world.converges();
    assert_snapshot!(
        "every_kind_in_the_row", world.database.table(
            "SELECT key, value FROM oauth_clients t, jsonb_each_text(to_jsonb(t) - ARRAY['id', 'created', 'updated', 'made_at']) \
             ORDER BY 1"
        )
    );
    // What a file says of it again is what it said.
    world.write("");
    world.run(&["import", "web", "--with-hashes"]).exits(0);
    assert_snapshot!("every_kind_imported", world.sandbox.read("oauth.toml"));
    world.converges();
    let imported = world.sandbox.read("oauth.toml");
    assert!(!imported.contains("never shown"));
    world.run(&["import", "--all", "--update"]).exits(0);
    assert_eq!(world.sandbox.read("oauth.toml"), imported);

    world.database.execute(
        "UPDATE oauth_clients SET agree = false, tenant_id = 4, weight = NULL, settings = '{\"theme\": null}', \
         mood = 'calm', since = 'infinity', \"größe 💩\" = 1",
    );
    assert_snapshot!("every_kind_drifted", without_ids(&world.run(&["plan"]).exits(0)));
    let json: serde_json::Value =
        serde_json::from_slice(&world.run(&["plan", "--format", "json"]).exits(0).raw_stdout).unwrap();
    assert_snapshot!(
        "every_kind_drifted_as_json",
        serde_json::to_string_pretty(&json["steps"][0]["changes"]).unwrap()
    );
    let shown = world.run(&["show", "web"]).exits(0);
    assert!(!shown.stdout.contains("never shown"), "{shown}");
    let instant = regex::Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z(  (now|\d+[sm] ago))?").unwrap();
    assert_snapshot!("every_kind_shown", instant.replace_all(&without_ids(&shown), "[instant]"));
    // `--update` follows what the file can say, and says what it cannot.
    assert_snapshot!(
        "every_kind_followed_by_import",
        world.run(&["import", "web", "--update", "--dry-run"]).exits(0)
    );
    world.converges();
}

#[test]
fn every_value_that_does_not_fit_has_its_place() {
    let bad = r#""größe 💩" = 40_000
'odd "name' = 7
weight = 123_456.5
exact = "much"
ratio = "1.5"
since = 2026-01-31T12:00:00
local = 2026-01-31T12:00:00Z
day = "2026-01-31"
settings = { ratio = 0.5 }
mood = "angry"
level = 9
abbreviation = "four"
code = "AB "
address = "somewhere"
reference = "f81d"
tags = ["a", "b"]
twice = 2
webhook_secret = "x"
tenant = 3
unheard_of = 3
"#;
    let world = World::new(COLUMNS, &format!("{WEB}{bad}"));
    let before = everything(&world.database, "public");
    assert_snapshot!("values_that_the_table_refuses", world.run(&["plan"]).exits(64));
    world.run(&["apply", "--yes"]).exits(64);
    assert_eq!(before, everything(&world.database, "public"));
    // What needs no database, `validate` finds too.
    world.write(&format!("{WEB}user_id = 7\nname = \"x\"\nclient_id = \"x\"\nupdated = 2026-01-31\nsettings = [inf]\nnul = \"a\\u0000\"\n"));
    assert_snapshot!("values_that_no_table_takes", world.run(&["validate"]).exits(64));
}

#[test]
fn not_null_columns_are_named_with_the_lines_to_write_before_anything_is_written() {
    let toml = "[applications.web]\nclient_type = \"confidential\"\nauthorization_grant_type = \"client-credentials\"\n\
                columns.tenant_id = 3\n";
    let world = World::new(COLUMNS, toml);
    assert_snapshot!("not_null_columns_in_apply", world.run(&["apply", "--yes"]).exits(64));
    assert_snapshot!(
        "not_null_columns_in_createapplication",
        world
            .run(&["createapplication", "--client-id", "a b", "confidential", "client-credentials"])
            .exits(1)
    );
    assert_eq!(world.database.value("SELECT count(*) FROM oauth_clients"), "0");
    // The lines are in order.
    world.write(&format!("{toml}columns.agree = false\ncolumns.logo = \"\"\n"));
    world.run(&["plan"]).exits(0);
    // In a table that is not swapped there are no such columns.
    let plain = Database::create(Template::Dot341);
    let sandbox = Sandbox::with(&plain);
    sandbox.write("oauth.toml", format!("{toml}columns.agree = false\n"));
    assert_snapshot!("columns_without_a_swapped_table", sandbox.oauthctl(&["plan"]).exits(64));
}

#[test]
fn each_new_row_has_its_own_columns_and_defaults_for_the_others() {
    let app = |id: &str, columns: &str| {
        format!(
            "[applications.{id}]\nclient_type = \"confidential\"\nauthorization_grant_type = \"client-credentials\"\nname = \"{id}\"\n\
             [applications.{id}.columns]\nlogo = \"{id}\"\nagree = true\ntenant_id = 3\n{columns}"
        )
    };
    let toml = [
        app("a", ""),
        app("b", "settings = {}\n"),
        app("c", "'odd \"name' = \"own\"\n"),
        app("d", "settings = 1\n'odd \"name' = \"\"\n"),
    ]
    .concat();
    let world = World::new(COLUMNS, &toml);
    world.converges();
    let rows = r#"SELECT client_id, logo, settings, "odd ""name", made_at IS NOT NULL FROM oauth_clients ORDER BY 1"#;
    assert_snapshot!("own_columns_and_defaults_in_the_rows", world.database.table(rows));
    // A default is not imported, what differs from it is; and `--full` has both.
    world.write("");
    world.run(&["import", "--all"]).exits(0);
    assert_snapshot!("own_columns_and_defaults_imported", world.sandbox.read("oauth.toml"));
    world.write("");
    world.run(&["import", "a", "--full"]).exits(0);
    assert!(world.sandbox.read("oauth.toml").contains("columns.settings = { a = 1 }\n"));
}

#[test]
fn a_column_that_is_ignored_is_written_once() {
    let toml = WEB.replace("client_secret =", "ignore = [\"columns.agree\"]\nclient_secret =");
    let world = World::new(COLUMNS, &toml);
    world.converges();
    world.database.execute("UPDATE oauth_clients SET agree = false, logo = 'other.png'");
    world.converges();
    assert_eq!(world.database.table("SELECT agree, logo FROM oauth_clients"), "f | shop.png");
    world.write(&toml.replace("columns.agree", "columns.agreed"));
    assert_snapshot!("ignore_names_nothing_that_is_declared", world.run(&["validate"]));
    world.write(&toml.replace("columns.agree", "colums.agree"));
    assert_snapshot!("ignore_is_misspelt", world.run(&["validate"]).exits(64));
}
