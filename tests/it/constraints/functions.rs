//! Constraints that call functions of the project's: trying them changes nothing, reveals nothing and ends.

use insta::assert_snapshot;
use serde_json::json;

use super::super::support::rows::{application, everything};
use super::super::support::tap::Tap;
use super::{block, file, world};

/// A function in PL/pgSQL that claims to be immutable, as one needs for an index, whatever it does.
fn function(name: &str, does: &str) -> String {
    format!(
        "CREATE FUNCTION {name}(given text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {does}; RETURN true; END $$;
         ALTER TABLE oauth2_provider_application ADD CONSTRAINT c_{name} CHECK ({name}(name)) NOT VALID;"
    )
}

/// Settings of one function would decide how the next statements on the connection are read.
#[test]
fn what_a_function_does_is_undone_or_refused() {
    let functions = [
        (
            "a_sets",
            "PERFORM set_config('TimeZone', 'Asia/Tokyo', false), set_config('search_path', 'evil', false)",
        ),
        ("b_sets", "PERFORM set_config('statement_timeout', '1', false)"),
        ("counts", "PERFORM nextval('public.counter')"),
        ("locks", "PERFORM pg_advisory_xact_lock(7)"),
        ("opens", "SET TRANSACTION READ WRITE"),
        ("sleeps", "PERFORM pg_sleep(600)"),
        ("writes", "INSERT INTO public.noted VALUES (given)"),
    ];
    let ddl: String = functions.map(|(name, does)| function(name, does)).concat();
    let (database, mut sandbox) = world(&format!(
        "CREATE SEQUENCE counter; CREATE TABLE noted (what text); {ddl}
         ALTER TABLE oauth2_provider_application
           ADD CONSTRAINT c_direct CHECK (set_config('TimeZone', 'Asia/Tokyo', false) <> '') NOT VALID,
           ADD CONSTRAINT c_aa_sees CHECK (current_setting('TimeZone') = 'UTC') NOT VALID,
           ADD CONSTRAINT c_locks_seen CHECK (current_setting('search_path') LIKE 'pg_catalog%') NOT VALID,
           ADD CONSTRAINT c_z CHECK (name <> 'Z') NOT VALID;"
    ));
    let before = everything(&database, "public");
    sandbox.set("PGOPTIONS", "-c statement_timeout=5s");
    sandbox.write("oauth.toml", file(&[block("web", "name = \"Web\"")]));
    assert_snapshot!("functions", sandbox.oauthctl(&["plan"]).exits(0));
    sandbox.write("oauth.toml", file(&[block("web", "name = \"Z\"")]));
    let refused = sandbox.oauthctl(&["plan"]).exits(64);
    assert!(refused.stderr.contains("c_z") && !refused.stderr.contains("_seen"), "{refused}");
    assert_eq!(everything(&database, "public"), before);
    assert_eq!(database.value("SELECT is_called FROM counter"), "f");
}

/// What a function says itself is the reason at the line; never where it has seen a secret.
#[test]
fn a_function_says_why_and_no_secret() {
    let raise = |name: &str, when: &str, what: &str| {
        format!(
            "CREATE FUNCTION {name}(a text, b text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
               $$ BEGIN IF {when} THEN RAISE EXCEPTION 'not %', {what}; END IF; RETURN true; END $$;"
        )
    };
    let (database, sandbox) = world(&format!(
        "{} {} ALTER TABLE oauth2_provider_application
           ADD CONSTRAINT says CHECK (says(name, '')) NOT VALID, ADD CONSTRAINT tells CHECK (tells(name, client_secret)) NOT VALID;",
        raise("says", "a LIKE 'bad%'", "a"),
        raise("tells", "a = 'Told'", "b")
    ));
    application(
        &database,
        102,
        "told",
        &json!({ "client_secret": "correct-horse-battery", "hash_client_secret": false }),
    );
    sandbox.write(
        "oauth.toml",
        file(&[
            block("bad", "name = \"bad name\""),
            block("good", "name = \"Good\""),
            "[applications.told]\nname = \"Told\"\n".to_owned(),
        ]),
    );
    let planned = sandbox.oauthctl(&["plan", "-vv"]).exits(64);
    let applied = sandbox.oauthctl(&["apply", "-vv", "--yes", "--secrets-out", "s.json"]).exits(64);
    for output in [&planned, &applied] {
        assert!(!output.to_string().contains("battery"), "{output}");
    }
    assert_snapshot!("raised", sandbox.oauthctl(&["plan"]).exits(64));
}

/// Where the expression fails for rows, each is found, and most others are not asked about again.
#[test]
fn rows_that_fail_are_found_in_halves() {
    const ROWS: usize = 64;
    let (database, _) = world(
        "ALTER TABLE oauth2_provider_application ADD seats integer DEFAULT 3,
           ADD CONSTRAINT share CHECK (100 / seats >= 10) NOT VALID;",
    );
    let tap = Tap::on(&database);
    let sandbox = tap.sandbox(&database);
    let asked = |zeros: &[usize]| {
        let blocks: Vec<String> = (0..ROWS)
            .map(|n| block(&format!("a{n:02}"), if zeros.contains(&n) { "columns.seats = 0" } else { "" }))
            .collect();
        sandbox.write("oauth.toml", file(&blocks));
        tap.take();
        let output = sandbox.oauthctl(&["plan"]).exits(if zeros.is_empty() { 0 } else { 64 });
        let savepoints = tap.take().iter().filter(|sent| sent.text.starts_with("SAVEPOINT")).count();
        (output.stderr.matches("the constraint \"share\" fails with seats = \"0\"").count(), savepoints)
    };
    let (none, base) = asked(&[]);
    let (one, of_one) = asked(&[17]);
    assert_eq!((none, one), (0, 1));
    // Two halves at each of six levels, and one look at its values.
    assert_eq!(of_one - base, 2 * 6 + 1);
    let (two, of_two) = asked(&[0, 63]);
    assert_eq!(two, 2);
    assert!(of_two - base <= 2 * 2 * 6 + 1, "{of_two} {base}");
    // As many as are shown are looked for.
    let all: Vec<usize> = (0..ROWS).collect();
    let (all, of_all) = asked(&all);
    assert_eq!(all, 50);
    assert!(of_all - base <= 2 * ROWS, "{of_all} {base}");
}
