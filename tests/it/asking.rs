//! What is said before a question and after it: only "yes" goes on, what cannot be delivered is refused first, and what is
//! made for nobody is not delivered.

use insta::assert_snapshot;
use serde_json::json;

use super::support::rows::application;
use super::support::terminal::{answered_in_terminal, run_in_terminal};
use super::support::{Database, Sandbox, Template};

const FILE: &str = r#"
[applications.kiosk]
client_type = "public"
authorization_grant_type = "authorization-code"
redirect_uris = ["https://kiosk.example.com/callback"]

[applications.sync]
client_type = "confidential"
authorization_grant_type = "client-credentials"
"#;

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

fn count(database: &Database) -> String {
    database.value("SELECT count(*) FROM oauth2_provider_application")
}

#[test]
fn only_yes_goes_on() {
    let (database, sandbox) = world();
    for answer in ["y", "Y", "Yes", "YES", "no", "yes please", ""] {
        let command = sandbox.command(&["apply"]).into_command();
        let (status, shown) = answered_in_terminal(command, "Type \"yes\" to continue:", answer);
        assert_eq!(status.code(), Some(1), "{answer}: {shown}");
        assert!(shown.contains("not confirmed; nothing was changed"), "{shown}");
        assert_eq!(count(&database), "0");
    }
    let command = sandbox.command(&["apply"]).into_command();
    let (status, shown) = answered_in_terminal(command, "Type \"yes\" to continue:", "yes");
    assert_eq!((status.code(), count(&database).as_str()), (Some(0), "2"), "{shown}");
    assert!(
        shown.contains("client_secret of sync: ") && !shown.contains("client_secret of kiosk"),
        "{shown}"
    );
}

/// The ending and the directory before connecting: there is no server to connect to. A taken name before the question.
#[test]
fn secrets_out_is_looked_at_first() {
    let sandbox = Sandbox::new();
    sandbox.write("oauth.toml", FILE);
    let mut shown = String::new();
    for path in ["secrets.txt", "secrets", "no/such/secrets.json"] {
        for verb in [&["apply"][..], &["rotate-secret", "sync"]] {
            let nowhere = ["--database-url", "postgres://u@127.0.0.1:1/x", "--secrets-out", path];
            shown.push_str(&sandbox.oauthctl(&[verb, &nowhere].concat()).exits(64).stderr);
        }
    }
    let (database, sandbox) = world();
    sandbox.write("taken.json", "{}");
    // Without --yes: who is to be asked is not even looked for.
    shown.push_str(&sandbox.oauthctl(&["apply", "--secrets-out", "taken.json"]).exits(1).stderr);
    assert_eq!((count(&database).as_str(), sandbox.read("taken.json").as_str()), ("0", "{}"));
    assert_snapshot!("secrets_out_that_cannot_be_written", shown);
}

#[test]
fn a_public_client_gets_no_secret_delivered() {
    let (database, sandbox) = world();
    let plan = sandbox.oauthctl(&["plan"]).exits(0).stdout;
    sandbox.oauthctl(&["apply", "--yes", "--secrets-out", "secrets.json"]).exits(0);
    let delivered: serde_json::Value = serde_json::from_str(&sandbox.read("secrets.json")).unwrap();
    let names: Vec<&String> = delivered.as_object().unwrap().keys().collect();
    assert_eq!(names, ["sync"]);
    // DOT stores one all the same.
    let stored =
        "SELECT count(*) FROM oauth2_provider_application WHERE client_secret LIKE 'pbkdf2_sha256$%'";
    assert_eq!(database.value(stored), "2");
    // Where the file asks for one, it is delivered, with the advice not to.
    let asks = "client_type = \"public\"\nclient_secret = { generate = true }";
    let asking = FILE.replace("client_type = \"public\"", asks).replace("kiosk", "stand");
    sandbox.write("oauth.toml", asking);
    let advice = sandbox.oauthctl(&["validate"]).exits(0).stderr;
    sandbox.oauthctl(&["apply", "--yes", "--secrets-out", "asked.json"]).exits(0);
    assert!(sandbox.read("asked.json").contains("stand"));
    assert_snapshot!("a_public_client", format!("{plan}---\n{advice}"));
}

/// Nothing to deliver, so nowhere is needed.
#[test]
fn public_clients_alone_need_no_secrets_file() {
    let (database, sandbox) = world();
    sandbox.write("oauth.toml", FILE.split("[applications.sync]").next().unwrap());
    sandbox.oauthctl(&["apply", "--yes"]).exits(0);
    assert_eq!(count(&database), "1");
}

#[test]
fn rotate_secret_counts_what_the_file_declares() {
    let (database, sandbox) = world();
    application(&database, 100, "other", &json!({}));
    sandbox.oauthctl(&["apply", "--yes", "--secrets-out", "secrets.json"]).exits(0);
    let output =
        sandbox.oauthctl(&["rotate-secret", "sync", "--yes", "--secrets-out", "rotated.json"]).exits(0);
    let id = format!("(id {})", database.value(ID));
    assert_snapshot!("rotate_secret", output.to_string().replace(&id, "(id [id])"));
}

const ID: &str = "SELECT id FROM oauth2_provider_application WHERE client_id = 'sync'";

