//! How the values of flags are read, and which values help and completions offer. What is offered decides nothing: a
//! reader accepts or refuses.

use std::ffi::OsStr;
use std::num::NonZeroU32;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::is_variable_name;
use crate::model::{Allow, Category, ClientId, CountMethod, FkChecks, Pace, Strategy, Workers};
use crate::rules;
use crate::ui::plan_markdown;

/// Offers some values, and reads them and others.
#[derive(Clone)]
pub(super) struct Offering<T> {
    offered: Vec<&'static str>,
    read: fn(&str) -> Result<T, String>,
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Offering<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        TypedValueParser::parse_ref(&self.read, command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.offered.iter().map(|value| PossibleValue::new(*value))))
    }
}

/// `--var`: `NAME=VALUE`.
pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    variable_name(name)?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Refuses what cannot be the name of a variable.
pub(super) fn variable_name(name: &str) -> Result<(), String> {
    if is_variable_name(name) {
        return Ok(());
    }
    Err("the name of a variable has letters, digits and underscores, and does not begin with a digit"
        .to_owned())
}

/// `--max-length`.
pub(super) fn max_length(text: &str) -> Result<usize, String> {
    let least = plan_markdown::SHORTEST_LIMIT;
    text.parse()
        .ok()
        .filter(|length| *length >= least)
        .ok_or_else(|| format!("write a number from {least} on"))
}

/// `--role-prefix`: a name that SQL need not quote, with room for the rest of it.
pub(super) fn role_prefix(text: &str) -> Result<String, String> {
    const LONGEST: usize = 50;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && !text.starts_with("pg_");
    if begins && text.len() <= LONGEST && text.chars().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err(format!("write at most {LONGEST} small letters, digits and _, a letter or _ first, and not pg_"))
    }
}

/// A category of cleanup.
pub(super) fn category() -> Offering<Category> {
    Offering { offered: category_keys(), read: parse_category }
}

/// `--fk-checks`.
pub(super) fn fk_checks() -> Offering<FkChecks> {
    let read = |text: &str| text.parse().map_err(|_| "write triggers, set or auto".to_owned());
    Offering { offered: vec!["triggers", "set", "auto"], read }
}

/// `--workers`.
pub(super) fn workers() -> Offering<Workers> {
    let read = |text: &str| {
        let count = || text.parse().ok().filter(|count: &NonZeroU32| count.get() <= Pace::MOST_WORKERS);
        match text {
            "auto" => Ok(Workers::Auto),
            _ => count()
                .map(Workers::Fixed)
                .ok_or_else(|| format!("must be auto, or between 1 and {}", Pace::MOST_WORKERS)),
        }
    };
    Offering { offered: vec!["auto"], read }
}

/// `--strategy`.
pub(super) fn strategy() -> Offering<Strategy> {
    let read = |text: &str| text.parse().map_err(|_| "write batches or rewrite".to_owned());
    Offering { offered: vec!["batches", "rewrite"], read }
}

/// `--count`.
pub(super) fn count_method() -> Offering<CountMethod> {
    let read = |text: &str| text.parse().map_err(|_| "write exact, forecast or off".to_owned());
    Offering { offered: vec!["exact", "forecast", "off"], read }
}

/// `--allow` of `cleartokens`.
pub(super) fn cleanup_allow() -> Offering<Allow> {
    Offering { offered: vec!["fk-checks=set", "rewrite"], read: parse_cleanup_allow }
}

/// A client type of `createapplication`: any text, because DOT's own error is to be shown for a wrong one.
pub(super) fn client_type() -> Offering<String> {
    Offering { offered: rules::CLIENT_TYPES.to_vec(), read: any }
}

/// A grant type of `createapplication`, in the same way.
pub(super) fn grant_type() -> Offering<String> {
    Offering { offered: rules::grant_types(), read: any }
}

/// A signing algorithm of `createapplication`, in the same way.
pub(super) fn algorithm() -> Offering<String> {
    Offering { offered: rules::ALGORITHMS.to_vec(), read: any }
}

/// A client type to select by. A row may have another one than DOT knows.
pub(super) fn selected_client_type() -> Offering<String> {
    Offering { offered: rules::CLIENT_TYPES.to_vec(), read: not_empty }
}

/// A grant type to select by, in the same way.
pub(super) fn selected_grant_type() -> Offering<String> {
    Offering { offered: rules::grant_types(), read: not_empty }
}

#[expect(clippy::unnecessary_wraps, reason = "the type of every reader here")]
fn any(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn category_keys() -> Vec<&'static str> {
    Category::ALL.iter().copied().map(Category::key).collect()
}

fn parse_category(text: &str) -> Result<Category, String> {
    text.parse().map_err(|_| format!("no such category; there are {}", category_keys().join(", ")))
}

/// A flag's value that must not be empty: `--target "$NAME"` with the variable unset means nothing.
///
/// # Errors
/// For a text of blanks.
pub fn not_empty(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err(
            "it is empty; leave the flag out, or look at the variable that it is made from".to_owned()
        );
    }
    Ok(text.to_owned())
}

/// Reads `--allow`.
pub fn parse_allow(text: &str) -> Result<Allow, String> {
    let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number"));
    if let Some(client_id) = text.strip_prefix("delete:").filter(|id| !id.is_empty()) {
        Ok(Allow::Delete(ClientId::new(client_id)))
    } else if let Some(client_id) = text.strip_prefix("update:").filter(|id| !id.is_empty()) {
        Ok(Allow::Update(ClientId::new(client_id)))
    } else if let Some(count) = text.strip_prefix("max-deletes=") {
        number(count).map(Allow::MaxDeletes)
    } else if let Some(count) = text.strip_prefix("max-updates=") {
        number(count).map(Allow::MaxUpdates)
    } else if text == "fk-checks=set" {
        Ok(Allow::FkChecksSet)
    } else if text == "rewrite" {
        Ok(Allow::Rewrite)
    } else {
        Err("write delete:CLIENT_ID, update:CLIENT_ID, max-deletes=N, max-updates=N, fk-checks=set or rewrite".to_owned())
    }
}

/// Reads `--allow` of `cleartokens`, which deletes and updates no application.
pub fn parse_cleanup_allow(text: &str) -> Result<Allow, String> {
    match parse_allow(text) {
        Ok(allow @ (Allow::FkChecksSet | Allow::Rewrite)) => Ok(allow),
        Ok(Allow::Delete(_) | Allow::Update(_) | Allow::MaxDeletes(_) | Allow::MaxUpdates(_)) | Err(_) => {
            Err("write fk-checks=set or rewrite; the others are for plan and apply".to_owned())
        }
    }
}

/// Reads an instant, RFC 3339 with up to microseconds.
pub fn parse_instant(text: &str) -> Result<OffsetDateTime, String> {
    let instant = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "write an RFC 3339 instant, such as 2026-01-31T12:00:00Z".to_owned())?;
    if instant.nanosecond() % 1_000 == 0 {
        Ok(instant)
    } else {
        Err("PostgreSQL keeps microseconds: write at most six digits after the point".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_variable_may_have_any_characters() {
        assert_eq!(variable("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(variable("a="), Ok(("a".to_owned(), String::new())));
        for wrong in ["a", "=b", "a-b=c", "1=c"] {
            variable(wrong).unwrap_err();
        }
    }
}
