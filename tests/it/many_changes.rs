//! `apply` with more rows than one statement takes: sets for speed, and the same rows, errors and lines as one by one.

use std::fmt::Write as _;

use serde_json::json;

use super::support::database::Template;
use super::support::rows::{application, everything};
use super::support::{Database, Sandbox};

const APPLY: [&str; 2] = ["apply", "--yes"];

/// Applications `app-0001` and so on, and a count of the statements that change some.
fn world(count: u32, ddl: &str) -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    application(
        &database,
        1,
        "app-0001",
        &json!({ "name": "Before", "redirect_uris": "https://a.example/cb" }),
    );
    database.execute(format!(
        "INSERT INTO oauth2_provider_application
             SELECT (jsonb_populate_record(t, jsonb_build_object('id', n, 'client_id', 'app-' || lpad(n::text, 4, '0')))).*
             FROM oauth2_provider_application t, generate_series(2, {count}) n;
         SELECT setval(pg_get_serial_sequence('oauth2_provider_application', 'id'), {count});
         SET CONSTRAINTS ALL IMMEDIATE;
         CREATE TABLE written (n serial);
         CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO written DEFAULT VALUES; RETURN NULL; END $$;
         CREATE TRIGGER count_it AFTER INSERT OR UPDATE ON oauth2_provider_application
             FOR EACH STATEMENT EXECUTE FUNCTION count_it();
         {ddl}"
    ));
    let sandbox = Sandbox::with(&database);
    (database, sandbox)
}

/// A file with these lines for each of the applications.
fn file(numbers: impl IntoIterator<Item = u32>, lines: impl Fn(u32) -> String) -> String {
    let mut text = "[provider]\nclient_secret_iterations = 1\n[policy]\nmax_updates = \"100%\"\n".to_owned();
    for n in numbers {
        let _ = write!(text, "[applications.app-{n:04}]\n{}\n", lines(n));
    }
    text
}

fn statements(database: &Database) -> String {
    database.value("SELECT count(*) FROM written")
}

/// The line of the file on which a text is.
fn line_of(file: &str, text: &str) -> usize {
    file.lines().position(|line| line == text).unwrap() + 1
}

