//! Errors that are right, with the way out: tables that are not there, sequences that are behind, users without names,
//! keys that are hashes, encodings that lack a character.

use insta::assert_snapshot;
use serde_json::json;

use super::support::database::Template;
use super::support::rows::application;
use super::support::{Database, Sandbox};

const CREATE: [&str; 5] = ["createapplication", "confidential", "client-credentials", "--client-id", "made"];

const NEW: &str = "[applications.new]\nclient_type = \"confidential\"\n\
    authorization_grant_type = \"client-credentials\"\n\
    client_secret = { hash = \"pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=\" }\n";

/// The statement that a hint says to type in psql.
fn in_psql(stderr: &str) -> String {
    let words = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = words.find("SELECT setval").expect("a statement");
    let end = start + words[start..].find(';').expect("its end");
    words[start..end].replace("hint: ", "")
}

/// A 5 may be tried again; this may not.
#[test]
fn tables_that_are_not_there() {
    let sandbox_on = |database: &Database| {
        let sandbox = Sandbox::with(database);
        sandbox.write("oauth.toml", NEW);
        sandbox
    };
    let empty = Database::create(Template::Empty);
    assert_snapshot!("no_tables", sandbox_on(&empty).oauthctl(&["plan"]).exits(1));

    let old = Database::create(Template::Dot150);
    old.execute("DROP TABLE oauth2_provider_idtoken CASCADE");
    let sandbox = sandbox_on(&old);
    assert_snapshot!("no_id_tokens", sandbox.oauthctl(&["plan"]).exits(1));
    sandbox.oauthctl(&["doctor"]).exits(1);

    let elsewhere = Database::create(Template::Dot341);
    elsewhere.execute(format!("ALTER DATABASE {} SET search_path = pg_catalog", elsewhere.name()));
    let sandbox = sandbox_on(&elsewhere);
    assert_snapshot!("off_the_search_path", sandbox.oauthctl(&["plan"]).exits(1));
    sandbox.write("oauth.toml", format!("[database]\nschema = \"public\"\n{NEW}"));
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);

    // Nothing but the ID tokens' table is missing, and access tokens could have some.
    let sandbox = sandbox_on(&old);
    old.execute("ALTER TABLE oauth2_provider_accesstoken DROP COLUMN id_token_id");
    assert_snapshot!("before_dot_1_5", sandbox.oauthctl(&["plan"]).exits(1));
    let doctor = sandbox.oauthctl(&["doctor"]).exits(1);
    assert!(doctor.stdout.contains("before 1.5"), "{doctor}");
}

/// The block of the hint is complete: pasted, it works. Tables that only look like applications are not offered.
#[test]
fn swapped_models_are_named_with_all_their_tables() {
    let database = Database::create(Template::Swapped341);
    database.execute(
        "CREATE TABLE a_customer_client (id bigint PRIMARY KEY, client_id text, client_secret text, client_type text, \
         authorization_grant_type text); \
         CREATE TABLE a_customer_grant (id bigint PRIMARY KEY, code text, expires timestamptz, redirect_uri text, \
         client_id bigint REFERENCES a_customer_client)",
    );
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", "");
    let told = sandbox.oauthctl(&["plan"]).exits(1);
    assert_snapshot!("swapped", told);
    let block: Vec<&str> =
        told.stderr.lines().map(str::trim).skip_while(|line| *line != "[database]").collect();
    sandbox.write("oauth.toml", block.join("\n"));
    sandbox.oauthctl(&["plan"]).exits(0);
    // Half of it is said already.
    let application = block.iter().find(|line| line.starts_with("application")).unwrap();
    sandbox.write("oauth.toml", format!("[database.tables]\n{application}\n"));
    assert_snapshot!("swapped_in_part", sandbox.oauthctl(&["plan"]).exits(1));
}

#[test]
fn a_sequence_that_is_behind_its_table() {
    for template in [Template::Dot341, Template::Dot150] {
        let database = Database::create(template);
        for id in 1..=3 {
            application(&database, id, &format!("app{id}"), &json!({}));
        }
        database
            .execute("SELECT setval(pg_get_serial_sequence('oauth2_provider_application', 'id'), 1, false)");
        let sandbox = Sandbox::with(&database);
        sandbox.write("oauth.toml", NEW);
        let doctor = sandbox.oauthctl(&["doctor", "--for", "apply"]);
        assert!(doctor.stdout.contains("_id_seq is behind"), "{doctor}");
        let created = sandbox.oauthctl(&CREATE).exits(1);
        let applied = sandbox.oauthctl(&["apply", "--yes"]).exits(1);
        if template == Template::Dot341 {
            assert_snapshot!("create_with_sequence_behind", created);
            assert_snapshot!("apply_with_sequence_behind", applied);
        }
        database.execute(in_psql(&applied.stderr));
        let doctor = sandbox.oauthctl(&["doctor", "--for", "apply"]);
        assert!(!doctor.stdout.contains("_id_seq is behind"), "{doctor}");
        sandbox.oauthctl(&CREATE).exits(0);
        sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    }
}

