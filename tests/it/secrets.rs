//! No secret is in anything that is written, whatever the verb and the verbosity.
//!
//! Every verb runs with secrets in the environment, in a file, in a hash, in the connection string and in the database. Its
//! output, its log, the files that it writes, the ledger, the sessions of the server and the server's log are searched for
//! them: as text, in base64, percent-encoded, in hexadecimal digits and as JSON writes them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::support::rows::{application, everything, session, user};
use super::support::{Database, Instance, Sandbox, Template};

/// Characters that each encoding changes.
const IN_DATABASE: &str = "the-stored+/\"secret&ä";
const IN_ENVIRONMENT: &str = "from-the+/\"environment&ä";
const IN_FILE: &str = "from-the+/\"file-of-a-secret&ä";
const OF_THE_DATABASE: &str = "the-password+of-the/database";
const TYPED: &str = "typed-for+/\"hash-secret&ä";
/// The hash of a secret tells who has it, and a weak one can be guessed.
const HASH: &str = "pbkdf2_sha256$1$saltsaltsalt$q6hkN4DcGDsNmv0SSbDGkT3KdXqEiNqJCEPhQ7T8Wq0=";

const FILE: &str = r#"
[policy]
max_updates = "100%"

[provider]
client_secret_iterations = 1

[applications.stored]
name = "After"

[applications.environment]
client_type = "confidential"
authorization_grant_type = "client-credentials"
client_secret = { env = "APP_SECRET" }

[applications.file]
client_type = "confidential"
authorization_grant_type = "client-credentials"
hash_client_secret = false
client_secret = { file = "given/secret" }

[applications.hash]
client_type = "confidential"
authorization_grant_type = "client-credentials"
client_secret = { hash = "HASH" }

[applications.generated]
client_type = "confidential"
authorization_grant_type = "client-credentials"

[cleanup]
refresh_token_expire = "14d"
"#;

/// Each verb, its input, and how it ends. What changes something comes after what looks at it.
const RUNS: &[(&[&str], &str, i32)] = &[
    (&["validate"], "", 0),
    (&["validate", "--format", "json"], "", 0),
    (&["validate", "--format", "sarif"], "", 0),
    (&["validate", "--format", "github"], "", 0),
    (&["validate", "--format", "gitlab"], "", 0),
    (&["-f", "wrong.toml", "validate"], "", 64),
    (&["-f", "broken.toml", "validate"], "", 64),
    (&["plan", "--full"], "", 0),
    (&["plan", "--format", "json", "--json-out", "plan.json", "--out", "saved.plan"], "", 0),
    (&["plan", "--format", "markdown"], "", 0),
    (&["plan", "--without-secrets"], "", 0),
    (&["show-plan", "saved.plan", "--full"], "", 0),
    (&["list"], "", 0),
    (&["list", "--format", "json"], "", 0),
    (&["show", "stored"], "", 0),
    (&["show", "stored", "--format", "json"], "", 0),
    (&["import", "--unmanaged"], "", 0),
    (&["import", "--all", "--full", "--dry-run"], "", 0),
    (&["-f", "imported.toml", "import", "--all"], "", 0),
    (&["status", "--metrics-file", "metrics.prom"], "", 0),
    (&["status", "--format", "json"], "", 0),
    (&["doctor"], "", 0),
    (&["migrate", "--ledger"], "", 0),
    (&["migrate", "--roles"], "", 0),
    (&["apply", "--yes", "--secrets-out", "given/generated.json"], "", 0),
    (&["apply", "--yes"], "", 0),
    (&["rotate-secret", "stored", "--yes", "--secrets-out", "given/rotated.env"], "", 0),
    (&["history"], "", 0),
    (&["history", "show", "1", "--format", "json"], "", 0),
    (&["undo", "1"], "", 0),
    (&["createapplication", "confidential", "client-credentials", "--client-id", "stored"], "", 1),
    (&["cleartokens", "--dry-run"], "", 0),
    (&["cleartokens"], "", 0),
    (&["schema"], "", 0),
    (&["version", "--format", "json"], "", 0),
];

/// What a secret looks like in something that is written.
fn forms(secret: &str) -> Vec<String> {
    let percent = secret.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
        out
    });
    let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let json = serde_json::to_string(secret).unwrap();
    // Within something longer that is encoded, a secret begins at one of three places.
    let inside = (0..3).map(|before| {
        let encoded = STANDARD.encode([&vec![b'x'; before], secret.as_bytes()].concat());
        encoded[4..encoded.len() - 4].to_owned()
    });
    let plain = [secret.to_owned(), percent, hexadecimal, json.trim_matches('"').to_owned()];
    plain.into_iter().chain(inside).collect()
}

/// Every place in a text where one of the secrets is.
fn found(what: &str, text: &str, secrets: &[(&str, String)]) -> Vec<String> {
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(number, line)| {
            let here = move |(name, secret): &(&str, String)| {
                let is_here = forms(secret).iter().any(|form| line.contains(form.as_str()));
                is_here.then(|| format!("{what}, line {}: {name} in {line}", number + 1))
            };
            secrets.iter().filter_map(here)
        })
        .collect()
}

/// The files of a directory but those that are there to hold secrets.
fn written(directory: &Path) -> Vec<(String, String)> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (path.is_file() && name != "oauth.toml")
            .then(|| (name, fs::read_to_string(&path).unwrap_or_default()))
    };
    files.filter_map(read).collect()
}

/// The log of a server that collects it.
fn server_log(instance: &Instance) -> String {
    let files = fs::read_dir(instance.directory().join("data/log")).unwrap();
    let read = |entry: std::io::Result<fs::DirEntry>| fs::read_to_string(entry.unwrap().path()).unwrap();
    files.map(read).collect()
}

