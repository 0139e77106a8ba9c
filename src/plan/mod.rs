//! Decisions: what has to happen so that the database is as the file says.
//!
//! A [`Plan`] is a value: complete, ordered, serialisable and free of secrets. The executor makes no choices.
//! Pure and synchronous: no clock, no randomness, no file, no database. Knows no flag and prints nothing.

// A variant that is added has to be decided about: what is deleted depends on these enums.
#![deny(clippy::wildcard_enum_match_arm)]

mod columns;
mod conformity;
pub mod diff;
pub mod drift;
mod finding;
pub mod guard;
pub mod picking;
mod proposal;
pub mod resume;
pub mod retention;
pub mod saved;
pub mod seal;
mod secret_verdict;
pub mod shown;
mod step;
pub mod undo;
mod whole;

use std::collections::{BTreeMap, BTreeSet};

pub use columns::maintained;
pub use finding::{Finding, FindingCause};
pub use proposal::{CleanupForecast, Proposal, Subject};
use schemars::JsonSchema;
pub use secret_verdict::SecretVerdict;
use serde::{Deserialize, Serialize};
pub use step::{DeleteReason, FieldChange, FieldSetting, Owner, RowRef, SecretWrite, Step, Value};
pub use whole::{Presence, Whole, Wholes};

use crate::model::{
    Actual, ClientId, Declared, Dependents, Desired, ForeignRows, Key, Policy, Provider, Prune, Stored,
};

/// Everything that is going to happen to the application table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What to do, in this order: updates, creations, adoptions, deletions; each by client id.
    pub steps: Vec<Step>,
    /// Declared applications that are as they should be.
    pub unchanged: Vec<ClientId>,
    /// Manual applications that the file does not mention and that stay.
    pub unmanaged: Vec<ClientId>,
    /// Dynamically registered applications that the file does not mention; they always stay.
    pub dynamic: u64,
    /// How many rows the table has.
    pub total: u64,
    /// How many applications the file declares.
    pub declared: usize,
    /// Declared applications whose secret could not be verified and is left alone.
    pub unverified: Vec<ClientId>,
    /// Whether no secret was looked at, neither a declared nor a stored one: all declared ones are then unverified, and only
    /// a plan with secrets knows whether they change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withholds_secrets: bool,
    /// Declared applications whose secret the project has encrypted: neither compared nor written, even if the file
    /// declares one.
    pub foreign: Vec<ClientId>,
    /// Declared or removed applications left out by `--target`.
    pub untargeted: usize,
    /// `--target`: the only applications that were looked at; empty: all.
    pub targets: Vec<ClientId>,
    /// When the dependents of the steps were counted, RFC 3339; `None`: there was nothing to count.
    pub counted_at: Option<String>,
    /// The rows of the steps as they are now.
    #[serde(default, skip_serializing_if = "Wholes::is_empty")]
    pub rows: Wholes,
}

/// How many steps of each kind a plan has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// Rows to insert.
    pub create: usize,
    /// Rows whose fields change and whose client id stays.
    pub update: usize,
    /// Rows whose client id changes, whether other fields do or not.
    pub rename: usize,
    /// Rows to record in the ledger.
    pub adopt: usize,
    /// Rows to delete.
    pub delete: usize,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether rows of applications change. Otherwise at most the ledger does.
    #[must_use]
    pub fn changes_applications(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Create { .. } | Step::Update { .. } | Step::Delete { .. } => true,
            Step::Adopt { .. } => false,
        })
    }

    /// Whether `apply` may change secrets that this plan has not looked at.
    #[must_use]
    pub fn has_unread_secrets(&self) -> bool {
        self.withholds_secrets && !self.unverified.is_empty()
    }

    /// Counts the steps.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for step in &self.steps {
            match step {
                Step::Update { row, client_id, .. } if row.client_id != *client_id => summary.rename += 1,
                Step::Update { .. } => summary.update += 1,
                Step::Create { .. } => summary.create += 1,
                Step::Adopt { .. } => summary.adopt += 1,
                Step::Delete { .. } => summary.delete += 1,
            }
        }
        summary
    }

    /// The rows to delete.
    pub fn deletions(&self) -> impl Iterator<Item = &RowRef> {
        self.steps.iter().filter_map(|step| {
            let Step::Delete { row, .. } = step else { return None };
            Some(row)
        })
    }

    /// The rows whose clients may notice: those of [`Step::may_break_clients`].
    pub fn at_risk(&self) -> impl Iterator<Item = &RowRef> {
        self.steps.iter().filter(|step| step.may_break_clients()).filter_map(Step::row)
    }

    /// Fills in who depends on the rows at risk, as counted at an instant.
    #[must_use]
    pub fn with_dependents(mut self, counts: &BTreeMap<Key, Dependents>, counted_at: String) -> Self {
        for step in &mut self.steps {
            let counted = step.row().and_then(|row| counts.get(&row.key)).copied();
            match step {
                Step::Delete { dependents, .. } => *dependents = counted.unwrap_or_default(),
                Step::Update { dependents, .. } => *dependents = counted,
                Step::Create { .. } | Step::Adopt { .. } => {}
            }
        }
        self.counted_at = Some(counted_at);
        self
    }

    /// The rows that go and have not been read as a whole: those that the file does not mention.
    #[must_use]
    pub fn unread(&self) -> Vec<&Key> {
        self.deletions().map(|row| &row.key).filter(|key| !self.rows.contains_key(*key)).collect()
    }

    /// The rows of a step before and after it, as far as they have been read.
    #[must_use]
    pub fn rows_of(&self, step: &Step) -> (Option<Whole>, Option<Whole>) {
        let before = step.row().and_then(|row| self.rows.get(&row.key)).cloned();
        let after = match (step, &before) {
            (Step::Create { client_id, fields }, _) => Some(Whole::created(client_id, fields)),
            (Step::Update { client_id, changes, .. }, Some(before)) => {
                Some(before.changed(client_id, changes))
            }
            (Step::Adopt { .. }, Some(before)) => Some(before.clone()),
            (Step::Delete { .. }, _) | (Step::Update { .. } | Step::Adopt { .. }, None) => None,
        };
        (before, after)
    }

    /// Fills these in.
    #[must_use]
    pub fn with_rows(mut self, rows: Wholes) -> Self {
        self.rows.extend(rows);
        self
    }

    /// Fills in which rows of other tables go, or are changed, with the applications to delete.
    #[must_use]
    pub fn with_foreign_rows(mut self, foreign: &BTreeMap<Key, Vec<ForeignRows>>) -> Self {
        for step in &mut self.steps {
            if let Step::Delete { row, others, .. } = step {
                let rows = foreign.get(&row.key).into_iter().flatten();
                *others = rows.filter(|rows| !rows.blocks()).cloned().collect();
            }
        }
        self
    }
}

