//! `createapplication`: the success lines, the row, and every refusal with nothing written.

mod against_dot;
mod declared;

use std::fs;

use insta::assert_snapshot;
use oauthctl::hasher::{StoredSecret, Verdict};
use oauthctl::secret::Secret;
use serde_json::json;

use super::support::database::Template;
use super::support::rows::{APPLICATIONS, application, everything, user};
use super::support::sandbox::Output;
use super::support::{Database, Sandbox};

/// Hashing that takes no time.
const QUICK: &str = "[provider]\nclient_secret_iterations = 1\n";

const SWAPPED: &str = r#"
[database.tables]
application = "oauth_clients"
access_token = "myauth_accesstoken"
refresh_token = "myauth_refreshtoken"
id_token = "myauth_idtoken"
"#;

struct World {
    database: Database,
    sandbox: Sandbox,
}

impl World {
    fn new(template: Template) -> Self {
        Self::with(template, "")
    }

    fn with(template: Template, toml: &str) -> Self {
        let database = Database::create(template);
        let sandbox = Sandbox::with(&database);
        sandbox.write("oauth.toml", format!("{QUICK}{toml}"));
        Self { database, sandbox }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.oauthctl(&[&["createapplication"], arguments].concat())
    }

    /// Runs what must be refused, and looks that no row of any table is other than before.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> Output {
        let before = everything(&self.database, "public");
        let output = self.run(arguments).exits(1);
        assert_eq!(before, everything(&self.database, "public"), "{output}");
        output
    }

    fn secret(&self, client_id: &str) -> StoredSecret {
        let sql = format!("SELECT client_secret FROM {APPLICATIONS} WHERE client_id = '{client_id}'");
        StoredSecret::new(self.database.value(sql))
    }
}

/// The generated secret of a run, and its output with `[secret]` in its place.
fn taken_out(mut output: Output) -> (String, Output) {
    let secret = output.stdout.lines().find_map(|line| line.strip_prefix("client_secret: "));
    let secret = secret.unwrap_or_else(|| panic!("no secret: {output}")).to_owned();
    output.stdout = output.stdout.replace(&secret, "[secret]");
    (secret, output)
}

