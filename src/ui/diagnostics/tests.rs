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