/// What the planner looks at besides the two states.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Verdicts on declared plain-text secrets of existing rows.
    pub secrets: &'a BTreeMap<ClientId, SecretVerdict>,
    /// What the server's settings are, where DOT's rules depend on them.
    pub provider: &'a Provider,
    /// `--target`: only these applications; `None`: all.
    pub scope: Option<&'a BTreeSet<ClientId>>,
}

/// Compares what is wanted with what is there.
///
/// # Errors
/// All [`Finding`]s, in the order of the applications.
pub fn plan(
    desired: &Desired,
    actual: &Actual,
    policy: &Policy,
    facts: &Facts<'_>,
) -> Result<Plan, Vec<Finding>> {
    // The first one counts, as everywhere.
    let former = desired.renamed.iter().rev().map(|(from, to)| (to, from)).collect();
    let mut planner = Planner { desired, former, actual, facts, plan: Plan::default(), findings: Vec::new() };
    planner.plan.total = actual.total;
    planner.plan.withholds_secrets = actual.withholds_secrets;
    planner.plan.dynamic = actual.dynamic;
    planner.plan.declared = desired.applications.len();
    planner.plan.targets = facts.scope.into_iter().flatten().cloned().collect();
    let mut updates = Vec::new();
    let mut creations = Vec::new();
    let mut adoptions = Vec::new();
    for (client_id, declared) in &desired.applications {
        match planner.declared(client_id, declared) {
            Some(step @ Step::Create { .. }) => creations.push(step),
            Some(step @ Step::Adopt { .. }) => adoptions.push(step),
            Some(step) => updates.push(step),
            None => {}
        }
    }
    let deletions = planner.deletions(policy.prune);
    let Planner { mut plan, findings, .. } = planner;
    plan.steps = [updates, creations, adoptions, deletions].into_iter().flatten().collect();
    if findings.is_empty() { Ok(plan) } else { Err(findings) }
}

struct Planner<'a> {
    desired: &'a Desired,
    /// The former names of renamed applications, by the new ones.
    former: BTreeMap<&'a ClientId, &'a ClientId>,
    actual: &'a Actual,
    facts: &'a Facts<'a>,
    plan: Plan,
    findings: Vec<Finding>,
}

impl<'a> Planner<'a> {
    fn in_scope(&mut self, client_id: &ClientId) -> bool {
        let inside = self.facts.scope.is_none_or(|scope| scope.contains(client_id));
        if !inside {
            self.plan.untargeted += 1;
        }
        inside
    }

