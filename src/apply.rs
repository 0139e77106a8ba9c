//! Plan → effects: the one writer of the application table.
//!
//! One transaction under an advisory lock: lock, read the touched rows again, compare, write, assert, commit. A
//! failure anywhere leaves every row as it was. The one exception is said out loud: applications with more than
//! [`DRAIN_ABOVE`] dependent rows lose these in batches of their own, after everything else of the plan has been
//! written and checked but before it commits, so that no cascade holds locks for long; the application row stays
//! locked meanwhile, so no new token can appear. Makes no choices, prints nothing, knows no file.

mod cells;
pub mod commit;
mod drain;
mod error;
mod keys;
mod managed;
mod noted;
mod request;
mod trial;
mod update;
mod waiting;

pub use crate::db::advisory::Holder;
pub use drain::{DRAIN_ABOVE, drains};
pub use error::ApplyError;
pub use request::{Event, Observer, Request};
pub use trial::{Verdict, against_constraints, attribute, writes_rows};

use std::collections::BTreeMap;
use std::time::Duration;

use cells::cell;
use error::affected;
use tokio::time::Instant;
use tokio_postgres::{Client, Transaction};

use crate::db::applications::{self, Cell, NewApplication};
use crate::db::error::DbError;
use crate::db::{advisory, ledger, session};
use crate::model::{Attribute, ClientId, ForeignTally, Key};
use crate::plan::{RowRef, Step, Summary};
use request::Work;
use waiting::{go_on, patiently};

const LOCKING: &str = "locking the applications";

/// How often a lock that is taken is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(200);

/// What happened: all of it is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "an unreported outcome misleads the operator"]
pub struct Outcome {
    /// What was done.
    pub done: Summary,
    /// Rows that referred to deleted applications.
    pub dependents: u64,
    /// Rows of other tables that were deleted or changed with them.
    pub others: ForeignTally,
}

/// Executes the plan on `writer`. `drainer` is a second connection, for a plan that [drains]; without it the same
/// rows go in the one transaction.
pub async fn apply(
    writer: &mut Client,
    drainer: Option<&mut Client>,
    request: &Request<'_>,
    on: Observer<'_>,
) -> Result<Outcome, ApplyError> {
    match execute(writer, drainer, request, on).await {
        Err(error) => Err(without_stored(error.without(request.secrets), writer, request).await),
        done => done,
    }
}

/// The same without the secrets that the rows of the plan hold: a trigger of the project's may quote the row as it was.
async fn without_stored(error: ApplyError, writer: &Client, request: &Request<'_>) -> ApplyError {
    let ApplyError::Database(failed) = error else { return error };
    // What ends a connection are PostgreSQL's own words.
    if !failed.is_of_a_function() || failed.is_connection_lost() {
        return ApplyError::Database(failed);
    }
    let keys: Vec<&Key> = request.plan.steps.iter().filter_map(Step::row).map(|row| &row.key).collect();
    let stored = applications::stored_secrets(writer, request.layout, &keys).await;
    ApplyError::Database(match stored {
        Ok(stored) => stored.iter().fold(failed, |error, secret| error.without(secret.expose())),
        Err(_) => failed.without_words(),
    })
}

async fn execute(
    writer: &mut Client,
    drainer: Option<&mut Client>,
    request: &Request<'_>,
    on: Observer<'_>,
) -> Result<Outcome, ApplyError> {
    let layout = request.layout;
    let transaction = writer.transaction().await.map_err(DbError::during("starting the transaction"))?;
    session::begin_apply(&transaction).await.map_err(DbError::during("starting the transaction"))?;
    let work = Work { transaction: &transaction, request };
    take_lock(work, on).await?;
    // Row locks are waited for as long as the advisory lock at most.
    let limited = session::limit_waiting(&transaction, request.lock_timeout).await;
    limited.map_err(DbError::during("limiting how long locks are waited for"))?;
    compare(work, on).await?;
    update::update(work, on).await?;
    create(work, on).await?;
    if let Some(owner) = request.owner {
        let gone: Vec<&Key> = request.plan.deletions().map(|row| &row.key).collect();
        ledger::record(&transaction, layout, owner, &managed::managed(request.plan), &gone)
            .await
            .map_err(DbError::during("recording in the ledger what this file manages"))?;
    }
    if let Some(run) = request.noted_as {
        noted::note(work, run).await?;
    }
    // Django's constraints are deferred: find out now, not at COMMIT, and before anything is drained.
    let checked = session::check_constraints(&transaction).await;
    checked.map_err(DbError::during("checking the foreign keys")).map_err(ApplyError::refused(None))?;
    let (dependents, others) = drain::delete(work, drainer, on).await?;
    go_on(request)?;
    let written = Box::new(commit::written(&transaction, request).await?);
    transaction.commit().await.map_err(|error| {
        let lost = DbError::new("committing the changes", error);
        // A server that ends the session here may have committed before: it waits for standbys afterwards.
        if lost.is_connection_lost() {
            ApplyError::Unknown { lost, written }
        } else {
            ApplyError::Database(lost)
        }
    })?;
    Ok(Outcome { done: request.plan.summary(), dependents, others })
}

