//! `${var.NAME}` in the strings of the file: values that differ between environments.
//!
//! They are put into strings that have been parsed, so no value can end a string or add a key. They are printed in plans,
//! so they have no place in a secret: see [`Variables::expand`] and [`equal_secret`].

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problem;
use super::surroundings::Surroundings;
use crate::model::{ClientId, Desired, SecretDeclaration};

/// What the name of an environment variable begins with that holds the value of a variable. No other one can be read, so
/// no change of the file can print what else is in the environment.
pub const PREFIX: &str = "OAUTHCTL_VAR_";

const BEGINS: &str = "${";
const ESCAPED: &str = "$${";
const NAMESPACE: &str = "var.";

/// Why a string has no value.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("uses the variable {0}, which has no value")]
    Undefined(String),
    #[error("uses the variable {0}, whose value is not UTF-8")]
    NotText(String),
    #[error("has a `${{` that does not begin a variable")]
    Malformed,
    #[error("may not use a variable, because variables are printed")]
    InSecret,
}

impl Fault {
    /// Describes it; the caller says where. `subject`: the key in a message.
    pub fn problem(&self, subject: &str) -> Problem {
        let message = format!("{subject} {self}");
        match self {
            Self::Undefined(name) => Problem::error("undefined-variable", message)
                .hint(format!("give it a value: --var {name}=VALUE, --var-file FILE, or {PREFIX}{name}")),
            Self::NotText(_) => Problem::error("undefined-variable", message),
            Self::Malformed => Problem::error("variable-syntax", message)
                .hint("a variable is written ${var.NAME}; write $${ for the characters ${"),
            Self::InSecret => Problem::error("variable-in-secret", message)
                .hint("write { env = \"NAME\" } or { file = \"PATH\" }, which no plan prints"),
        }
    }
}

/// The values of variables, and which of them a file has used.
pub(super) struct Variables<'a> {
    surroundings: Surroundings<'a>,
    used: RefCell<BTreeMap<String, String>>,
}

impl<'a> Variables<'a> {
    /// None has been used.
    pub fn new(surroundings: Surroundings<'a>) -> Self {
        Self { surroundings, used: RefCell::default() }
    }

    /// Those that the file has used, with their values.
    pub fn into_used(self) -> BTreeMap<String, String> {
        self.used.into_inner()
    }

    /// The string with values in the place of variables. `trail`: the keys that lead to it.
    pub fn expand<'t>(&self, text: &'t str, trail: &dyn Fn() -> Vec<String>) -> Result<Cow<'t, str>, Fault> {
        if !text.contains(BEGINS) {
            return Ok(Cow::Borrowed(text));
        }
        if is_secret(&trail()) {
            // A password may contain these characters.
            let is_variable = text.contains(&format!("{BEGINS}{NAMESPACE}"));
            return if is_variable { Err(Fault::InSecret) } else { Ok(Cow::Borrowed(text)) };
        }
        expand(text, |name| self.value(name)).map(Cow::Owned)
    }

    fn value(&self, name: &str) -> Result<String, Fault> {
        let value = (self.surroundings.variable)(&format!("{PREFIX}{name}"));
        let value = value.ok_or_else(|| Fault::Undefined(name.to_owned()))?;
        let value = value.into_string().map_err(|_| Fault::NotText(name.to_owned()))?;
        self.used.borrow_mut().insert(name.to_owned(), value.clone());
        Ok(value)
    }
}

/// Whether a value is a secret, or says where one is.
fn is_secret(trail: &[String]) -> bool {
    let [first, .., _] = trail else { return false };
    trail.iter().any(|key| key == "client_secret")
        || (first == "database" && trail.get(1).is_some_and(|key| key == "url"))
}

/// Replaces the variables of a string.
fn expand(text: &str, value: impl Fn(&str) -> Result<String, Fault>) -> Result<String, Fault> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = found.strip_prefix(ESCAPED) {
            out.push_str(BEGINS);
            rest = after;
        } else if let Some(after) = found.strip_prefix(BEGINS) {
            let (name, after) = after.split_once('}').ok_or(Fault::Malformed)?;
            let name = name.strip_prefix(NAMESPACE).filter(|name| is_name(name)).ok_or(Fault::Malformed)?;
            out.push_str(&value(name)?);
            rest = after;
        } else {
            out.push('$');
            rest = found.get(1..).unwrap_or_default();
        }
    }
    Ok(out + rest)
}

