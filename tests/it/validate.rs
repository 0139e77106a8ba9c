//! `validate`, `init` and `schema`: what a user sees of a file, right or wrong, and what the database verbs say of a
//! file that they cannot use. No database anywhere: that is the point.

use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::Value;

use super::support::Sandbox;
use super::support::sandbox::Output;

fn validate(file: impl AsRef<[u8]>) -> Output {
    let sandbox = Sandbox::new();
    sandbox.write("oauth.toml", file);
    sandbox.oauthctl(&["validate"])
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.raw_stdout).unwrap_or_else(|error| panic!("{error}\n{output}"))
}

const MISTAKES: &str = r#"[database]
url = "postgres://ops:s3cret@db/app"

[provider]
client_secret_hasher = "bcrypt"
oidc_rsa_private_key = "-----BEGIN RSA PRIVATE KEY-----"

[applications.web]
nmae = "Web shop"
client_type = "confidental"
grant_type = "authorization-code"
redirect_uris = "https://shop.example.com/callback"
allowed_origins = ["https://shop.example.com https://www.shop.example.com"]
client_secret = "correct horse battery staple"
skip_authorization = "false"
max_deletes = 5

[applications.shop]
client_id = "web"
client_secret = { env = "SHOP_SECRET", file = "shop.secret" }
user = {}

[applications.report]
authorization_grant_type = "implicit"
redirect_uris = ["ftp://files.example.com/cb", "https://report.example.com/cb#top"]
algorithm = "RS256"
client_secret = { hash = "hunter2" }
ignore = ["name"]

[removed]
client_id = "legacy-cron"

[[renamed]]
from = "reporting"
to = "reports"

[policy]
prune = "mine"
max_deletes = "130%"

[cleanup]
refresh_token_expire = "1 month"
batch_size = 0
only = ["revoked", "expird", "revoked"]
strategy = "rewrite"

[clean_up]
"#;

#[test]
fn every_mistake_is_found_in_one_run() {
    assert_snapshot!(validate(MISTAKES).exits(64));
}

#[test]
fn scripts_get_the_same_as_json() {
    let sandbox = Sandbox::new();
    sandbox.write("oauth.toml", MISTAKES);
    let output = sandbox.oauthctl(&["validate", "--format", "json"]).exits(64);
    let text = sandbox.oauthctl(&["validate"]).exits(64);
    let report = json(&output);
    let diagnostics = report["diagnostics"].as_array().unwrap();
    assert_eq!(report["error_count"].as_u64(), Some(text.stderr.matches("error[").count() as u64));
    for diagnostic in diagnostics {
        let start = &diagnostic["range"]["start"];
        let place = format!("--> oauth.toml:{}:{}", start["line"], start["column"]);
        assert!(text.stderr.contains(&place), "{place}\n{text}");
        let byte = |end: &str| usize::try_from(diagnostic["range"][end]["byte"].as_u64().unwrap()).unwrap();
        assert!(MISTAKES.get(byte("start")..byte("end")).is_some_and(|marked| !marked.is_empty()));
    }
    assert_snapshot!(serde_json::to_string_pretty(&diagnostics[..4]).unwrap());
}

#[test]
fn broken_toml_is_one_problem_for_each_break() {
    let mut shown = String::new();
    for text in [
        "[applications.web]\nredirect_uris = [\n  \"https://a.example/cb\",\n  \"https://b.example/cb\"\nname = \"Web\"\n[policy]\nprune = \"never\"\n",
        "[applications.web\nname = \"Web\"\n",
        "[applications.web]\nname = \"Web\nclient_type = public\nprotect = yes\n",
        "[applications.web]\nname = \"one\"\nname = \"two\"\nnmae = 1\n",
        "applications: {web: {}}\n",
        "[applications.web]\nclient_secret = hunter2\nclient_secret \"hunter2\"\n",
    ] {
        let output = validate(text).exits(64);
        assert!(!output.stderr.contains("hunter2"), "{output}");
        let _ = writeln!(shown, "{output}");
    }
    assert_snapshot!(shown);
}

#[test]
fn bytes_that_are_no_text_have_a_place() {
    let mut shown = String::new();
    let utf16: Vec<u8> = "\u{feff}[policy]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files: [&[u8]; 5] = [
        b"[applications.web]\nname = \"Caf\xe9\"\n",
        &utf16,
        b"[applications.web]\nname = \"a\0b\"\n",
        b"[applications.web]\nname = \"a\\u0000b\"\n",
        b"# \x1b[31mred\x1b[0m\n[\x1b[31m]\n",
    ];
    for bytes in files {
        let output = validate(bytes).exits(64);
        assert!(!output.raw_stderr.contains(&0x1b), "{output}");
        let _ = writeln!(shown, "{output}");
    }
    assert_snapshot!(shown);
}

#[test]
fn a_file_that_is_not_there_is_a_problem_of_its_own() {
    let sandbox = Sandbox::new();
    let mut shown = sandbox.oauthctl(&["validate"]).exits(64).to_string();
    shown.push_str(&sandbox.oauthctl(&["validate", "--format", "json"]).exits(64).to_string());
    std::fs::create_dir(sandbox.path().join("directory")).unwrap();
    shown.push_str(&sandbox.oauthctl(&["validate", "-f", "directory"]).exits(64).to_string());
    assert_snapshot!(shown);
}