fn world(instance: &Instance) -> (Database, Sandbox) {
    let database = instance.database(Template::Dot341);
    user(&database, 1, "ops");
    let stored = serde_json::json!({
        "name": "Before", "client_secret": IN_DATABASE, "hash_client_secret": false,
    });
    application(&database, 100, "stored", &stored);
    session(&database, 1, 100, "2024-01-02T00:00:00Z");
    database.execute("SELECT setval('oauth2_provider_application_id_seq', 100)");
    let mut sandbox = Sandbox::with(&database);
    sandbox.write("oauth.toml", FILE.replace("HASH", HASH));
    sandbox.write("given/secret", IN_FILE);
    let quoted = IN_FILE.replace('"', "");
    sandbox.write("wrong.toml", format!("[applications.web]\nclient_secret = \"{quoted}\"\nnmae = 1\n"));
    sandbox.write("broken.toml", format!("[applications.web]\nclient_secret = \"{quoted}\nname = 1\n"));
    sandbox.set("APP_SECRET", IN_ENVIRONMENT);
    sandbox.set("PGPASSWORD", OF_THE_DATABASE);
    (database, sandbox)
}

/// What the run itself has made.
fn made(sandbox: &Sandbox) -> Vec<(&'static str, String)> {
    let mut made = Vec::new();
    if let Ok(text) = fs::read_to_string(sandbox.path().join("given/generated.json")) {
        let secrets: serde_json::Value = serde_json::from_str(&text).unwrap();
        made.push(("a generated secret", secrets["generated"].as_str().unwrap().to_owned()));
    }
    if let Ok(text) = fs::read_to_string(sandbox.path().join("given/rotated.env")) {
        let value = text.lines().last().unwrap().split_once('=').unwrap().1;
        made.push(("a rotated secret", value.trim_matches(['"', '\'']).to_owned()));
    }
    made
}

#[test]
fn no_secret_is_written_anywhere() {
    // What the server logs of parameters is nothing that a client can prevent: SECURITY.md names the setting.
    let instance = Instance::start(&[
        "logging_collector=on",
        "log_statement=all",
        "log_min_messages=debug1",
        "log_parameter_max_length=0",
        "log_parameter_max_length_on_error=0",
    ]);
    let (database, sandbox) = world(&instance);
    // The statements of the test itself have the secret that is stored.
    let own = server_log(&instance).len();
    let quoted = IN_FILE.replace('"', "");
    let (mut texts, mut unexpected) = (Vec::new(), Vec::new());
    for (arguments, input, code) in RUNS {
        for more in [&[][..], &["-vvv"], &["-vvv", "--log-format", "json"]] {
            // What changes something runs once, at the highest verbosity.
            let is_once = ["apply", "rotate-secret", "migrate", "-f"].contains(&arguments[0]);
            if is_once && more.len() != 1 {
                continue;
            }
            let arguments = [arguments, more].concat();
            let output = sandbox.command(&arguments).input(input).run();
            if output.code != Some(*code) {
                unexpected.push(format!("{arguments:?}\n{output}"));
            }
            texts.push((format!("{arguments:?}"), output.to_string()));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    let hashing = sandbox.command(&["hash-secret", "-vvv"]).input(TYPED).run().exits(0);
    texts.push(("hash-secret".to_owned(), hashing.to_string()));
    texts.extend(written(sandbox.path()));
    texts.push(("the ledger".to_owned(), everything(&database, "oauthctl")));
    let sessions =
        "SELECT coalesce(string_agg(query || application_name, chr(10)), '') FROM pg_stat_activity";
    texts.push(("pg_stat_activity".to_owned(), database.value(sessions)));
    texts.push(("the server's log".to_owned(), server_log(&instance).split_off(own)));
    let given = [
        ("the stored secret", IN_DATABASE),
        ("the secret in the environment", IN_ENVIRONMENT),
        ("the secret in a file", IN_FILE),
        ("the secret in the file", quoted.as_str()),
        ("the password of the database", OF_THE_DATABASE),
        ("the typed secret", TYPED),
        ("the digest of a hash", HASH.rsplit('$').next().unwrap()),
    ];
    let given = given.into_iter().map(|(name, secret)| (name, secret.to_owned()));
    let secrets: Vec<(&str, String)> = given.chain(made(&sandbox)).collect();
    assert_eq!(secrets.len(), 9, "what was made is looked for too");
    assert!(texts.iter().any(|(_, text)| text.contains("After")), "the texts are those of the runs");
    let tests = ["imported.toml", "wrong.toml", "broken.toml"];
    let wrong: Vec<String> = texts
        .iter()
        .filter(|(what, _)| !tests.contains(&what.as_str()) || what == "imported.toml")
        .flat_map(|(what, text)| found(what, text, &secrets))
        .collect();
    assert!(wrong.is_empty(), "{} places:\n{}", wrong.len(), wrong.join("\n"));
}

/// The search itself finds what it looks for.
#[test]
fn each_form_is_found() {
    let secrets = [("it", IN_DATABASE.to_owned())];
    let json = serde_json::to_string(&[IN_DATABASE]).unwrap();
    let inside = STANDARD.encode(format!("user:{IN_DATABASE}@host"));
    for text in [IN_DATABASE, "%2F%22secret%26%C3%A4 the-stored%2B%2F%22secret%26%C3%A4", &json, &inside] {
        assert_eq!(found("a text", text, &secrets).len(), 1, "{text}");
    }
    assert_eq!(found("a text", "the-stored secret", &secrets), [""; 0]);
}
