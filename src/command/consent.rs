//! What `fk_checks = "auto"` comes to: without a flag that allows more, the triggers.

use super::session::Session;
use crate::model::{Allow, CleanupPolicy, FkChecks, Pace, Strategy};

/// The policy as it will run; says so if the triggers stay on because nothing else was allowed.
pub fn apply(session: &mut Session, policy: CleanupPolicy, allow: &[Allow]) -> CleanupPolicy {
    let allowed = allow.contains(&Allow::FkChecksSet);
    let pace: Pace = policy.pace.clone().with_consent(allowed);
    if policy.pace.fk_checks == FkChecks::Auto && !allowed && policy.pace.strategy == Strategy::Batches {
        session.ui.status(
            "Triggers check the references: fk_checks = \"auto\" needs --allow fk-checks=set for more.",
        );
    }
    CleanupPolicy { pace, ..policy }
}