#[test]
fn a_good_file_is_summed_up() {
    let mut shown = String::new();
    for text in [
        "",
        "\u{feff}[applications.web]\r\nname = \"Web\"\r\n",
        "[applications.web]\nclient_secret = { env = \"WEB_SECRET\" }\nredirect_uris = [\"https://a.example\", \"https://a.example\"]\n[cleanup]\n",
        "[applications.a]\n[applications.b]\n[[removed]]\nclient_id = \"c\"\n[[renamed]]\nfrom = \"d\"\nto = \"a\"\n[cleanup]\n",
    ] {
        let _ = writeln!(shown, "{}", validate(text).exits(0));
    }
    assert_snapshot!(shown);
}

#[test]
fn a_good_file_is_valid_json() {
    let sandbox = Sandbox::new();
    sandbox.write("oauth.toml", "[applications.web]\n");
    assert_snapshot!(sandbox.oauthctl(&["validate", "--format", "json"]).exits(0));
}

#[test]
fn missing_secrets_are_warnings_to_validate_and_errors_to_plan_and_apply() {
    let sandbox = Sandbox::new();
    sandbox.write("empty.secret", "\n");
    std::fs::create_dir(sandbox.path().join("directory.secret")).unwrap();
    let mut file = "[applications.env]\nclient_secret = { env = \"NOT_SET\" }\n".to_owned();
    for name in ["none", "empty", "directory"] {
        let _ = write!(file, "[applications.{name}]\nclient_secret = {{ file = \"{name}.secret\" }}\n");
    }
    sandbox.write("oauth.toml", file);
    sandbox.oauthctl(&["validate"]).exits(0);
    let plan = sandbox.oauthctl(&["plan"]).exits(64);
    let apply = sandbox.oauthctl(&["apply", "--yes"]).exits(64);
    assert!(apply.stderr.contains("; nothing was changed"), "{apply}");
    assert_eq!(plan.to_string(), apply.to_string().replace("; nothing was changed", ""));
    assert_snapshot!(plan);
}

#[test]
fn ten_megabytes_of_mistakes_are_fifty_and_a_count() {
    let mut file = String::new();
    for number in 0..25_000 {
        let _ = write!(
            file,
            "[applications.client-{number:05}]\nname = \"{}\"\nredirect_uri = [\"https://c{number}.example.com/cb\"]\n\
            client_secret = \"hunter2\"\n\n",
            "Ünïcode ".repeat(30)
        );
    }
    assert!(file.len() > 9_000_000);
    let output = validate(&file).exits(64);
    assert_eq!(output.stderr.matches("error[").count(), 50);
    assert!(output.stderr.len() < 20_000, "{}", output.stderr.len());
    assert!(output.stderr.contains("49950 more problems are not shown."), "{output}");
    assert!(output.stderr.contains("oauth.toml has 50000 errors."), "{output}");
    assert!(!output.stderr.contains("hunter2"), "{output}");
}

#[test]
fn ten_megabytes_on_one_line_are_one_screen_line() {
    let uris = "\"https://shop.example.com/callback\", ".repeat(270_000);
    let file = format!("[applications]\nweb = {{ redirect_uris = [{uris}\"\"], nmae = 1 }}\n");
    let output = validate(file).exits(64);
    assert!(output.stderr.len() < 60_000, "{}", output.stderr.len());
    assert!(output.stderr.lines().all(|line| line.chars().count() < 400), "{output}");
    assert!(output.stderr.contains("unknown key `nmae`"), "{output}");
}

#[test]
fn colour_is_for_those_who_ask_for_it() {
    let sandbox = Sandbox::new();
    sandbox.write("oauth.toml", "nmae = 1\n");
    let coloured = sandbox.oauthctl(&["validate", "--color", "always"]).exits(64);
    assert!(coloured.raw_stderr.contains(&0x1b));
    let plain = sandbox.oauthctl(&["validate"]).exits(64);
    assert!(!plain.raw_stderr.contains(&0x1b));
}

#[test]
fn init_writes_a_file_that_is_valid_and_never_overwrites_one() {
    let sandbox = Sandbox::new();
    let mut shown = sandbox.oauthctl(&["init"]).exits(0).to_string();
    shown.push_str(&sandbox.oauthctl(&["validate"]).exits(0).to_string());
    let written = sandbox.read("oauth.toml");
    sandbox.write("oauth.toml", "# mine\n");
    shown.push_str(&sandbox.oauthctl(&["init"]).exits(1).to_string());
    assert_eq!(sandbox.read("oauth.toml"), "# mine\n");
    sandbox.oauthctl(&["init", "-f", "other.toml"]).exits(0);
    assert_eq!(sandbox.read("other.toml"), written);
    shown.push_str(&sandbox.oauthctl(&["init", "-f", "no/such/directory.toml"]).exits(1).to_string());
    assert_snapshot!(shown);
}

#[test]
fn the_schema_is_the_one_that_editors_have() {
    let output = Sandbox::new().oauthctl(&["schema"]).exits(0);
    let schema = json(&output);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_snapshot!(output.stdout);
}

/// Also a large file, which is read in pieces: it says nothing of what the version that is asked for would read.
#[test]
fn a_file_for_another_version_is_refused_before_it_is_read() {
    let sandbox = Sandbox::new();
    let newer = "required_version = \">=99\"\nnewer_key = 1\n";
    sandbox.write("oauth.toml", newer);
    assert_snapshot!(sandbox.oauthctl(&["validate"]).exits(64));
    let block = |n| format!("[applications.a{n}]\nnew_field = true\n");
    sandbox.write("oauth.toml", newer.to_owned() + &(0..60_000).map(block).collect::<String>());
    let large = sandbox.oauthctl(&["validate"]).exits(64);
    assert!(large.stderr.contains("1 error"), "{large}");
    sandbox.write("oauth.toml", "required_version = \">=0.1\"\n");
    sandbox.oauthctl(&["validate"]).exits(0);
}