#[test]
fn a_thousand_rows_that_are_alike_are_one_statement() {
    let (database, sandbox) = world(
        2_500,
        "ALTER TABLE oauth2_provider_application ADD price numeric(6,2) DEFAULT 1, ADD since timestamptz,
           ADD code varchar(8), ADD facts jsonb DEFAULT '{}', ADD modified timestamptz NOT NULL DEFAULT '2000-01-01Z';",
    );
    let lines = |n: u32| {
        let common = format!(
            "name = \"Name \\\" {n}\"\nredirect_uris = [\"https://{n}.example/a\", \"https://{n}.example/b\"]"
        );
        match n % 5 {
            0 => format!(
                "{common}\ncolumns.price = \"{n}.5\"\ncolumns.facts = {{ n = {n}, list = [\"a,b\", \"{{}}\"] }}"
            ),
            1 => format!("{common}\ncolumns.since = 2026-01-31T12:00:00Z\ncolumns.code = \"c{n}\""),
            _ => common,
        }
    };
    let text = file(1..=2_500, lines);
    sandbox.write("oauth.toml", &text);
    sandbox.oauthctl(&APPLY).exits(0);
    // 500, 500 and 1,500 of three kinds.
    assert_eq!(statements(&database), "4");
    let wrong = "SELECT count(*) FROM oauth2_provider_application WHERE name <> 'Name \" ' || id
        OR redirect_uris <> format('https://%s.example/a https://%s.example/b', id, id) OR updated < now() - interval '1 day'
        OR price IS DISTINCT FROM (CASE WHEN id % 5 = 0 THEN id + 0.5 ELSE 1 END)
        OR facts IS DISTINCT FROM (CASE WHEN id % 5 = 0 THEN jsonb_build_object('n', id, 'list', '[\"a,b\", \"{}\"]'::jsonb) ELSE '{}' END)
        OR since IS DISTINCT FROM (CASE WHEN id % 5 = 1 THEN timestamptz '2026-01-31T12:00:00Z' END)
        OR code IS DISTINCT FROM (CASE WHEN id % 5 = 1 THEN 'c' || id END)";
    assert_eq!(database.value(wrong), "0");
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn the_row_that_a_trigger_refuses_is_named() {
    let (database, sandbox) = world(
        1_200,
        "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF NEW.client_id IN ('app-1100', 'app-1150') THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER fault BEFORE UPDATE ON oauth2_provider_application FOR EACH ROW EXECUTE FUNCTION fault();",
    );
    sandbox.write("oauth.toml", file(1..=1_200, |_| "name = \"After\"".to_owned()));
    let before = everything(&database, "public");
    let output = sandbox.oauthctl(&APPLY).exits(1);
    assert!(output.stderr.contains("updating application \"app-1100\" failed: not this one"), "{output}");
    assert_eq!(before, everything(&database, "public"));
    database.execute("DROP TRIGGER fault ON oauth2_provider_application");
    sandbox.oauthctl(&APPLY).exits(0);
    assert_eq!(statements(&database), "2");
}

#[test]
fn the_row_that_is_not_written_is_named() {
    let (database, sandbox) = world(
        1_200,
        "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF NEW.client_id = 'app-0700' THEN RETURN NULL; END IF; RETURN NEW; END $$;
         CREATE TRIGGER fault BEFORE UPDATE ON oauth2_provider_application FOR EACH ROW EXECUTE FUNCTION fault();",
    );
    sandbox.write("oauth.toml", file(1..=1_200, |_| "name = \"After\"".to_owned()));
    let before = everything(&database, "public");
    let output = sandbox.oauthctl(&APPLY).exits(1);
    let expected =
        "updating application \"app-0700\" touched 0 rows instead of 1; everything was rolled back";
    assert!(output.stderr.contains(expected), "{output}");
    assert_eq!(before, everything(&database, "public"));
}

#[test]
fn a_constraint_that_only_a_write_can_try_is_a_problem_at_its_line() {
    let (database, sandbox) = world(
        1_200,
        "ALTER TABLE oauth2_provider_application ADD stay int4range, ADD CONSTRAINT no_overlap EXCLUDE USING gist (stay WITH &&);",
    );
    // One of them takes what the one before it has.
    let text = |twin: u32| {
        file(1..=1_200, |n| {
            let from = if n == twin { n * 10 - 10 } else { n * 10 };
            format!("columns.stay = \"[{from},{})\"", from + 5)
        })
    };
    let create = text(1_099);
    let text = text(900);
    sandbox.write("oauth.toml", &text);
    let before = everything(&database, "public");
    let output = sandbox.oauthctl(&APPLY).exits(1);
    // The second of the two, in the order of the plan.
    let line = line_of(&text, "[applications.app-0900]");
    assert!(output.stderr.contains(&format!("oauth.toml:{line}:")), "{output}");
    assert!(output.stderr.contains("no_overlap"), "{output}");
    assert_eq!(before, everything(&database, "public"));

    // The same among rows that are created.
    let create = create.replace("app-", "new-").replace(
        "columns.stay",
        "client_type = \"public\"\nauthorization_grant_type = \"client-credentials\"\ncolumns.stay",
    );
    sandbox.write("oauth.toml", &create);
    let output = sandbox.oauthctl(&APPLY).exits(1);
    let line = line_of(&create, "[applications.new-1099]");
    assert!(output.stderr.contains(&format!("oauth.toml:{line}:")), "{output}");
    assert_eq!(before, everything(&database, "public"));
}

/// Each row takes what the row before it has had, which is free in the order of the plan only.
#[test]
fn unique_values_are_passed_on_from_row_to_row() {
    let (database, sandbox) = world(
        60,
        "ALTER TABLE oauth2_provider_application ADD slug text;
         UPDATE oauth2_provider_application SET slug = 's' || id;
         SET CONSTRAINTS ALL IMMEDIATE;
         ALTER TABLE oauth2_provider_application ADD UNIQUE (slug);
         CREATE INDEX ON oauth2_provider_application (id);
         DELETE FROM written;",
    );
    let lines = |n: u32| {
        let slug = format!("columns.slug = \"s{}\"", n - 1);
        // Two kinds of changes, each of which needs the other.
        if n.is_multiple_of(2) { format!("{slug}\nname = \"Even\"") } else { slug }
    };
    sandbox.write("oauth.toml", file(1..=60, lines));
    sandbox.oauthctl(&APPLY).exits(0);
    assert_eq!(
        database.value("SELECT count(*) FROM oauth2_provider_application WHERE slug <> 's' || (id - 1)"),
        "0"
    );
    assert_eq!(database.value("SELECT count(*) FROM oauth2_provider_application WHERE name = 'Even'"), "30");
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn many_are_renamed_created_and_changed_at_once() {
    let (database, sandbox) = world(1_500, "");
    let mut text = file(1_201..=1_500, |_| "allowed_origins = [\"https://a.example\"]".to_owned());
    for n in 1..=1_200 {
        let _ = write!(
            text,
            "[applications.new-{n:04}]\nclient_type = \"public\"\nauthorization_grant_type = \"client-credentials\"\n"
        );
        let _ = write!(
            text,
            "[applications.now-{n:04}]\n[[renamed]]\nfrom = \"app-{n:04}\"\nto = \"now-{n:04}\"\n"
        );
    }
    sandbox.write("oauth.toml", &text);
    sandbox.oauthctl(&APPLY).exits(0);
    // 1,200 and 300 changes, 1,200 creations.
    assert_eq!(statements(&database), "5");
    let counts = "SELECT count(*) FILTER (WHERE client_id LIKE 'now-%' AND client_id = 'now-' || lpad(id::text, 4, '0')),
        count(*) FILTER (WHERE client_id LIKE 'new-%'), count(*) FILTER (WHERE allowed_origins <> '')
        FROM oauth2_provider_application";
    assert_eq!(
        database.table(counts).lines().last().unwrap().split('|').map(str::trim).collect::<Vec<_>>(),
        ["1200", "1200", "300"]
    );
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
}
