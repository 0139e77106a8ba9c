//! No password in what can be printed: not in `Display`, not in `Debug`, not in an error, however it was mangled.

use proptest::prelude::*;

use super::surroundings::Imagined;
use super::{Given, Sources, resolve};

/// Everything that is printable about the outcome.
fn printed(text: &str, around: &Imagined) -> String {
    let command_line = Some(Given { label: "the test", text });
    match resolve(&Sources { command_line, file: None }, around) {
        Ok(settings) => format!("{settings} {settings:?} {settings:#?}"),
        Err(error) => format!("{error} {error:?} {error:#?}"),
    }
}

/// Passwords with everything that connection strings find hard.
fn password() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9@:/?#&=%'\\\\ ,;.+!~-]{8,24}".prop_filter("not blank", |text| text.trim().len() >= 8)
}

fn percent_encoded(text: &str) -> String {
    text.bytes().flat_map(|byte| format!("%{byte:02X}").into_bytes()).map(char::from).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn is_given_whole(text: &str, around: &Imagined, password: &str) -> bool {
    let command_line = Some(Given { label: "the test", text });
    let settings = resolve(&Sources { command_line, file: None }, around).unwrap();
    settings.hosts[0].password.as_ref().is_some_and(|given| given.secret.expose() == password)
}

proptest! {
    #[test]
    fn a_password_that_is_written_properly_arrives_and_is_never_shown(password in password()) {
        let nothing = Imagined::new();
        let line = password.replace('\\', "\\\\").replace(':', "\\:");
        for (text, around) in [
            (format!("postgres://u:{}@h/d", percent_encoded(&password)), nothing.clone()),
            (format!("postgres://h/d?password={}", percent_encoded(&password)), nothing.clone()),
            (format!("password={} host=h", quoted(&password)), nothing.clone()),
            ("host=h".to_owned(), nothing.clone().with_var("PGPASSWORD", &password)),
            ("host=h".to_owned(), nothing.with_file("/home/me/.pgpass", &format!("*:*:*:*:{line}"))),
        ] {
            prop_assert!(is_given_whole(&text, &around, &password), "{text}");
            prop_assert!(!printed(&text, &around).contains(&password));
        }
    }

    #[test]
    fn a_password_that_was_not_escaped_is_never_shown_whole(password in password()) {
        let nothing = Imagined::new();
        for text in [
            format!("postgres://u:{password}@h/d"),
            format!("postgres://u:{password}@h:5432/d?sslmode=require"),
            format!("postgres://h/d?password={password}"),
            format!("postgres://h/d?password={password}&sslmode=require"),
            format!("host=h password={password}"),
            format!("password={password} host=h"),
            format!("password='{password}' host=h"),
        ] {
            prop_assert!(!printed(&text, &nothing).contains(password.trim()), "{text}");
        }
        let service = nothing.with_file("/home/me/.pg_service.conf", &format!("[s]\npassword={password}\n"));
        prop_assert!(!printed("service=s", &service).contains(password.trim()));
    }

    #[test]
    fn any_text_at_all_is_settings_or_an_error(text in "\\PC{0,60}") {
        printed(&text, &Imagined::new());
        printed(&format!("postgres://{text}"), &Imagined::new());
        let around = Imagined::new().with_file("/home/me/.pgpass", &text);
        printed("host=h", &around);
    }
}

#[test]
fn a_word_behind_an_open_password_is_not_repeated() {
    let around = Imagined::new();
    for text in ["password=correct horse=battery", "postgres://h/d?password=correct&horse=battery"] {
        assert_eq!(
            printed(text, &around).split(" Unknown").next(),
            Some("unknown connection option in the test"),
            "{text}"
        );
    }
}
