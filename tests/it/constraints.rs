//! The application table's own constraints: what `plan` finds of them at the lines of the file, what it names as not
//! tried, and what `apply` says of those that only a write can try.

mod functions;

use insta::assert_snapshot;
use serde_json::json;

use super::support::database::Template;
use super::support::rows::{application, everything};
use super::support::sandbox::Output;
use super::support::{Database, Sandbox};

const APPLY: [&str; 4] = ["apply", "--yes", "--secrets-out", "secrets.json"];

fn world(ddl: &str) -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    application(&database, 101, "taken", &json!({ "name": "Taken" }));
    database.execute(ddl);
    let sandbox = Sandbox::with(&database);
    (database, sandbox)
}

/// A block of the file; `lines` come after what every new application needs.
fn block(client_id: &str, lines: &str) -> String {
    format!(
        "[applications.{client_id}]\nclient_type = \"confidential\"\nauthorization_grant_type = \"client-credentials\"\n{lines}\n"
    )
}

fn file(blocks: &[String]) -> String {
    format!("[provider]\nclient_secret_iterations = 1\noidc_rsa_private_key = true\n{}", blocks.concat())
}

/// Plans what the database would refuse: nothing is written, by `apply` neither.
fn refused(database: &Database, sandbox: &Sandbox, blocks: &[String]) -> Output {
    sandbox.write("oauth.toml", file(blocks));
    let before = everything(database, "public");
    let planned = sandbox.oauthctl(&["plan"]).exits(64);
    sandbox.oauthctl(&APPLY).exits(64);
    assert_eq!(before, everything(database, "public"));
    planned
}

/// Plans what the database takes, and shows it; `apply` agrees.
fn taken(sandbox: &Sandbox, blocks: &[String]) -> Output {
    sandbox.write("oauth.toml", file(blocks));
    let planned = sandbox.oauthctl(&["plan"]).exits(0);
    sandbox.oauthctl(&APPLY).exits(0);
    planned
}

/// The constraint that `PostHog` has.
#[test]
fn a_check_is_asked_about_the_row_as_it_would_be() {
    let (database, sandbox) = world(
        "ALTER TABLE oauth2_provider_application ADD seats integer DEFAULT 3,
           ADD CONSTRAINT enforce_rs256_algorithm CHECK (algorithm = 'RS256') NOT VALID,
           ADD CONSTRAINT share CHECK (100 / seats >= 10),
           ADD CONSTRAINT few_seats CHECK (seats BETWEEN 1 AND 5 AND (seats > 1 OR name <> 'Solo'));",
    );
    let output = refused(
        &database,
        &sandbox,
        &[
            block("default", ""),
            block("none", "algorithm = \"\""),
            block("many", "algorithm = \"RS256\"\ncolumns.seats = 9"),
            block("solo", "algorithm = \"RS256\"\nname = \"Solo\"\ncolumns.seats = 1"),
            block("nought", "algorithm = \"RS256\"\ncolumns.seats = 0"),
            // A constraint that is not validated holds for a row that is changed.
            "[applications.taken]\nname = \"Other\"\n".to_owned(),
        ],
    );
    assert_snapshot!("checks", output);
    taken(
        &sandbox,
        &[
            block("solo", "algorithm = \"RS256\"\nname = \"Solo\""),
            "[applications.taken]\nalgorithm = \"RS256\"\n".to_owned(),
        ],
    );
    let refused = sandbox.oauthctl(&["createapplication", "confidential", "client-credentials"]).exits(1);
    assert_snapshot!("checks_in_createapplication", refused);
}

/// django-ansible-base's.
#[test]
fn unique_keys_and_foreign_keys_are_looked_up() {
    let (database, sandbox) = world(
        "CREATE TABLE organization (id bigint PRIMARY KEY, region text, UNIQUE (region, id));
         INSERT INTO organization VALUES (1, 'eu'), (2, 'us');
         ALTER TABLE oauth2_provider_application ADD organization_id bigint REFERENCES organization
             DEFERRABLE INITIALLY DEFERRED, ADD region text,
           ADD CONSTRAINT name_in_organization UNIQUE (name, organization_id),
           ADD CONSTRAINT in_region FOREIGN KEY (region, organization_id) REFERENCES organization (region, id);
         CREATE UNIQUE INDEX no_case ON oauth2_provider_application (lower(name)) WHERE organization_id IS NULL;
         UPDATE oauth2_provider_application SET organization_id = 1;",
    );
    let output = refused(
        &database,
        &sandbox,
        &[
            block("a", "name = \"Taken\"\ncolumns.organization_id = 1"),
            block("b", "columns.organization_id = 99"),
            block("c", "columns.organization_id = 2\ncolumns.region = \"eu\""),
            block("d", "name = \"Two\"\ncolumns.organization_id = 2"),
            block("e", "name = \"Two\"\ncolumns.organization_id = 2"),
            block("f", "name = \"Case\""),
            block("g", "name = \"CASE\""),
        ],
    );
    assert_snapshot!("keys", output);
    // NULLs are distinct, and a condition that does not hold is no obstacle.
    taken(
        &sandbox,
        &[
            block("a", "name = \"Taken\"\ncolumns.organization_id = 2\ncolumns.region = \"us\""),
            block("b", "name = \"Case\""),
            block("c", "name = \"CASE\"\ncolumns.organization_id = 1"),
        ],
    );
}

