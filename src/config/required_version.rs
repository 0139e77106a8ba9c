//! `required_version`: the versions of oauthctl that a file is written for.
//!
//! Looked at before any other key, so that an older oauthctl says that it is too old, and does not call keys unknown that a
//! newer one reads.

use semver::{Version, VersionReq};
use toml::Spanned;
use toml::de::DeValue;

use super::problem::Problem;

/// The key in the file.
const KEY: &str = "required_version";

/// Why this version may not read the file: the requirement is none, or is not met. `None`: it may.
pub(super) fn unmet(document: &Spanned<DeValue<'_>>, version: &str) -> Option<Problem> {
    let written = document.get_ref().as_table()?.get(KEY)?;
    // What is no text is an error of its type, as with every other key.
    let text = written.get_ref().as_str()?;
    let problem = |message: String| Problem::error("required-version", message).at(written.span());
    let required = match VersionReq::parse(text) {
        Ok(required) => required,
        Err(error) => {
            let message = format!("`{KEY}` is no requirement of a version: {error}");
            return Some(problem(message).hint("such as \">=0.2\", or \">=0.2, <0.4\""));
        }
    };
    let version = Version::parse(version).ok().filter(|version| !required.matches(version))?;
    Some(
        problem(format!("the file is for oauthctl {required}, and this is {version}"))
            .hint("install a version that the file asks for; nothing else in it was looked at"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Problems;
    use crate::config::syntax;

    fn checked(text: &str, version: &str) -> Option<String> {
        let parsed = syntax::parse(text, &mut Problems::default()).unwrap();
        unmet(&parsed.document, version).map(|problem| problem.message)
    }

    #[test]
    fn requirements_are_those_of_cargo() {
        for (required, version, is_met) in [
            (">=0.2", "0.2.0", true),
            (">=0.2", "0.1.9", false),
            (">=0.2, <0.4", "0.4.0", false),
            ("0.2", "0.2.7", true),
            ("0.2", "0.3.0", false),
            ("*", "9.9.9", true),
        ] {
            let problem = checked(&format!("required_version = \"{required}\"\nnewer = 1"), version);
            assert_eq!(problem.is_none(), is_met, "{required} {version}: {problem:?}");
        }
        assert!(checked("required_version = \"new\"", "0.1.0").unwrap().contains("no requirement"));
        assert_eq!(checked("required_version = 2", "0.1.0"), None);
        assert_eq!(checked("[applications.a]", "0.1.0"), None);
    }
}
