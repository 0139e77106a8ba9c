//! What is executed, and what is told meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::Transaction;
use tokio_util::sync::CancellationToken;

use crate::db::advisory::Holder;
use crate::db::layout::Layout;
use crate::db::ledger;
use crate::db::lock::Blocked;
use crate::hasher::StoredSecret;
use crate::model::ClientId;
use crate::plan::{Plan, Step};

/// What to execute, and how.
#[derive(Debug)]
pub struct Request<'a> {
    pub plan: &'a Plan,
    /// The new values of `client_secret`, by client id.
    pub secrets: &'a BTreeMap<ClientId, StoredSecret>,
    pub layout: &'a Layout,
    /// How long to wait for another apply to end.
    pub lock_timeout: Duration,
    /// Whose applications these are and which run this is, if what a file manages is noted.
    pub owner: Option<ledger::Owner<'a>>,
    /// The run that this is in the ledger, if its steps are noted.
    pub noted_as: Option<i64>,
    /// Cancelled: stop before anything is committed.
    pub stop: &'a CancellationToken,
}

/// A request, and the transaction that executes it.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub transaction: &'a Transaction<'a>,
    pub request: &'a Request<'a>,
}

/// Is called with everything that happens meanwhile.
pub type Observer<'a> = &'a mut (dyn FnMut(Event<'_>) + Send);

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
        client_id: &'a ClientId,
        /// How many with this batch.
        deleted: u64,
        /// How many so far.
        rows: u64,
        /// How many there were when the plan was made.
        total: u64,
    },
}
