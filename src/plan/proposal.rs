//! What is proposed: the plan, what cleanup would delete, and why it may not be executed. One value for everybody who
//! shows it or executes it.

use serde::{Deserialize, Serialize};

use super::Plan;
use super::guard::{Refusal, Violation};
use crate::model::{Counted, ForeignRows, Hook, NotTried};

/// What cleanup would delete at an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanupForecast {
    /// The instant, RFC 3339 in UTC.
    pub as_of: String,
    /// Rows by category, counted or estimated.
    pub counted: Counted,
    /// Rows of the project's own tables that go, or are changed, along.
    pub others: Vec<ForeignRows>,
    /// Unused applications that stay because they are older than `max_age`; `None`: no `max_age` is in force.
    pub spared_by_age: Option<u64>,
}

/// What a plan is about: readers tell plans apart by it. Never the server, a user or a password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The file, as `-f` names it; `stdin` where it is read from a pipe.
    pub file: String,
    /// `--label`: the environment, such as `staging`.
    pub label: Option<String>,
    /// The database's name; `None`: the database was not reached.
    pub database: Option<String>,
    /// The commit that a CI job has checked out, as its variables say.
    pub commit: Option<String>,
}

/// A plan with everything that is decided about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub plan: Plan,
    /// What cleanup would delete after the steps; `None`: there is no cleanup.
    pub forecast: Option<CleanupForecast>,
    /// Why the plan may not be executed.
    pub refusal: Option<Refusal>,
    /// What of the application table only `apply` will find out.
    pub not_tried: Vec<NotTried>,
    pub subject: Subject,
    /// What `apply --hooks` runs afterwards.
    pub hooks: Vec<Hook>,
}

impl Proposal {
    /// The hooks that an apply of this plan runs: none where no application changes.
    #[must_use]
    pub fn hooks_to_run(&self) -> &[Hook] {
        if self.plan.changes_applications() { &self.hooks } else { &[] }
    }

    /// The rows that cleanup would delete; `None`: there is no cleanup.
    #[must_use]
    pub fn expired(&self) -> Option<&Counted> {
        self.forecast.as_ref().map(|forecast| &forecast.counted)
    }

    /// Whether cleanup may find rows to delete.
    #[must_use]
    pub fn may_clean(&self) -> bool {
        self.expired().is_some_and(Counted::may_delete)
    }

    /// Whether nothing would be changed and nothing deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty() && !self.may_clean()
    }

    /// Adds reasons why it may not be executed.
    pub fn refuse(&mut self, violations: Vec<Violation>) {
        if !violations.is_empty() {
            self.refusal.get_or_insert(Refusal { violations: Vec::new() }).violations.extend(violations);
        }
    }
}

/// Without a cleanup, and not refused.
impl From<Plan> for Proposal {
    fn from(plan: Plan) -> Self {
        Self { plan, ..Self::default() }
    }
}
