//! `strategy = "rewrite"`: one transaction that locks the token tables and writes what stays anew.
//!
//! All or nothing: if it ends before its commit, nothing has changed. Prints nothing.

use std::time::{Duration, Instant};

use tokio_postgres::types::Oid;

use super::account::{Account, AfterFailure};
use super::attended::attended;
use super::connection::{Connection, Fault, database, fault};
use super::{Batch, Disk, Event, Stop, SweepError, Transient};
use crate::db::error::DbError;
use crate::db::lock::Wanted;
use crate::db::tokens::{Phase, Rewrite, Rewritten, TokensError};
use crate::db::transaction::{Verdict, current};
use crate::model::{Sweep, Tally};

/// How the transaction ended.
enum End {
    Committed(Rewritten, Disk),
    /// It was rolled back, because the run must end.
    Stopped(Stop),
    /// The connection was lost at COMMIT.
    Unseen(Box<Unseen>, SweepError),
}

/// A transaction whose COMMIT was not answered.
struct Unseen {
    xid: i64,
    rewritten: Rewritten,
    before: u64,
    /// The files that it gave the tables.
    files: Vec<Option<Oid>>,
}

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
        let end = match attempt(connection, account, rewrite).await {
            Ok(End::Unseen(unseen, error)) => {
                match resolve(connection, account, rewrite, first, *unseen, error).await? {
                    Some(end) => Ok(end),
                    None => continue,
                }
            }
            end => end,
        };
        let (reason, error) = match end {
            Ok(End::Committed(rewritten, disk)) => {
                report(account, sweeps, &rewritten, started.elapsed());
                let disk = tidy(connection, account, rewrite, disk).await;
                account.book(|outcome| outcome.disk = Some(disk));
                return Ok(Stop::Finished);
            }
            Ok(End::Stopped(stop)) => return Ok(stop),
            Ok(End::Unseen(_, error)) => return Err(error),
            Err(Fault::Transient(reason, error)) => {
                if reason == Transient::Locked {
                    account.note_blocked(connection.blocked(&account.tables, Wanted::Exclusive).await.ok());
                }
                (reason, error)
            }
            Err(fault) => return Err(fault.into_error()),
        };
        if let AfterFailure::End(stop) = account.after_failure(first, reason, error, false).await? {
            return Ok(stop);
        }
    }
}

async fn attempt(
    connection: &mut Connection<'_>,
    account: &Account<'_>,
    rewrite: &Rewrite<'_>,
) -> Result<End, Fault> {
    let client = connection.client().await?;
    let canceller = (account.cancel)(client);
    let began = client.build_transaction().start().await;
    let transaction = began.map_err(database("beginning a rewrite"))?;
    rewrite.lock(&transaction).await.map_err(database("locking the token tables"))?;
    rewrite.assert_same(&*transaction).await.map_err(fault)?;
    let before = rewrite.size(&*transaction).await.map_err(fault)?;
    let mut rewritten = Rewritten::default();
    for step in 0..rewrite.steps() {
        if account.must_stop().is_some() {
            break;
        }
        let (phase, table) = rewrite.describe(step);
        let work = rewrite.step(&*transaction, step, &mut rewritten);
        let (number, of) = (step + 1, rewrite.steps() + 1);
        let tell = |elapsed| account.tell(Event::Step { phase, table, number, of, elapsed });
        match (attended(account, &canceller, tell, work).await, account.must_stop()) {
            (Ok(()), _) => {}
            (Err(TokensError::Database(_)), Some(_)) => break,
            (Err(error), _) => return Err(fault(error)),
        }
    }
    if let Some(stop) = account.must_stop() {
        // With the connection the transaction ends too: it is rolled back.
        drop(transaction);
        connection.close();
        return Ok(End::Stopped(stop));
    }
    let files = rewrite.files(&*transaction).await.map_err(fault)?;
    let xid = current(&*transaction).await.map_err(database("finishing a rewrite"))?;
    match transaction.commit().await {
        Ok(()) => Ok(End::Committed(rewritten, Disk { before, after: before })),
        Err(source) => {
            let error = DbError::new("committing a rewrite", source);
            if error.is_connection_lost() {
                let unseen = Box::new(Unseen { xid, rewritten, before, files });
                Ok(End::Unseen(unseen, TokensError::from(error).into()))
            } else {
                Err(fault(error.into()))
            }
        }
    }
}

