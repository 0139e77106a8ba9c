//! Sessions that may not write: found before there is work to lose, by every verb in the same words, with the cure.

use insta::assert_snapshot;
use serde_json::json;

use super::support::database::Template;
use super::support::instance::Instance;
use super::support::rows::{application, everything};
use super::support::{Database, Sandbox};

const FILE: &str = r#"
[applications.new]
client_type = "confidential"
authorization_grant_type = "client-credentials"
client_secret = { hash = "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=" }
[applications.old]
"#;

/// The verbs that write.
const WRITERS: [&[&str]; 6] = [
    &["apply", "--yes"],
    &["createapplication", "confidential", "client-credentials", "--client-id", "another"],
    &["rotate-secret", "old", "--yes", "--secrets-out", "secrets.json"],
    &["cleartokens", "--refresh-token-expire", "14d"],
    &["migrate", "--ledger"],
    &["migrate", "--provider"],
];

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    application(&database, 101, "old", &json!({}));
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

#[test]
fn a_role_that_is_read_only_by_default() {
    let (database, mut sandbox) = world();
    let role = format!("reader_{}", database.name());
    database.execute(format!(
        "CREATE ROLE {role} LOGIN SUPERUSER; ALTER ROLE {role} SET default_transaction_read_only = on"
    ));
    sandbox.set("PGUSER", &role);
    let before = everything(&database, "public");
    insta::with_settings!({ filters => [(r"reader_\[database\]", "[role]")] }, {
        for arguments in WRITERS {
            let verb = arguments.iter().filter(|word| !word.contains('_')).take(2).copied().collect::<Vec<_>>();
            let name = format!("refused_{}", verb.join("_").replace('-', ""));
            assert_snapshot!(name, sandbox.oauthctl(arguments).exits(3));
        }
        assert_snapshot!("plan", sandbox.oauthctl(&["plan"]).exits(0));
        assert_snapshot!("dry_run", sandbox.oauthctl(&["cleartokens", "--dry-run", "--refresh-token-expire", "14d", "--as-of", "2026-01-01T00:00:00Z"]).exits(0));
        let doctor = sandbox.oauthctl(&["doctor", "--for", "apply"]).exits(1);
        let server: Vec<&str> = doctor.stdout.lines().filter(|line| line.contains("read-only") || line.contains("ALTER ROLE") || line.contains("is on")).collect();
        assert_snapshot!("doctor", server.join("\n"));
    });
    assert!(!sandbox.path().join("secrets.json").exists());
    assert_eq!(before, everything(&database, "public"));
    let doctor = sandbox.oauthctl(&["doctor", "--for", "plan"]);
    assert!(!doctor.stdout.contains("read-only"), "{doctor}");
    // The cure, as it is printed.
    database.execute(format!("ALTER ROLE {role} RESET default_transaction_read_only;"));
    sandbox.oauthctl(WRITERS[0]).exits(0);
    database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn who_has_set_it_is_named() {
    let (database, mut sandbox) = world();
    let name = database.name().to_owned();
    database.execute(format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let output = sandbox.oauthctl(WRITERS[0]).exits(3);
    assert!(output.stderr.contains("set for the database [database]"), "{output}");
    assert!(
        output.stderr.contains("ALTER DATABASE [database] RESET default_transaction_read_only;"),
        "{output}"
    );
    sandbox.set("PGOPTIONS", "-c default_transaction_read_only=off");
    sandbox.oauthctl(WRITERS[0]).exits(0);
    sandbox.set("PGOPTIONS", "-c default_transaction_read_only=on");
    let output = sandbox.oauthctl(WRITERS[3]).exits(3);
    assert!(output.stderr.contains("set by the connection's options"), "{output}");
    // Nothing to write is no reason to refuse.
    sandbox.oauthctl(WRITERS[0]).exits(0);
}

#[test]
fn a_standby_says_how_the_primary_is_found() {
    let primary = Instance::start(&["wal_level=replica", "max_wal_senders=5"]);
    let database = primary.database(Template::Dot341);
    application(&database, 101, "old", &json!({}));
    // Its base backup has the rows.
    let standby = primary.replica("standby");
    let mut sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    sandbox.set("PGHOST", standby.home().socket_dir);
    for arguments in WRITERS {
        let output = sandbox.oauthctl(arguments).exits(3);
        assert!(
            output
                .stderr
                .contains("this server is a standby, so nothing can be written; nothing was changed"),
            "{output}"
        );
        assert!(output.stderr.contains("target_session_attrs=read-write"), "{output}");
    }
    sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(2);
    // As the hint says.
    let (one, other) = (standby.home().socket_dir, primary.home().socket_dir);
    sandbox.set("PGHOST", format!("{},{}", one.display(), other.display()));
    sandbox.set("PGTARGETSESSIONATTRS", "read-write");
    sandbox.oauthctl(WRITERS[0]).exits(0);
}