/// A string of the file with the variables that it used when it was read. What has no value stays as it is written.
#[must_use]
pub fn resolved<'t>(text: &'t str, used: &BTreeMap<String, String>) -> Cow<'t, str> {
    if !text.contains(BEGINS) {
        return Cow::Borrowed(text);
    }
    let value = |name: &str| used.get(name).cloned().ok_or(Fault::Malformed);
    expand(text, value).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The variables of a text of the file, as it is written.
#[must_use]
pub fn named(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut rest = text;
    while let Some(at) = rest.find(BEGINS) {
        let (before, found) = rest.split_at(at);
        rest = found.get(BEGINS.len()..).unwrap_or_default();
        let name = rest.strip_prefix(NAMESPACE).and_then(|name| name.split_once('}')).map(|(name, _)| name);
        names.extend(name.filter(|name| is_name(name) && !before.ends_with('$')));
    }
    names
}

/// Whether a variable can have this name: letters of ASCII, digits and underscores; not a digit first.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The first application whose declared secret is the value of a variable that the file uses.
pub(super) fn equal_secret<'a>(
    desired: &'a Desired,
    used: &'a BTreeMap<String, String>,
) -> Option<(&'a ClientId, &'a str)> {
    desired.applications.iter().find_map(|(client_id, declared)| {
        let Some(SecretDeclaration::Plain(secret)) = &declared.application.client_secret else { return None };
        let (name, _) = used.iter().find(|(_, value)| value.as_str() == secret.expose())?;
        Some((client_id, name.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        expand(text, |name| match name {
            "domain" => Ok("example.com".to_owned()),
            "odd" => Ok("${var.domain} \" $${".to_owned()),
            name => Err(Fault::Undefined(name.to_owned())),
        })
        .map_err(|fault| fault.to_string())
    }

    #[test]
    fn variables_are_replaced_once() {
        assert_eq!(expanded("https://${var.domain}/cb").unwrap(), "https://example.com/cb");
        assert_eq!(expanded("${var.domain}${var.domain}").unwrap(), "example.comexample.com");
        // A value is no template.
        assert_eq!(expanded("${var.odd}").unwrap(), "${var.domain} \" $${");
    }

    #[test]
    fn dollars_are_characters() {
        for (written, meant) in [("5 $", "5 $"), ("$$5", "$$5"), ("$${var.x}", "${var.x}"), ("$$${", "$${")] {
            assert_eq!(expanded(written).unwrap(), meant);
        }
    }

    #[test]
    fn what_is_no_variable_is_said() {
        assert_eq!(expanded("${var.other}").unwrap_err(), "uses the variable other, which has no value");
        for text in ["${", "${domain}", "${var.}", "${var.a-b}", "${env.HOME}", "${var.1}", "${ var.domain }"]
        {
            assert_eq!(expanded(text).unwrap_err(), "has a `${` that does not begin a variable", "{text}");
        }
    }

    #[test]
    fn they_are_found_by_name() {
        let text = "[\"https://${var.domain}/$${var.no}/${var.b}\", \"${env.X} $ ${var.b} ${\"]";
        assert_eq!(named(text), BTreeSet::from(["b", "domain"]));
    }

    #[test]
    fn secrets_have_none() {
        let trail = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        assert!(is_secret(&trail(&["applications", "web", "client_secret"])));
        assert!(is_secret(&trail(&["applications", "web", "client_secret", "env"])));
        assert!(is_secret(&trail(&["database", "url"])));
        assert!(!is_secret(&trail(&["database", "tables", "application"])));
        assert!(!is_secret(&trail(&["applications", "web", "name"])));
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(text in "[${}a-z.]{0,12}") {
            let written = text.replace(BEGINS, ESCAPED);
            prop_assert_eq!(expanded(&written).unwrap(), text);
        }
    }
}
