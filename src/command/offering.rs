//! Values that help and completions offer for a flag. Another parser decides what is accepted.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

use super::names::not_empty;
use super::scope::parse_cleanup_allow;
use crate::model::{Allow, Category, FkChecks, Strategy};
use crate::rules;

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

/// A category of cleanup.
pub(super) fn category() -> Offering<Category> {
    Offering { offered: category_keys(), read: parse_category }
}

/// `--fk-checks`.
pub(super) fn fk_checks() -> Offering<FkChecks> {
    let read = |text: &str| FkChecks::parse(text).ok_or_else(|| "write triggers or set".to_owned());
    Offering { offered: vec!["triggers", "set"], read }
}

/// `--strategy`.
pub(super) fn strategy() -> Offering<Strategy> {
    let read = |text: &str| Strategy::parse(text).ok_or_else(|| "write batches or rewrite".to_owned());
    Offering { offered: vec!["batches", "rewrite"], read }
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
    Category::parse(text).ok_or_else(|| format!("no such category; there are {}", category_keys().join(", ")))
}
