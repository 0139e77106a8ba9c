//! Columns of the project's own beyond the lines of one application: defaults for all, `createapplication --column`,
//! examples, and what Django or the project writes.

use insta::assert_snapshot;

use super::support::database::Template;
use super::support::rows::everything;
use super::support::sandbox::Output;
use super::support::{Database, Sandbox};

const TABLES: &str = r#"[provider]
client_secret_iterations = 1
[database.tables]
application = "oauth_clients"
access_token = "myauth_accesstoken"
refresh_token = "myauth_refreshtoken"
id_token = "myauth_idtoken"
"#;

/// As in django-ansible-base and mad-oauth2, whose models have timestamps of their own, and as in `BlueButton`, which keeps
/// a secret beside DOT's.
const DJANGO: &str = "ALTER TABLE oauth_clients ADD modified timestamptz NOT NULL, ADD created_at timestamptz NOT NULL, \
                      ADD updated_at timestamptz, ADD client_secret_plain text NOT NULL, ADD settings jsonb;";

struct World {
    database: Database,
    sandbox: Sandbox,
}

impl World {
    fn new(sql: &str, toml: &str) -> Self {
        let database = Database::create(Template::Swapped341);
        database.execute(format!("INSERT INTO auth_group VALUES (3, 'tenant'), (4, 'other'); {sql}"));
        let sandbox = Sandbox::with(&database);
        let world = Self { database, sandbox };
        world.write(toml);
        world
    }

    fn write(&self, toml: &str) {
        self.sandbox.write("oauth.toml", format!("{TABLES}{toml}"));
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.oauthctl(arguments)
    }

    /// Applies; then nothing is left to do, and nothing is done.
    fn converges(&self) -> Output {
        let applied = self.run(&["apply", "--yes"]).exits(0);
        let before = everything(&self.database, "public");
        self.run(&["plan", "--detailed-exitcode"]).exits(0);
        self.run(&["apply", "--yes"]).exits(0);
        assert_eq!(before, everything(&self.database, "public"));
        applied
    }

    /// Runs what must be refused, and looks that no row is other than before.
    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32) -> Output {
        let before = everything(&self.database, "public");
        let output = self.run(arguments).exits(code);
        assert_eq!(before, everything(&self.database, "public"), "{output}");
        output
    }
}

fn app(id: &str, more: &str) -> String {
    format!(
        "[applications.{id}]\nname = \"{id}\"\nclient_type = \"confidential\"\n\
         authorization_grant_type = \"client-credentials\"\nclient_secret = {{ hash = \"{HUNTER2}\" }}\n{more}"
    )
}

const HUNTER2: &str = "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=";

const DEFAULTS: &str = "[defaults.columns]\nlogo = \"ours.png\"\nagree = true\ntenant_id = 3\n";