/// Rows are written one after the other, updates first, deletions last.
#[test]
fn a_key_is_free_when_its_row_has_moved_and_not_before() {
    let (database, sandbox) = world(
        "ALTER TABLE oauth2_provider_application ADD slug text UNIQUE, ADD late text UNIQUE DEFERRABLE INITIALLY DEFERRED;
         UPDATE oauth2_provider_application SET slug = 'one', late = 'one';",
    );
    application(&database, 102, "zeta", &json!({ "slug": "two", "late": "two" }));
    let output = refused(
        &database,
        &sandbox,
        &["[applications.taken.columns]\nslug = \"two\"\n[applications.zeta.columns]\nslug = \"one\"\n"
            .to_owned()],
    );
    assert_snapshot!("keys_that_move_too_late", output);
    // The steps that are named lead there.
    let wanted = |taken: &str| {
        let text = format!(
            "[applications.taken.columns]\nslug = \"{taken}\"\n[applications.zeta.columns]\nslug = \"one\"\n"
        );
        sandbox.write("oauth.toml", file(&[text]));
    };
    let apply = |target: &[&str]| sandbox.oauthctl(&[&APPLY[..], target].concat()).exits(0);
    wanted("temporary");
    apply(&["--target", "taken"]);
    wanted("two");
    apply(&["--target", "zeta"]);
    apply(&[]);
    let slugs = "SELECT string_agg(client_id || '=' || slug, ' ' ORDER BY client_id) FROM oauth2_provider_application";
    assert_eq!(database.value(slugs), "taken=two zeta=one");
    database.execute("UPDATE oauth2_provider_application SET slug = client_id");
    database.execute(
        "UPDATE oauth2_provider_application SET slug = CASE client_id WHEN 'taken' THEN 'one' ELSE 'two' END",
    );
    application(&database, 103, "gone", &json!({ "slug": "three", "late": "three" }));
    let removed = "[[removed]]\nclient_id = \"gone\"\n".to_owned();
    let output = refused(&database, &sandbox, &[block("new", "columns.slug = \"three\""), removed]);
    assert_snapshot!("key_of_a_row_that_is_deleted", output);
    // What the renamed one has freed is there for the new one; deferred keys may swap.
    taken(
        &sandbox,
        &[
            block("fresh", "columns.slug = \"one\""),
            "[applications.moved.columns]\nslug = \"moved\"\nlate = \"two\"\n".to_owned(),
            "[applications.zeta.columns]\nlate = \"one\"\n[[renamed]]\nfrom = \"taken\"\nto = \"moved\"\n"
                .to_owned(),
        ],
    );
    let rows = "SELECT client_id, slug, late FROM oauth2_provider_application ORDER BY 1";
    assert_snapshot!("keys_that_have_moved", database.table(rows));
}

#[test]
fn domains_generated_columns_and_nulls_count() {
    let (database, sandbox) = world(
        "CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);
         CREATE DOMAIN shouted AS short CHECK (VALUE = upper(VALUE));
         ALTER TABLE oauth2_provider_application ALTER name TYPE shouted USING 'X',
           ADD tier integer, ADD double integer GENERATED ALWAYS AS (tier * 2) STORED CHECK (double < 10);",
    );
    let output = refused(
        &database,
        &sandbox,
        &[
            block("a", "name = \"QUITE LONG INDEED\"\ncolumns.tier = 1"),
            block("b", "name = \"quiet\"\ncolumns.tier = 7"),
        ],
    );
    assert_snapshot!("domains_and_generated_columns", output);
    let (database, sandbox) = world("ALTER TABLE oauth2_provider_application ADD tier integer UNIQUE");
    taken(&sandbox, &[block("a", ""), block("b", "")]);
    // PostgreSQL 15 and later.
    if database.major() >= 15 {
        database.execute("DELETE FROM oauth2_provider_application WHERE client_id IN ('a', 'b')");
        database.execute("ALTER TABLE oauth2_provider_application ADD UNIQUE NULLS NOT DISTINCT (tier)");
        let output = refused(&database, &sandbox, &[block("a", "")]);
        assert!(output.stderr.contains("with tier = NULL: application \"taken\" has the same"), "{output}");
    }
    let (database, sandbox) = world("DELETE FROM oauth2_provider_application");
    database.execute("ALTER TABLE oauth2_provider_application ALTER user_id SET NOT NULL");
    assert_snapshot!("owner_is_not_null", refused(&database, &sandbox, &[block("a", "")]));
}

