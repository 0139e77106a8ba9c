//! `migrate --roles`: each verb works with its role, and needs every grant of it.

use serde_json::{Value, json};

use super::super::support::Template;
use super::super::support::sandbox::Output;
use super::{World, grants};

const SWAPPED: &str = r#"
[database.tables]
application = "oauth_clients"
access_token = "myauth_accesstoken"
refresh_token = "myauth_refreshtoken"
id_token = "myauth_idtoken"
"#;

const ROLES: [&str; 4] = ["planner", "reader", "applier", "cleaner"];

/// The roles of a world, until its end.
struct Roles {
    world: World,
    prefix: String,
}

impl Roles {
    /// Runs what is printed.
    fn made(world: World, arguments: &[&str]) -> Self {
        let prefix = format!("{}_", world.database.name());
        let all = [&["migrate", "--roles", "--role-prefix", &prefix], arguments].concat();
        let script = world.sandbox.oauthctl(&all).exits(0);
        assert_eq!(script.stderr, "");
        let script = String::from_utf8(script.raw_stdout).unwrap();
        world.database.execute(script);
        Self { world, prefix }
    }

    /// Lets the login of the world do this job and no other.
    fn take_up(&self, role: &str) {
        for other in ROLES {
            self.world.database.execute(format!("REVOKE {}{other} FROM {}", self.prefix, self.world.role));
        }
        self.world.grant(&format!("{}{role}", self.prefix));
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        for role in ROLES {
            let role = format!("{}{role}", self.prefix);
            self.world.database.execute(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
        }
    }
}

/// What a grant is about: the privilege, the table, and how it is taken and given.
struct Grant {
    privilege: String,
    table: String,
    columns: String,
}

impl Grant {
    fn statement(&self, verb: &str, to: &str) -> String {
        let Self { privilege, table, columns } = self;
        let of = if columns.is_empty() { String::new() } else { format!(" ({columns})") };
        let by = if verb == "GRANT" { "TO" } else { "FROM" };
        format!("{verb} {privilege}{of} ON {table} {by} {to}")
    }
}

/// Everything on tables that a role has been granted, as the catalogue has it; the columns of a table together.
fn granted(world: &World, role: &str) -> Vec<Grant> {
    let sql = format!(
        "SELECT a.privilege_type, c.oid::regclass::text, '' FROM pg_class c, aclexplode(c.relacl) a \
           WHERE a.grantee = '{role}'::regrole AND c.relkind IN ('r', 'p') \
         UNION ALL \
         SELECT a.privilege_type, t.attrelid::regclass::text, string_agg(quote_ident(t.attname), ', ') \
           FROM pg_attribute t, aclexplode(t.attacl) a WHERE a.grantee = '{role}'::regrole GROUP BY 1, 2 \
         ORDER BY 2, 1"
    );
    let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
    let rows = world.database.rows(sql);
    rows.iter()
        .map(|row| Grant { privilege: text(&row[0]), table: text(&row[1]), columns: text(&row[2]) })
        .collect()
}

/// Whether an output tells to grant this.
fn names(output: &Output, grant: &Grant) -> bool {
    let stdout = String::from_utf8_lossy(&output.raw_stdout).into_owned();
    let all = grants(output).into_iter().chain(stdout.lines().map(str::to_owned));
    let table = grant.table.rsplit('.').next().unwrap().to_owned();
    all.into_iter()
        .any(|line| line.contains("GRANT ") && line.contains(&grant.privilege) && line.contains(&table))
}

/// The verbs of each role. What `apply` would need besides is no business of a role that plans.
fn verbs(role: &str, ledger: bool) -> &'static [&'static [&'static str]] {
    match role {
        "planner" => &[&["plan", "--without-secrets"]],
        "reader" if ledger => &[&["plan"], &["status"], &["history"]],
        "reader" => &[&["plan"], &["status"]],
        "applier" => &[&["apply", "--yes"]],
        _ => &[&["cleartokens"]],
    }
}

/// Each verb works with its role. Without any one grant of the role, a verb fails or warns, and names the grant.
#[test]
fn each_role_has_what_its_verbs_need_and_no_more() {
    for ledger in [false, true] {
        for role in ROLES {
            let roles = Roles::made(World::new(Template::Dot341, ledger), &[]);
            roles.take_up(role);
            let (world, name) = (&roles.world, format!("{}{role}", roles.prefix));
            let all = granted(world, &name);
            assert!(all.len() > 3, "{role}: {}", all.len());
            // Without those on positions a run works, and its last line says how to go on instead.
            for grant in all.iter().filter(|grant| grant.table != "oauthctl.cleanup_position") {
                // Without a grant on the ledger the verb warns and goes on: the next time there is something to do again.
                world
                    .database
                    .execute("UPDATE oauth2_provider_application SET name = 'other' WHERE client_id = 'web'");
                world.database.execute(grant.statement("REVOKE", &name));
                let outputs: Vec<Output> = verbs(role, ledger).iter().map(|verb| world.run(verb)).collect();
                let what = grant.statement("GRANT", &name);
                assert!(outputs.iter().any(|output| names(output, grant)), "{what}: {outputs:#?}");
                world.database.execute(what);
            }
            for verb in verbs(role, ledger) {
                let output = world.run(verb).exits(0);
                let of_apply = role == "reader" && *verb == ["plan"];
                assert!(of_apply || !output.stderr.contains("warning"), "{role}: {output}");
                assert!(
                    !output.stderr.contains("ledger") && !output.stdout.contains("Not shown"),
                    "{output}"
                );
            }
            if role == "reader" {
                let undone = world.run(&["undo", "1"]).exits(1);
                assert!(undone.stderr.contains("run 1") || undone.stderr.contains("no ledger"), "{undone}");
                world.run(&["list", "--no-tokens"]).exits(0);
                world.run(&["show", "web"]).exits(0);
                world.run(&["list"]).exits(0);
            }
        }
    }
}

/// No role but those that write applications sees more than it has to.
#[test]
fn no_role_reads_tokens() {
    let roles = Roles::made(World::new(Template::Dot341, false), &[]);
    for role in ROLES {
        let sees = |table: &str, column: &str| {
            let name = format!("{}{role}", roles.prefix);
            let sql = format!("SELECT has_column_privilege('{name}', '{table}', '{column}', 'SELECT')");
            roles.world.database.value(sql) == "t"
        };
        assert!(!sees("oauth2_provider_accesstoken", "token"), "{role}");
        assert!(!sees("oauth2_provider_refreshtoken", "token"), "{role}");
        assert!(!sees("oauth2_provider_grant", "code"), "{role}");
        let compares = ["reader", "applier"].contains(&role);
        assert_eq!(sees("oauth2_provider_application", "client_secret"), compares, "{role}");
    }
}

/// What is printed is for this database: its names, its schema, and a ledger that is yet to come.
#[test]
fn the_roles_are_those_of_this_database() {
    let world = World::new(Template::Dot341, false);
    world.database.execute("ALTER SCHEMA public RENAME TO shop; REVOKE ALL ON SCHEMA shop FROM PUBLIC");
    world.sandbox.write("oauth.toml", "[database]\nschema = \"shop\"\n[applications.web]\nname = \"w\"\n");
    let script = world.sandbox.oauthctl(&["migrate", "--roles", "--role-prefix", "rarely_used_"]).exits(0);
    insta::assert_snapshot!("roles", script);
    let json = world
        .sandbox
        .oauthctl(&["migrate", "--roles", "--ledger", "--role-prefix", "rarely_used_", "--format", "json"])
        .exits(0);
    let document: Value = serde_json::from_slice(&json.raw_stdout).unwrap();
    let cleaner = &document["roles"][3];
    assert_eq!((&cleaner["name"], &cleaner["exists"]), (&json!("rarely_used_cleaner"), &json!(false)));
    let run = json!("GRANT SELECT, INSERT, UPDATE ON oauthctl.run TO rarely_used_cleaner;");
    assert!(cleaner["grants"].as_array().unwrap().contains(&run), "{cleaner}");
    assert_eq!(world.database.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'oauthctl'"), "0");
}

/// Swapped tables, rows of link tables, and a role that is there already.
#[test]
fn the_roles_fit_swapped_tables() {
    let world = World::empty(Template::Swapped341);
    world.sandbox.write("oauth.toml", SWAPPED);
    let roles = Roles::made(world, &[]);
    for role in ROLES {
        roles.take_up(role);
        for verb in verbs(role, false) {
            roles.world.run(verb).exits(0);
        }
    }
    let again =
        roles.world.sandbox.oauthctl(&["migrate", "--roles", "--role-prefix", &roles.prefix]).exits(0);
    assert!(again.stdout.contains("_cleaner is there already."), "{again}");
    assert!(!again.stdout.contains("CREATE ROLE"), "{again}");
}

/// Rows of a link table go along, and those that somebody has locked are told apart.
#[test]
fn a_cleaner_takes_link_rows_along() {
    let world = World::new(Template::Dot341, false);
    world.database.execute(
        "CREATE TABLE shop_device (id int PRIMARY KEY); INSERT INTO shop_device VALUES (1); \
         CREATE TABLE shop_link (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, \
           device_id int NOT NULL REFERENCES shop_device DEFERRABLE INITIALLY DEFERRED, \
           token_id bigint NOT NULL REFERENCES oauth2_provider_accesstoken DEFERRABLE INITIALLY DEFERRED, \
           UNIQUE (device_id, token_id)); INSERT INTO shop_link (device_id, token_id) VALUES (1, 1)",
    );
    let roles = Roles::made(world, &[]);
    roles.take_up("cleaner");
    roles.world.run(&["cleartokens"]).exits(0);
    assert_eq!(roles.world.database.value("SELECT count(*) FROM shop_link"), "0");
}

#[test]
fn a_prefix_is_a_plain_name() {
    let world = World::new(Template::Dot341, false);
    for prefix in ["", "Shop_", "a b", "pg_x", "1a", "a;--"] {
        world.sandbox.oauthctl(&["migrate", "--roles", "--role-prefix", prefix]).exits(64);
    }
    world.sandbox.oauthctl(&["migrate", "--roles", "--provider"]).exits(64);
    world.sandbox.oauthctl(&["migrate", "--ledger", "--role-prefix", "a_"]).exits(64);
}
