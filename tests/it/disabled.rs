//! `enabled = false`: as `[[removed]]`, with the block kept in the file.

use serde_json::json;

use super::support::rows::{application, everything, session, user};
use super::support::{Database, Sandbox, Template};

const BLOCK: &str = "[applications.gone]\nenabled = false\nname = \"Was here\"\nclient_type = \"confidential\"\n\
                     authorization_grant_type = \"client-credentials\"\nuser = { username = \"nobody\" }\n\
                     client_secret = { env = \"GONE_SECRET\" }\n";
const REMOVED: &str = "[[removed]]\nclient_id = \"gone\"\n";
const WEB: &str = "[applications.web]\nname = \"Web\"\n\n";

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    user(&database, 1, "ops");
    application(&database, 101, "web", &json!({ "name": "Web" }));
    application(&database, 102, "gone", &json!({ "name": "Gone" }));
    session(&database, 10, 102, "2099-01-01T00:00:00Z");
    let sandbox = Sandbox::with(&database);
    sandbox.write("removed.toml", format!("{WEB}{REMOVED}"));
    sandbox.write("disabled.toml", format!("{WEB}{BLOCK}"));
    (database, sandbox)
}

/// Byte for byte but for the reason, in every form; and without the secret and the owner that the block names.
#[test]
fn the_plan_is_that_of_a_removal() {
    let (_database, sandbox) = world();
    let instant = regex::Regex::new("20[0-9-]+T[0-9:.&#;]+Z").unwrap();
    let reasons = [
        ("text", "enabled = false", "[[removed]]"),
        ("markdown", ", whose block has <code>enabled = false</code>", ""),
        ("json", "\"reason\": \"disabled\"", "\"reason\": \"removed\""),
    ];
    for (format, disabled, removed) in reasons {
        let plan = |file: &str| {
            let arguments = ["-f", file, "plan", "--detailed-exitcode", "--format", format];
            let plan = sandbox.oauthctl(&arguments).exits(2).stdout.replace(file, "FILE");
            instant.replace_all(&plan, "").into_owned()
        };
        let shown = plan("disabled.toml");
        assert!(shown.contains(disabled), "{shown}");
        assert_eq!(shown.replace(disabled, removed), plan("removed.toml"));
    }
}

#[test]
fn it_is_deleted_once_and_can_come_back() {
    let (database, sandbox) = world();
    let apply = |file: &str| {
        sandbox.oauthctl(&["-f", file, "apply", "--yes", "--secrets-out", "secrets.json"]).exits(0)
    };
    let applied = apply("disabled.toml");
    assert!(applied.stdout.contains("Applied: 1 deleted (with 3 dependent rows)."), "{applied}");
    let after = everything(&database, "public");
    let nothing = apply("disabled.toml");
    assert!(nothing.stdout.contains("No changes."), "{nothing}");
    assert_eq!(everything(&database, "public"), after);
    let enabled = BLOCK.replace("enabled = false", "enabled = true").replace("nobody", "ops");
    sandbox.write(
        "enabled.toml",
        format!("{WEB}{}", enabled.replace("{ env = \"GONE_SECRET\" }", "{ generate = true }")),
    );
    let created = apply("enabled.toml");
    assert!(created.stdout.contains("Applied: 1 created."), "{created}");
}

#[test]
fn the_rails_are_those_of_a_removal() {
    let (database, sandbox) = world();
    sandbox.write("protected.toml", format!("{WEB}{BLOCK}protect = true\n"));
    sandbox.write("limited.toml", format!("{WEB}{BLOCK}[policy]\nmax_deletes = 0\n"));
    for (file, flag) in [("protected.toml", "--allow delete:gone"), ("limited.toml", "--allow max-deletes=1")]
    {
        let refused = sandbox.oauthctl(&["-f", file, "apply", "--yes"]).exits(3);
        assert!(refused.stderr.contains(flag), "{refused}");
    }
    assert_eq!(database.value("SELECT count(*) FROM oauth2_provider_application"), "2");
    sandbox.oauthctl(&["-f", "protected.toml", "apply", "--yes", "--allow", "delete:gone"]).exits(0);
    // The plan of an application that is not there asks for nothing.
    sandbox.oauthctl(&["-f", "protected.toml", "apply", "--yes"]).exits(0);
}

#[test]
fn its_block_is_left_alone() {
    let (_database, sandbox) = world();
    let before = sandbox.read("disabled.toml");
    let import = sandbox.oauthctl(&["-f", "disabled.toml", "import", "--all", "--update"]).exits(0);
    assert_eq!(sandbox.read("disabled.toml"), before);
    assert!(
        import.stderr.contains("gone: the file declares it with enabled = false; left alone"),
        "{import}"
    );
    let arguments =
        ["-f", "disabled.toml", "createapplication", "--client-id", "gone", "--write", "public", "implicit"];
    let refused = sandbox.oauthctl(&arguments).exits(64);
    assert!(refused.stderr.contains("declares it with enabled = false"), "{refused}");
    let valid = sandbox.oauthctl(&["-f", "disabled.toml", "validate"]).exits(0);
    assert!(valid.stdout.contains("1 application, 1 removed"), "{valid}");
    assert!(!valid.stderr.contains("GONE_SECRET"), "{valid}");
    let shown = sandbox.oauthctl(&["-f", "disabled.toml", "show", "gone"]).exits(0);
    assert!(shown.stdout.contains("must not exist, as the file says: apply deletes it"), "{shown}");
}
