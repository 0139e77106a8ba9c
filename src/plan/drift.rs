//! How each application stands to the file: the planner's verdict, application by application.
//!
//! Where the planner refuses a file as a whole, the other applications still have a verdict here. Pure.

use std::collections::{BTreeMap, BTreeSet};

use strum::IntoStaticStr;

use super::{Facts, FieldChange, Finding, SecretVerdict, Step, plan};
use crate::model::{Actual, ClientId, Desired, Policy, Provider};

/// How one application of the database or of the file differs from the other.
#[derive(Clone, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub enum Drift {
    Unchanged,
    Changed {
        /// The client id that the file gives it, if it differs.
        renamed_to: Option<ClientId>,
        /// What `apply` would change.
        changes: Vec<FieldChange>,
        /// How many declared fields are as they should be.
        unchanged: usize,
    },
    /// Declared, and not there.
    Missing,
    /// There, and must not be.
    Removed,
    /// Declared as this database cannot have it.
    Impossible(Vec<Finding>),
    /// There, and not in the file.
    Unmanaged,
}

impl Drift {
    /// One word for it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.into_str()
    }
}

/// The verdicts, by the client id that an application has now; of one that is missing, by the one that it would have.
/// Applications that the file does not mention have none.
#[must_use]
pub fn drift(
    desired: &Desired,
    actual: &Actual,
    secrets: &BTreeMap<ClientId, SecretVerdict>,
    provider: &Provider,
) -> BTreeMap<ClientId, Drift> {
    let policy = Policy::default();
    let planned = |scope| plan(desired, actual, &policy, &Facts { secrets, provider, scope });
    let mut drifts = BTreeMap::new();
    let plan = match planned(None) {
        Ok(plan) => plan,
        Err(findings) => {
            let mut impossible: BTreeMap<ClientId, Vec<Finding>> = BTreeMap::new();
            for finding in findings {
                impossible.entry(finding.client_id.clone()).or_default().push(finding);
            }
            drifts.extend(impossible.into_iter().map(|(id, findings)| (id, Drift::Impossible(findings))));
            let is_sound = |client_id: &&ClientId| {
                let former = desired.renamed.iter().find(|(_, to)| to == client_id).map(|(from, _)| from);
                !drifts.contains_key(*client_id) && former.is_none_or(|from| !drifts.contains_key(from))
            };
            let sound: BTreeSet<ClientId> =
                desired.applications.keys().chain(&desired.removed).filter(is_sound).cloned().collect();
            planned(Some(&sound)).unwrap_or_default()
        }
    };
    for step in plan.steps {
        let (client_id, drift) = match step {
            Step::Create { client_id, .. } => (client_id, Drift::Missing),
            Step::Adopt { row } => (row.client_id, Drift::Unchanged),
            Step::Delete { row, .. } => (row.client_id, Drift::Removed),
            Step::Update { row, client_id, changes, unchanged, dependents: _ } => {
                let renamed_to = (client_id != row.client_id).then_some(client_id);
                (row.client_id, Drift::Changed { renamed_to, changes, unchanged })
            }
        };
        drifts.insert(client_id, drift);
    }
    drifts.extend(plan.unchanged.into_iter().map(|client_id| (client_id, Drift::Unchanged)));
    drifts
}
