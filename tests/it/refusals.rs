//! What `fk_checks = "set"` and `strategy = "rewrite"` refuse, as every verb says it: before any change is written.

use std::time::Duration;

use insta::assert_snapshot;

use super::cleanup::draft::Draft;
use super::cleanup::runner::now;
use super::support::rows::everything;
use super::support::{Database, Sandbox, Template};

const DOT: Template = Template::Dot341;
const AS_OF: [&str; 2] = ["--as-of", "2026-01-02T03:04:05.6Z"];

const SET: &str = "fk_checks = \"set\"";
const REWRITE: &str = "strategy = \"rewrite\"";

struct World {
    database: Database,
    sandbox: Sandbox,
}

impl World {
    /// Rows of every category to delete, and a file that wants a new application too.
    fn new(prepare: &str) -> Self {
        let database = Database::create(DOT);
        let policy = oauthctl::model::CleanupPolicy {
            refresh_token_expire: Some(Duration::from_hours(1)),
            ..oauthctl::model::CleanupPolicy::default()
        };
        Draft::random(11, 40, &policy, now()).insert(&database, DOT);
        database.execute(prepare);
        let sandbox = Sandbox::with(&database);
        Self { database, sandbox }
    }

    /// From here on as a role with these privileges on all tables.
    fn as_role(&mut self, granted: &str) -> String {
        let role = format!("cleaner_{}", self.database.name());
        self.database.execute(format!(
            "CREATE ROLE {role} LOGIN; GRANT {granted} ON ALL TABLES IN SCHEMA public TO {role}; \
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"
        ));
        self.sandbox.set("PGUSER", &role);
        role
    }

    fn wants(&self, way: &str) {
        self.sandbox.write(
            "oauth.toml",
            format!(
                "[applications.new]\nclient_type = \"public\"\nauthorization_grant_type = \"authorization-code\"\n\
                 redirect_uris = [\"https://new.example/cb\"]\n\n[cleanup]\nrefresh_token_expire = \"1h\"\n{way}\n"
            ),
        );
    }

    /// What every verb says, with its exit code; nothing is written.
    fn refuses(&self, way: &str, codes: [i32; 4]) -> String {
        self.wants(way);
        let before = everything(&self.database, "public");
        let allow = ["--allow", "fk-checks=set", "--allow", "rewrite"];
        let verbs: [&[&str]; 4] =
            [&["plan"], &["apply", "--yes"], &["cleartokens", "--dry-run"], &["cleartokens"]];
        let mut text = String::new();
        for (verb, code) in verbs.into_iter().zip(codes) {
            let output = self.sandbox.oauthctl(&[verb, &AS_OF, &allow].concat()).exits(code);
            assert_eq!(everything(&self.database, "public"), before, "{}", verb.join(" "));
            text += &format!("$ oauthctl {}\n{output}\n", verb.join(" "));
        }
        text.replace(self.database.name(), "[database]")
    }
}

/// By the database: plan is refused as apply is, because no other role would fare better.
const BY_DATABASE: [i32; 4] = [3, 3, 0, 3];

/// By the role: a pull request may well be planned as somebody who may only read.
const BY_ROLE: [i32; 4] = [0, 3, 0, 3];

#[test]
fn triggers_and_tables_of_others() {
    let world = World::new(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER audit AFTER INSERT ON oauth2_provider_refreshtoken FOR EACH ROW EXECUTE FUNCTION f(); \
         CREATE TABLE audit (token bigint CONSTRAINT audit_fk REFERENCES oauth2_provider_accesstoken (id))",
    );
    assert_snapshot!("set_beside_triggers_and_tables_of_others", world.refuses(SET, BY_DATABASE));
    assert_snapshot!("rewrite_beside_triggers_and_tables_of_others", world.refuses(REWRITE, BY_DATABASE));
}