#[test]
fn a_sequence_behind_a_token_table_is_a_note() {
    let database = Database::create(Template::Dot341);
    database.execute(
        "INSERT INTO oauth2_provider_accesstoken (id, token, token_checksum, expires, scope, created, updated, resource) \
         OVERRIDING SYSTEM VALUE VALUES (7, 't', 'c', now() + interval '1 day', '', now(), now(), '[]')",
    );
    let sandbox = Sandbox::with(&database);
    let doctor = sandbox.oauthctl(&["doctor"]);
    let from = doctor.stdout.find("note     sequences").unwrap_or_else(|| panic!("{doctor}"));
    assert_snapshot!("token_sequence", doctor.stdout[from..].lines().take(8).collect::<Vec<_>>().join("\n"));
}

#[test]
fn users_without_names() {
    let database = Database::create(Template::Dot341);
    database.execute("ALTER TABLE auth_user DROP COLUMN username");
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", format!("{NEW}user = {{ username = \"ops@example.com\" }}\n"));
    assert_snapshot!("user_by_name", sandbox.oauthctl(&["plan"]).exits(64));
    sandbox.write("oauth.toml", format!("{NEW}user = \"7\"\n"));
    assert_snapshot!("user_by_key", sandbox.oauthctl(&["plan"]).exits(64));
}

/// The help looks at what the file says already, and what it says works.
#[test]
fn hs256_beside_a_stored_hash() {
    let database = Database::create(Template::Dot341);
    let hash = "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=";
    application(
        &database,
        1,
        "rp",
        &json!({ "client_secret": hash, "hash_client_secret": true, "user_id": null }),
    );
    let sandbox = Sandbox::with(&database);
    let flag = "[applications.rp]\nhash_client_secret = false\n";
    let signs = format!("{flag}algorithm = \"HS256\"\n");
    sandbox.write("oauth.toml", "[applications.rp]\nalgorithm = \"HS256\"\n");
    assert_snapshot!("hs256_without_the_flag", sandbox.oauthctl(&["plan"]).exits(64));
    sandbox.write("oauth.toml", &signs);
    assert_snapshot!("hs256_with_the_flag", sandbox.oauthctl(&["plan"]).exits(64));
    sandbox.write("oauth.toml", format!("{signs}client_secret = {{ hash = \"{hash}\" }}\n"));
    assert_snapshot!("hs256_with_a_hash", sandbox.oauthctl(&["validate"]).exits(64));
    // As the help says.
    sandbox.write("oauth.toml", flag);
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    sandbox.oauthctl(&["rotate-secret", "rp", "--yes", "--secrets-out", "s.json"]).exits(0);
    sandbox.write("oauth.toml", &signs);
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert_eq!(database.value("SELECT algorithm FROM oauth2_provider_application"), "HS256");
}

#[test]
fn texts_that_the_encoding_lacks() {
    let template = Database::create(Template::Empty);
    for (encoding, name) in [("LATIN1", "latin"), ("SQL_ASCII", "ascii")] {
        let other = format!("{}_{name}", template.name());
        template
            .execute(format!("CREATE DATABASE {other} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"));
        let mut sandbox = Sandbox::with(&template);
        sandbox.set("PGDATABASE", &other);
        sandbox.oauthctl(&["migrate", "--provider"]).exits(0);
        sandbox.write("oauth.toml", format!("{NEW}name = \"New ☃\"\n"));
        // PostgreSQL 13 gives this message no context, and without one no function can have said it.
        let of_13 = (
            r"(not-null constraints of \w+ \()character[^)]*",
            "${1}a function of the database refused, in words that may quote a secret",
        );
        insta::with_settings!({ filters => [(r"\[database\]_\w+", "[database]"), of_13] }, {
            if encoding == "LATIN1" {
                assert_snapshot!("latin1", sandbox.oauthctl(&["apply", "--yes"]).exits(1));
            } else {
                sandbox.oauthctl(&["apply", "--yes"]).exits(0);
                sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
            }
        });
        let doctor = sandbox.oauthctl(&["doctor"]);
        assert!(doctor.stdout.contains(&format!("The database's encoding is {encoding}.")), "{doctor}");
        template.execute(format!("DROP DATABASE {other} WITH (FORCE)"));
    }
}

#[test]
fn migrate_without_the_schema() {
    let database = Database::create(Template::Empty);
    let role = format!("migrator_{}", database.name());
    database.execute(format!(
        "CREATE ROLE {role} LOGIN; CREATE SCHEMA oauthctl; GRANT USAGE ON SCHEMA oauthctl TO {role}"
    ));
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("PGUSER", &role);
    insta::with_settings!({ filters => [(r"migrator_\[database\]", "[role]")] }, {
        assert_snapshot!("migrate_not_owner", sandbox.oauthctl(&["migrate", "--ledger"]).exits(1));
    });
    database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// One column of a version is not all that it brought.
#[test]
fn an_application_table_behind_its_version() {
    let database = Database::create(Template::Dot341);
    database.execute(
        "ALTER TABLE oauth2_provider_application DROP COLUMN registration_source, DROP COLUMN cimd_expires_at",
    );
    let doctor = Sandbox::with(&database).oauthctl(&["doctor", "--for", "plan"]);
    let from = doctor.stdout.find("problem  schema").unwrap_or_else(|| panic!("{doctor}"));
    assert_snapshot!(
        "behind_its_version",
        doctor.stdout[from..].lines().take(10).collect::<Vec<_>>().join("\n")
    );
}
