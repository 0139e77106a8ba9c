//! Text that stays text in a comment: neither markup nor a mention, a reference or a link. Pure.
//!
//! Character references keep text from being markup. What a forge looks for in the finished page, it finds in spite of
//! them; a word joiner, which is invisible, parts that.

use std::fmt::Write as _;

use crate::model::visible::visible;

const WORD_JOINER: &str = "&#8288;";

/// As many hexadecimal digits as are no commit yet.
const SHORT: usize = 6;

/// Text that stays text.
pub(super) fn inert(text: &str) -> String {
    referenced(text, Place::Prose)
}

/// The same in a `code` element, where forges look for addresses only; good for copying.
pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", referenced(text, Place::Code))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Prose,
    Code,
}

fn referenced(text: &str, place: Place) -> String {
    let mut out = String::with_capacity(text.len());
    let visible: Vec<char> = visible(text).chars().collect();
    let mut hex = 0;
    for (at, character) in visible.iter().copied().enumerate() {
        let (before, next) = (&visible[..at], visible.get(at + 1).copied());
        hex = if character.is_ascii_hexdigit() { hex + 1 } else { 0 };
        if place == Place::Prose && hex > SHORT {
            out += WORD_JOINER;
            hex = 1;
        }
        if is_harmless(character, before, next) {
            out.push(character);
        } else {
            let _ = write!(out, "&#{};", u32::from(character));
        }
        let parts = match place {
            Place::Prose => "@#!~$%&".contains(character) || begins_reference(character, before, next),
            Place::Code => character == '@',
        };
        if parts {
            out += WORD_JOINER;
        }
    }
    out
}

/// What Markdown and HTML leave alone.
fn is_harmless(character: char, before: &[char], next: Option<char>) -> bool {
    // Two dashes would end the marker, and some forges make links of what begins with www.
    let ends =
        (character == '-' && before.ends_with(&['-'])) || (character == '.' && before.ends_with(&['w'; 3]));
    let harmless = character.is_alphanumeric()
        || " .,-/();='\"".contains(character)
        || (character == ':' && next == Some(' '));
    harmless && !ends
}

/// Whether this is the mark in `GH-1` or `JIRA-12`, which can be a link to an issue.
fn begins_reference(character: char, before: &[char], next: Option<char>) -> bool {
    let prefix = before.iter().rev().take_while(|c| c.is_ascii_alphanumeric());
    "-_+=".contains(character)
        && next.is_some_and(|next| next.is_ascii_digit())
        && prefix.into_iter().any(char::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_forges_link_is_parted() {
        for (text, shown) in [
            ("GH-1 JIRA-12", "GH-&#8288;1 JIRA-&#8288;12"),
            ("a_1", "a&#95;&#8288;1"),
            ("a5c3785ed8d6a3", "a5c378&#8288;5ed8d6&#8288;a3"),
            ("#1 @octocat", "&#35;&#8288;1 &#64;&#8288;octocat"),
            ("2026-01-02, 4,414,662 rows", "2026-01-02, 4,414,662 rows"),
            ("web-shop", "web-shop"),
        ] {
            assert_eq!(inert(text), shown);
        }
    }

    #[test]
    fn an_address_in_code_is_no_link() {
        assert_eq!(code("ops@example.com"), "<code>ops&#64;&#8288;example.com</code>");
        assert_eq!(code("GH-1 a5c3785e"), "<code>GH-1 a5c3785e</code>");
    }
}
