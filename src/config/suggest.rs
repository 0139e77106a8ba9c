//! "Did you mean": from a key or a choice that does not exist to the one that was meant.
//!
//! The candidates are the fields of the structs in `document`, asked of serde itself, so they cannot fall behind.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use super::document::{
    Application, Cleanup, Database, DcrApplications, Defaults, Document, Hook, Lint, Mark, Policy, Provider,
    Reference, Removed, Renamed, Secret, Tables, User,
};
use super::problem::Problem;
use crate::model::visible::is_hidden;

/// The tables of the file as a message names them, and their keys.
fn tables() -> [(&'static str, &'static [&'static str]); 12] {
    [
        ("at the top level", fields_of::<Document>()),
        ("in `[applications.…]`", fields_of::<Application>()),
        ("in `[database]`", fields_of::<Database>()),
        ("in `[database.tables]`", fields_of::<Tables>()),
        ("in `[provider]`", fields_of::<Provider>()),
        ("in `[[removed]]`", fields_of::<Removed>()),
        ("in `[[renamed]]`", fields_of::<Renamed>()),
        ("in `[[hooks]]`", fields_of::<Hook>()),
        ("in `[policy]`", fields_of::<Policy>()),
        ("in `[cleanup]`", fields_of::<Cleanup>()),
        ("in `[lint]`", fields_of::<Lint>()),
        ("in `[defaults]`", fields_of::<Defaults>()),
    ]
}

/// Whether the format has the key anywhere.
pub(super) fn is_known_key(key: &str) -> bool {
    static KEYS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
        let inner = [
            fields_of::<Reference>(),
            fields_of::<Secret>(),
            fields_of::<User>(),
            fields_of::<DcrApplications>(),
            fields_of::<Mark>(),
        ];
        tables().iter().map(|(_, keys)| *keys).chain(inner).flatten().copied().collect()
    });
    KEYS.contains(key)
}

/// Describes a key that its table does not have.
pub(super) fn unknown_key(
    above: &[&str],
    key: &str,
    keys: &'static [&'static str],
    is_table: bool,
) -> Problem {
    let table = above.first().copied().unwrap_or_default();
    let subject = match above {
        [] if is_table => format!("unknown table `[{}]`", bare(key)),
        [] => format!("unknown key {} at the top level", quoted(key)),
        ["removed" | "renamed" | "hooks"] => format!("unknown key {} in `[[{table}]]`", quoted(key)),
        _ => {
            let path: Vec<_> = above.iter().map(|key| bare(key)).collect();
            format!("unknown key {} in `[{}]`", quoted(key), path.join("."))
        }
    };
    let problem = Problem::error("unknown-key", subject);
    if let Some(meant) = closest(key, keys.iter().copied()) {
        return problem.hint(format!("did you mean `{meant}`?"));
    }
    let elsewhere = tables();
    let other = elsewhere.iter().find_map(|(place, keys)| Some((place, closest(key, keys.iter().copied())?)));
    match other {
        Some((place, meant)) if meant == key => problem.hint(format!("`{key}` belongs {place}")),
        Some((place, meant)) => problem.hint(format!("did you mean `{meant}` {place}?")),
        None => problem.hint(one_of(keys)),
    }
}

/// Describes a value outside a closed list.
pub(super) fn unknown_choice(subject: &str, given: &str, choices: &[&'static str]) -> Problem {
    let problem = Problem::error("unknown-value", format!("{subject} cannot be {}", quoted(given)));
    match closest(given, choices.iter().copied()) {
        Some(meant) => problem.label(one_of(choices)).hint(format!("did you mean \"{meant}\"?")),
        None => problem.hint(one_of(choices)),
    }
}

fn one_of(choices: &[&str]) -> String {
    let shown: Vec<&str> =
        choices.iter().map(|choice| if choice.is_empty() { "\"\"" } else { choice }).collect();
    match shown.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("must be one of {} or {last}", first.join(", ")),
        few => format!("must be one of {}", few.concat()),
    }
}

