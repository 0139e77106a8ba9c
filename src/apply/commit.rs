//! A COMMIT without an answer: what was written, to be recognised over another connection.
//!
//! The server knows whether the transaction was committed. After a crash it may have given its number to another
//! transaction, so "committed" is believed only if the rows are as this transaction left them.

use std::time::Duration;

use tokio_postgres::{GenericClient, Transaction};

use super::request::Request;
use crate::db::applications;
use crate::db::error::DbError;
use crate::db::layout::Layout;
use crate::db::transaction::{self, Verdict};
use crate::model::ClientId;
use crate::plan::Step;

/// How often and how long a server is asked that is still busy with the transaction.
const ASK: (u32, Duration) = (50, Duration::from_millis(200));

/// What a transaction has written, as it sees it itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// `None`: it has written nothing.
    xid: Option<i64>,
    client_ids: Vec<ClientId>,
    /// Which versions of their rows there were.
    versions: String,
}

/// Looks at what has been written, just before COMMIT.
pub(super) async fn written(
    transaction: &Transaction<'_>,
    request: &Request<'_>,
) -> Result<Written, DbError> {
    let xid = transaction::assigned(transaction)
        .await
        .map_err(DbError::during("asking for the number of the transaction"))?;
    let mut client_ids: Vec<ClientId> = request.plan.steps.iter().flat_map(names).cloned().collect();
    client_ids.sort();
    client_ids.dedup();
    let versions = applications::versions(transaction, request.layout, &client_ids).await?;
    Ok(Written { xid, client_ids, versions })
}

/// What the row of a step is called before and after it.
fn names(step: &Step) -> Vec<&ClientId> {
    match step {
        Step::Create { client_id, .. } => vec![client_id],
        Step::Update { row, client_id, .. } => vec![&row.client_id, client_id],
        Step::Adopt { row } | Step::Delete { row, .. } => vec![&row.client_id],
    }
}

/// Asks over another connection whether it was committed.
///
/// # Errors
/// When the server cannot be asked.
pub async fn fate(
    client: &impl GenericClient,
    layout: &Layout,
    written: &Written,
) -> Result<Verdict, DbError> {
    let Written { xid, client_ids, versions } = written;
    let Some(xid) = *xid else { return Ok(Verdict::Committed) };
    let (times, pause) = ASK;
    for _ in 0..times {
        match transaction::fate(client, xid).await? {
            Verdict::Running => tokio::time::sleep(pause).await,
            Verdict::Committed if applications::versions(client, layout, client_ids).await? != *versions => {
                return Ok(Verdict::Unknown);
            }
            verdict => return Ok(verdict),
        }
    }
    Ok(Verdict::Unknown)
}
