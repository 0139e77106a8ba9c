//! `${var.NAME}`: one file for several environments.

use std::fmt::Write as _;

use insta::assert_snapshot;

use super::support::{Database, Sandbox, Template};

const FILE: &str = r#"
[applications.web]
name = "${var.title} shop"
client_type = "${var.kind}"
authorization_grant_type = "authorization-code"
redirect_uris = ["https://${var.domain}/callback", "https://www.${var.domain}/callback"]
hash_client_secret = false
client_secret = { env = "WEB_SECRET" }
"#;

const VARIABLES: [&str; 6] =
    ["--var", "title=Staging", "--var", "kind=confidential", "--var", "domain=staging.example"];

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    let mut sandbox = Sandbox::with(&database);
    sandbox.set("WEB_SECRET", "a-secret-of-the-web-shop");
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

fn with<'a>(verb: &[&'a str]) -> Vec<&'a str> {
    [verb, &VARIABLES].concat()
}

fn stored(database: &Database) -> String {
    database
        .value("SELECT name || '|' || client_type || '|' || redirect_uris FROM oauth2_provider_application")
}

#[test]
fn a_flag_wins_over_a_file_and_a_file_over_the_environment() {
    let (database, mut sandbox) = world();
    sandbox.write("staging.toml", "title = \"File\"\nkind = \"confidential\"\n");
    sandbox.set("OAUTHCTL_VAR_title", "Environment");
    sandbox.set("OAUTHCTL_VAR_kind", "public");
    sandbox.set("OAUTHCTL_VAR_domain", "shop.example");
    sandbox
        .oauthctl(&["apply", "--yes", "--var-file", "staging.toml", "--var", "title=Flag \"${var.domain}\""])
        .exits(0);
    assert_eq!(
        stored(&database),
        "Flag \"${var.domain}\" shop|confidential|https://shop.example/callback https://www.shop.example/callback"
    );
}

#[test]
fn what_is_wrong_with_a_variable_is_said_at_its_place() {
    let (_database, mut sandbox) = world();
    let mut told = String::new();
    let mut tell = |title: &str, sandbox: &Sandbox, arguments: &[&str]| {
        writeln!(told, "== {title}\n{}", sandbox.oauthctl(arguments).exits(64)).unwrap();
    };
    tell("undefined", &sandbox, &["validate", "--var", "title=Staging", "--var", "kind=public"]);
    let other = [&with(&["validate"])[..], &["--var", "kind=other"]].concat();
    tell("a value that the key cannot have", &sandbox, &other);
    tell("no assignment", &sandbox, &["plan", "--var", "title"]);
    tell("no file", &sandbox, &["plan", "--var-file", "nowhere.toml"]);
    sandbox.write("list.toml", "title = [1]\n");
    tell("a file of something else", &sandbox, &["plan", "--var-file", "list.toml"]);
    sandbox.write("name.toml", "\"a b\" = \"c\"\n");
    tell("a name that is none", &sandbox, &["plan", "--var-file", "name.toml"]);
    sandbox.write(
        "oauth.toml",
        "[applications.web]\nname = \"${title}\"\nredirect_uris = [\"${env.HOME}\", \"${\"]\n",
    );
    tell("no variable", &sandbox, &["validate"]);
    sandbox.set("OAUTHCTL_VAR_NAME", "WEB_SECRET");
    sandbox.write(
        "oauth.toml",
        "[database]\nurl = \"postgres://${var.NAME}/app\"\n[applications.web]\nclient_secret = { env = \"${var.NAME}\" }\n",
    );
    tell("in a secret", &sandbox, &["validate"]);
    assert_snapshot!(told);
}

#[test]
fn a_secret_is_no_variable() {
    let (_database, sandbox) = world();
    let arguments = [&with(&["plan"])[..], &["--var", "title=a-secret-of-the-web-shop"]].concat();
    let output = sandbox.oauthctl(&arguments).exits(64);
    assert!(!output.to_string().contains("a-secret"), "{output}");
    assert_snapshot!(output.stderr);
}

#[test]
fn a_variable_that_is_not_used_is_a_warning() {
    let (_database, sandbox) = world();
    let output = sandbox.oauthctl(&[&with(&["plan"])[..], &["--var", "tilte=Shop"]].concat()).exits(0);
    assert!(
        output.stderr.contains("warning: --var tilte: oauth.toml does not use this variable"),
        "{output}"
    );
}

#[test]
fn a_saved_plan_is_for_its_values() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&with(&["plan", "--out", "plan.json"])).exits(0);
    let other =
        [&with(&["apply", "plan.json", "--yes"])[..], &["--var", "domain=production.example"]].concat();
    sandbox.oauthctl(&other).exits(4);
    sandbox.oauthctl(&with(&["apply", "plan.json", "--yes"])).exits(0);
    assert!(stored(&database).starts_with("Staging shop|confidential|https://staging.example/"));
}

#[test]
fn import_keeps_what_has_the_stored_value() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&with(&["apply", "--yes"])).exits(0);
    sandbox.oauthctl(&with(&["import", "web", "--update"])).exits(0);
    assert_eq!(sandbox.read("oauth.toml"), FILE);

    database.execute(
        "UPDATE oauth2_provider_application SET name = 'Costs ${5}', \
         redirect_uris = 'https://www.staging.example/callback https://new.example/'",
    );
    sandbox.oauthctl(&with(&["import", "web", "--update"])).exits(0);
    let text = sandbox.read("oauth.toml");
    assert!(text.contains("name = \"Costs $${5}\""), "{text}");
    assert!(text.contains("[\"https://www.${var.domain}/callback\", \"https://new.example/\"]"), "{text}");
    sandbox.oauthctl(&[&["plan", "--detailed-exitcode"], &VARIABLES[2..]].concat()).exits(0);
}

/// The file is the same, so it is not what is named.
#[test]
fn a_saved_plan_names_the_variable_that_has_changed() {
    let (database, sandbox) = world();
    sandbox.oauthctl(&[&with(&["plan"])[..], &["--out", "saved.plan"]].concat()).exits(0);
    let other = [&with(&["apply", "saved.plan", "--yes"])[..], &["--var", "domain=other.example"]].concat();
    let stale = sandbox.oauthctl(&other).exits(4);
    assert_snapshot!("a_saved_plan_of_another_value", stale);
    assert_eq!(database.value("SELECT count(*) FROM oauth2_provider_application"), "0");
    sandbox.oauthctl(&with(&["apply", "saved.plan", "--yes"])).exits(0);
}