/// The candidate that a slip of the fingers could have turned into the word, or of which the word is a part that
/// stands for it (`grant_type` for `authorization_grant_type`).
#[must_use]
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    const LONGEST: usize = 80;
    if word.len() > LONGEST {
        return None;
    }
    let word: String = word.to_lowercase().replace(['-', ' '], "_");
    let flat = |candidate: &str| candidate.to_lowercase().replace('-', "_");
    let score = |candidate: &str| {
        let candidate = flat(candidate);
        let distance = strsim::damerau_levenshtein(&word, &candidate);
        let allowed = word.chars().count().max(candidate.chars().count()) / 3;
        let is_part = word.len() >= 5 && (candidate.ends_with(&word) || word.starts_with(&candidate));
        (distance <= allowed || is_part).then_some(distance)
    };
    // Any word begins with an empty one.
    let candidates = candidates.into_iter().filter(|candidate| !candidate.is_empty());
    let scored = candidates.filter_map(|candidate| Some((score(candidate)?, candidate)));
    scored.min().map(|(_, candidate)| candidate)
}

/// Text of the file inside a message: short, on one line, and harmless to a terminal.
pub(super) fn quoted(text: &str) -> String {
    if text.is_empty() { "`\"\"`".to_owned() } else { format!("`{}`", harmless(text)) }
}

/// A key as TOML writes it.
fn bare(key: &str) -> String {
    let is_bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_bare { harmless(key) } else { format!("\"{}\"", harmless(key)) }
}

/// As [`quoted`], without the quotes.
pub(super) fn harmless(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == LONGEST {
            shown.push('…');
            break;
        }
        match c {
            // Direction marks could make the rest of the line read as something else.
            _ if is_hidden(c) && !c.is_control() => shown.extend(c.escape_unicode()),
            '\'' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// The keys of a struct, in the order of its fields.
pub(super) fn fields_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It always "fails": it only listens to what the struct asks for.
    let _ = T::deserialize(FieldNames(&mut fields));
    fields
}

struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("names only"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("not a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(above: &[&str], key: &str, keys: &'static [&'static str]) -> Option<String> {
        unknown_key(above, key, keys, false).hint
    }

    #[test]
    fn slips_and_short_names_are_understood() {
        let keys = fields_of::<Application>();
        for (written, meant) in [
            ("redirect_uri", "redirect_uris"),
            ("redirect-uris", "redirect_uris"),
            ("RedirectURIs", "redirect_uris"),
            ("grant_type", "authorization_grant_type"),
            ("clientid", "client_id"),
            ("secret", "client_secret"),
            ("skip_authorisation", "skip_authorization"),
            ("nmae", "name"),
        ] {
            let expected = format!("did you mean `{meant}`?");
            assert_eq!(hint(&["applications", "web"], written, keys), Some(expected), "{written}");
        }
    }

    #[test]
    fn a_key_of_another_table_is_sent_there() {
        let keys = fields_of::<Cleanup>();
        assert_eq!(hint(&["cleanup"], "max_deletes", keys).unwrap(), "`max_deletes` belongs in `[policy]`");
        assert_eq!(
            hint(&["cleanup"], "allow_uri_wildcard", keys).unwrap(),
            "did you mean `allow_uri_wildcards` in `[provider]`?"
        );
        assert_eq!(
            hint(&["cleanup"], "refresh_token_expire_seconds", keys).unwrap(),
            "did you mean `refresh_token_expire`?"
        );
    }

    #[test]
    fn a_key_like_nothing_gets_the_list() {
        let hint = hint(&["removed"], "zzz", fields_of::<Renamed>());
        assert_eq!(hint.unwrap(), "must be one of from or to");
    }

    #[test]
    fn text_in_messages_is_harmless() {
        assert_eq!(quoted("web-1"), "`web-1`");
        assert_eq!(quoted("a b\u{1b}[31m\n"), "`a b\\u{1b}[31m\\n`");
        assert_eq!(quoted("a\u{202e}b\u{ad}"), "`a\\u{202e}b\\u{ad}`");
        assert_eq!(bare("a.b"), "\"a.b\"");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 63);
    }
}
