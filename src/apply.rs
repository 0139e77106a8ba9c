//! Plan → effects: the one writer of the application table.
//!
//! One transaction under an advisory lock: lock, read the touched rows again, compare, write, assert, commit. A
//! failure anywhere leaves every row as it was. The one exception is said out loud: applications with more than
//! [`DRAIN_ABOVE`] dependent rows lose these in batches of their own, after everything else of the plan has been
//! written and checked but before it commits, so that no cascade holds locks for long; the application row stays
//! locked meanwhile, so no new token can appear. Makes no choices, prints nothing, knows no file.

pub mod commit;
mod drain;
mod keys;
mod managed;
mod waiting;

pub use crate::db::advisory::Holder;
pub use drain::drains;

use std::collections::BTreeMap;
use std::time::Duration;

use commit::Written;
use tokio::time::Instant;
use tokio_postgres::{Client, Transaction};
use tokio_util::sync::CancellationToken;

use crate::db::applications::{self, Cell, NewApplication};
use crate::db::error::DbError;
use crate::db::layout::Layout;
use crate::db::lock::Blocked;
use crate::db::{advisory, ledger, session};
use crate::hasher::StoredSecret;
use crate::model::{Attribute, ClientId, ForeignRows, Key};
use crate::plan::{FieldChange, Plan, RowRef, Step, Summary, Value};
use waiting::{bound_waiting, patiently};

/// More dependent rows than this are deleted in batches of this size before the transaction commits.
pub const DRAIN_ABOVE: u32 = 10_000;

const LOCKING: &str = "locking the applications";

/// How often a lock that is taken is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(200);

/// What to execute, and how.
#[derive(Debug)]
pub struct Request<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The new values of `client_secret`, by client id.
    pub secrets: &'a BTreeMap<ClientId, StoredSecret>,
    /// The tables.
    pub layout: &'a Layout,
    /// How long to wait for another apply to end.
    pub lock_timeout: Duration,
    /// Whose applications these are and which run this is, where there is a ledger.
    pub owner: Option<ledger::Owner<'a>>,
    /// Cancelled: stop before anything is committed.
    pub stop: &'a CancellationToken,
}

