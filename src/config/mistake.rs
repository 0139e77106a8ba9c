//! Why a value of the file is not what its key takes, and what to write instead.
//!
//! Invariant: no message quotes a value of the file, except a misspelt choice of a closed list. The snippet shows
//! the value, and what a snippet may not show is decided in `conceal`.

use serde::de::Unexpected;
use toml::de::DeValue;

use super::problem::Problem;
use super::suggest;
use super::variables::Fault;

/// Why a value does not deserialise.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("must be {expected}, not {found}")]
    WrongType { expected: String, found: &'static str },
    #[error("has a value that it cannot have")]
    Choice { given: String, choices: &'static [&'static str] },
    #[error("is a number that does not fit into 64 bits")]
    OutOfRange,
    #[error("contains a NUL byte, which PostgreSQL cannot store")]
    NulByte,
    #[error(transparent)]
    Variable(#[from] Fault),
    #[error("{0}")]
    Other(String),
}

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "true or false",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
            Unexpected::Float(_) => "a number with a fraction",
            Unexpected::Char(_) | Unexpected::Str(_) => "text",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a table",
            _ => "something else",
        };
        Self::WrongType { expected: expected.to_string(), found }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::Choice { given: variant.to_owned(), choices: expected }
    }
}

impl Error {
    /// Describes the error; the caller says where. `subject` is the key in a message, `key` the key itself.
    pub fn problem(&self, subject: &str, key: &str, value: &DeValue<'_>) -> Problem {
        let message = format!("{subject} {self}");
        match self {
            Self::WrongType { expected, .. } => {
                let hint = hint(value, expected, key);
                hint.into_iter().fold(Problem::error("wrong-type", message), Problem::hint)
            }
            Self::Choice { given, choices } => suggest::unknown_choice(subject, given, choices),
            Self::OutOfRange => Problem::error("number-too-large", message),
            Self::NulByte => Problem::error("nul-byte", message).hint("leave the \\u0000 out"),
            Self::Variable(fault) => fault.problem(subject),
            Self::Other(_) => Problem::error("invalid-value", message),
        }
    }
}

/// What to write, where a wrong type is a likely slip.
fn hint(value: &DeValue<'_>, expected: &str, key: &str) -> Option<String> {
    match (value, expected) {
        (DeValue::Table(_), "a list") if matches!(key, "removed" | "renamed" | "hooks") => {
            Some(format!("write `[[{key}]]`, with two brackets, once for each"))
        }
        (DeValue::Array(_), "a table") if key == "applications" => {
            Some("write `[applications.CLIENT_ID]`, once for each".to_owned())
        }
        (DeValue::Array(_), "a table") if suggest::is_known_key(key) => {
            Some(format!("write `[{key}]`, with one bracket"))
        }
        (_, "a list" | "a table") if key == "dynamic" => {
            Some("write { column = \"is_dcr_client\", value = true }, or a list of such tables".to_owned())
        }
        (DeValue::String(_), "a list") => Some("put it into brackets, one string for each item".to_owned()),
        (_, "true or false") if key == "oidc_rsa_private_key" => Some(
            "it says whether the server has a key; the key itself belongs nowhere near this file".to_owned(),
        ),
        (DeValue::String(text), "true or false") => {
            let is_boolean = ["true", "false"].contains(&text.to_lowercase().as_str());
            is_boolean.then(|| "write it without quotes, in lower case".to_owned())
        }
        (DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_), "text") => {
            Some("put it into quotes".to_owned())
        }
        _ => None,
    }
}

/// What people call the type of a value.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
