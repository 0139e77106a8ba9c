//! What keeps a client from sending a secret: characters that no form, header or library lets through.
//!
//! RFC 6749 appendix A.2 allows %x20-7E. Control characters, a byte order mark and white space at either end come from
//! editors, `echo` and base64, never from a person, and cannot be sent; the rest beyond %x20-7E is taken by DOT, so it
//! is advice (`lint`). Nothing here trims a secret that is stored.

use std::fmt;

use super::Secret;

/// A byte order mark, as editors on Windows begin a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// One thing that keeps clients from sending a secret. Says nothing of the rest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// It begins with a byte order mark.
    MarkAtStart,
    /// It begins with white space.
    SpaceAtStart,
    /// It ends with a newline.
    NewlineAtEnd,
    /// It ends with other white space.
    SpaceAtEnd,
    /// It has a control character, but for newlines and tabs at its ends.
    Control,
    /// It has a byte order mark, but for one at its start.
    Mark,
}

impl Flaw {
    /// After "the secret".
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::MarkAtStart => "begins with a byte order mark",
            Self::SpaceAtStart => "begins with white space",
            Self::NewlineAtEnd => "ends with a newline",
            Self::SpaceAtEnd => "ends with white space",
            Self::Control => "has a control character",
            Self::Mark => "has a byte order mark",
        }
    }

    /// After "without"; `None`: it is not at an end, so nothing is left when it is taken away.
    const fn part(self) -> Option<&'static str> {
        match self {
            Self::MarkAtStart => Some("the byte order mark at its start"),
            Self::SpaceAtStart => Some("the white space at its start"),
            Self::NewlineAtEnd => Some("the newline at its end"),
            Self::SpaceAtEnd => Some("the white space at its end"),
            Self::Control | Self::Mark => None,
        }
    }
}

/// Everything that keeps clients from sending one secret; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Flaws(Vec<Flaw>);

/// "ends with a newline, and no client can send that"
impl fmt::Display for Flaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verbs: Vec<&str> = self.0.iter().map(|flaw| flaw.verb()).collect();
        write!(f, "{}, and no client can send that", verbs.join(" and "))
    }
}

impl Flaws {
    /// What to do about it.
    pub const HINT: &'static str = "take it away at the source; `printf %s` ends no line, `echo` does, and so does base64 of what `echo` wrote";

    /// What stands at the ends, to be read after "without".
    #[must_use]
    pub fn ends(&self) -> String {
        self.0.iter().filter_map(|flaw| flaw.part()).collect::<Vec<_>>().join(" and ")
    }
}

impl Secret {
    /// Whether clients can send it.
    ///
    /// # Errors
    /// Everything that keeps them from it.
    pub fn check_sendable(&self) -> Result<(), Flaws> {
        let flaws = flaws(self.expose());
        if flaws.is_empty() { Ok(()) } else { Err(Flaws(flaws)) }
    }

    /// The secret without a byte order mark and white space at its ends; `None` where nothing is there, or nothing else.
    /// To say of a flawed secret which one was meant, never to store it.
    #[must_use]
    pub fn without_ends(&self) -> Option<Self> {
        let inner = self.expose().trim_matches(is_end);
        (!inner.is_empty() && inner.len() < self.expose().len()).then(|| Self::new(inner.to_owned()))
    }

    /// Whether it has characters beyond those that RFC 6749 appendix A.2 allows.
    #[must_use]
    pub fn is_unusual(&self) -> bool {
        self.expose().chars().any(|character| !(' '..='~').contains(&character))
    }
}

fn is_end(character: char) -> bool {
    character.is_whitespace() || character == BYTE_ORDER_MARK
}

fn flaws(text: &str) -> Vec<Flaw> {
    let inner = text.trim_matches(is_end);
    let start = text.len() - text.trim_start_matches(is_end).len();
    let before = text.get(..start).unwrap_or_default();
    let after = text.get(start + inner.len()..).unwrap_or_default();
    let is_mark = |character: char| character == BYTE_ORDER_MARK;
    [
        (Flaw::MarkAtStart, before.starts_with(is_mark)),
        (Flaw::SpaceAtStart, before.contains(char::is_whitespace)),
        (Flaw::NewlineAtEnd, after.ends_with(['\n', '\r'])),
        (Flaw::SpaceAtEnd, after.contains(char::is_whitespace) && !after.ends_with(['\n', '\r'])),
        (Flaw::Control, inner.contains(char::is_control)),
        (Flaw::Mark, inner.contains(is_mark) || after.contains(is_mark)),
    ]
    .into_iter()
    .filter_map(|(flaw, is_there)| is_there.then_some(flaw))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<&'static str> {
        flaws(text).into_iter().map(Flaw::verb).collect()
    }

    #[test]
    fn what_no_client_can_send_is_named() {
        for (text, expected) in [
            ("s3cret", vec![]),
            ("two words", vec![]),
            ("~ !", vec![]),
            ("pässwörd", vec![]),
            ("s3cret\n", vec!["ends with a newline"]),
            ("s3cret\r\n", vec!["ends with a newline"]),
            ("s3cret\r", vec!["ends with a newline"]),
            ("s3cret \n", vec!["ends with a newline"]),
            ("s3cret ", vec!["ends with white space"]),
            ("s3cret\n ", vec!["ends with white space"]),
            ("s3cret\u{a0}", vec!["ends with white space"]),
            ("\ts3cret", vec!["begins with white space"]),
            (" s3cret\t", vec!["begins with white space", "ends with white space"]),
            ("\u{feff}s3cret", vec!["begins with a byte order mark"]),
            ("\u{feff}s3cret\r\n", vec!["begins with a byte order mark", "ends with a newline"]),
            ("s3cret\u{feff}", vec!["has a byte order mark"]),
            ("s3\u{feff}cret", vec!["has a byte order mark"]),
            ("s3\tcret", vec!["has a control character"]),
            ("s3\ncret", vec!["has a control character"]),
            ("s3cret\u{7f}", vec!["has a control character"]),
            ("\u{1b}s3cret", vec!["has a control character"]),
            ("s3\u{9c}cret", vec!["has a control character"]),
            ("   ", vec!["begins with white space"]),
            ("\n", vec!["begins with white space"]),
            ("\u{feff}", vec!["begins with a byte order mark"]),
        ] {
            assert_eq!(said(text), expected, "{text:?}");
        }
    }

    #[test]
    fn only_the_ends_are_taken_away_to_look_what_was_meant() {
        for (text, inner) in [
            ("s3cret\n", Some("s3cret")),
            ("\u{feff} s3 cret\r\n\n", Some("s3 cret")),
            ("s3cret", None),
            ("s3\tcret", None),
            ("  ", None),
            ("", None),
        ] {
            let secret = Secret::new(text.to_owned());
            assert_eq!(secret.without_ends().as_ref().map(Secret::expose), inner, "{text:?}");
        }
        let flaws = Secret::new("\u{feff}s3\tcret\n".to_owned()).check_sendable().unwrap_err();
        assert_eq!(flaws.ends(), "the byte order mark at its start and the newline at its end");
        assert_eq!(
            flaws.to_string(),
            "begins with a byte order mark and ends with a newline and has a control character, and no client can send that"
        );
    }

    #[test]
    fn characters_beyond_ascii_are_unusual() {
        for (text, expected) in
            [("s3cret ~", false), ("pässwort", true), ("日本", true), ("a\u{200b}b", true)]
        {
            assert_eq!(Secret::new(text.to_owned()).is_unusual(), expected, "{text:?}");
        }
    }
}
