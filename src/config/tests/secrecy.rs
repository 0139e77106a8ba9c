//! Where secrets come from. That none of them goes anywhere is tested where they would be seen: `ui::diagnostics`.

use std::io;

use super::*;

fn secret_of(config: &Config) -> Option<&str> {
    match &config.desired.applications[&ClientId::new("a")].application.client_secret {
        Some(SecretDeclaration::Plain(secret)) => Some(secret.expose()),
        _ => None,
    }
}

fn with_file(contents: &[u8]) -> Result<Config, Box<Rejected>> {
    let file = |path: &Path, limit: u64| {
        assert_eq!(path, Path::new("etc/secrets/a"), "relative to the file");
        if contents.len() as u64 > limit {
            Err(io::ErrorKind::FileTooLarge.into())
        } else {
            Ok(contents.to_vec())
        }
    };
    let around = Surroundings { variable: &|_| None, file: &file };
    let text = b"[applications.a]\nclient_secret = { file = \"secrets/a\" }".to_vec();
    load(text, Path::new("etc/oauth.toml"), around, Presence::Required)
}

#[test]
fn one_newline_at_the_end_of_a_file_is_not_part_of_the_secret() {
    for (contents, expected) in [("s", "s"), ("s\n", "s"), ("s\r\n", "s"), ("a b\n", "a b")] {
        assert_eq!(secret_of(&with_file(contents.as_bytes()).unwrap()), Some(expected), "{contents:?}");
    }
    for (contents, code) in [
        (&b""[..], "empty-secret"),
        (b"\n", "empty-secret"),
        (b"a\0b", "nul-byte"),
        (b"\xff", "secret-not-text"),
        (b"s\n\n", "unsendable-secret"),
        (b" s ", "unsendable-secret"),
        (b"s\r", "unsendable-secret"),
        (b"a\nb\n", "unsendable-secret"),
        (b"\xef\xbb\xbfs\r\n", "unsendable-secret"),
        (&vec![b'x'; 70_000], "unreadable-file"),
    ] {
        assert_eq!(with_file(contents).unwrap_err().problems.shown()[0].code, code);
    }
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("d")).unwrap();
    std::fs::write(directory.path().join("big"), vec![b'x'; 70_000]).unwrap();
    let around = Surroundings { variable: &|_| None, file: &read_file };
    for (name, why) in [("d", "is a directory"), ("big", "is too big"), ("none", "does not exist")] {
        let text = format!("[applications.a]\nclient_secret = {{ file = \"{name}\" }}");
        let path = directory.path().join("oauth.toml");
        let rejected = load(text.clone().into_bytes(), &path, around, Presence::Required).unwrap_err();
        assert_eq!(rejected.problems.shown()[0].message, format!("the file `{name}` {why}"));
        let config = load(text.into_bytes(), &path, around, Presence::Optional).unwrap();
        assert_eq!((config.problems.warning_count(), secret_of(&config)), (1, None));
    }
}

#[test]
fn an_environment_variable_must_be_there_to_plan_but_not_to_validate() {
    let text = "[applications.a]\nclient_secret = { env = \"A\" }";
    assert_eq!(secret_of(&load_with(text, &[("A", "s")], Presence::Required).unwrap()), Some("s"));
    // A variable has no line that a newline could end.
    for presence in [Presence::Required, Presence::Optional] {
        let rejected = load_with(text, &[("A", "s\n")], presence).unwrap_err();
        assert_eq!(rejected.problems.shown()[0].code, "unsendable-secret");
    }
    for variables in [&[][..], &[("A", "")]] {
        assert_eq!(load_with(text, variables, Presence::Optional).unwrap().problems.warning_count(), 1);
        assert_eq!(load_with(text, variables, Presence::Required).unwrap_err().problems.error_count(), 1);
    }
}