/// DOT's lines stay as they are; what they lack goes to stderr.
#[test]
fn a_generated_client_id_is_shown() {
    let (database, sandbox) = world();
    let named = ["createapplication", "confidential", "client-credentials", "--name", "X Y"];
    let output = sandbox.oauthctl(&named).exits(0);
    let client_id = database.value("SELECT client_id FROM oauth2_provider_application");
    assert_eq!(output.stderr, format!("client_id: {client_id}\n"));
    let given = [
        "createapplication",
        "public",
        "implicit",
        "--client-id",
        "spa",
        "--redirect-uris",
        "https://a.example/",
    ];
    let output = sandbox.oauthctl(&given).exits(0);
    assert!(
        output.stdout.starts_with("New application spa created successfully.\nclient_secret: "),
        "{output}"
    );
    assert_snapshot!("a_public_client_by_hand", output.stderr);
}

#[test]
fn man_makes_its_folder_and_init_its_schema() {
    let sandbox = Sandbox::new();
    sandbox.oauthctl(&["man", "--out", "a/b"]).exits(0);
    assert!(sandbox.read("a/b/oauthctl-plan.1").contains("plan"));
    sandbox.write("file", "");
    let mut shown = sandbox.oauthctl(&["man", "--out", "file/b"]).exits(1).stderr;
    sandbox.write("conf/x", "");
    shown.push_str(&sandbox.oauthctl(&["init", "-f", "conf/oauth.toml"]).exits(0).stderr);
    assert_eq!(sandbox.read("conf/oauth.schema.json"), sandbox.oauthctl(&["schema"]).exits(0).stdout);
    sandbox.write("conf/oauth.schema.json", "{}");
    shown.push_str(&sandbox.oauthctl(&["init", "-f", "conf/other.toml"]).exits(0).stderr);
    assert_eq!(sandbox.read("conf/oauth.schema.json"), "{}");
    assert_snapshot!("folders_and_schemas", shown);
}

/// One full stop, and the field's name once.
#[test]
fn reasons_of_import_end_once() {
    let (database, sandbox) = world();
    application(&database, 1, "blank", &json!({ "client_type": "", "authorization_grant_type": "" }));
    application(&database, 2, "own", &json!({ "authorization_grant_type": "our-own" }));
    sandbox.write("oauth.toml", "");
    let output = sandbox.oauthctl(&["import", "--all"]).exits(0);
    let file = sandbox.read("oauth.toml");
    assert!(!output.stderr.contains("..") && !file.contains(".."), "{output}{file}");
    assert_snapshot!("reasons_of_import", format!("{}---\n{file}", output.stderr));
}

/// Words stay whole on a terminal, whatever it is wide, and a table fits it.
#[test]
fn lines_fit_a_terminal() {
    let (database, sandbox) = world();
    let long = "c".repeat(157);
    application(
        &database,
        1,
        &long,
        &json!({ "name": "n".repeat(200), "redirect_uris": "https://a.example/cb" }),
    );
    for columns in [80, 60] {
        for arguments in
            [&["plan"][..], &["list"], &["apply", "--yes"], &["doctor"], &["import", "--unmanaged"]]
        {
            let (_, shown) = run_in_terminal(sandbox.command(arguments).into_command(), columns);
            let plain = anstream::adapter::strip_str(&shown).to_string();
            for line in
                plain.lines().map(|line| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or(line))
            {
                // A word that is wider than the terminal stays whole, and so do commands and statements to copy.
                let widest = line.split(' ').map(|word| word.chars().count()).max().unwrap_or_default();
                let fits = line.chars().count() <= columns.into();
                let is_to_copy = line.contains('`') || line.ends_with(';');
                assert!(fits || widest > 40 || is_to_copy, "{arguments:?} at {columns}: {line}");
            }
            assert!(arguments != ["list"] || !plain.contains(&long), "{plain}");
        }
    }
}

/// The next step is named on a terminal, and only there.
#[test]
fn the_next_step_is_named_on_a_terminal() {
    let (_database, sandbox) = world();
    let steps: [(&[&str], &str); 4] = [
        (&["migrate", "--ledger"], "`oauthctl apply` records in the ledger"),
        (&["plan"], "`oauthctl apply` asks, and then does this"),
        (&["plan", "--out", "saved.plan"], "`oauthctl apply saved.plan` does exactly this"),
        (&["import", "--all"], ""),
    ];
    for (arguments, step) in steps {
        let at_a_terminal = |arguments: &[&str]| {
            let (_, shown) = run_in_terminal(sandbox.command(arguments).into_command(), 200);
            anstream::adapter::strip_str(&shown).to_string()
        };
        let shown = at_a_terminal(arguments);
        assert_eq!(shown.contains("hint: "), !step.is_empty(), "{arguments:?}: {shown}");
        assert!(shown.contains(step), "{arguments:?}: {shown}");
        let quiet = at_a_terminal(&[arguments, &["--quiet"]].concat());
        assert!(!quiet.contains("hint: "), "{arguments:?}: {quiet}");
        let logged = sandbox.oauthctl(arguments).exits(0);
        assert!(!logged.stderr.contains("hint: "), "{arguments:?}: {logged}");
    }
}
