//! `import`: what the file becomes, what stays as it is, and that a plan finds nothing to do afterwards.

mod round_trip;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::support::database::Template;
use super::support::rows::{application, user};
use super::support::sandbox::Output;
use super::support::{Database, Sandbox};

struct World {
    database: Database,
    sandbox: Sandbox,
}

impl World {
    /// With a few applications, and a file unless the text is empty.
    fn new(toml: &str) -> Self {
        let database = Database::create(Template::Dot341);
        let sandbox = Sandbox::with(&database);
        if !toml.is_empty() {
            sandbox.write("oauth.toml", toml);
        }
        user(&database, 7, "ops");
        let web = json!({
            "name": "Web shop", "authorization_grant_type": "authorization-code", "algorithm": "RS256",
            "redirect_uris": "https://shop.example/cb\n https://shop.example/silent", "skip_authorization": true,
        });
        application(&database, 1, "web", &web);
        let reports = json!({ "name": "Reports", "user_id": 7, "client_secret": "hunter2", "hash_client_secret": false });
        application(&database, 2, "reports", &reports);
        let app = json!({
            "client_type": "public", "authorization_grant_type": "authorization-code", "redirect_uris": "com.example:/cb",
        });
        application(&database, 3, "app.example", &app);
        application(
            &database,
            4,
            "spreadsheet",
            &json!({ "registration_source": "dcr", "client_type": "public" }),
        );
        Self { database, sandbox }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.oauthctl(&[&["import"], arguments].concat())
    }

    fn file(&self) -> String {
        self.sandbox.read("oauth.toml")
    }

    /// Runs what writes nothing.
    #[track_caller]
    fn leaves_the_file(&self, arguments: &[&str], code: i32) -> Output {
        let before = fs::read(self.sandbox.path().join("oauth.toml")).ok();
        let output = self.run(arguments).exits(code);
        assert_eq!(before, fs::read(self.sandbox.path().join("oauth.toml")).ok(), "{output}");
        output
    }
}

