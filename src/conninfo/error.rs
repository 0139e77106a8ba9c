//! What is wrong with the connection settings, and where it was written.
//!
//! No message repeats a value: a password with an unescaped character can end up in any of them.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A connection string, by the label that the caller gave it, or `DATABASE_URL`.
    Text(String),
    /// A section of a connection service file.
    Service {
        /// The name in brackets.
        name: String,
        file: PathBuf,
    },
    /// An environment variable other than `DATABASE_URL`.
    Variable(&'static str),
    /// Nowhere: libpq's default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(label) => f.write_str(label),
            Self::Service { name, file } => write!(f, "service \"{name}\" of {}", file.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Default => f.write_str("the defaults"),
        }
    }
}

/// The connection settings cannot be understood or cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConninfoError {
    /// Not an option of libpq's. The name is missing where it could be a piece of a password.
    #[error("unknown connection option{} in {place}{}", quoted(name.as_deref()), did_you_mean(*suggestion))]
    Unknown {
        /// As it was written.
        name: Option<String>,
        /// The option that was probably meant.
        suggestion: Option<&'static str>,
        place: Place,
    },
    /// An option of libpq's that cannot be honoured here; going on without it would be less safe or different.
    #[error("the connection option {name} (from {place}) is not supported: {reason}")]
    Unsupported { name: &'static str, place: Place, reason: &'static str },
    /// A value outside of what the option takes.
    #[error("invalid {name} in {place}: it takes {takes}{}", did_you_mean(*suggestion))]
    Invalid {
        name: &'static str,
        place: Place,
        /// What it takes.
        takes: &'static str,
        /// The value that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// The text does not follow the grammar of a connection string.
    #[error("{place} is not a valid connection string: {what}")]
    Syntax {
        place: Place,
        /// What is wrong, without the text itself.
        what: String,
    },
    /// Lists of hosts, addresses and ports that do not go together.
    #[error("{many} {list} were given for {hosts} hosts")]
    Count {
        /// How many there are.
        many: usize,
        /// Of what: `ports`, `host addresses`.
        list: &'static str,
        /// The number of hosts.
        hosts: usize,
    },
    /// The options contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
    /// A line of the service file is broken.
    #[error("line {line} of {} is not valid: {what}", file.display())]
    ServiceFile {
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The service file cannot be read.
    #[error("cannot read the connection service file {}: {what}", file.display())]
    ServiceFileUnreadable {
        file: PathBuf,
        /// What the system said.
        what: String,
    },
    /// No service file has the section.
    #[error("the connection service \"{name}\" (from {place}) is not defined in {}", listed(searched))]
    NoService {
        name: String,
        /// Who asked for it.
        place: Place,
        /// The files that were looked at or for.
        searched: Vec<PathBuf>,
    },
    /// Neither a setting nor the operating system names the user.
    #[error("no user name is set, and the operating system has none for this process")]
    NoUser,
}

fn quoted(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" \"{name}\""))
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |suggestion| format!("; did you mean {suggestion}?"))
}

fn listed(files: &[PathBuf]) -> String {
    if files.is_empty() {
        return "any file: there is no home directory".to_owned();
    }
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" or ")
}
