//! A run of oauthctl as the ledger has noted it.

use serde_json::Value;
use time::OffsetDateTime;

/// A run that was to change something.
#[derive(Clone, Debug, PartialEq)]
pub struct NotedRun {
    /// As `history` lists it.
    pub id: i64,
    pub verb: String,
    /// `user@host`.
    pub who: String,
    /// The role that it logged in as.
    pub db_user: String,
    /// The version of oauthctl.
    pub version: String,
    /// The name of the file that it worked from; `None`: it worked from none.
    pub owner: Option<String>,
    /// SHA-256 of that file, in hexadecimal.
    pub config_digest: Option<String>,
    /// The commit that the file was at, where that was known.
    pub commit: Option<String>,
    pub started: OffsetDateTime,
    /// `None`: it is running, or it died.
    pub finished: Option<OffsetDateTime>,
    /// `succeeded`, `failed`, `refused` or `interrupted`.
    pub outcome: Option<String>,
    /// What it did, as the verb noted it.
    pub counts: Value,
    /// Whether its steps are in the ledger.
    pub has_steps: bool,
}

/// What the ledger knows of the applications that a run changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// All of its steps.
    Steps,
    /// That it changed none.
    Nothing,
    /// That it changed some, or may have: an older oauthctl noted it, or its role might not write the steps.
    Unknown,
}

impl Knowledge {
    /// Whether everything is known.
    #[must_use]
    pub const fn is_known(self) -> bool {
        match self {
            Self::Steps | Self::Nothing => true,
            Self::Unknown => false,
        }
    }
}

/// The verb that only deletes tokens.
const CLEANS: &str = "cleartokens";

impl NotedRun {
    /// What is known of the applications that it changed.
    #[must_use]
    pub fn knowledge(&self) -> Knowledge {
        if self.has_steps {
            return Knowledge::Steps;
        }
        let has_said_all = self.finished.is_some() && self.applications().is_empty();
        if has_said_all || self.verb == CLEANS { Knowledge::Nothing } else { Knowledge::Unknown }
    }

    /// Applications created, updated and so on, without zeroes.
    #[must_use]
    pub fn applications(&self) -> Vec<(String, u64)> {
        positive_counts(&self.counts["applications"])
    }

    /// Token rows that its cleanup deleted, by the category's key, without zeroes.
    #[must_use]
    pub fn tokens(&self) -> Vec<(String, u64)> {
        positive_counts(&self.counts["tokens"])
    }

    /// Rows that were deleted with applications.
    #[must_use]
    pub fn dependents(&self) -> u64 {
        self.counts["dependents"].as_u64().unwrap_or_default()
    }

    /// Why cleanup ended, where there was one.
    #[must_use]
    pub fn stop(&self) -> Option<&str> {
        self.counts["stop"].as_str()
    }
}

/// The numbers of an object that are above zero, by their names.
#[must_use]
pub fn positive_counts(counts: &Value) -> Vec<(String, u64)> {
    let Some(counts) = counts.as_object() else { return Vec::new() };
    counts
        .iter()
        .filter_map(|(name, count)| Some((name.clone(), count.as_u64().filter(|n| *n > 0)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(verb: &str, counts: Value, finished: bool, has_steps: bool) -> NotedRun {
        NotedRun {
            id: 1,
            verb: verb.to_owned(),
            who: "ci@runner".to_owned(),
            db_user: "app".to_owned(),
            version: "0.1.0".to_owned(),
            owner: None,
            config_digest: None,
            commit: None,
            started: OffsetDateTime::UNIX_EPOCH,
            finished: finished.then_some(OffsetDateTime::UNIX_EPOCH),
            outcome: finished.then(|| "succeeded".to_owned()),
            counts,
            has_steps,
        }
    }

    #[test]
    fn a_run_without_steps_is_unknown_only_if_it_may_have_changed_something() {
        let some = json!({ "applications": { "create": 1, "update": 0 } });
        for (run, expected) in [
            (run("apply", some.clone(), true, true), Knowledge::Steps),
            (run("apply", some.clone(), true, false), Knowledge::Unknown),
            (run("apply", json!({ "applications": null }), true, false), Knowledge::Nothing),
            (run("apply", json!({}), false, false), Knowledge::Unknown),
            (run("cleartokens", json!({}), false, false), Knowledge::Nothing),
        ] {
            assert_eq!(run.knowledge(), expected, "{run:?}");
        }
        assert_eq!(run("apply", some, true, true).applications(), [("create".to_owned(), 1)]);
    }
}
