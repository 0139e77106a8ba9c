//! Owners where users have no usernames, as with pretix and other projects: by e-mail address, by any other column, by key.

use insta::assert_snapshot;

use super::support::database::Template;
use super::support::rows::{everything, user};
use super::support::sandbox::Output;
use super::support::{Database, Sandbox};

const NEW: &str = "client_type = \"confidential\"\nauthorization_grant_type = \"client-credentials\"\n";
const APPLY: [&str; 4] = ["apply", "--yes", "--secrets-out", "secrets.json"];

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    for id in 1..=4 {
        user(&database, id, &format!("u{id}"));
    }
    database.execute(
        "ALTER TABLE auth_user DROP COLUMN username, ADD handle text, ADD badge integer, ADD api_token text;
         UPDATE auth_user SET email = 'ops@example.com', handle = 'ops', badge = 7 WHERE id = 1;
         UPDATE auth_user SET email = 'dev@example.com', handle = 'dev', badge = 8 WHERE id = 2;
         UPDATE auth_user SET email = 'twin@example.com', handle = 'twin', badge = 9 WHERE id IN (3, 4);",
    );
    let sandbox = Sandbox::with(&database);
    (database, sandbox)
}

/// An application for each owner, called `a`, `b`, ….
fn write(sandbox: &Sandbox, owners: &[&str]) {
    let blocks =
        ('a'..).zip(owners).map(|(name, user)| format!("[applications.{name}]\n{NEW}user = {user}\n"));
    sandbox.write(
        "oauth.toml",
        format!("[provider]\nclient_secret_iterations = 1\n{}", blocks.collect::<String>()),
    );
}

fn without_times(output: &Output) -> String {
    let times = regex::Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z(  (now|\d+s ago))?").unwrap();
    times.replace_all(&output.to_string(), "[instant]").into_owned()
}

#[test]
fn an_owner_is_found_by_any_column_and_imported_by_email() {
    let (database, sandbox) = world();
    let owners = [
        "{ email = \"ops@example.com\" }",
        "{ column = \"handle\", value = \"dev\" }",
        "{ column = \"badge\", value = 7 }",
        "3",
    ];
    write(&sandbox, &owners);
    assert_snapshot!("planned", sandbox.oauthctl(&["plan"]).exits(0));
    sandbox.oauthctl(&APPLY).exits(0);
    let rows =
        "SELECT string_agg(client_id || user_id, ' ' ORDER BY client_id) FROM oauth2_provider_application";
    assert_eq!(database.value(rows), "a1 b2 c1 d3");
    assert!(sandbox.oauthctl(&["plan"]).exits(0).stdout.contains("No changes."));
    // Who the owner is now, in a change of it.
    write(&sandbox, &["{ column = \"handle\", value = \"dev\" }", "{ email = \"ops@example.com\" }"]);
    assert_snapshot!("changed", sandbox.oauthctl(&["plan"]).exits(0));
    let planned = sandbox.oauthctl(&["plan", "--format", "json"]).exits(0);
    let document: serde_json::Value = serde_json::from_slice(&planned.raw_stdout).unwrap();
    assert_snapshot!(
        "changed_as_json",
        serde_json::to_string_pretty(&document["steps"][0]["changes"]).unwrap()
    );
    // A saved plan is the same plan.
    sandbox.oauthctl(&["plan", "--out", "oauth.plan"]).exits(0);
    sandbox.oauthctl(&["apply", "--yes", "oauth.plan"]).exits(0);
    assert_eq!(database.value(rows), "a2 b1 c1 d3");

    sandbox.write("oauth.toml", "");
    sandbox.oauthctl(&["import", "--all"]).exits(0);
    assert_snapshot!("imported", sandbox.read("oauth.toml"));
    assert!(sandbox.oauthctl(&["plan"]).exits(0).stdout.contains("No changes."));
    database.execute("UPDATE oauth2_provider_application SET user_id = 1 WHERE client_id = 'a'");
    sandbox.oauthctl(&["import", "a", "--update"]).exits(0);
    assert!(sandbox.read("oauth.toml").contains("[applications.a]"));
    assert!(sandbox.oauthctl(&["plan"]).exits(0).stdout.contains("No changes."));
    assert_snapshot!(
        "listed",
        sandbox.oauthctl(&["list", "--no-tokens", "--user", "ops@example.com"]).exits(0)
    );
    let listed = sandbox.oauthctl(&["list", "--no-tokens", "--format", "json"]).exits(0);
    let document: serde_json::Value = serde_json::from_slice(&listed.raw_stdout).unwrap();
    let users = document["applications"].as_array().unwrap().iter().map(|one| one["user"].to_string());
    assert_snapshot!("listed_as_json", users.collect::<Vec<_>>().join("\n"));
    let shown = without_times(&sandbox.oauthctl(&["show", "a"]).exits(0));
    assert!(shown.contains("{ email = \"ops@example.com\" } (id 1)"), "{shown}");
    // DOT's command takes a primary key.
    let created =
        ["createapplication", "confidential", "client-credentials", "--client-id", "e", "--user", "2"];
    sandbox.oauthctl(&created).exits(0);
}

#[test]
fn what_is_no_user_has_its_line() {
    let (database, sandbox) = world();
    write(
        &sandbox,
        &[
            "{ email = \"Ops@example.com\" }",
            "{ email = \"twin@example.com\" }",
            "{ column = \"handel\", value = \"ops\" }",
            "{ column = \"badge\", value = \"seven\" }",
            "{ column = \"nothing like it\", value = 1 }",
            "{ username = \"ops\" }",
            "9",
        ],
    );
    let before = everything(&database, "public");
    assert_snapshot!("no_such_users", sandbox.oauthctl(&["plan"]).exits(64));
    sandbox.oauthctl(&APPLY).exits(64);
    assert_eq!(before, everything(&database, "public"));
    write(
        &sandbox,
        &[
            "{}",
            "{ email = \"a\", username = \"b\" }",
            "{ username = \"b\", value = \"c\" }",
            "{ column = \"handle\" }",
            "{ value = 3 }",
            "{ column = \"\", value = \"\" }",
            "{ email = 3 }",
            "{ column = \"handle\", value = true }",
            "{ column = \"password\", value = \"x\" }",
            "{ mail = \"a\" }",
        ],
    );
    assert_snapshot!("no_forms_of_a_user", sandbox.oauthctl(&["validate"]).exits(64));
}

/// Only the columns that are named must be readable.
#[test]
fn the_columns_that_are_named_have_to_be_readable() {
    let (database, sandbox) = world();
    let role = format!("owners_{}", database.name());
    database.execute(format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
         REVOKE SELECT ON auth_user FROM {role}; GRANT SELECT (id) ON auth_user TO {role};"
    ));
    let run = |arguments: &[&str]| sandbox.command(arguments).env("PGUSER", &role).run();
    write(&sandbox, &["{ email = \"ops@example.com\" }"]);
    let refused = run(&["plan"]).exits(1);
    assert!(refused.stderr.contains("GRANT SELECT (email, id) ON public.auth_user"), "{refused}");
    sandbox.oauthctl(&APPLY).exits(0);
    // Without it, the owner is a primary key.
    sandbox.write("oauth.toml", "");
    run(&["import", "--all"]).exits(0);
    assert!(sandbox.read("oauth.toml").contains("user = 1\n"));
    database.execute(format!("GRANT SELECT (email) ON auth_user TO {role}"));
    write(&sandbox, &["{ email = \"ops@example.com\" }"]);
    run(&["plan"]).exits(0);
    database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