#[test]
fn a_role_with_too_little() {
    let mut world = World::new("");
    let role = world.as_role("SELECT, INSERT, UPDATE, DELETE");
    assert_snapshot!("set_by_a_role_that_may_not_switch_triggers", world.refuses(SET, BY_ROLE));
    world.database.execute(format!("REVOKE INSERT ON oauth2_provider_grant FROM {role}"));
    assert_snapshot!("rewrite_by_a_role_that_may_not_truncate", world.refuses(REWRITE, BY_ROLE));
    world.database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn row_level_security() {
    let mut world = World::new(
        "ALTER TABLE oauth2_provider_idtoken ENABLE ROW LEVEL SECURITY; \
         ALTER TABLE oauth2_provider_accesstoken ENABLE ROW LEVEL SECURITY",
    );
    let role = world.as_role("SELECT, INSERT, UPDATE, DELETE, TRUNCATE");
    assert_snapshot!("rewrite_under_row_level_security", world.refuses(REWRITE, BY_ROLE));
    if world.database.major() >= 15 {
        world.database.execute(format!("GRANT SET ON PARAMETER session_replication_role TO {role}"));
        assert_snapshot!("set_under_row_level_security", world.refuses(SET, BY_ROLE));
    }
    world.database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn partitions() {
    let world = World::new(
        "CREATE TABLE parted (LIKE oauth2_provider_grant INCLUDING IDENTITY INCLUDING DEFAULTS, PRIMARY KEY (id)) \
             PARTITION BY HASH (id); \
         CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 1, REMAINDER 0); \
         INSERT INTO parted OVERRIDING SYSTEM VALUE SELECT * FROM oauth2_provider_grant; \
         DROP TABLE oauth2_provider_grant; ALTER TABLE parted RENAME TO oauth2_provider_grant; \
         ALTER TABLE parted_0 RENAME TO grants_0",
    );
    assert_snapshot!("set_on_partitions", world.refuses(SET, BY_DATABASE));
    assert_snapshot!("rewrite_on_partitions", world.refuses(REWRITE, BY_DATABASE));
}

#[test]
fn engines_that_are_not_postgresql() {
    let world = World::new(
        "SET allow_system_table_mods = on; \
         INSERT INTO pg_extension SELECT 99999, 'citus', extowner, extnamespace, false, '12.1' FROM pg_extension LIMIT 1; \
         CREATE TABLE pg_dist_partition (logicalrelid regclass); \
         INSERT INTO pg_dist_partition VALUES ('oauth2_provider_accesstoken')",
    );
    assert_snapshot!("set_on_citus", world.refuses(SET, BY_DATABASE));
    assert_snapshot!("rewrite_on_citus", world.refuses(REWRITE, BY_DATABASE));
}

/// A rewrite moves rows of tokens; applications are looked at one by one.
#[test]
fn applications_do_not_go_by_a_rewrite() {
    let world = World::new("");
    let all = format!(
        "{REWRITE}\ndcr_applications = {{ min_age = \"7d\" }}\ncimd_applications = true\nmax_rows = 5"
    );
    assert_snapshot!(world.refuses(&all, BY_DATABASE));
}

/// Consent that is missing is named beside what no consent helps against; a dry run needs none.
#[test]
fn consent_is_asked_for_at_the_same_time() {
    let world = World::new("CREATE RULE keep AS ON DELETE TO oauth2_provider_grant DO INSTEAD NOTHING");
    world.wants(SET);
    assert_snapshot!(
        "consent_and_refusal_of_a_plan",
        world.sandbox.oauthctl(&[&["plan"], &AS_OF[..]].concat()).exits(3)
    );
    assert_snapshot!(
        "consent_and_refusal_of_a_dry_run",
        world.sandbox.oauthctl(&[&["cleartokens", "--dry-run"], &AS_OF[..]].concat()).exits(0)
    );
    let json = world.sandbox.oauthctl(&[&["plan", "--format", "json"], &AS_OF[..]].concat()).exits(3);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_snapshot!(
        "consent_and_refusal_as_json",
        serde_json::to_string_pretty(&json["violations"]).unwrap()
    );
}
