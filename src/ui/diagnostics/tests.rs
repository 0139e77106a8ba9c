//! What is shown of a file, and above all what is not.

use std::ffi::OsString;

use proptest::prelude::*;

use super::*;
use crate::config::{Presence, Surroundings, load, read_file};

const SECRET: &str = "hunter2-Zq9";

/// Every way to get a secret wrong.
const WRONG: [&str; 14] = [
    "client_secret = \"SECRET\"",
    "client_secret = \"SECRET\\u0000\"",
    "client_secret = [\"SECRET\"]",
    "client_secret = { env = \"$SECRET\" }",
    "client_secret = { hash = \"SECRET\" }",
    "client_secret = { value = \"SECRET\" }",
    "client_secret = { env = [\"SECRET\"] }",
    "client_secret = { generate = \"SECRET\" }",
    "client_secret = { env = \"A\", hash = \"SECRET\" }",
    "client_secret = '''\nSECRET'''",
    "client_secrt = \"SECRET\"",
    "secret = \"SECRET\"",
    "clientPassword = { nested = [\"SECRET\"] }",
    "client_secret.plain = \"SECRET\"",
];

/// Everything that anyone could see of a file.
fn outputs(text: &str) -> String {
    let around = Surroundings {
        variable: &|name| (name == "A").then(|| OsString::from(format!("{SECRET}\0"))),
        file: &read_file,
    };
    let mut shown = String::new();
    for presence in [Presence::Optional, Presence::Required] {
        let loaded = load(text.as_bytes().to_vec(), Path::new("oauth.toml"), around, presence);
        shown.extend([format!("{loaded:?}")]);
        let (source, problems) = match &loaded {
            Ok(config) => (&config.source, &config.problems),
            Err(rejected) => (&rejected.source, &rejected.problems),
        };
        shown.push_str(&render(source, problems));
        shown.push_str(&json(source, problems).unwrap());
    }
    shown
}

#[test]
fn a_secret_in_the_wrong_place_is_refused_and_not_shown() {
    for wrong in WRONG {
        let line = wrong.replace("SECRET", SECRET);
        for text in [
            format!("[applications.a]\n{line}\n"),
            format!("[applications.a]\n{line}\nnmae = 1\n"),
            format!("[applications.a]\n{line}\n{line}\n"),
            format!("[applications.a]\nclient_secret = {{ env = \"A\" }}\n{line}\n"),
            format!("[applications.a]\n{line}\n[applications.a]\n{line}\n"),
            format!("[applications]\na = {{ nmae = 1, {line}, user = [] }}\n"),
            format!("[aplications.a]\n{line}\n"),
            format!("{line}\n"),
            format!("[applications.a]\n{line} oops\n"),
            format!("[applications.a]\n{line}\nname = \n"),
        ] {
            let shown = outputs(&text);
            assert!(shown.contains("error"), "accepted:\n{text}");
            assert!(!shown.contains(SECRET), "{text}\n{shown}");
        }
    }
    let url = format!("[database]\nurl = \"postgres://u:{SECRET}@h/d\"\n");
    for text in [url.clone(), format!("{url}urll = 1\n"), format!("{url}x = \n"), format!("a = {{ {url}")] {
        assert!(!outputs(&text).contains(SECRET), "{text}");
    }
    let key = format!("[provider]\noidc_rsa_private_key = \"\"\"-----BEGIN\n{SECRET}\n\"\"\"\n");
    for text in [key.clone(), key.replace("\"\"\"\n", "\""), format!("{key}x")] {
        assert!(!outputs(&text).contains(SECRET), "{text}");
    }
}

#[test]
fn a_good_secret_is_not_shown_either() {
    let text = "[applications.a]\nclient_secret = { env = \"A\" }\n[database]\nurl = { env = \"A\" }\n";
    assert!(!outputs(text).contains(SECRET));
    let around = Surroundings { variable: &|_| Some(OsString::from(SECRET)), file: &read_file };
    let config = load(text.as_bytes().to_vec(), Path::new("x"), around, Presence::Required).unwrap();
    assert!(!format!("{config:?}").contains(SECRET));
}