#[test]
fn a_new_file_is_minimal() {
    let world = World::new("");
    assert_snapshot!("import_all_into_a_new_file", world.run(&["--all"]).exits(0));
    assert_snapshot!("a_new_file", world.file());
    world.sandbox.oauthctl(&["validate"]).exits(0);
    world.sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn importing_twice_changes_nothing() {
    let world = World::new("");
    world.run(&["--all", "--with-hashes"]).exits(0);
    assert_snapshot!(world.leaves_the_file(&["--all"], 0));
    for flags in [&["--update"][..], &["--update", "--full"], &["--update", "--full", "--with-hashes"]] {
        world.run(&[&["--all"], flags].concat()).exits(0);
        let once = world.file();
        world.run(&[&["--all"], flags].concat()).exits(0);
        assert_eq!(world.file(), once, "{flags:?}");
        world.sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
    }
}

const OURS: &str = "\
# Ours.
[provider]
oidc_rsa_private_key = true\t# since May

[applications.web] # The shop.
skip_authorization = false
name = 'Shop'
redirect_uris = [
  \"https://shop.example/cb\",    # the page
  \"https://old.example/cb\",
]
# client_secret = { env = \"WEB\" }

# What may happen.
[policy]
max_deletes = 3";

#[test]
fn a_dry_run_shows_the_difference_and_writes_nothing() {
    let world = World::new(OURS);
    assert_snapshot!(world.leaves_the_file(&["--all", "--dry-run"], 0));
}

#[test]
fn declared_applications_follow_only_when_asked() {
    let world = World::new(OURS);
    assert_snapshot!("a_declared_application_is_left_alone", world.run(&["web", "reports"]).exits(0));
    let once = world.file();
    assert!(once.starts_with(OURS.split("\n# What").next().unwrap()), "{once}");
    assert!(once.ends_with("# What may happen.\n[policy]\nmax_deletes = 3"), "{once}");
    world.sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(2);
    assert_snapshot!("a_declared_application_follows", world.run(&["web", "--update"]).exits(0));
    assert_snapshot!("the_file_that_followed", world.file());
    world.sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn filters_select() {
    for (flags, expected) in [
        (&["--match", "*.example", "--match", "we?"][..], &["app.example", "web"][..]),
        (&["--user", "ops"], &["reports"]),
        (&["--user", "7"], &["reports"]),
        (&["--client-type", "public"], &["app.example"]),
        (&["--grant-type", "authorization-code", "--match", "w*"], &["web"]),
        (&["--registration-source", "dcr"], &["spreadsheet"]),
        (&["--registration-source", "all", "--client-type", "public"], &["app.example", "spreadsheet"]),
        (&["spreadsheet"], &["spreadsheet"]),
        (&["--match", "%"], &[]),
    ] {
        let world = World::new("");
        let output = world.run(&[flags, &["--format", "json"]].concat()).exits(0);
        let document: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(document["imported"], json!(expected), "{flags:?}\n{output}");
    }
}

#[test]
fn unmanaged_applications_are_listed_and_not_imported() {
    let world = World::new("[applications.web]\n");
    assert_snapshot!("unmanaged", world.leaves_the_file(&["--unmanaged"], 0));
    assert_snapshot!("unmanaged_that_match", world.leaves_the_file(&["--unmanaged", "--match", "w*"], 0));
}

#[test]
fn what_is_not_there_stops_everything() {
    let world = World::new("[applications.ghost]\n");
    assert_snapshot!("an_unknown_name", world.leaves_the_file(&["reports", "wb"], 1));
    assert_snapshot!("a_declared_name_without_a_row", world.leaves_the_file(&["ghost"], 1));
    assert_snapshot!("no_name", world.leaves_the_file(&[], 64));
    world.leaves_the_file(&["web", "--all"], 64);
}

#[test]
fn what_the_file_removes_or_renames_is_left_alone() {
    let world = World::new(
        "[[removed]]\nclient_id = \"reports\"\n[[renamed]]\nfrom = \"web\"\nto = \"shop\"\n[applications.shop]\nname = \"Shop\"\n",
    );
    assert_snapshot!(world.leaves_the_file(&["web", "reports", "--update"], 0));
}

#[test]
fn a_file_that_is_not_valid_is_not_touched() {
    let world = World::new("[applications.web]\nnmae = \"x\"\n");
    assert_snapshot!(world.leaves_the_file(&["--all"], 64));
}

#[test]
fn json_says_what_was_done() {
    let world = World::new(OURS);
    assert_snapshot!("json_of_an_import", world.run(&["--all", "--format", "json"]).exits(0));
    let world = World::new(OURS);
    let output = world.leaves_the_file(&["web", "--update", "--dry-run", "--format", "json"], 0);
    assert_snapshot!("json_of_an_update_in_a_dry_run", output);
}

#[test]
fn links_and_permissions_are_kept() {
    let world = World::new("");
    let target = world.sandbox.write("etc/ours.toml", "# Ours.\n");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    let link = world.sandbox.path().join("oauth.toml");
    symlink("etc/ours.toml", &link).unwrap();
    world.run(&["reports"]).exits(0);
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert!(fs::read_to_string(&target).unwrap().starts_with("# Ours.\n\n[applications.reports]\n"));
    assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    let names: Vec<_> = fs::read_dir(target.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn a_place_that_cannot_be_written_is_said() {
    let world = World::new("");
    assert_snapshot!("no_such_folder", world.run(&["reports", "-f", "no/such/directory.toml"]).exits(1));
    fs::create_dir(world.sandbox.path().join("oauth.toml")).unwrap();
    assert_snapshot!("a_folder_instead_of_the_file", world.run(&["reports"]).exits(64));
}

#[test]
fn a_password_in_the_file_is_not_in_the_difference() {
    let world = World::new("");
    let url = world.database.url().replacen("postgresql://", "postgresql://someone:sesame@", 1);
    world.sandbox.write("oauth.toml", format!("[database]\nurl = \"{url}\"\n"));
    let output = world.run(&["reports", "--dry-run", "--database-url", &world.database.url()]).exits(0);
    assert!(output.stdout.contains("+[applications.reports]"), "{output}");
    assert!(!output.to_string().contains("sesame"), "{output}");
}
