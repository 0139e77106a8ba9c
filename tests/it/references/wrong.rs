//! Declarations that do not fit: each a problem at its line, before anything is written.

use insta::assert_snapshot;

use super::super::support::rows::everything;
use super::{ACCESS, refers, world};

/// Whatever is wrong with the database's side.
#[test]
fn what_does_not_fit_the_database_is_shown_at_its_line() {
    let (database, sandbox) = world();
    refers(&database, "audit", ACCESS, "DEFERRABLE INITIALLY DEFERRED", "1,2,3");
    database.execute(format!(
        "CREATE TABLE strict (id bigint PRIMARY KEY, ref bigint NOT NULL REFERENCES {ACCESS}, elsewhere_id int, note text);
         CREATE TABLE elsewhere (id bigint PRIMARY KEY, user_id int REFERENCES auth_user, strict_id bigint REFERENCES strict);
         CREATE SCHEMA site; CREATE TABLE site.hidden (ref bigint REFERENCES {ACCESS})"
    ));
    let wrong = "[cleanup]
refresh_token_expire = \"1h\"
[cleanup.references]
\"audits.ref\" = \"null\"
\"audit.reference\" = \"null\"
\"Audit.ref\" = \"null\"
\"strict.ref\" = \"null\"
\"strict.note\" = \"delete\"
\"elsewhere.user_id\" = \"null\"
\"hidden.ref\" = \"null\"
\"oauth2_provider_refreshtoken.access_token_id\" = \"delete\"
\"public.audit.ref\" = \"null\"
\"audit.ref\" = \"delete\"
";
    sandbox.write("oauth.toml", wrong);
    let before = everything(&database, "public");
    assert_snapshot!("wrong_references", sandbox.oauthctl(&["plan"]).exits(64));
    for verb in [&["apply", "--yes"][..], &["cleartokens"], &["cleartokens", "--dry-run"], &["doctor"]] {
        let output = sandbox.oauthctl(verb).exits(64);
        assert!(output.stderr.contains("oauth.toml:7:1"), "{output}");
    }
    assert_eq!(everything(&database, "public"), before);
}

/// Deletions that would go in a circle, and a child of what stays.
#[test]
fn a_circle_is_named() {
    let (database, sandbox) = world();
    database.execute(format!(
        "CREATE TABLE device (id bigint PRIMARY KEY, token_id bigint REFERENCES {ACCESS}, latest_id bigint, parent_id bigint REFERENCES device);
         CREATE TABLE sitting (id bigint PRIMARY KEY, device_id bigint REFERENCES device);
         ALTER TABLE device ADD FOREIGN KEY (latest_id) REFERENCES sitting;
         INSERT INTO device VALUES (1, 1, NULL, 1); INSERT INTO sitting VALUES (1, 1); UPDATE device SET latest_id = 1"
    ));
    let file = |references: &str| {
        format!("[cleanup]\nrefresh_token_expire = \"1h\"\n[cleanup.references]\n{references}\n")
    };
    let circle = "\"device.token_id\" = \"delete\"\n\"sitting.device_id\" = \"delete\"\n\"device.latest_id\" = \"delete\"";
    sandbox.write("oauth.toml", file(circle));
    assert_snapshot!("circle", sandbox.oauthctl(&["cleartokens"]).exits(64));
    sandbox.write("oauth.toml", file("\"device.token_id\" = \"delete\"\n\"device.parent_id\" = \"delete\""));
    let itself = sandbox.oauthctl(&["cleartokens"]).exits(64);
    assert!(itself.stderr.contains("public.device → public.device"), "{itself}");
    sandbox.write("oauth.toml", file("\"sitting.device_id\" = \"delete\""));
    let stays = sandbox.oauthctl(&["cleartokens"]).exits(64);
    assert!(stays.stderr.contains("does not refer to a table from which rows are deleted"), "{stays}");
    // With "null" it is none.
    let broken = "\"device.token_id\" = \"delete\"\n\"sitting.device_id\" = \"delete\"\n\"device.latest_id\" = \"null\"\n\"device.parent_id\" = \"null\"";
    sandbox.write("oauth.toml", file(broken));
    sandbox.oauthctl(&["cleartokens"]).exits(0);
    assert_eq!(database.value("SELECT (SELECT count(*) FROM device) + (SELECT count(*) FROM sitting)"), "0");
}

/// What the file alone shows to be wrong.
#[test]
fn what_is_no_declaration_is_shown_at_its_line() {
    let (_database, sandbox) = world();
    let wrong = "[cleanup.references]
\"audit\" = \"null\"
\"\" = \"null\"
\".ref\" = \"null\"
\"audit.\" = \"null\"
\"a.ref\" = \"cascade\"
\"b.ref\" = \"Null\"
\"c.ref\" = true
\"d.ref\" = { rule = \"null\" }
e.ref = \"null\"
site.f.ref = \"null\"
\"a.b.c.d\" = \"null\"
";
    sandbox.write("oauth.toml", wrong);
    assert_snapshot!("no_references", sandbox.oauthctl(&["validate"]).exits(64));
    for flag in ["audit=null", "a.b=cascade", "a.b", "a.b=", "=null"] {
        let output = sandbox.oauthctl(&["cleartokens", "--dry-run", "--reference", flag]).exits(64);
        assert!(output.stderr.contains("TABLE.COLUMN=null"), "{output}");
    }
    // A flag is no line of the file, also if the file has the same column.
    for file in ["", "[cleanup.references]\n\"audit.ref\" = \"refuse\"\n"] {
        sandbox.write("oauth.toml", file);
        for (flag, said) in [
            ("no.such=null", "--reference no.such: there is no table `no`"),
            ("audit.ref=null", "--reference audit.ref: there is no table `audit`"),
        ] {
            let output = sandbox.oauthctl(&["cleartokens", "--dry-run", "--reference", flag]).exits(64);
            assert!(output.stderr.contains(said) || file.contains("audit"), "{output}");
            assert_eq!(
                output.stderr.contains("oauth.toml"),
                flag.starts_with("no") && !file.is_empty(),
                "{output}"
            );
        }
    }
}