/// Finds out whether a rewrite was committed whose COMMIT was not answered; `None`: it was not.
///
/// A server that crashed may have given the transaction's number to another transaction, so that "committed" alone says
/// little: the tables have the files that the rewrite gave them, or it did not happen.
async fn resolve(
    connection: &mut Connection<'_>,
    account: &Account<'_>,
    rewrite: &Rewrite<'_>,
    sweep: &Sweep,
    unseen: Unseen,
    lost: SweepError,
) -> Result<Option<End>, SweepError> {
    let mut failed = lost;
    loop {
        if let AfterFailure::End(stop) =
            account.after_failure(sweep, Transient::Disconnected, failed, false).await?
        {
            account.book_unseen();
            return Ok(Some(End::Stopped(stop)));
        }
        let found = match connection.fate(unseen.xid).await {
            Ok(verdict) => files(connection, rewrite).await.map(|files| (verdict, files == unseen.files)),
            Err(fault) => Err(fault),
        };
        match found {
            Ok((Verdict::Committed | Verdict::Unknown | Verdict::Running, true)) => {
                let Unseen { rewritten, before, .. } = unseen;
                return Ok(Some(End::Committed(rewritten, Disk { before, after: before })));
            }
            Ok((Verdict::Aborted | Verdict::Committed, _)) => return Ok(None),
            Ok((Verdict::Unknown | Verdict::Running, false)) => {
                account.book_unseen();
                return Err(TokensError::Lost.into());
            }
            Err(Fault::Transient(Transient::Disconnected, error)) => failed = error,
            Err(fault) => return Err(fault.into_error()),
        }
    }
}

async fn files(connection: &mut Connection<'_>, rewrite: &Rewrite<'_>) -> Result<Vec<Option<Oid>>, Fault> {
    let client = connection.client().await?;
    rewrite.files(&***client).await.map_err(fault)
}

/// Statistics and the visibility map are gone with the old files. Returns what the tables take now.
async fn tidy(
    connection: &mut Connection<'_>,
    account: &Account<'_>,
    rewrite: &Rewrite<'_>,
    disk: Disk,
) -> Disk {
    let client = match connection.client().await {
        Ok(client) => client,
        Err(fault) => {
            account.tell(Event::Unvacuumed { reason: &fault.into_error().detail() });
            return disk;
        }
    };
    let canceller = (account.cancel)(client);
    let number = rewrite.steps() + 1;
    let event = |elapsed| Event::Step { phase: Phase::Vacuum, table: None, number, of: number, elapsed };
    let tell = |elapsed| account.tell(event(elapsed));
    match attended(account, &canceller, tell, rewrite.vacuum(&***client)).await {
        Ok(passed_over) if passed_over.is_empty() => {}
        Ok(passed_over) => {
            let reason = format!("the role does not own {}", passed_over.join(", "));
            account.tell(Event::Unvacuumed { reason: &reason });
        }
        Err(error) => account.tell(Event::Unvacuumed { reason: &SweepError::from(error).detail() }),
    }
    if account.must_stop().is_some() {
        connection.close();
    }
    let Ok(client) = connection.client().await else { return disk };
    let after = rewrite.size(&***client).await.unwrap_or(disk.after);
    Disk { after, ..disk }
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
        let batch = Batch { sweep, deleted, others: 0, examined: deleted.total(), size: rows, elapsed };
        account.tell(Event::Batch(batch));
        account.tell(Event::Finished { sweep, deleted, elapsed });
    }
    account.book(|outcome| {
        outcome.deleted += rewritten.tally;
        outcome.detached += rewritten.detached;
        outcome.batches += 1;
        outcome.busy += elapsed;
        outcome.longest = outcome.longest.max(elapsed);
    });
}
