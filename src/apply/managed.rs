//! What the ledger has to know of a plan.

use crate::db::ledger;
use crate::plan::{Plan, Step};

/// Applications that the file manages from now on, with whether it made them.
pub(super) fn managed(plan: &Plan) -> Vec<ledger::Managed<'_>> {
    plan.steps
        .iter()
        .filter_map(|step| match step {
            Step::Create { client_id, .. } => Some(ledger::Managed { client_id, created: true }),
            Step::Update { client_id, .. } => Some(ledger::Managed { client_id, created: false }),
            Step::Adopt { row } => Some(ledger::Managed { client_id: &row.client_id, created: false }),
            Step::Delete { .. } => None,
        })
        .collect()
}