async fn take_lock(Work { transaction, request }: Work<'_>, on: Observer<'_>) -> Result<(), ApplyError> {
    let table = request.layout.application().oid;
    let deadline = Instant::now() + request.lock_timeout;
    let mut announced = false;
    loop {
        if advisory::take(transaction, table).await.map_err(DbError::during("taking the lock"))? {
            return Ok(());
        }
        let expired = Instant::now() >= deadline;
        if expired || !announced {
            let holder = advisory::holder(transaction, table).await;
            let holder = holder.map_err(DbError::during("finding out who holds the lock"))?;
            if expired {
                return Err(ApplyError::Locked(holder));
            }
            on(Event::Waiting(holder.as_ref()));
            announced = true;
        }
        let pause = LOCK_RETRY.min(deadline.saturating_duration_since(Instant::now()));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = request.stop.cancelled() => return Err(ApplyError::Interrupted),
        }
    }
}

/// Reads the rows again, locked, and refuses when they are not the ones that the plan saw.
async fn compare(Work { transaction, request }: Work<'_>, on: Observer<'_>) -> Result<(), ApplyError> {
    let rows: Vec<&RowRef> = request.plan.steps.iter().filter_map(Step::row).collect();
    let keys: Vec<&Key> = rows.iter().map(|row| &row.key).collect();
    // As in the snapshot that the plan was made in: only PostgreSQL's own functions. The writes need the session's
    // path back, because triggers of the project may rely on it.
    let during = || DbError::during(LOCKING);
    let path = session::search_path(transaction).await.map_err(during())?;
    session::set_search_path(transaction, None).await.map_err(during())?;
    let lock = async || applications::lock(transaction, request.layout, &keys).await;
    let locked = patiently(Work { transaction, request }, LOCKING, on, lock).await?;
    let named: Vec<&ClientId> = request.plan.steps.iter().filter_map(new_name).collect();
    let taken = applications::existing(transaction, request.layout, &named).await?;
    session::set_search_path(transaction, Some(&path)).await.map_err(during())?;
    let locked: BTreeMap<&Key, _> = locked.iter().map(|row| (&row.key, row)).collect();
    let stale: Vec<ClientId> = rows
        .into_iter()
        .filter(|RowRef { key, client_id, fingerprint }| {
            locked.get(key).is_none_or(|now| now.client_id != *client_id || now.fingerprint != *fingerprint)
        })
        .map(|row| row.client_id.clone())
        .chain(taken)
        .collect();
    if stale.is_empty() { Ok(()) } else { Err(ApplyError::Stale(stale)) }
}

/// A client id that no row had when the plan was made.
fn new_name(step: &Step) -> Option<&ClientId> {
    match step {
        Step::Create { client_id, .. } => Some(client_id),
        Step::Update { row, client_id, .. } => Some(client_id).filter(|name| **name != row.client_id),
        Step::Adopt { .. } | Step::Delete { .. } => None,
    }
}

async fn create(work: Work<'_>, on: Observer<'_>) -> Result<(), ApplyError> {
    let steps = work.request.plan.steps.iter();
    let steps: Vec<&Step> = steps.filter(|step| matches!(step, Step::Create { .. })).collect();
    for set in steps.chunks(applications::SET) {
        create_set(work, set, on).await?;
    }
    for step in steps {
        on(Event::Executed(step));
    }
    Ok(())
}

async fn create_set(
    Work { transaction, request }: Work<'_>,
    steps: &[&Step],
    on: Observer<'_>,
) -> Result<(), ApplyError> {
    let mut rows = Vec::with_capacity(steps.len());
    for step in steps {
        let Step::Create { client_id, fields } = step else { continue };
        let cells = fields
            .iter()
            .map(|setting| Ok((setting.field.clone(), cell(request, client_id, &setting.value)?)))
            .collect::<Result<Vec<(Attribute, Cell<'_>)>, ApplyError>>()?;
        rows.push(NewApplication { client_id, cells });
    }
    let insert = async || applications::insert(transaction, request.layout, &rows).await;
    let attempted = match &rows[..] {
        [only] => format!("creating application \"{}\"", only.client_id),
        _ => "creating applications".to_owned(),
    };
    let inserted = match patiently(Work { transaction, request }, &attempted, on, insert).await {
        Err(ApplyError::Database(failed)) if failed.violated().is_some() && rows.len() > 1 => {
            Err(culprit(transaction, request, &rows).await?.unwrap_or(ApplyError::Database(failed)))
        }
        Err(error) => Err(rows.iter().fold(error, |error, row| error.of(row.client_id))),
        done => done,
    };
    let inserted = inserted.map_err(|error| keys::insertion(request.layout.application(), error))?;
    affected("creating applications", rows.len() as u64, inserted)
}

/// One statement has written many rows: which of them is refused, row by row. All is rolled back afterwards.
async fn culprit(
    transaction: &Transaction<'_>,
    request: &Request<'_>,
    rows: &[NewApplication<'_>],
) -> Result<Option<ApplyError>, DbError> {
    session::undo_attempt(transaction)
        .await
        .map_err(DbError::during("looking for the row that is refused"))?;
    for row in rows {
        if let Err(error) = applications::insert(transaction, request.layout, std::slice::from_ref(row)).await
        {
            return Ok(Some(ApplyError::from(error).of(row.client_id)));
        }
    }
    Ok(None)
}
