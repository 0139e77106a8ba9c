//! `strategy = "rewrite"`: one transaction that puts aside what stays, locks the token tables, and writes them anew.
//!
//! All or nothing: if it ends before its commit, nothing has changed. Prints nothing.

use std::ops::Range;
use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use futures_util::future::join_all;
use tokio_postgres::types::Oid;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::account::{Account, AfterFailure};
use super::attended::attended;
use super::connection::{Connection, Fault, database, fault};
use super::{Batch, Canceller, Disk, Event, Stop, SweepError, Transient};
use crate::db::error::DbError;
use crate::db::lock::Wanted;
use crate::db::patience;
use crate::db::tokens::{Phase, Rewrite, Rewritten, TokensError, is_in_the_way};
use crate::db::transaction::{Verdict, current};
use crate::model::{Sweep, Tally};

/// How the transaction ended.
enum End {
    Committed(Rewritten, Disk, Duration),
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
    /// How long the tables were locked.
    locked: Duration,
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
        let end = match attempt(connection, account, rewrite, first).await {
            Ok(End::Unseen(unseen, error)) => {
                match resolve(connection, account, rewrite, first, *unseen, error).await? {
                    Some(end) => Ok(end),
                    None => continue,
                }
            }
            end => end,
        };
        let (reason, error) = match end {
            Ok(End::Committed(rewritten, disk, locked)) => {
                report(account, sweeps, &rewritten, started.elapsed());
                account.book(|outcome| outcome.longest = outcome.longest.max(locked));
                let disk = tidy(connection, account, rewrite, disk).await;
                account.book(|outcome| (outcome.disk, outcome.exclusive) = (Some(disk), Some(locked)));
                return Ok(Stop::Finished);
            }
            Ok(End::Stopped(stop)) => return Ok(stop),
            Ok(End::Unseen(_, error)) => return Err(error),
            Err(Fault::Transient(reason, error)) => (reason, error),
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
    first: &Sweep,
) -> Result<End, Fault> {
    let client = connection.client().await?;
    let canceller = (account.cancel)(client);
    // Each statement sees what was committed before it, so what follows the lock sees all.
    let began = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await;
    let mut transaction = began.map_err(database("beginning a rewrite"))?;
    rewrite.begin(&transaction).await.map_err(database("beginning a rewrite"))?;
    let mut rewritten = Rewritten::default();
    let before_the_lock = rewrite.steps_before_the_lock();
    let mut stop =
        steps(&transaction, account, rewrite, &canceller, 0..before_the_lock, &mut rewritten).await?;
    if stop.is_none() {
        stop = lock(&mut transaction, account, rewrite, first).await?;
    }
    let locked = Instant::now();
    let mut before = 0;
    if stop.is_none() {
        rewrite.assert_same(&*transaction).await.map_err(fault)?;
        before = rewrite.size(&*transaction).await.map_err(fault)?;
        let rest = before_the_lock..rewrite.steps();
        stop = steps(&transaction, account, rewrite, &canceller, rest, &mut rewritten).await?;
    }
    if let Some(stop) = stop {
        // With the connection the transaction ends too: it is rolled back.
        drop(transaction);
        connection.close();
        return Ok(End::Stopped(stop));
    }
    let files = rewrite.files(&*transaction).await.map_err(fault)?;
    let xid = current(&*transaction).await.map_err(database("finishing a rewrite"))?;
    let committed = transaction.commit().await;
    let locked = locked.elapsed();
    match committed {
        Ok(()) => Ok(End::Committed(rewritten, Disk { before, after: before }, locked)),
        Err(source) => {
            let error = DbError::new("committing a rewrite", source);
            if error.is_connection_lost() {
                let unseen = Box::new(Unseen { xid, rewritten, before, files, locked });
                Ok(End::Unseen(unseen, TokensError::from(error).into()))
            } else {
                Err(fault(error.into()))
            }
        }
    }
}

/// Does some steps; `Some`: the run must end.
async fn steps(
    transaction: &Transaction<'_>,
    account: &Account<'_>,
    rewrite: &Rewrite<'_>,
    canceller: &Canceller,
    numbers: Range<usize>,
    rewritten: &mut Rewritten,
) -> Result<Option<Stop>, Fault> {
    for step in numbers {
        if let Some(stop) = account.must_stop() {
            return Ok(Some(stop));
        }
        let (phase, table) = rewrite.describe(step);
        let work = rewrite.step(transaction, step, rewritten);
        let (number, of) = (step + 1, rewrite.steps() + 1);
        let tell = |elapsed| account.tell(Event::Step { phase, table, number, of, elapsed });
        match (attended(account, canceller, tell, work).await, account.must_stop()) {
            (Ok(()), _) => {}
            (Err(TokensError::Database(_)), Some(stop)) => return Ok(Some(stop)),
            (Err(error), _) => return Err(fault(error)),
        }
    }
    Ok(account.must_stop())
}

/// Locks the tables, in short tries: what was put aside is kept meanwhile, unless another session waits for these tables,
/// which it has been reading all the time. `Some`: the run must end.
async fn lock(
    transaction: &mut Transaction<'_>,
    account: &Account<'_>,
    rewrite: &Rewrite<'_>,
    first: &Sweep,
) -> Result<Option<Stop>, Fault> {
    let locking = "locking the token tables";
    loop {
        if let Some(stop) = account.must_stop() {
            return Ok(Some(stop));
        }
        let attempt = transaction.savepoint("lock").await.map_err(database(locking))?;
        let error = match rewrite.lock(&attempt).await {
            Ok(()) => {
                attempt.commit().await.map_err(database(locking))?;
                return Ok(None);
            }
            Err(error) => database(locking)(error),
        };
        let Fault::Transient(reason @ Transient::Locked, error) = error else { return Err(error) };
        attempt.rollback().await.map_err(database(locking))?;
        account.note_blocked(patience::who(transaction, Some(&account.tables), Wanted::Exclusive).await.ok());
        if is_in_the_way(transaction).await.map_err(database(locking))? {
            return Err(Fault::Transient(reason, error));
        }
        if let AfterFailure::End(stop) = account.after_failure(first, reason, error, false).await? {
            return Ok(Some(stop));
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
                let Unseen { rewritten, before, locked, .. } = unseen;
                return Ok(Some(End::Committed(rewritten, Disk { before, after: before }, locked)));
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
    let another = connection.another().await;
    let client = match connection.client().await {
        Ok(client) => client,
        Err(fault) => {
            account.tell(Event::Unvacuumed { reason: &fault.into_error().detail() });
            return disk;
        }
    };
    let clients: Vec<&Client> =
        std::iter::once(&***client).chain(another.as_ref().map(|client| &***client)).collect();
    let canceller = all(clients.iter().map(|client| (account.cancel)(client)).collect());
    let number = rewrite.steps() + 1;
    let event = |elapsed| Event::Step { phase: Phase::Vacuum, table: None, number, of: number, elapsed };
    let tell = |elapsed| account.tell(event(elapsed));
    match attended(account, &canceller, tell, rewrite.vacuum(&clients)).await {
        Ok(passed_over) if passed_over.is_empty() => {}
        Ok(passed_over) => {
            let reason = format!("the role does not own {}", passed_over.join(", "));
            account.tell(Event::Unvacuumed { reason: &reason });
        }
        Err(error) => account.tell(Event::Unvacuumed { reason: &SweepError::from(error).detail() }),
    }
    if account.must_stop().is_some() {
        // A cancel request may still be on its way.
        drop(another.map(Object::take));
        connection.close();
    }
    let Ok(client) = connection.client().await else { return disk };
    let after = rewrite.size(&***client).await.unwrap_or(disk.after);
    Disk { after, ..disk }
}

/// Cancels what runs on any of several connections.
fn all(cancellers: Vec<Canceller>) -> Canceller {
    Box::new(move || {
        let requests: Vec<_> = cancellers.iter().map(|cancel| cancel()).collect();
        Box::pin(async move { drop(join_all(requests).await) })
    })
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
    });
}
