//! Text of others in every verb's output: neither a terminal, nor a CI runner, nor a forge takes it for a command.
//! Django's registration view lets every user choose a name and a client id.

use serde_json::{Value, json};

use super::support::rows::application;
use super::support::sandbox::Output;
use super::support::{Database, Sandbox, Template};

/// What GitHub's runner obeys, what Azure's does, controls of terminals, and what hides or reorders text.
const HOSTILE: [&str; 5] = [
    "##[group]x ##[endgroup]",
    "::error title=x::pwn",
    "##vso[task.setvariable variable=x]y",
    "a\u{7f}b\u{9b}31m",
    "\u{61c}a\u{ad}b\u{202e}c\u{200b}d\u{2066}e",
];

const FILE: &str = "[applications.web]\nclient_type = \"confidential\"\n\
                    authorization_grant_type = \"client-credentials\" # ##[error]x\n\n[policy]\nprune = \"never\"\n";

fn world() -> (Database, Sandbox) {
    let database = Database::create(Template::Dot341);
    for (id, text) in (1..).zip(HOSTILE) {
        application(&database, id, text, &json!({ "name": text, "redirect_uris": "https://a.example/cb" }));
    }
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE);
    (database, sandbox)
}

/// Lines that GitHub's runner obeys (`ActionCommand.TryParse`), and Azure's; characters that a terminal does.
fn obeyed(text: &str) -> Vec<String> {
    let is_command =
        |line: &str| line.trim_start().starts_with("::") || line.contains("##[") || line.contains("##vso[");
    let is_control = |c: char| {
        (c.is_control() && c != '\n') || "\u{61c}\u{ad}\u{202e}\u{200b}\u{2066}\u{2060}\u{feff}".contains(c)
    };
    text.lines().filter(|line| is_command(line) || line.chars().any(is_control)).map(str::to_owned).collect()
}

fn assert_harmless(what: &[&str], output: &Output) {
    let all = [&output.raw_stdout, &output.raw_stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap());
    let obeyed: Vec<String> = all.iter().flat_map(|text| obeyed(text)).collect();
    assert!(obeyed.is_empty(), "{what:?}: {obeyed:#?}");
}

#[test]
fn no_output_is_a_command() {
    let (_database, sandbox) = world();
    for arguments in [
        &["list"][..],
        &["list", "--format", "json"],
        &["plan"],
        &["plan", "--full"],
        &["plan", "--format", "json"],
        &["plan", "--format", "markdown"],
        &["plan", "--format", "html"],
        &["import", "--unmanaged"],
        &["import", "--unmanaged", "--format", "json"],
        &["import", "--all", "--dry-run"],
        &["import", "--all", "--dry-run", "--format", "json"],
        &["status"],
        &["status", "--format", "json"],
        &["status", "--format", "html"],
        &["doctor"],
        &["doctor", "--format", "json"],
        &["cleartokens", "--dry-run", "--exclude-client", HOSTILE[0]],
        &["-f", "##[x].toml", "plan"],
        &["-f", "::x.toml", "validate", "--format", "json"],
        &["--target", "##[x]"],
    ] {
        assert_harmless(arguments, &sandbox.oauthctl(arguments));
    }
    for text in HOSTILE {
        for arguments in
            [&["show", "--", text][..], &["show", "--format", "json", "--", text], &["list", "--", text]]
        {
            assert_harmless(arguments, &sandbox.oauthctl(arguments).exits(0));
        }
        assert_harmless(&["rotate"], &sandbox.oauthctl(&["rotate-secret", "--", text]));
        let delete = format!("{FILE}\n[[removed]]\nclient_id = {}\n", toml(text));
        sandbox.write("delete.toml", delete);
        for format in ["text", "json", "markdown", "html"] {
            let arguments = ["-f", "delete.toml", "plan", "--format", format];
            assert_harmless(&arguments, &sandbox.oauthctl(&arguments));
        }
    }
}

/// The log and a saved plan say the same texts.
#[test]
fn no_log_and_no_saved_plan_is_a_command() {
    let (_database, sandbox) = world();
    sandbox.oauthctl(&["migrate", "--ledger"]).exits(0);
    let mut runs = 0;
    for text in HOSTILE {
        sandbox.write("oauth.toml", format!("[[removed]]\nclient_id = {}\n", toml(text)));
        for format in ["text", "json"] {
            let arguments = ["plan", "-vvv", "--no-cleanup", "--log-format", format, "--out", "saved.json"];
            assert_harmless(&arguments, &sandbox.oauthctl(&arguments).exits(0));
            assert_eq!(obeyed(&sandbox.read("saved.json")), Vec::<String>::new());
        }
        for format in ["text", "json", "markdown", "html"] {
            let arguments = ["show-plan", "--full", "saved.json", "--format", format];
            assert_harmless(&arguments, &sandbox.oauthctl(&arguments).exits(0));
        }
        let arguments = ["apply", "--yes", "-vvv", "saved.json"];
        let output = sandbox.oauthctl(&arguments).exits(0);
        assert_harmless(&arguments, &output);
        assert!(output.stderr.contains("step executed"), "{output}");
        runs += 1;
        let run = runs.to_string();
        for format in ["text", "json"] {
            for verb in [&["history"][..], &["history", "show", &run], &["undo", &run]] {
                let arguments = [verb, &["--format", format]].concat();
                assert_harmless(&arguments, &sandbox.oauthctl(&arguments).exits(0));
            }
        }
    }
}

/// Problems of the file quote its lines.
#[test]
fn no_excerpt_is_a_command() {
    let sandbox = Sandbox::new();
    for text in HOSTILE {
        let file = format!("[applications.web]\nnmae = {} # {}\n", toml(text), text.replace('\u{7f}', ""));
        sandbox.write("oauth.toml", file);
        for format in ["text", "json", "sarif"] {
            assert_harmless(&[format], &sandbox.oauthctl(&["validate", "--format", format]).exits(64));
        }
    }
}

