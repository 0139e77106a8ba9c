//! The validators of `rules` against the real ones of Django OAuth Toolkit, on generated URIs: same verdict, same
//! message.
//!
//! 20,000 redirect URIs and 20,000 origins; `OAUTHCTL_TEST_URIS` asks for another number of each, `OAUTHCTL_TEST_SEED`
//! for others.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::process::{Command, Stdio};

use oauthctl::rules::{Allowed, Purpose, check_uri};
use serde_json::{Value, json};

use crate::support::dot;

#[test]
fn redirect_uris_are_judged_as_by_dot() {
    compare(Purpose::RedirectUri, 1);
}

#[test]
fn origins_are_judged_as_by_dot() {
    compare(Purpose::AllowedOrigin, 2);
}

/// One question to both validators.
struct Case {
    uri: String,
    schemes: Vec<String>,
    wildcards: bool,
}

fn compare(purpose: Purpose, seed: u64) {
    let count = setting("OAUTHCTL_TEST_URIS").unwrap_or(20_000);
    let mut dice = Dice(setting("OAUTHCTL_TEST_SEED").unwrap_or(0).wrapping_mul(2).wrapping_add(seed));
    let cases: Vec<Case> = (0..count).map(|_| dice.case(purpose)).collect();
    let (about, answers) = ask(purpose, &cases);
    assert_eq!(answers.len(), cases.len(), "the peer stopped in the middle");

    let (mut accepted, mut compared) = (0, 0);
    let mut mismatches = Vec::new();
    for (case, theirs) in cases.iter().zip(answers) {
        // Older releases of Python that the port does not follow.
        let is_older = (about["checks_brackets"] == false && case.uri.contains(['[', ']']))
            || (about["drops_leading_controls"] == false && case.uri.starts_with(|first| first <= ' '));
        if is_older {
            continue;
        }
        let allowed = Allowed { schemes: &case.schemes, wildcards: case.wildcards };
        let ours = check_uri(purpose, &case.uri, allowed).err().map(|error| error.to_string());
        compared += 1;
        accepted += u64::from(ours.is_none());
        if theirs != json!(ours) {
            let Case { uri, schemes, wildcards } = case;
            mismatches
                .push(format!("{uri:?} {schemes:?} {wildcards}\n  ours:   {ours:?}\n  theirs: {theirs}"));
        }
    }
    assert!(
        mismatches.is_empty(),
        "{} of {compared} differ, such as:\n{}",
        mismatches.len(),
        mismatches[..mismatches.len().min(20)].join("\n")
    );
    // A generator that is always refused, or hardly ever, would show nothing.
    assert!(accepted * 10 > compared && accepted * 10 < compared * 8, "{accepted} of {compared} accepted");
}

