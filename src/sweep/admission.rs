//! The reasons why a run is refused before its first delete. The run looks for them, and before it `plan` and `apply`,
//! so that nothing is written before a cleanup that would be refused. Changes nothing, prints nothing.

use deadpool_postgres::Object;
use tokio_postgres::GenericClient;

use super::SweepError;
use super::connection::Fault;
use crate::db::along::Along;
use crate::db::engine;
use crate::db::layout::{Layout, Table};
use crate::db::tokens::definer::Found;
use crate::db::tokens::{self, Checks, Excluded, Rewrite, Silent, TokensError, UnmetCondition};
use crate::model::{Engine, FkChecks, Pace, Strategy, Sweep, TableRole};

/// What was found out about a run that may begin.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    pub excluded: Excluded,
    /// Whether a trigger may keep rows from being deleted without an error.
    pub vetoes: bool,
    /// What looks at references.
    pub checks: Checks,
    /// Why these are the triggers although `fk_checks = "auto"` was allowed more.
    pub fallback: Option<String>,
    /// With `strategy = "rewrite"`.
    pub rewrite: Option<Rewrite<'a>>,
}

/// Every reason why a run would be refused before its first delete; none: it may begin.
///
/// # Errors
/// When the tables cannot be read.
pub async fn refusals(
    client: &mut Object,
    layout: &Layout,
    sweeps: &[Sweep],
    pace: &Pace,
) -> Result<Vec<SweepError>, SweepError> {
    Ok(admit(client, layout, sweeps, pace).await?.err().unwrap_or_default())
}

/// Looks at the server, the tables and the role. The reasons against a run are never an empty list.
pub(super) async fn admit<'a>(
    client: &mut Object,
    layout: &'a Layout,
    sweeps: &'a [Sweep],
    pace: &Pace,
) -> Result<Result<Admission<'a>, Vec<SweepError>>, SweepError> {
    let tables = tables(layout, sweeps);
    // Applications that are to be left alone are looked up by their client ids.
    let looked_up = sweeps.iter().any(|sweep| !sweep.excluded.is_empty()).then(|| layout.application());
    let seen: Vec<&Table> = tables.iter().copied().chain(looked_up).collect();
    let mut refusals: Vec<SweepError> = hidden(layout, &seen).into_iter().collect();
    let reading = |error| Fault::reading(error).into_error();
    let server = engine::recognise(&***client, Some(layout)).await.map_err(reading)?;
    if let Some(refusal) = server.refusal() {
        // On another engine the statements below may mean something else.
        refusals.insert(0, SweepError::Engine(refusal));
        return Ok(Err(refusals));
    }
    if pace.strategy == Strategy::Batches && !server.shows_replicas() {
        refusals.extend(
            pace.settings_of_wal().into_iter().map(|key| SweepError::Engine(unwatchable(&server, key))),
        );
    }
    let transaction = client.build_transaction().read_only(true).start().await.map_err(reading)?;
    // The caller has waited for the tables.
    tokens::settings::of_an_admission(&transaction).await.map_err(reading)?;
    let excluded = Excluded::resolve(&*transaction, layout, sweeps).await?;
    let mut admission =
        Admission { excluded, vetoes: false, checks: Checks::Triggers, fallback: None, rewrite: None };
    match pace.strategy {
        Strategy::Batches => {
            let blocking = tokens::blocking_rows(&*transaction, layout, sweeps).await?;
            if !blocking.is_empty() {
                refusals.push(SweepError::BlockingRows(blocking));
            }
            admission.vetoes = tokens::has_vetoes(&*transaction, &tables).await?;
            match (find_checks(&*transaction, layout, sweeps, pace.fk_checks).await?, pace.fk_checks) {
                (Ok(checks), _) => admission.checks = checks,
                (Err(unmet), FkChecks::Auto) => admission.fallback = Some(super::error::unmet_texts(&unmet)),
                (Err(unmet), FkChecks::Triggers | FkChecks::Set) => {
                    refusals.push(SweepError::FkChecks(unmet));
                }
            }
        }
        Strategy::Rewrite => {
            let mut unmet = Vec::new();
            if pace.max_rows.is_some() {
                unmet.push(UnmetCondition::here("max_rows is set, and a rewrite is all or nothing"));
            }
            match Rewrite::find(&*transaction, layout, sweeps, admission.excluded.clone()).await? {
                Ok(rewrite) => admission.rewrite = Some(rewrite),
                Err(more) => unmet.extend(more),
            }
            if !unmet.is_empty() {
                refusals.push(SweepError::Rewrite(unmet));
            }
            // Without the triggers it is faster. They would find nothing: every row was there before.
            if tokens::settings::silence(&transaction).await.is_err()
                && let Some(rewrite) = &mut admission.rewrite
            {
                rewrite.keep_triggers();
            }
        }
    }
    Ok(if refusals.is_empty() { Ok(admission) } else { Err(refusals) })
}

