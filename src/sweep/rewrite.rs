//! `strategy = "rewrite"`: one transaction that locks the token tables and writes what stays anew.
//!
//! All or nothing: whatever ends it before its commit, nothing has happened. Prints nothing.

use std::time::{Duration, Instant};

use super::account::{Account, Remedy};
use super::connection::{Connection, Fault, database, fault};
use super::{Batch, Event, Stop, SweepError, Transient};
use crate::db::tokens::{Rewrite, Rewritten};
use crate::model::{Sweep, Tally};

/// While the lock is waited for, everybody else waits behind it.
const TIMEOUTS: &str = "SET LOCAL lock_timeout = '1s'; SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// Rewrites the tables.
pub(super) async fn run(
    connection: &mut Connection<'_>,
    account: &Account<'_>,
    rewrite: &Rewrite<'_>,
    sweeps: &[Sweep],
) -> Result<Stop, SweepError> {
    let Some(first) = sweeps.first() else { return Ok(Stop::Finished) };
    loop {
        if let Some(stop) = account.must_stop() {
            return Ok(stop);
        }
        let started = Instant::now();
        let (reason, error) = match attempt(connection, account, rewrite).await {
            Ok(Ok(rewritten)) => {
                report(account, sweeps, &rewritten, started.elapsed());
                return Ok(Stop::Finished);
            }
            Ok(Err(stop)) => return Ok(stop),
            Err(Fault::Transient(reason, error)) => (reason, error),
            Err(fault) => return Err(fault.into_error()),
        };
        if reason == Transient::Disconnected {
            // It may have been the COMMIT: a second try would find nothing to do, and say so.
            return Err(error);
        }
        if let Remedy::End(stop) = account.remedy(first, reason, error, false).await? {
            return Ok(stop);
        }
    }
}

async fn attempt(
    connection: &mut Connection<'_>,
    account: &Account<'_>,
    rewrite: &Rewrite<'_>,
) -> Result<Result<Rewritten, Stop>, Fault> {
    let client = connection.client().await?;
    let began = client.build_transaction().start().await;
    let transaction = began.map_err(|source| database("beginning a rewrite", source))?;
    transaction
        .batch_execute(&format!("{TIMEOUTS}; {}", rewrite.lock()))
        .await
        .map_err(|source| database("locking the token tables", source))?;
    let mut rewritten = Rewritten::default();
    for step in 0..rewrite.steps() {
        if let Some(stop) = account.must_stop() {
            transaction.rollback().await.map_err(|source| database("giving a rewrite up", source))?;
            return Ok(Err(stop));
        }
        rewrite.step(&*transaction, step, &mut rewritten).await.map_err(fault)?;
    }
    transaction.commit().await.map_err(|source| database("committing a rewrite", source))?;
    Ok(Ok(rewritten))
}

/// Tells what happened, sweep by sweep, as if they had been run.
fn report(account: &Account<'_>, sweeps: &[Sweep], rewritten: &Rewritten, elapsed: Duration) {
    for (position, sweep) in sweeps.iter().enumerate() {
        let mut deleted = Tally::ZERO;
        for category in sweep.categories() {
            // Two sweeps may delete revoked refresh tokens, the later one nearly all of them.
            if !sweeps[position + 1..].iter().any(|later| later.categories().contains(&category)) {
                deleted.add(category, rewritten.tally.get(category));
            }
        }
        account.tell(Event::Started { sweep, rows: None });
        let rows = u32::try_from(deleted.total()).unwrap_or(u32::MAX);
        let elapsed = if position == 0 { elapsed } else { Duration::ZERO };
        let batch = Batch { sweep, deleted, examined: deleted.total(), size: rows, elapsed };
        account.tell(Event::Batch(batch));
        account.tell(Event::Finished { sweep, deleted, elapsed });
    }
    account.book_rewritten(rewritten, elapsed);
}
