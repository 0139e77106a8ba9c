//! What cleanup would do after a plan, how many rows it would delete, and why it would be refused.

use super::connected::{Connected, database_now};
use super::counting::{self, Found, Question};
use super::intent::Intent;
use super::scope::ScopeArgs;
use super::session::Session;
use crate::config::Config;
use crate::db::patience::Reading;
use crate::error::Error;
use crate::model::words::rfc3339;
use crate::model::{CleanupPolicy, Sweep};
use crate::plan::guard::Violation;
use crate::plan::{CleanupForecast, retention};
use crate::sweep;
use crate::ui::plan::visible;

/// What cleanup would do and delete, where the file has a `[cleanup]`.
pub async fn forecast(
    connected: &Connected,
    config: &Config,
    scope: &ScopeArgs,
) -> Result<(Vec<Sweep>, Option<CleanupForecast>), Error> {
    let Some(policy) = config.cleanup.as_ref().filter(|_| !scope.no_cleanup) else {
        return Ok((Vec::new(), None));
    };
    let mut client = connected.database.get().await?;
    let as_of = match scope.as_of {
        Some(instant) => instant,
        None => database_now(&client).await?,
    };
    let policy = &CleanupPolicy { declared: config.spared(), ..policy.clone() };
    let sweeps = retention::sweeps(policy, as_of, &connected.layout.roles());
    let counting = scope.counting.over(policy.counting);
    let question = Question { sweeps: &sweeps, counting, as_of };
    let Found { counted, others, spared_by_age } =
        Box::pin(counting::find(connected, &mut client, question)).await?;
    let forecast = CleanupForecast { as_of: rfc3339(as_of), counted, others, spared_by_age };
    Ok((sweeps, Some(forecast)))
}

/// Why cleanup would be refused: checked before anything else is written. `plan` often runs as a role that may only read, so
/// what concerns the role is a warning there.
pub async fn refusals(
    session: &mut Session,
    connected: &Connected,
    policy: &CleanupPolicy,
    sweeps: &[Sweep],
    intent: Intent,
) -> Result<Vec<Violation>, Error> {
    if sweeps.is_empty() {
        return Ok(Vec::new());
    }
    let mut client = connected.database.get().await?;
    connected.patience.wait(&client, &connected.tables, Reading::Everything).await?;
    let refusals = sweep::refusals(&mut client, &connected.layout, sweeps, &policy.pace).await?;
    let mut violations = Vec::new();
    for refusal in refusals {
        if intent.shows() && refusal.concerns_role() {
            session.ui.warning(format_args!(
                "as this role, apply would be refused: {}.",
                visible(&refusal.to_string())
            ));
            if let Some(hint) = refusal.hint() {
                session.ui.hint(hint);
            }
        } else {
            let hint = match (refusal.hint(), refusal.block()) {
                (Some(hint), Some(block)) => {
                    format!("{hint}, or leave the tokens out with --no-cleanup; in the file:\n{block}")
                }
                (Some(hint), None) => format!("{hint}, or leave the tokens out with --no-cleanup"),
                (None, _) => "leave the tokens out with --no-cleanup".to_owned(),
            };
            violations.push(Violation::Cleanup { reason: refusal.to_string(), hint });
        }
    }
    Ok(violations)
}
