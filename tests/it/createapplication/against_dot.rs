//! The rows that `createapplication` writes and the messages of its refusals, against the command of the real Django
//! OAuth Toolkit.

use std::process::Command;

use serde_json::{Value, json};

use super::World;
use crate::support::database::Template;
use crate::support::rows::{APPLICATIONS, user};
use crate::support::{Database, dot};

/// What both programs are asked, one after the other: the client id, the secret, and the rest of the command line.
/// `$256` is a text so long.
const QUESTIONS: &str = r#"
["a", "s", "confidential", "client-credentials"]
["a", "s", "confidential", "client-credentials"]
["b", "s", "--no-hash-client-secret", "--algorithm", "HS256", "confidential", "password"]
["c", "s", "--name", "N ñ", "--user", "7", "--skip-authorization", "public", "password"]
["d", "s", "--redirect-uris", "https://a.example/ http://b.example/x?y", "public", "authorization-code"]
["e", "s", "--post-logout-redirect-uris", "anything at all", "public", "client-credentials"]
["f", "s", "--redirect-uris", "https://a.example/", "public", "openid-hybrid"]
["g", "s", "public", "urn:ietf:params:oauth:grant-type:device_code"]
["h", "s", "public", "implicit"]
["h", "s", "", ""]
["h", "s", "it's", "\"it's\"\n"]
["h", "s", "--algorithm", "RS256", "public", "password"]
["h", "s", "--algorithm", "HS256", "public", "implicit"]
["h", "s", "--algorithm", "HS256", "confidential", "password"]
["h", "s", "--algorithm", "rs256", "confidential", "password"]
["h", "argon2", "--no-hash-client-secret", "--algorithm", "HS256", "confidential", "password"]
["h", "s", "--user", "9999", "confidential", "password"]
["h", "s", "--user", " 0_8", "confidential", "password"]
["h", "s", "--user", "99999999999999999999", "confidential", "password"]
["h", "s", "--user", "ops", "confidential", "password"]
["$256", "$256", "--name", "$256", "confidential", "password"]
["a", "$256", "--redirect-uris", "ftp://x/ https://a#", "--user", "0", "x", "password"]
["$255", "$255", "--name", "$255", "confidential", "password"]
["i", "s", "--redirect-uris", "https://a.example/\u001chttps:///cb", "confidential", "password"]
["i", "s", "--redirect-uris", " \t ", "confidential", "openid-hybrid"]
["i i", "s", "--user", "+7", "--redirect-uris", "https://a.example/ https://a.example/", "public", "implicit"]
"#;

fn command_lines() -> Vec<Vec<String>> {
    let word = |word: String| match word.strip_prefix('$') {
        Some(length) => "x".repeat(length.parse().unwrap()),
        None => word,
    };
    let line = |line: &str| {
        let mut words = serde_json::from_str::<Vec<String>>(line).unwrap().into_iter().map(word);
        let [client_id, secret] = std::array::from_fn(|_| words.next().unwrap());
        ["--client-id".to_owned(), client_id, "--client-secret".to_owned(), secret]
            .into_iter()
            .chain(words)
            .collect()
    };
    QUESTIONS.trim().lines().map(line).collect()
}

/// Rows as the two programs must agree on them. The hashes differ by their salt.
fn rows_of(database: &Database) -> String {
    database.table(format!(
        "SELECT to_jsonb(a) - '{{id,created,updated,client_secret}}'::text[], \
                CASE WHEN hash_client_secret THEN split_part(client_secret, '$', 1) ELSE client_secret END, \
                created <= updated AND created > now() - interval '10 minutes' \
         FROM {APPLICATIONS} a ORDER BY client_id"
    ))
}

#[test]
fn rows_and_messages_are_those_of_dot() {
    let ours = World::new(Template::Dot341);
    user(&ours.database, 7, "ops");
    let theirs = ours.database.copy();
    let lines = command_lines();
    let answers = ask_dot(&theirs, &lines);
    assert_eq!(answers.len(), lines.len());
    let mut refusals = 0;
    for (line, answer) in lines.iter().zip(answers) {
        let arguments: Vec<&str> = line.iter().map(String::as_str).collect();
        let output = ours.run(&arguments);
        if answer["errors"].is_null() {
            assert_eq!(output.stdout, answer["stdout"].as_str().unwrap(), "{line:?}\n{output}");
            assert_eq!(output.code, Some(0), "{line:?}\n{output}");
            continue;
        }
        refusals += 1;
        let errors: Vec<(String, String)> = serde_json::from_value(answer["errors"].clone()).unwrap();
        let expected: Vec<String> = errors
            .into_iter()
            .map(|(field, message)| format!(" - {field}: {}", in_todays_words(message)))
            .collect();
        let shown: Vec<&str> = output.stderr.lines().filter(|line| line.starts_with(" - ")).collect();
        assert_eq!(shown, expected, "{line:?}\n{output}");
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{line:?}\n{output}");
    }
    assert!((12..lines.len()).contains(&refusals), "{refusals}");
    assert_eq!(rows_of(&ours.database), rows_of(&theirs));
}

/// Messages of Django 4.2 as Django 5.2 has them.
fn in_todays_words(message: String) -> String {
    match message.strip_suffix(" does not exist.") {
        Some(what) if dot::has_old_django() => format!("{what} is not a valid choice."),
        _ => message,
    }
}

/// What DOT's own command does with each of the command lines, one after the other.
fn ask_dot(database: &Database, lines: &[Vec<String>]) -> Vec<Value> {
    let script = "tests/conformance/createapplication.py";
    let mut command = Command::new(dot::Release::Newest.python());
    command.args(["-X", "utf8", script, &json!(lines).to_string()]);
    let output = command.envs(database.variables()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