/// Why a setting that watches the WAL has nothing to watch.
fn unwatchable(server: &Engine, key: &str) -> String {
    if key == "max_replica_lag" {
        return format!(
            "{server} does not show its replicas in pg_stat_replication, so `max_replica_lag` cannot wait for them"
        );
    }
    format!("{server} has no WAL of PostgreSQL's, so `{key}` cannot watch it")
}

/// What looks at references, or why it cannot be what is asked for. The last thing that a transaction does: it tries to
/// switch triggers off.
async fn find_checks(
    client: &impl GenericClient,
    layout: &Layout,
    sweeps: &[Sweep],
    wanted: FkChecks,
) -> Result<Result<Checks, Vec<UnmetCondition>>, TokensError> {
    if wanted == FkChecks::Triggers {
        return Ok(Ok(Checks::Triggers));
    }
    let found = Found::find(client, layout, sweeps, None).await?;
    if let (Found::Fit(definer), FkChecks::Auto) = (&found, wanted) {
        return Ok(Ok(Checks::Definer(*definer)));
    }
    let mut unmet = match Silent::find(client, layout, sweeps).await? {
        Ok(silent) => return Ok(Ok(Checks::Silent(silent))),
        Err(unmet) => unmet,
    };
    match found {
        Found::Fit(definer) if unmet.iter().all(|condition| condition.role) => {
            return Ok(Ok(Checks::Definer(definer)));
        }
        Found::Fit(_) | Found::Absent => {}
        Found::Unfit(reasons) => unmet.extend(reasons.into_iter().map(UnmetCondition::of_role)),
    }
    Ok(Err(unmet))
}

/// The tables that the sweeps read or change.
fn tables<'a>(layout: &'a Layout, sweeps: &[Sweep]) -> Vec<&'a Table> {
    [TableRole::RefreshToken, TableRole::AccessToken]
        .into_iter()
        .chain(sweeps.iter().flat_map(|sweep| sweep.tables().iter().copied()))
        .filter_map(|role| layout.table(role))
        .collect()
}

/// The tables that policies may hide rows of: DOT's, and those whose rows are deleted or changed along.
fn hidden(layout: &Layout, tables: &[&Table]) -> Option<SweepError> {
    let along: Vec<Along<'_>> = tables.iter().map(|table| Along::new(layout, table)).collect();
    let along = along.iter().flat_map(Along::references).map(|(_, reference)| reference);
    let along = along.filter(|reference| reference.row_security && reference.treatment.is_ours());
    let own = tables.iter().filter(|table| table.row_security).map(|table| table.sql());
    let mut hidden: Vec<String> = own.chain(along.map(|reference| reference.from_table.clone())).collect();
    hidden.sort();
    hidden.dedup();
    (!hidden.is_empty()).then_some(SweepError::RowSecurity(hidden))
}