fn is_random(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[test]
fn a_generated_secret_is_shown_once_and_stored_hashed() {
    let world = World::new(Template::Dot341);
    let (secret, output) =
        taken_out(world.run(&["--client-id", "cron", "confidential", "client-credentials"]));
    assert_snapshot!(output);
    assert!(is_random(&secret, 128), "{secret}");
    let stored = world.secret("cron");
    assert!(stored.expose().starts_with("pbkdf2_sha256$1$"));
    assert_eq!(stored.verify(&Secret::new(secret)), Verdict::Matches);
}

#[test]
fn a_name_is_shown_instead_of_the_generated_client_id() {
    let world = World::new(Template::Dot341);
    let (_, output) = taken_out(world.run(&["--name", "Cron jobs", "public", "client-credentials"]));
    let client_id = world.database.value(format!("SELECT client_id FROM {APPLICATIONS}"));
    assert_snapshot!(output.to_string().replace(&client_id, "[client id]"));
    assert!(is_random(&client_id, 40), "{client_id}");
}

#[test]
fn every_argument_is_in_the_row() {
    let world = World::with(Template::Dot341, "oidc_rsa_private_key = true\n");
    user(&world.database, 7, "ops");
    assert_snapshot!(
        "every_argument",
        world.run(&[
            "--client_id",
            "web",
            "--user",
            " 007",
            "--redirect-uris",
            "https://b.example/cb https://a.example/cb",
            "--post-logout-redirect-uris",
            "https://a.example/bye",
            "--allowed-origins",
            "https://a.example",
            "--client-secret",
            "hunter2",
            "--no-hash-client-secret",
            "--name",
            "Wëb shop",
            "--skip-authorization",
            "--algorithm",
            "RS256",
            "confidential",
            "authorization-code",
        ])
    );
    // Everything but what differs from run to run: key and times.
    assert_snapshot!(
        "every_argument_in_the_row",
        world.database.table(format!(
            "SELECT to_jsonb(a) - '{{id,created,updated}}'::text[], created = updated, \
                updated > now() - interval '1 minute' FROM {APPLICATIONS} a"
        ))
    );
}

#[test]
fn empty_arguments_count_as_not_given() {
    let world = World::new(Template::Dot341);
    let arguments = [
        "--client-id",
        "",
        "--user",
        "",
        "--redirect-uris",
        "",
        "--post-logout-redirect-uris",
        "",
        "--allowed-origins",
        "",
        "--client-secret",
        "",
        "--name",
        "",
        "--algorithm",
        "",
        "confidential",
        "password",
    ];
    let (secret, output) = taken_out(world.run(&arguments).exits(0));
    assert!(is_random(&secret, 128));
    let client_id = world.database.value(format!("SELECT client_id FROM {APPLICATIONS}"));
    assert!(is_random(&client_id, 40));
    assert_eq!(
        output.stdout,
        format!("New application {client_id} created successfully.\nclient_secret: [secret]\n")
    );
}

#[test]
fn a_secret_can_come_from_a_file() {
    let world = World::new(Template::Dot341);
    world.sandbox.write("secret", "correct horse\n");
    world.sandbox.write("empty", "\n");
    let create = |file: &str| {
        world.run(&["--client-id", "cron", "--client-secret-file", file, "confidential", "password"])
    };
    for file in ["empty", "absent"] {
        let output = create(file).exits(64);
        assert!(output.stderr.contains(&format!("the secret file {file} ")), "{output}");
    }
    assert_snapshot!(create("secret"));
    assert_eq!(world.secret("cron").verify(&Secret::new("correct horse".to_owned())), Verdict::Matches);
    assert_eq!(world.database.value(format!("SELECT count(*) FROM {APPLICATIONS}")), "1");
}

#[test]
fn all_problems_are_named_at_once_and_nothing_is_written() {
    let world = World::new(Template::Dot341);
    assert_snapshot!(
        "values_that_django_refuses",
        world.refused(&[
            "--client-id",
            &"c".repeat(256),
            "--name",
            &"ñ".repeat(256),
            "--client-secret",
            &"s".repeat(256),
            "--user",
            "ops",
            "--redirect-uris",
            "ftp://files.example/ https://a.example/cb#top https://b.example/cb",
            "--allowed-origins",
            "https://a.example/ http://a.example",
            "--algorithm",
            "HS256",
            "pubic",
            "implicit",
        ])
    );
    assert_snapshot!("a_client_type_that_is_empty", world.refused(&["", "authorization-code"]));
}

#[test]
fn what_the_server_allows_is_in_the_file() {
    let arguments = [
        "--client-id",
        "app",
        "--redirect-uris",
        "https://*.apps.example.com/cb com.example.app:/cb",
        "--allowed-origins",
        "http://localhost:8080",
        "--algorithm",
        "RS256",
        "public",
        "authorization-code",
    ];
    let world = World::new(Template::Dot341);
    fs::remove_file(world.sandbox.path().join("oauth.toml")).unwrap();
    assert_snapshot!(world.refused(&arguments));
    let settings = "allowed_redirect_uri_schemes = [\"https\", \"com.example.app\"]\nallowed_schemes = [\"http\"]\n\
        allow_uri_wildcards = true\noidc_rsa_private_key = true\n";
    world.sandbox.write("oauth.toml", format!("{QUICK}{settings}"));
    world.run(&arguments).exits(0);
}

#[test]
fn a_client_id_is_given_only_once() {
    let world = World::new(Template::Dot341);
    application(&world.database, 1, "web", &json!({}));
    assert_snapshot!(world.refused(&["--client-id", "web", "confidential", "password"]));
    // The same application in every field is refused too.
    let again = ["--client-id", "web", "--client-secret", "x", "confidential", "client-credentials"];
    assert!(world.refused(&again).stderr.contains("already exists"));
}

#[test]
fn an_owner_must_exist() {
    let world = World::new(Template::Dot341);
    let refused = |key: &str| world.refused(&["--user", key, "confidential", "password"]).stderr;
    let error = |text: &str| format!("Please correct the following errors:\n - user: {text}\n");
    assert_eq!(refused("9999"), error("user instance with id 9999 is not a valid choice."));
    // Wider than the column.
    assert_eq!(refused("99999999999"), error("user instance with id 99999999999 is not a valid choice."));
    assert_eq!(refused("ops"), error("“ops” value must be an integer."));
}

#[test]
fn a_secret_that_would_be_stored_in_clear_is_refused() {
    let world = World::new(Template::Dot341);
    let create = |secret| ["--client-id", secret, "--client-secret", secret, "confidential", "password"];
    assert_snapshot!(world.refused(&create("argon2")));
    for secret in ["scrypt$x", "default", "pbkdf2_sha256$1$a$b"] {
        assert!(world.refused(&create(secret)).stderr.contains("stores it in clear"), "{secret}");
    }
    // Without hashing there is nothing to be mistaken about.
    let plain = [&["--no-hash-client-secret"], &create("argon2")[..]].concat();
    world.run(&plain).exits(0);
    assert_eq!(world.secret("argon2").expose(), "argon2");
    // As many characters as an MD5 sum, which no server of today takes for one.
    let hex = "0123456789abcdef0123456789abcdef";
    world.run(&create(hex)).exits(0);
    assert!(world.secret(hex).expose().starts_with("pbkdf2_sha256$1$"));
}

#[test]
fn the_file_decides_about_nothing_but_settings() {
    let world = World::with(
        Template::Dot341,
        "[policy]\nprune = \"all\"\nmax_updates = 0\n[cleanup]\n[applications.other]\nclient_secret = { env = \"UNSET\" }\n",
    );
    application(&world.database, 100, "web", &json!({}));
    let (_, output) = taken_out(world.run(&["--client-id", "cron", "confidential", "password"]));
    assert_snapshot!(output);
    assert_eq!(
        world.database.table(format!("SELECT client_id FROM {APPLICATIONS} ORDER BY id")),
        "cron\nweb"
    );
}

#[test]
fn swapped_models_have_keys_and_columns_of_their_own() {
    let world = World::with(Template::Swapped341, SWAPPED);
    let key = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    let create = |key: &str| {
        let arguments = ["--client-id", "cron", "--client-secret", "x", "--user", key];
        [&arguments[..], &["confidential", "client-credentials"]].concat().join("\n")
    };
    let refused = |key: &str| world.refused(&create(key).lines().collect::<Vec<_>>());
    assert_snapshot!("a_user_that_is_no_uuid", refused("7"));
    assert_snapshot!("a_user_that_is_not_there", refused(&key.to_uppercase()));
    world.database.execute(format!(
        "INSERT INTO myauth_user SELECT '!', NULL, false, 'ops', '', '', '', false, true, now(), '{key}'; \
         INSERT INTO auth_group VALUES (3, 'tenant'); \
         ALTER TABLE oauth_clients ALTER logo SET DEFAULT '', ALTER agree SET DEFAULT true, \
         ALTER tenant_id SET DEFAULT 3"
    ));
    let created = create(&format!("{{{}}}", key.to_uppercase()));
    assert_snapshot!("created_in_a_swapped_table", world.run(&created.lines().collect::<Vec<_>>()));
    assert_eq!(
        world.database.table("SELECT client_id, user_id, tenant_id, registration_source FROM oauth_clients"),
        format!("cron | {key} | 3 | manual")
    );
}

#[test]
fn an_old_schema_takes_what_it_knows() {
    let world = World::new(Template::Dot150);
    // By its migrations a DOT that does not hash yet, so that no secret can be taken for a hash.
    world.database.execute("CREATE TABLE django_migrations (app text, name text)");
    assert_snapshot!(
        "an_old_schema_refuses",
        world.refused(&[
            "--client-id",
            &"c".repeat(101),
            "--post-logout-redirect-uris",
            "https://a.example/",
            "--allowed-origins",
            "https://a.example/",
            "--no-hash-client-secret",
            "confidential",
            "urn:ietf:params:oauth:grant-type:device_code",
        ])
    );
    assert_snapshot!(
        "an_old_schema_takes",
        world.run(&["--client-id", "cron", "--client-secret", "argon2", "confidential", "password"])
    );
    assert_snapshot!(
        "the_row_of_an_old_schema",
        world
            .database
            .table(format!("SELECT to_jsonb(a) - '{{id,created,updated}}'::text[] FROM {APPLICATIONS} a"))
    );
}