#[test]
fn what_only_a_write_can_try_is_named() {
    let (database, sandbox) = world(
        "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
         CREATE TRIGGER audit AFTER INSERT OR UPDATE ON oauth2_provider_application FOR EACH ROW EXECUTE FUNCTION nothing();
         CREATE TRIGGER farewell AFTER DELETE ON oauth2_provider_application FOR EACH ROW EXECUTE FUNCTION nothing();
         ALTER TABLE oauth2_provider_application ADD stay int4range,
           ADD CONSTRAINT no_overlap EXCLUDE USING gist (stay WITH &&),
           ADD CONSTRAINT dice CHECK (random() < 2), ADD CONSTRAINT any_secret CHECK (client_secret <> 'x'),
           ADD CONSTRAINT any_id CHECK (id > 0);",
    );
    let blocks = [block("a", "columns.stay = \"[1,5)\""), block("b", "columns.stay = \"[7,9)\"")];
    assert_snapshot!("not_tried", taken(&sandbox, &blocks));
    let unchanged = sandbox.oauthctl(&["plan"]).exits(0);
    assert!(!unchanged.stdout.contains("Not tried"), "{unchanged}");
    let clash = [blocks.concat(), block("c", "name = \"C\"\ncolumns.stay = \"[4,6)\""), block("d", "")];
    sandbox.write("oauth.toml", file(&clash));
    let planned = sandbox.oauthctl(&["plan", "--format", "json"]).exits(0);
    let document: serde_json::Value = serde_json::from_slice(&planned.raw_stdout).unwrap();
    assert_snapshot!("not_tried_as_json", serde_json::to_string_pretty(&document["not_tried"]).unwrap());
    assert!(sandbox.oauthctl(&["plan", "--format", "markdown"]).exits(0).stdout.contains("Not tried"));
    let before = everything(&database, "public");
    let refused = sandbox.oauthctl(&["apply", "--yes", "--secrets-out", "more.json"]).exits(1);
    assert_snapshot!("refused_by_a_write", refused);
    assert_eq!(before, everything(&database, "public"));
}

/// What a trigger may put right is a warning.
#[test]
fn a_trigger_before_the_constraint_leaves_a_doubt() {
    let (_database, sandbox) = world(
        "ALTER TABLE oauth2_provider_application ADD CHECK (name <> '');
         CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name = NEW.client_id; RETURN NEW; END $$;
         CREATE TRIGGER fill BEFORE INSERT ON oauth2_provider_application FOR EACH ROW EXECUTE FUNCTION fill();",
    );
    assert_snapshot!("doubts", taken(&sandbox, &[block("a", "")]));
}

/// Between plan and write another session takes the key.
#[test]
fn a_constraint_that_is_broken_only_at_apply_has_its_line() {
    let (database, sandbox) = world(
        "ALTER TABLE oauth2_provider_application ADD slug text UNIQUE;
         CREATE FUNCTION race() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           UPDATE oauth2_provider_application SET slug = 'b' WHERE client_id = 'taken'; RETURN NULL; END $$;
         CREATE TRIGGER race BEFORE INSERT ON oauth2_provider_application FOR EACH STATEMENT EXECUTE FUNCTION race();",
    );
    sandbox
        .write("oauth.toml", file(&[block("a", "columns.slug = \"a\""), block("b", "columns.slug = \"b\"")]));
    let before = everything(&database, "public");
    assert_snapshot!("refused_in_a_race", sandbox.oauthctl(&APPLY).exits(1));
    assert_eq!(before, everything(&database, "public"));
}

/// A secret that breaks a constraint is not shown, and neither is a table that the role may not read tried.
#[test]
fn no_secret_is_shown_and_what_may_not_be_read_is_named() {
    let (database, sandbox) = world(
        "CREATE TABLE organization (id bigint PRIMARY KEY); INSERT INTO organization VALUES (1);
         ALTER TABLE oauth2_provider_application ADD api_key text DEFAULT 'hunter2',
           ADD organization_id bigint REFERENCES organization,
           ADD CONSTRAINT long_key CHECK (length(api_key) > 20 OR name <> 'Web') NOT VALID;",
    );
    let output = refused(&database, &sandbox, &[block("web", "name = \"Web\"\ncolumns.organization_id = 1")]);
    assert!(!output.to_string().contains("hunter2"), "{output}");
    assert_snapshot!("secret_is_hidden", output);
    let role = format!("constraints_{}", database.name());
    database.execute(format!(
        "CREATE ROLE {role} LOGIN;
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
         REVOKE SELECT ON organization FROM {role};"
    ));
    sandbox.write("oauth.toml", file(&[block("web", "columns.organization_id = 1")]));
    let planned = sandbox.command(&["plan"]).env("PGUSER", &role).run();
    assert_snapshot!(
        "foreign_key_that_may_not_be_read",
        planned.exits(0).to_string().replace(&role, "reader")
    );
    database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
