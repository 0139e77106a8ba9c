//! What cleanup would do after a plan, how many rows it would delete, and why it would be refused.

use deadpool_postgres::Transaction;

use super::connected::{Connected, database_now};
use super::intent::Intent;
use super::scope::ScopeArgs;
use super::session::Session;
use crate::config::Config;
use crate::db::layout::Layout;
use crate::db::patience::Reading;
use crate::db::tokens::{self, TokensError};
use crate::error::Error;
use crate::model::words::rfc3339;
use crate::model::{CleanupPolicy, Doomed, Sweep};
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
    let snapshot = connected.snapshot(&mut client, Reading::Everything).await?;
    let tally = tokens::count(&*snapshot, &connected.layout, &sweeps).await?;
    let spared_by_age = spared_by_age(&snapshot, &connected.layout, &sweeps).await?;
    let others = tokens::foreign_rows(&*snapshot, &connected.layout, &sweeps).await?;
    let rows = tally.iter().collect();
    let forecast = CleanupForecast { as_of: rfc3339(as_of), rows, others, spared_by_age };
    Ok((sweeps, Some(forecast)))
}

/// How many applications `max_age` spares; `None`: there is none in force.
pub async fn spared_by_age(
    snapshot: &Transaction<'_>,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<Option<u64>, TokensError> {
    let limited =
        sweeps.iter().any(|sweep| matches!(sweep.doomed, Doomed::DcrApplications { oldest: Some(_), .. }));
    if !limited {
        return Ok(None);
    }
    tokens::spared_by_age(&**snapshot, layout, sweeps).await.map(Some)
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
        if intent == Intent::Show && refusal.concerns_role() {
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