proptest! {
    /// Mistakes anywhere else, of syntax or of meaning, do not uncover a literal secret.
    #[test]
    fn no_mistake_elsewhere_uncovers_a_secret(
        wrong in prop::sample::select(WRONG.to_vec()),
        before in "[a-z \\[\\]{}=\"'#\n,.]{0,12}",
        after in "[a-z \\[\\]{}=\"'#\n,.]{0,12}",
        inline in any::<bool>(),
    ) {
        let line = wrong.replace("SECRET", SECRET);
        let text = if inline {
            format!("{before}\n[applications]\na = {{ {line}, {after} }}\n")
        } else {
            format!("{before}\n[applications.a]\n{line}{after}\nb = \n")
        };
        let shown = outputs(&text);
        prop_assert!(!shown.contains(SECRET), "{}\n{}", text, shown);
    }
}

fn excerpt(text: &str, hidden: Vec<Span>, span: Span) -> (String, String) {
    let source = Source::new(Path::new("x"), text.to_owned()).concealing(hidden);
    let excerpt = Excerpt::new(&source, &span);
    (excerpt.text[excerpt.marked].to_owned(), excerpt.text)
}

#[test]
fn the_mark_stays_on_what_is_wrong() {
    let shown =
        |text: &str, hidden: Option<Span>, span: Span| excerpt(text, hidden.into_iter().collect(), span);
    let expect = |mark: &str, text: &str| (mark.to_owned(), text.to_owned());
    assert_eq!(shown("ab cd ef", None, 3..5), expect("cd", "ab cd ef"));
    assert_eq!(shown("ab cd ef", Some(0..2), 3..5), expect("cd", "*** cd ef"));
    assert_eq!(shown("ab cd ef", Some(6..8), 3..5), expect("cd", "ab cd ***"));
    assert_eq!(shown("ab cd ef", Some(3..5), 3..5), expect("***", "ab *** ef"));
    assert_eq!(shown("ab cd ef", Some(2..6), 3..4), expect("***", "ab***ef"));
    assert_eq!(shown("ab cd ef", Some(4..7), 0..8), expect("ab c***f", "ab c***f"));
    assert_eq!(shown("ab cd ef", Some(1..4), 2..7), expect("***d e", "a***d ef"));
    assert_eq!(shown("ab\ncd\nef", Some(1..4), 4..5), expect("d", "***d"), "a secret of several lines");
    assert_eq!(shown("ab\ncd", None, 1..5), expect("b", "ab"), "one line is shown");
    assert_eq!(shown("ab", None, 2..2), expect("", "ab"));
    assert_eq!(shown("a\u{9b}31mb = 1", None, 6..7), expect("b", "a\u{fffd}31mb = 1"));
    let long = "é".repeat(1_000);
    let (mark, text) = shown(&long, None, 1_000..1_002);
    assert_eq!((mark.as_str(), text.chars().count()), ("é", 162));
    let (mark, text) = shown(&long, None, 0..2_000);
    assert_eq!((mark.chars().count(), text.chars().count()), (80, 81));
}

const FULL: &str = include_str!("../../config/tests/full.toml");

proptest! {
    /// Whatever the bytes are, what is shown is text without control characters, and little of it.
    #[test]
    fn any_file_can_be_shown(
        at in 0..FULL.len(),
        length in 0usize..60,
        insert in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        bytes.splice(at..(at + length).min(FULL.len()), insert);
        let around = Surroundings { variable: &|_| None, file: &read_file };
        let (source, problems) = match load(bytes, Path::new("oauth.toml"), around, Presence::Required) {
            Ok(config) => (config.source, config.problems),
            Err(rejected) => (rejected.source, rejected.problems),
        };
        let text = anstream::adapter::strip_str(&render(&source, &problems)).to_string();
        prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{}", text);
        prop_assert!(text.len() < 50_000);
        let report: serde_json::Value = serde_json::from_str(&json(&source, &problems).unwrap()).unwrap();
        prop_assert_eq!(report["error_count"].as_u64(), Some(problems.error_count()));
    }
}
