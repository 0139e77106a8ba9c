//! What the process is given: its environment, the system's randomness, the cores. Read here and nowhere else; for
//! everything else these are arguments.

use std::ffi::OsString;
use std::num::NonZeroUsize;

use crate::config;
use crate::secret::{Entropy, EntropyError};

/// The process's environment variable, as text; one that is not UTF-8 counts as absent.
#[expect(clippy::disallowed_methods, reason = "here the environment becomes an argument")]
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The same as the system has it.
#[expect(clippy::disallowed_methods, reason = "here the environment becomes an argument")]
#[must_use]
pub fn variable_os(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The names of all environment variables.
#[must_use]
pub fn names() -> Vec<OsString> {
    std::env::vars_os().map(|(name, _)| name).collect()
}

/// The variables in which CI systems keep the commit. The first is for jobs in which the others name another one, such as
/// GitHub's merge commit of a pull request.
const COMMIT: [&str; 6] = [
    "OAUTHCTL_COMMIT",
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "BITBUCKET_COMMIT",
    "BUILD_SOURCEVERSION",
    "GIT_COMMIT",
];

/// The commit that a CI job has checked out. What is not the digest of a commit is not shown.
#[must_use]
pub fn commit() -> Option<String> {
    let is_commit = |value: &String| {
        (7..=64).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    COMMIT.into_iter().filter_map(variable).find(is_commit)
}

/// Whether the locale is UTF-8.
#[must_use]
pub fn is_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        .unwrap_or_default()
        .to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// Whether the terminal understands no cursor movement.
#[must_use]
pub fn is_dumb() -> bool {
    variable("TERM").is_none_or(|term| term == "dumb")
}

/// The environment and the files that `oauth.toml` may refer to.
#[must_use]
pub fn surroundings() -> config::Surroundings<'static> {
    config::Surroundings { variable: &variable_os, file: &config::read_file }
}

/// The operating system's randomness.
#[must_use]
pub fn entropy() -> impl Entropy {
    SystemEntropy
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(bytes).map_err(|error| EntropyError { reason: error.to_string() })
    }
}

/// The number of cores.
#[must_use]
pub fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
