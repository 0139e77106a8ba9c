//! Whatever a file asks for that cannot be: a place, what is wrong, and a way out; and not a row is changed.

use insta::assert_snapshot;
use serde_json::json;

use super::support::database::Template;
use super::support::rows::{application, everything};
use super::support::{Database, Sandbox};

const APP: &str = "client_type = \"confidential\"\nauthorization_grant_type = \"client-credentials\"\n";

/// What `plan` says, and that `apply` says it too and leaves everything as it is.
fn refused(template: Template, toml: &str) -> String {
    let database = Database::create(template);
    application(&database, 1, "there", &json!({}));
    application(&database, 2, "there-too", &json!({}));
    let sandbox = Sandbox::with(&database);
    std::fs::create_dir(sandbox.path().join("directory")).unwrap();
    sandbox.write("nul.txt", "a\0b");
    sandbox.write("long.txt", "s".repeat(256));
    sandbox.write("latin1.txt", b"caf\xe9");
    sandbox.write("oauth.toml", toml);
    let before = everything(&database, "public");
    let planned = sandbox.oauthctl(&["plan"]).exits(64);
    let applied = sandbox.oauthctl(&["apply", "--yes"]).exits(64);
    // Only apply might have changed something.
    assert!(applied.stderr.contains("; nothing was changed"), "{applied}");
    assert_eq!(planned.stderr, applied.stderr.replace("; nothing was changed", ""));
    assert_eq!(before, everything(&database, "public"));
    planned.to_string()
}

#[test]
fn what_the_file_alone_gets_wrong() {
    let long = "n".repeat(256);
    assert_snapshot!(refused(
        Template::Dot341,
        &format!(
            "[applications.a]\n{APP}name = \"{long}\"\n\
             [applications.{long}]\n{APP}\
             [applications.b]\n{APP}name = \"a\\u0000b\"\n\
             [applications.c]\n{APP}client_secret = {{ file = \"directory\" }}\n\
             [applications.d]\n{APP}client_secret = {{ file = \"nul.txt\" }}\n\
             [applications.e]\n{APP}client_secret = {{ file = \"long.txt\" }}\n\
             [applications.f]\n{APP}client_secret = {{ file = \"latin1.txt\" }}\n\
             [applications.g]\n{APP}client_secret = {{ file = \"missing.txt\" }}\n\
             [applications.h]\nclient_type = \"confidential\"\nauthorization_grant_type = \"authorization_code\"\n\
             [applications.i]\n{APP}client_id = \"b\"\n"
        )
    ));
}

#[test]
fn what_this_database_cannot_have() {
    assert_snapshot!(refused(
        Template::Dot301,
        &format!(
            "[applications.a]\n{APP}user = {{ username = \"nobody\" }}\n\
             [applications.b]\n{APP}user = 7\n\
             [applications.c]\n{APP}user = \"ops\"\n\
             [applications.d]\nclient_type = \"public\"\n\
             authorization_grant_type = \"urn:ietf:params:oauth:grant-type:device_code\"\n\
             [applications.e]\nname = \"E\"\n\
             [applications.there-too]\n{APP}\
             [[renamed]]\nfrom = \"there\"\nto = \"there-too\"\n"
        )
    ));
}