    /// The row that a declared application is, under its present or its former name.
    fn row_of(&mut self, client_id: &ClientId) -> Option<&'a Stored> {
        let actual = self.actual;
        let former_row = self.former.get(client_id).and_then(|from| actual.applications.get(*from));
        let row = actual.applications.get(client_id);
        if let (Some(_), Some(from)) = (row, former_row) {
            let cause = FindingCause::RenameCollision { to: client_id.clone() };
            self.findings.push(Finding { client_id: from.client_id.clone(), field: None, cause });
        }
        row.or(former_row).map(|row| &**row)
    }

    /// Whether no other file answers for the row; a finding if one does.
    fn answers_for(&mut self, client_id: &ClientId) -> bool {
        let Some(ownership) = &self.actual.ownership else { return true };
        let Some(owner) = ownership.others.get(client_id) else { return true };
        let (owner, table) = (owner.clone(), ownership.table.clone());
        let cause = FindingCause::OwnedByAnother { owner, table };
        self.findings.push(Finding { client_id: client_id.clone(), field: None, cause });
        false
    }

    fn declared(&mut self, client_id: &ClientId, declared: &Declared) -> Option<Step> {
        if !self.in_scope(client_id) {
            return None;
        }
        let (actual, facts) = (self.actual, self.facts);
        let row = self.row_of(client_id);
        if !self.answers_for(row.map_or(client_id, |row| &row.client_id)) {
            return None;
        }
        let compared = match row {
            None => diff::creation(client_id, declared, actual),
            Some(stored) => {
                let verdict = facts.secrets.get(client_id).copied();
                diff::update(client_id, declared, stored, actual, verdict)
            }
        };
        let violations = conformity::check(client_id, declared, row, actual, facts.provider);
        let is_sound = violations.is_empty();
        match compared {
            Err(findings) => self.findings.extend(findings),
            Ok(step) if is_sound => {
                if row.is_some_and(|stored| diff::leaves_foreign(declared, stored)) {
                    self.plan.foreign.push(client_id.clone());
                }
                let is_unverified = match row {
                    Some(_) if actual.withholds_secrets => diff::manages_secret(declared),
                    Some(_) => facts.secrets.get(client_id) == Some(&SecretVerdict::CannotVerify),
                    None => false,
                };
                if is_unverified {
                    self.plan.unverified.push(client_id.clone());
                }
                let step = self.record(client_id, step);
                if let (Some(_), Some(stored)) = (&step, row) {
                    self.see(stored);
                }
                return step;
            }
            Ok(_) => {}
        }
        self.findings.extend(violations);
        None
    }

    /// Keeps a row that a step is about.
    fn see(&mut self, stored: &Stored) {
        self.plan.rows.insert(stored.key.clone(), Whole::of(stored, self.actual));
    }

    fn record(&mut self, client_id: &ClientId, step: Option<Step>) -> Option<Step> {
        if step.is_some() {
            return step;
        }
        let unowned = self.actual.ownership.as_ref().is_some_and(|ownership| {
            !ownership.created.contains(client_id) && !ownership.adopted.contains(client_id)
        });
        match self.actual.applications.get(client_id) {
            Some(stored) if unowned => Some(Step::Adopt { row: RowRef::of(stored) }),
            _ => {
                self.plan.unchanged.push(client_id.clone());
                None
            }
        }
    }

    fn deletions(&mut self, prune: Prune) -> Vec<Step> {
        let (desired, actual) = (self.desired, self.actual);
        let mut deletions = BTreeMap::new();
        for client_id in &desired.removed {
            if self.in_scope(client_id)
                && let Some(stored) = actual.applications.get(client_id)
                && self.answers_for(client_id)
            {
                let is_disabled = desired.disabled.contains(client_id);
                let reason = if is_disabled { DeleteReason::Disabled } else { DeleteReason::Removed };
                let step = deletion(RowRef::of(stored), &stored.fields.name, reason);
                deletions.insert(client_id.clone(), step);
                self.see(stored);
            }
        }
        for unmanaged in &actual.unmanaged {
            let ownership = actual.ownership.as_ref();
            let others = ownership.is_some_and(|o| o.others.contains_key(&unmanaged.client_id));
            let doomed = !others
                && match prune {
                    Prune::Never => false,
                    Prune::Owned => ownership.is_some_and(|o| o.created.contains(&unmanaged.client_id)),
                    Prune::All => true,
                };
            if doomed && self.facts.scope.is_none_or(|scope| scope.contains(&unmanaged.client_id)) {
                let row = RowRef {
                    key: unmanaged.key.clone(),
                    client_id: unmanaged.client_id.clone(),
                    fingerprint: unmanaged.fingerprint.clone(),
                };
                let step = deletion(row, &unmanaged.name, DeleteReason::Pruned);
                deletions.insert(unmanaged.client_id.clone(), step);
            } else {
                self.plan.unmanaged.push(unmanaged.client_id.clone());
            }
        }
        deletions.into_values().collect()
    }
}

/// A deletion of which is not known yet what depends on it.
fn deletion(row: RowRef, name: &str, reason: DeleteReason) -> Step {
    let dependents = Dependents::default();
    Step::Delete { row, name: name.to_owned(), reason, dependents, others: Vec::new() }
}

#[cfg(test)]
mod tests;