/// What happens meanwhile.
#[derive(Debug)]
pub enum Event<'a> {
    /// Another apply holds the lock; said once.
    Waiting(Option<&'a Holder>),
    /// Another session holds a row or a table that is needed; said when that changes.
    Blocked(&'a Blocked),
    /// A step was executed (not yet committed).
    Executed(&'a Step),
    /// Number of rows deleted so far that refer to an application to delete.
    Drained {
        /// The application.
        client_id: &'a ClientId,
        /// How many with this batch.
        deleted: u64,
        /// How many so far.
        rows: u64,
        /// How many there were when the plan was made.
        total: u64,
    },
}

/// What happened: all of it is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "an unreported outcome misleads the operator"]
pub struct Outcome {
    /// What was done.
    pub done: Summary,
    /// Rows that hung on deleted applications.
    pub dependents: u64,
    /// Rows of other tables that PostgreSQL deleted or changed with them.
    pub others: Vec<ForeignRows>,
}

/// Why nothing, or nothing but [drained](DRAIN_ABOVE) tokens, happened.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The advisory lock was not free in time.
    #[error("another oauthctl is applying to this database{}", holder_text(.0.as_ref()))]
    Locked(Option<Holder>),
    /// Rows changed since the plan was made.
    #[error("the plan is stale: {} changed since it was made", list(.0))]
    Stale(Vec<ClientId>),
    /// A write touched another number of rows than it should have.
    #[error("{attempted} touched {actual} rows instead of {expected}; everything was rolled back")]
    Affected {
        /// What was attempted.
        attempted: String,
        /// How many rows it had to touch.
        expected: u64,
        /// How many it touched.
        actual: u64,
    },
    /// The user asked to stop; everything was rolled back.
    #[error("interrupted; everything was rolled back")]
    Interrupted,
    /// The plan and the secrets do not belong together.
    #[error("no secret was made for application \"{0}\"")]
    Unsealed(ClientId),
    /// A statement failed; everything was rolled back.
    #[error(transparent)]
    Database(#[from] DbError),
    /// New rows get keys that are taken; everything was rolled back.
    #[error("{failed}")]
    SequenceBehind {
        /// The violation.
        failed: DbError,
        /// The statement that moves the sequence on.
        cure: String,
    },
    /// The connection broke while COMMIT was under way, and it did not happen.
    #[error("the connection was lost at COMMIT, and the server has rolled everything back")]
    LostAtCommit(#[source] DbError),
    /// The connection broke while COMMIT was under way: it may or may not have happened.
    #[error("the connection was lost at COMMIT, so the changes may or may not have been made")]
    Unknown {
        /// How it broke.
        #[source]
        lost: DbError,
        /// What would be there.
        written: Box<Written>,
    },
}

impl ApplyError {
    /// The same without the values that were written: a trigger of the project's may quote its row.
    fn without(self, secrets: &BTreeMap<ClientId, StoredSecret>) -> Self {
        let hide =
            |error: DbError| secrets.values().fold(error, |error, secret| error.without(secret.expose()));
        match self {
            Self::Database(error) => Self::Database(hide(error)),
            Self::SequenceBehind { failed, cure } => Self::SequenceBehind { failed: hide(failed), cure },
            Self::LostAtCommit(error) => Self::LostAtCommit(hide(error)),
            Self::Unknown { lost, written } => Self::Unknown { lost: hide(lost), written },
            Self::Locked(_)
            | Self::Stale(_)
            | Self::Affected { .. }
            | Self::Interrupted
            | Self::Unsealed(_) => self,
        }
    }
}

fn holder_text(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |Holder { pid, application_name, since }| {
        format!(": pid {pid} ({application_name}), since {since}")
    })
}

fn list(client_ids: &[ClientId]) -> String {
    client_ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ")
}

/// Executes the plan on `writer`. `drainer` is a second connection, for a plan that [drains]; without it the same
/// rows go in the one transaction.
pub async fn apply(
    writer: &mut Client,
    drainer: Option<&mut Client>,
    request: &Request<'_>,
    on: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<Outcome, ApplyError> {
    match execute(writer, drainer, request, on).await {
        Ok(outcome) => Ok(outcome),
        Err(error) => Err(without_stored(error.without(request.secrets), writer, request).await),
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
    on: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<Outcome, ApplyError> {
    let layout = request.layout;
    let transaction = writer.transaction().await.map_err(DbError::during("starting the transaction"))?;
    session::begin_apply(&transaction).await.map_err(DbError::during("starting the transaction"))?;
    take_lock(&transaction, request, on).await?;
    bound_waiting(&transaction, request).await?;
    compare(&transaction, request, on).await?;
    for step in &request.plan.steps {
        if let Step::Update { .. } = step {
            go_on(request)?;
            execute_update(&transaction, request, step, on).await?;
            on(Event::Executed(step));
        }
    }
    create(&transaction, request, on).await?;
    if let Some(owner) = request.owner {
        let gone: Vec<&Key> = request.plan.deletions().map(|row| &row.key).collect();
        ledger::record(&transaction, layout, owner, &managed::managed(request.plan), &gone)
            .await
            .map_err(DbError::during("recording in the ledger what this file manages"))?;
    }
    // Django's constraints are deferred: find out now, not at COMMIT, and before anything is drained.
    session::check_constraints(&transaction).await.map_err(DbError::during("checking the foreign keys"))?;
    let (dependents, others) = drain::delete(&transaction, drainer, request, on).await?;
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

async fn take_lock(
    transaction: &Transaction<'_>,
    request: &Request<'_>,
    on: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<(), ApplyError> {
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
async fn compare(
    transaction: &Transaction<'_>,
    request: &Request<'_>,
    on: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<(), ApplyError> {
    let rows: Vec<&RowRef> = request.plan.steps.iter().filter_map(Step::row).collect();
    let keys: Vec<&Key> = rows.iter().map(|row| &row.key).collect();
    // As in the snapshot that the plan was made in: only PostgreSQL's own functions. The writes need the session's
    // path back, because triggers of the project may rely on it.
    let during = || DbError::during(LOCKING);
    let path = session::search_path(transaction).await.map_err(during())?;
    session::set_search_path(transaction, None).await.map_err(during())?;
    let lock = async || applications::lock(transaction, request.layout, &keys).await;
    let locked = patiently(transaction, request, LOCKING, on, lock).await?;
    session::set_search_path(transaction, Some(&path)).await.map_err(during())?;
    let locked: BTreeMap<&Key, _> = locked.iter().map(|row| (&row.key, row)).collect();
    let stale: Vec<ClientId> = rows
        .into_iter()
        .filter(|RowRef { key, client_id, fingerprint }| {
            locked.get(key).is_none_or(|now| now.client_id != *client_id || now.fingerprint != *fingerprint)
        })
        .map(|row| row.client_id.clone())
        .collect();
    if stale.is_empty() { Ok(()) } else { Err(ApplyError::Stale(stale)) }
}

fn go_on(request: &Request<'_>) -> Result<(), ApplyError> {
    if request.stop.is_cancelled() { Err(ApplyError::Interrupted) } else { Ok(()) }
}

fn affected(attempted: impl FnOnce() -> String, expected: u64, actual: u64) -> Result<(), ApplyError> {
    if expected == actual {
        Ok(())
    } else {
        Err(ApplyError::Affected { attempted: attempted(), expected, actual })
    }
}

async fn execute_update(
    transaction: &Transaction<'_>,
    request: &Request<'_>,
    step: &Step,
    on: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<(), ApplyError> {
    let Step::Update { row, client_id, changes, unchanged: _, dependents: _ } = step else { return Ok(()) };
    let cells = changes
        .iter()
        .map(|FieldChange { field, before: _, after }| Ok((field.clone(), cell(request, client_id, after)?)))
        .collect::<Result<Vec<_>, ApplyError>>()?;
    let attempted = format!("updating application \"{client_id}\"");
    let update =
        async || applications::update(transaction, request.layout, &row.key, client_id, &cells).await;
    // The rows are locked by now, and the first statement gets the table's lock for all of them.
    let is_first = request.plan.steps.iter().find(|step| matches!(step, Step::Update { .. })) == Some(step);
    let touched = if is_first {
        patiently(transaction, request, &attempted, on, update).await?
    } else {
        update().await?
    };
    affected(|| attempted, 1, touched)
}

async fn create(
    transaction: &Transaction<'_>,
    request: &Request<'_>,
    on: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<(), ApplyError> {
    let mut rows = Vec::new();
    for step in &request.plan.steps {
        let Step::Create { client_id, fields } = step else { continue };
        let cells = fields
            .iter()
            .map(|setting| Ok((setting.field.clone(), cell(request, client_id, &setting.value)?)))
            .collect::<Result<Vec<(Attribute, Cell<'_>)>, ApplyError>>()?;
        rows.push(NewApplication { client_id, cells });
    }
    let insert = async || applications::insert(transaction, request.layout, &rows).await;
    let inserted = match &rows[..] {
        [] => Ok(0),
        [first, ..] => {
            let attempted = match rows.len() {
                1 => format!("creating application \"{}\"", first.client_id),
                _ => "creating applications".to_owned(),
            };
            patiently(transaction, request, &attempted, on, insert).await
        }
    };
    let inserted = inserted.map_err(|error| match error {
        ApplyError::Database(failed) => keys::insertion(request.layout.application())(failed),
        other => other,
    })?;
    affected(|| "creating applications".to_owned(), rows.len() as u64, inserted)?;
    for step in request.plan.steps.iter().filter(|step| matches!(step, Step::Create { .. })) {
        on(Event::Executed(step));
    }
    Ok(())
}

fn cell<'a>(request: &Request<'a>, client_id: &ClientId, value: &Value) -> Result<Cell<'a>, ApplyError> {
    Ok(match value {
        Value::Absent => Cell::Null,
        Value::Text(text) | Value::Literal(text) => Cell::Text(text.clone()),
        Value::Flag(flag) => Cell::Text(flag.to_string()),
        Value::Uris(uris) => Cell::Text(uris.join(" ")),
        Value::User { key, username: _ } => Cell::Text(key.as_str().to_owned()),
        Value::StoredSecret | Value::Secret { .. } => Cell::Secret(
            request.secrets.get(client_id).ok_or_else(|| ApplyError::Unsealed(client_id.clone()))?,
        ),
    })
}