fn toml(text: &str) -> String {
    let escape = |c: char| if c.is_control() { format!("\\u{:04X}", u32::from(c)) } else { c.to_string() };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

/// The document is the same on stdout and in a file, and holds what the database holds.
#[test]
fn json_loses_nothing_on_a_pipe() {
    let (_database, sandbox) = world();
    let list = sandbox.oauthctl(&["list", "--format", "json"]).exits(0);
    let list: Value = serde_json::from_slice(&list.raw_stdout).unwrap();
    let mut listed: Vec<&str> = list["applications"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|application| application["client_id"].as_str())
        .filter(|client_id| *client_id != "web")
        .collect();
    listed.sort_unstable();
    let mut expected = HOSTILE.to_vec();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    for color in ["always", "never"] {
        let arguments = ["plan", "--format", "json", "--json-out", "plan.json", "--color", color];
        let output = sandbox.oauthctl(&arguments).exits(0);
        assert_eq!(String::from_utf8(output.raw_stdout).unwrap(), sandbox.read("plan.json"));
    }
}

/// `--format` names what a verb writes, or is refused with what it has.
#[test]
fn a_format_is_written_or_refused() {
    let sandbox = Sandbox::new();
    let mut shown = String::new();
    for (verb, format) in [
        (&["init"][..], "json"),
        (&["completions", "bash"], "json"),
        (&["man"], "json"),
        (&["schema"], "markdown"),
        (&["hash-secret"], "sarif"),
        (&["migrate", "--ledger"], "markdown"),
        (&["createapplication", "public", "implicit"], "github"),
        (&["validate"], "markdown"),
        (&["plan"], "sarif"),
        (&["apply"], "markdown"),
        (&["list"], "html"),
    ] {
        let output = sandbox.oauthctl(&[verb, &["--format", format]].concat()).exits(64);
        shown.push_str(&output.stderr);
    }
    assert!(!sandbox.path().join("oauth.toml").exists());
    insta::assert_snapshot!("formats_that_a_verb_has_not", shown);
}

#[test]
fn every_answer_of_json_is_json() {
    let database = Database::create(Template::Dot341);
    let sandbox = Sandbox::with(&database);
    let answer = |arguments: &[&str], input: &str| -> Value {
        let output =
            sandbox.command(&[arguments, &["--format", "json"]].concat()).input(input).run().exits(0);
        serde_json::from_slice(&output.raw_stdout).unwrap()
    };
    let migrated = answer(&["migrate", "--ledger"], "");
    assert_eq!((&migrated["provider"], &migrated["seeded"]), (&Value::Null, &json!(false)));
    assert!(!migrated["ledger"].as_array().unwrap().is_empty());
    assert_eq!(answer(&["migrate", "--ledger"], "")["ledger"], json!([]));

    let hashed = answer(&["hash-secret"], "correct-horse-battery-staple\n");
    assert_eq!(hashed["algorithm"], "pbkdf2_sha256");
    assert!(hashed["hash"].as_str().unwrap().starts_with("pbkdf2_sha256$"));

    let created = answer(&["createapplication", "confidential", "client-credentials", "--name", "X Y"], "");
    let client_id = created["client_id"].as_str().unwrap();
    let stored = "SELECT client_id FROM oauth2_provider_application WHERE name = 'X Y'";
    assert_eq!(client_id, database.value(stored));
    assert_eq!(created["client_secret"].as_str().unwrap().len(), 128);
    let given = [
        "createapplication",
        "confidential",
        "client-credentials",
        "--client-secret",
        "correct-horse-battery",
    ];
    assert_eq!(answer(&given, "")["client_secret"], Value::Null);

    assert!(answer(&["schema"], "")["properties"].is_object());
}

/// What `doctor` prints means the table that it looked at, under every name.
#[test]
fn what_is_printed_for_hostile_names_can_be_executed() {
    let database = Database::create(Template::Dot341);
    for (number, name) in (1..).zip(["r##[warning]x", "two\nlines", "::error::it's \u{202e}\\"]) {
        database.execute(format!(
            "CREATE TABLE \"{name}\" (id int, token bigint REFERENCES oauth2_provider_accesstoken); \
             INSERT INTO \"{name}\" SELECT {number} FROM generate_series(1, 10)"
        ));
    }
    let sandbox = Sandbox::with(&database);
    let output = sandbox.oauthctl(&["doctor"]);
    assert_harmless(&["doctor"], &output);
    let indexes = || {
        database
            .value("SELECT count(*) FROM pg_index i WHERE indrelid::regclass::text ~ 'lines|error|warning'")
    };
    let printed: Vec<&str> = output
        .stdout
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("CREATE INDEX") && line.contains("U&"))
        .collect();
    assert_eq!((printed.len(), indexes()), (3, "0".to_owned()), "{output}");
    for statement in printed {
        database.execute(statement.to_owned());
    }
    assert_eq!(indexes(), "3");
}

/// Outsiders register applications: none of their names is a line of ours.
#[test]
fn no_name_forges_a_line() {
    let database = Database::create(Template::Dot341);
    application(&database, 1, "x\nerror: y\nhint: run curl", &json!({ "client_type": "bogus" }));
    let sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", "");
    let output = sandbox.oauthctl(&["import", "--all"]);
    let stderr = String::from_utf8(output.raw_stderr.clone()).unwrap();
    assert!(stderr.contains("is left out"), "{output}");
    assert!(
        !stderr.lines().any(|line| line.starts_with("error: y") || line.starts_with("hint: run")),
        "{output}"
    );
}
