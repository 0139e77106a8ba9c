//! `strategy = "rewrite"`: one transaction that locks the token tables and writes what stays anew.
//!
//! All or nothing: whatever ends it before its commit, nothing has happened. Prints nothing.

use std::time::{Duration, Instant};

use super::account::{Account, Remedy};
use super::connection::{Connection, Fault, database, fault};
use super::{Batch, Event, Stop, SweepError, Transient};
use crate::db::layout::Layout;
use crate::db::tokens::{Excluded, Rewrite, Rewritten, SILENCE};
use crate::model::{Sweep, Tally};

/// While the lock is waited for, everybody else waits behind it.
const TIMEOUTS: &str = "SET LOCAL lock_timeout = '1s'; SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// Rewrites the tables, or says why not.
pub(super) async fn run(
    connection: &mut Connection<'_>,
    account: &Account<'_>,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<Stop, SweepError> {
    let Some(first) = sweeps.first() else { return Ok(Stop::Finished) };
    let (rewrite, silent) = prepare(connection, account, layout, sweeps).await?;
    loop {
        if let Some(stop) = account.must_stop() {
            return Ok(stop);
        }
        let started = Instant::now();
        let (reason, error) = match attempt(connection, account, &rewrite, silent).await {
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

async fn prepare<'l>(
    connection: &mut Connection<'_>,
    account: &Account<'_>,
    layout: &'l Layout,
    sweeps: &'l [Sweep],
) -> Result<(Rewrite<'l>, bool), SweepError> {
    let client = connection.client().await.map_err(Fault::into_error)?;
    let reading = client.build_transaction().read_only(true).start().await;
    let reading = reading.map_err(|error| Fault::reading(error).into_error())?;
    let excluded = Excluded::resolve(&*reading, layout, sweeps).await?;
    let mut reasons = Vec::new();
    if account.pace.max_rows.is_some() {
        reasons.push("max_rows is set, and a rewrite is all or nothing".to_owned());
    }
    let mut rewrite = match Rewrite::find(&*reading, layout, sweeps, excluded).await? {
        Ok(rewrite) if reasons.is_empty() => rewrite,
        Ok(_) => return Err(SweepError::Rewrite(reasons)),
        Err(more) => {
            reasons.extend(more);
            return Err(SweepError::Rewrite(reasons));
        }
    };
    // Without the triggers it is faster. They would find nothing: every row was there before.
    let silent = reading.batch_execute(SILENCE).await.is_ok();
    if !silent {
        rewrite.keep_indexes();
    }
    Ok((rewrite, silent))
}

async fn attempt(
    connection: &mut Connection<'_>,
    account: &Account<'_>,
    rewrite: &Rewrite<'_>,
    silent: bool,
) -> Result<Result<Rewritten, Stop>, Fault> {
    let client = connection.client().await?;
    let began = client.build_transaction().start().await;
    let transaction = began.map_err(|source| database("beginning a rewrite", source))?;
    let silence = if silent { SILENCE } else { "" };
    transaction
        .batch_execute(&format!("{TIMEOUTS}; {silence}; {}", rewrite.lock()))
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