/// The real verdicts, and what the peer says of its Python.
fn ask(purpose: Purpose, cases: &[Case]) -> (Value, Vec<Value>) {
    let script = "tests/conformance/validators.py";
    let mut peer = Command::new(dot::dot_python())
        .args(["-X", "utf8", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let purpose = match purpose {
        Purpose::RedirectUri => "redirect_uri",
        Purpose::AllowedOrigin => "allowed_origin",
    };
    let mut questions = BufWriter::new(peer.stdin.take().unwrap());
    let answers = BufReader::new(peer.stdout.take().unwrap());
    let mut answers: Vec<Value> = std::thread::scope(|scope| {
        scope.spawn(move || {
            for Case { uri, schemes, wildcards } in cases {
                let case =
                    json!({ "purpose": purpose, "uri": uri, "schemes": schemes, "wildcards": wildcards });
                writeln!(questions, "{case}").unwrap();
            }
        });
        answers.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    });
    assert!(peer.wait().unwrap().success());
    let about = answers.remove(0);
    (about, answers)
}

#[expect(clippy::disallowed_methods, reason = "the only way to tell a test something is its environment")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

const SCHEMES: [&str; 12] = [
    "https",
    "http",
    "HTTPS",
    "htTp",
    "ftp",
    "wss",
    "com.example.app",
    "urn",
    "a+b-c.1",
    "1a",
    "ht_tp",
    "javascript",
];

const ALLOWED: [&[&str]; 6] = [
    &["http", "https"],
    &["https"],
    &["HTTPS", "Http"],
    &["http", "https", "ftp", "wss", "com.example.app", "urn", "a+b-c.1"],
    &["com.example.app", "https"],
    &[],
];

const AFTER_SCHEME: [&str; 8] = [":/", ":///", ":", "", ":	//", "//", ":////", "::"];

/// Hosts and pieces of hosts.
const HOSTS: [&str; 62] = [
    "example.com",
    "example.com",
    "a.example.co.uk",
    "localhost",
    "x",
    "127.0.0.1",
    "256.1.1.1",
    "[::1]",
    "[::]",
    "[2001:db8::1]",
    "[::ffff:1.2.3.4]",
    "[0000:0000:0000:0000:0000:ffff:255.255.255.255]",
    "[1.2.3.4]",
    "[::1",
    "::1]",
    "[]",
    "[fe80::1%eth0]",
    "[::1%]",
    "[v1.x]",
    "[v.x]",
    "[vG.x]",
    "[1:2:3:4:5:6:7::]",
    "[1:2:3:4::5:6:7:8]",
    "[x']",
    "[\"']",
    "[::1]x",
    "[::1]]",
    "[é\u{ad}\u{2028}]",
    "*.example.com",
    "*.com",
    "*example.com",
    "*-pr.example.com",
    "*--site.netlify.app",
    "*---site.netlify.app",
    "foo.*.example.com",
    "*.*.x.com",
    "*.co.uk",
    "*",
    "*..",
    "*.com.",
    "-bad.com",
    "bad-.com",
    "bad..com",
    ".bad.com",
    "exa_mple.com",
    "a,b",
    "bücher.example",
    "рф",
    "рф.рф",
    "日本.jp",
    "日本.x",
    "日本.x-y",
    "日本.-x",
    "日本.1.xn--p1ai",
    "💩.la",
    "٣.com",
    "𝟙.com",
    "İ.com",
    "K",
    "ⅷ.de",
    "\u{a1}.\u{ffff}\u{fffe}",
    "",
];

const PIECES: [&str; 70] = [
    "a", "b", "z", "A", "Z", "0", "9", ".", ".", "-", "-", "_", "*", ":", ":80", ":abc", ":99999", ":*", "@",
    "u@", "u:p@", "[", "]", "%", "%41", "/", "/", "//", "/cb", "/../x", "?", "?x=1", "#", "#f", "\\", "\"",
    "'", "<", ">", "{", "|", "}", "^", "`", "~", "!", "$", "&", "(", ")", "+", ",", ";", "=", "\0", "\u{1f}",
    " ", "\t", "\n", "\r", "\u{7f}", "\u{85}", "\u{a0}", "\u{ad}", "\u{200b}", "\u{2028}", "é", "ß", "ſ",
    "ı",
];

/// Characters that are delimiters once normalised, that look like such, digits of other scripts, and far planes.
const STRANGE: [char; 44] = [
    '⁇',
    '⁈',
    '⁉',
    '℀',
    '℁',
    '℅',
    '℆',
    '⩴',
    '︓',
    '︖',
    '﹕',
    '﹖',
    '﹟',
    '﹫',
    '＃',
    '／',
    '：',
    '？',
    '＠',
    '⁄',
    '∕',
    '．',
    '。',
    '①',
    '㏂',
    'ﬀ',
    '²',
    '½',
    '٠',
    '९',
    '０',
    '𝟘',
    '🯹',
    'Å',
    '日',
    'Я',
    'Ω',
    'א',
    '\u{300}',
    '\u{feff}',
    '\u{e000}',
    '\u{1f4a9}',
    '\u{10ffff}',
    '\u{a1}',
];

const ENDS: [&str; 18] = [
    "", "", "/", "/cb", "/cb", "/cb?x=1", "?x=1", "?", "#", "/cb#frag", "/#/cb", "/cb%23", ":443",
    ":8443/cb", ":0", "/a b", "/\u{a0}", "/é",
];

/// Numbers that look random and are the same in every run (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn case(&mut self, purpose: Purpose) -> Case {
        let schemes: Vec<String> = self.pick(&ALLOWED).iter().map(|scheme| (*scheme).to_owned()).collect();
        let uri = match self.below(16) {
            0 => self.soup(20),
            1 => self.long(),
            _ => self.uri(purpose, &schemes),
        };
        Case { uri, schemes, wildcards: self.one_in(2) }
    }

    /// A URI that is mostly in order, with a mishap now and then.
    fn uri(&mut self, purpose: Purpose, schemes: &[String]) -> String {
        let mut uri = String::new();
        if self.one_in(32) {
            uri.push_str(self.pick(&["\0", " ", "\t", "\u{1f}", "\u{a0}", "x"]));
        }
        if schemes.is_empty() || self.one_in(8) {
            uri.push_str(self.pick(&SCHEMES));
        } else {
            uri.push_str(&schemes[self.below(schemes.len())]);
        }
        uri.push_str(if self.one_in(8) { self.pick(&AFTER_SCHEME) } else { "://" });
        if self.one_in(16) {
            uri.push_str(self.pick(&["user@", "u:p@", "@", ":@", "é@", "[@"]));
        }
        uri.push_str(&self.host());
        if self.one_in(8) {
            uri.push_str(self.pick(&PIECES));
        }
        match purpose {
            Purpose::AllowedOrigin if !self.one_in(8) => {
                uri.push_str(self.pick(&["", "", "", ":443", ":abc"]));
            }
            _ => uri.push_str(self.pick(&ENDS)),
        }
        if self.one_in(8) {
            self.insert(&mut uri);
        }
        uri
    }

    fn host(&mut self) -> String {
        match self.below(8) {
            0 => self.labels(),
            1 => self.soup(6),
            _ => self.pick(&HOSTS).to_owned(),
        }
    }

    /// Labels about as long as they may be.
    fn labels(&mut self) -> String {
        let labels: Vec<String> = (0..=self.below(5))
            .map(|_| {
                let length = self.pick(&[0, 1, 1, 2, 2, 3, 61, 62, 63, 64, 65]);
                let characters = ["a", "é", "日", "1", "-", "é-", "日1"];
                self.pick(&characters).chars().cycle().take(length).collect()
            })
            .collect();
        labels.join(".")
    }

    /// Pieces in any order.
    fn soup(&mut self, most: usize) -> String {
        (0..=self.below(most))
            .map(|_| if self.one_in(8) { self.strange() } else { self.pick(&PIECES).to_owned() })
            .collect()
    }

    fn strange(&mut self) -> String {
        self.pick(&STRANGE).to_string()
    }

    /// URIs and hosts about as long as they may be.
    fn long(&mut self) -> String {
        if self.one_in(2) {
            let host = self
                .pick(&["a", "é", "İ", "a.", "1"])
                .repeat(self.pick(&[126, 127, 251, 252, 253, 254, 255]));
            return format!("https://{host}{}", self.pick(&ENDS));
        }
        let mut uri =
            format!("{}{}x.example{}", self.pick(&SCHEMES), self.pick(&AFTER_SCHEME), self.pick(&ENDS));
        let filler = self.pick(&['a', 'é', '💩']);
        let length = self.pick(&[2046, 2047, 2048, 2049, 2050]);
        while uri.chars().count() < length {
            uri.push(filler);
        }
        uri
    }

    /// Puts something strange anywhere.
    fn insert(&mut self, uri: &mut String) {
        let places: Vec<usize> = uri.char_indices().map(|(place, _)| place).collect();
        let place = if places.is_empty() { 0 } else { self.pick(&places) };
        let what = if self.one_in(2) { self.strange() } else { self.pick(&PIECES).to_owned() };
        uri.insert_str(place, &what);
    }
}