#[test]
fn defaults_are_for_all_applications_and_an_own_entry_wins() {
    let toml = [
        DEFAULTS.to_owned(),
        app("a", ""),
        app("b", "columns.tenant_id = 4\n"),
        app("c", "ignore = [\"columns.agree\"]\n"),
    ]
    .concat();
    let world = World::new("", &toml);
    assert_snapshot!("defaults_are_planned", world.run(&["plan"]).exits(0));
    world.converges();
    let rows = "SELECT client_id, logo, agree, tenant_id FROM oauth_clients ORDER BY 1";
    assert_snapshot!("defaults_in_the_rows", world.database.table(rows));
    // What is ignored is left to others, whoever declares it.
    world.database.execute("UPDATE oauth_clients SET agree = false, logo = 'x'");
    world.converges();
    assert_eq!(
        world.database.table("SELECT agree, logo FROM oauth_clients ORDER BY client_id"),
        "t | ours.png\nt | ours.png\nf | ours.png"
    );
    // `import` says what differs, and nothing twice.
    world.database.execute("UPDATE oauth_clients SET logo = 'own.png' WHERE client_id = 'a'");
    world.write(DEFAULTS);
    world.run(&["import", "--all"]).exits(0);
    assert_snapshot!("defaults_are_not_imported", world.sandbox.read("oauth.toml"));
    world.run(&["plan", "--detailed-exitcode"]).exits(0);
    // A value that follows the database becomes the application's own.
    world.database.execute("UPDATE oauth_clients SET tenant_id = 4 WHERE client_id = 'a'");
    world.run(&["import", "a", "--update"]).exits(0);
    assert!(world.sandbox.read("oauth.toml").contains("columns.tenant_id = 4"));
    world.run(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn a_default_that_cannot_be_is_one_problem_at_its_line() {
    let both = [app("a", ""), app("b", "")].concat();
    let world = World::new("", "");
    let bad = "[defaults.columns]\nlogo = \"x\"\nagree = \"yes\"\ntenant_id = 3_000_000_000\ntenant = 3\n";
    world.write(&format!("{bad}{both}"));
    assert_snapshot!("defaults_that_the_table_refuses", world.refused(&["apply", "--yes"], 64));
    let bad = "[defaults]\nname = \"x\"\ncolumn.agree = true\n[defaults.columns]\nuser_id = 7\nUser_id = 7\nsettings = [inf]\n";
    world.write(&format!("{bad}{both}"));
    assert_snapshot!("defaults_that_no_table_takes", world.run(&["validate"]).exits(64));
    world.write(&format!("[defaults]\ncolumns = 7\n{both}"));
    world.run(&["validate"]).exits(64);
}

/// A NULL cannot be said, so the next plan would give the row a value.
#[test]
fn import_says_where_a_default_hides_a_null() {
    let world =
        World::new("ALTER TABLE oauth_clients ADD motto text", &format!("{DEFAULTS}{}", app("a", "")));
    world.converges();
    world.write(&format!("{DEFAULTS}motto = \"ours\"\n"));
    let imported = world.run(&["import", "--all"]).exits(0);
    assert!(imported.stderr.contains("columns.motto is left out: it is NULL"), "{imported}");
}

#[test]
fn createapplication_gives_columns_values() {
    let world = World::new(DJANGO, "[defaults.columns]\nlogo = \"ours.png\"\nagree = false\n");
    let arguments = [
        "createapplication",
        "confidential",
        "client-credentials",
        "--client-id",
        "web",
        "--column",
        "tenant_id=3",
        "--column",
        "agree=true",
        "--column",
        "settings={\"a\": [1, \"=\"]}",
        "--write",
    ];
    world.run(&arguments).exits(0);
    let row = "SELECT logo, agree, tenant_id, settings, client_secret_plain = '', modified = created_at, updated_at = created \
               FROM oauth_clients";
    assert_eq!(world.database.table(row), r#"ours.png | t | 3 | {"a": [1, "="]} | t | t | t"#);
    assert_snapshot!("created_columns_in_the_file", world.sandbox.read("oauth.toml"));
    world.run(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn createapplication_refuses_columns_as_the_file_does() {
    let world = World::new(DJANGO, "");
    let create = |columns: &[&str], code| {
        let flags = columns.iter().flat_map(|column| ["--column", column]);
        let verb = ["createapplication", "confidential", "client-credentials", "--client-id", "web"];
        world.refused(&verb.into_iter().chain(flags).collect::<Vec<_>>(), code)
    };
    assert_snapshot!("columns_that_are_missing", create(&["agree=true"], 1));
    assert_snapshot!(
        "columns_that_do_not_fit",
        create(
            &[
                "agree=yes",
                "tenant_id=3.5",
                "tenant=3",
                "client_secret_plain=hunter2",
                "settings=bare",
                "logo="
            ],
            1
        )
    );
    assert_snapshot!("columns_of_dots_own", create(&["user_id=7", "updated=2026-01-31"], 1));
    assert_snapshot!("a_column_twice", create(&["agree=true", "agree=false"], 64));
    for bad in ["agree", "=true", ""] {
        create(&[bad], 64);
    }
    // The flags that the hint shows are in order, but for the foreign key.
    create(&["agree=false", "logo=", "tenant_id=0"], 1);
}

#[test]
fn examples_are_what_most_applications_have() {
    let others: String = (1..=5)
        .map(|n| {
            let columns =
                format!("columns = {{ logo = \"{n}.png\", agree = {}, tenant_id = {} }}\n", n > 1, 3 + n / 5);
            app(&format!("other{n}"), &columns)
        })
        .collect();
    let world = World::new("ALTER TABLE oauth_clients ADD api_key text", &others);
    world.converges();
    world.database.execute("UPDATE oauth_clients SET api_key = 'never shown'");
    world
        .database
        .execute("ALTER TABLE oauth_clients ALTER api_key SET NOT NULL, ALTER api_key TYPE json USING '1'");
    world.write(&app("web", ""));
    assert_snapshot!("examples_with_a_json_secret", world.refused(&["plan"], 64));
    world.database.execute("ALTER TABLE oauth_clients DROP api_key");
    assert_snapshot!("examples_of_values", world.refused(&["plan"], 64));
    let flags = world.refused(&["createapplication", "confidential", "client-credentials"], 1);
    assert!(flags.stderr.contains("--column agree=true --column logo= --column tenant_id=3"), "{flags}");
}

/// An empty text is no secret, so a column that may not be NULL is no dead end.
#[test]
fn a_column_for_a_secret_is_left_empty_and_then_alone() {
    let own = "columns = { logo = \"\", agree = true, tenant_id = 3 }\n";
    let world = World::new(DJANGO, &app("web", own));
    assert_snapshot!("left_empty_in_the_plan", world.run(&["plan"]).exits(0));
    world.converges();
    let stored = || world.database.table("SELECT client_secret_plain FROM oauth_clients ORDER BY client_id");
    assert_eq!(stored(), "");
    world.database.execute("UPDATE oauth_clients SET client_secret_plain = 'hunter2'");
    // Declared, it is written once: what is there is not read.
    let declared = own.replace(" }", ", client_secret_plain = \"\" }");
    world.write(
        &[app("new", &declared), app("web", &declared.replace("\"\", agree", "\"x\", agree"))].concat(),
    );
    world.converges();
    assert_eq!(stored(), "\nhunter2");
    world.write(&app("web", &declared.replace("plain = \"\"", "plain = \"hunter2\"")));
    let refused = world.refused(&["plan"], 64);
    assert_snapshot!("a_secret_in_its_column", refused);
    assert!(!refused.to_string().contains("hunter2"), "{refused}");
}

#[test]
fn timestamps_that_django_keeps_up_are_left_to_it() {
    let own = "columns = { logo = \"\", agree = true, tenant_id = 3 }\n";
    let world = World::new(DJANGO, &app("web", own));
    world.converges();
    let times = "SELECT modified = updated AND updated_at = updated, created_at = created, updated > created FROM oauth_clients";
    assert_eq!(world.database.table(times), "t | t | f");
    // A save in Django's admin is no drift, and nothing that a file should hold.
    world.database.execute("UPDATE oauth_clients SET modified = now() + '1s', updated_at = now()");
    world.converges();
    world.write("");
    world.run(&["import", "--all", "--full"]).exits(0);
    let imported = world.sandbox.read("oauth.toml");
    assert!(
        imported.contains("columns.agree") && !imported.contains("modified") && !imported.contains("_at"),
        "{imported}"
    );
    // A change is a save.
    world.write(&app("web", own).replace("name = \"web\"", "name = \"Shop\""));
    world.converges();
    assert_eq!(world.database.table(times), "t | t | t");
    // Who declares one is told that it does not stay.
    let declared = own.replace(" }", ", created_at = 2020-01-01T00:00:00Z }");
    let defaults = "[defaults.columns]\nmodified = 2021-01-01T00:00:00Z\n";
    let web = app("web", &declared).replace("name = \"web\"", "name = \"Shop\"");
    world.write(&[defaults.to_owned(), app("new", &declared), web].concat());
    assert_snapshot!("maintained_columns_that_are_declared", world.run(&["plan"]).exits(0));
    world.converges();
    let rows = "SELECT client_id, created_at = '2020-01-01 00:00+00', modified = '2021-01-01 00:00+00', updated_at IS NULL \
                FROM oauth_clients ORDER BY 1";
    assert_eq!(world.database.table(rows), "new | t | t | f\nweb | f | f | f");
    // A default in the database is its own affair.
    world.database.execute("ALTER TABLE oauth_clients ALTER modified SET DEFAULT now()");
    world.write("");
    world.run(&["import", "new", "--full"]).exits(0);
    assert!(world.sandbox.read("oauth.toml").contains("columns.modified = 2021-01-01T00:00:00Z"));
}
