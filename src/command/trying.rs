//! The plan against the constraints of the application table: what would break one is shown at its line.

use deadpool_postgres::Object;

use super::connected::Connected;
use super::prepared::Prepared;
use super::reporting;
use super::session::Session;
use crate::apply::{self, ApplyError, Verdict};
use crate::config::{Config, PlaceOf};
use crate::db::error::DbError;
use crate::db::patience::Reading;
use crate::error::Error;
use crate::model::{ClientId, NotTried};
use crate::plan::{Finding, FindingCause, Plan, Step};

/// What the constraints have against the rows of a plan.
///
/// # Errors
/// The server's.
pub async fn verdict(connected: &Connected, client: &mut Object, plan: &Plan) -> Result<Verdict, DbError> {
    if !apply::writes_rows(plan) {
        return Ok(Verdict::default());
    }
    let snapshot = connected.snapshot(client, Reading::Applications).await?;
    let verdict = apply::against_constraints(&*snapshot, &connected.layout, plan).await?;
    snapshot.commit().await.map_err(DbError::during("trying the constraints of the application table"))?;
    Ok(verdict)
}

/// Ends the verb where a constraint would be broken; else says what was not tried.
///
/// # Errors
/// With every breach at its line.
pub async fn require(
    session: &mut Session,
    connected: &Connected,
    config: &Config,
    client: &mut Object,
    plan: &Plan,
) -> Result<Vec<NotTried>, Error> {
    let Verdict { findings, doubts, not_tried } = verdict(connected, client, plan).await?;
    reporting::doubts(session, config, &doubts);
    if findings.is_empty() { Ok(not_tried) } else { Err(reporting::findings(session, config, &findings)) }
}

/// A constraint has refused a row although it was tried: other rows have come meanwhile, or it cannot be tried. Says at
/// which line, if the file has one.
pub(super) async fn refused(
    session: &mut Session,
    prepared: &Prepared,
    client_id: Option<ClientId>,
    failed: DbError,
) -> Error {
    let findings = match look_again(prepared).await {
        Ok(findings) if !findings.is_empty() => findings,
        Ok(_) | Err(_) => words(prepared, client_id.as_ref(), &failed).into_iter().collect(),
    };
    let config = &prepared.config;
    let is_placed = |finding: &Finding| config.place(PlaceOf::ClientId(&finding.client_id)).is_some();
    if findings.is_empty() || !findings.iter().all(is_placed) {
        return Error::from(ApplyError::Refused { client_id, failed });
    }
    reporting::rolled_back(session, config, &findings)
}

async fn look_again(prepared: &Prepared) -> Result<Vec<Finding>, DbError> {
    let connected = &prepared.connected;
    let mut client = connected.database.get().await?;
    Ok(verdict(connected, &mut client, &prepared.proposal.plan).await?.findings)
}

/// What the server said, at the application that it was about.
fn words(prepared: &Prepared, client_id: Option<&ClientId>, failed: &DbError) -> Option<Finding> {
    let (constraint, column) = failed.violated()?;
    if constraint.table != prepared.connected.layout.application().name {
        return None;
    }
    let mut written = prepared.proposal.plan.steps.iter().filter(|step| match step {
        Step::Create { .. } | Step::Update { .. } => client_id.is_none_or(|id| id == step.client_id()),
        Step::Adopt { .. } | Step::Delete { .. } => false,
    });
    let (Some(step), None) = (written.next(), written.next()) else { return None };
    let field = column.as_ref().and_then(|column| apply::attribute(step, column));
    let cause = FindingCause::Refused(failed.message().to_owned());
    Some(Finding { client_id: step.client_id().clone(), field, cause })
}
