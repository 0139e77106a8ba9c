//! What a role can do that may only read, and what is said of what it does not see.

use super::super::support::Template;
use super::{TOKENS, World, grants};

/// A role that may only read counts what cleanup would delete, and is told what a run would need.
#[test]
fn a_dry_run_needs_no_more_than_reading() {
    let world = World::new(Template::Dot341, false);
    for table in TOKENS {
        world.grant(&format!("SELECT ON {table}"));
    }
    let before = world.snapshot();
    let dry = world.run(&["cleartokens", "--dry-run"]).exits(0);
    assert!(dry.stderr.contains("a run would be refused: the role"), "{dry}");
    assert!(dry.stdout.contains("expired access tokens") || dry.stdout.contains("access"), "{dry}");
    world.run(&["cleartokens"]).exits(3);
    assert_eq!(before, world.snapshot());
    assert!(world.type_grants(&dry) > 0);
    world.run(&["cleartokens"]).exits(0);
}

/// Names of owners that may not be read are left out aloud.
#[test]
fn owners_without_names_are_said() {
    let world = World::new(Template::Dot341, false);
    world.database.execute("UPDATE oauth2_provider_application SET user_id = 1 WHERE client_id = 'web'");
    world.sandbox.write("oauth.toml", "");
    for table in TOKENS.iter().chain(&["oauth2_provider_application"]) {
        world.grant(&format!("SELECT ON {table}"));
    }
    for arguments in [&["list"][..], &["show", "web"]] {
        let output = world.run(arguments).exits(0);
        assert!(output.stderr.contains("owners are shown by primary key"), "{output}");
        assert!(!output.stdout.contains("ada"), "{output}");
        assert_eq!(
            grants(&output),
            [format!("GRANT SELECT (\"id\", username) ON \"public\".\"auth_user\" TO {};", world.role)]
        );
    }
    assert!(world.run(&["show", "web"]).stdout.contains("id 1\n"));
    let list = world.run(&["list"]);
    world.type_grants(&list);
    for arguments in [&["list"][..], &["show", "web"]] {
        let output = world.run(arguments).exits(0);
        assert_eq!(output.stderr, "");
        assert!(output.stdout.contains("ada"), "{output}");
    }
}

/// `status` counts tables that no plan looks at: that is no problem of `plan`.
#[test]
fn what_only_status_needs_is_a_note() {
    let world = World::new(Template::Dot341, false);
    world.sandbox.write("oauth.toml", "[applications.web]\nname = \"renamed\"\n");
    for table in TOKENS.iter().chain(&["oauth2_provider_application"]) {
        world.grant(&format!("SELECT ON {table}"));
    }
    world.run(&["plan"]).exits(0);
    let doctor =
        world.sandbox.oauthctl(&["doctor", "--for", "plan", "--role", &world.role, "--format", "json"]);
    let document: serde_json::Value = serde_json::from_slice(&doctor.raw_stdout).unwrap();
    let found: Vec<String> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["check"] == "privileges")
        .map(|finding| {
            format!("{}: {}", finding["verdict"].as_str().unwrap(), finding["found"].as_str().unwrap())
        })
        .collect();
    assert!(
        found
            .iter()
            .any(|found| found.starts_with("note: ") && found.contains("oauth2_provider_devicegrant")),
        "{found:?}"
    );
    assert!(found.iter().all(|found| !found.starts_with("problem")), "{found:?}");
    assert!(found.iter().any(|found| found.starts_with("ok: ") && found.ends_with("for plan.")), "{found:?}");
}
