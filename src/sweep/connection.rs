//! One connection and one transaction at a time: attempts a batch and says whether it was committed.
//!
//! After every error the server has rolled the batch back, with one exception: if the connection is lost at COMMIT, the
//! server is asked. Retries nothing itself.

use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};
use tokio_postgres::types::Oid;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::cancel::Cancel;
use super::error::SweepError;
use super::event::Transient;
use super::pace::Way;
use crate::db::error::{DbError, Meaning};
use crate::db::lock::{Blocked, Wanted};
use crate::db::patience;
use crate::db::tokens::settings::{self, Joins};
use crate::db::tokens::{Cleaner, Taken, TokensError, Window};
use crate::db::transaction::{Verdict, assigned, fate};
use crate::model::Key;

const READING: &str = "reading the token tables";

/// How often the server is asked about a transaction that it is still busy with.
const VERDICTS: u32 = 20;

/// A committed batch.
#[derive(Debug)]
pub(super) struct Done {
    pub taken: Taken,
    pub elapsed: Duration,
}

/// Why a batch was not committed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The batch can be retried.
    Transient(Transient, SweepError),
    /// The connection was lost at COMMIT.
    Unseen(Box<Unseen>, SweepError),
    Fatal(SweepError),
}

/// A batch whose COMMIT was not answered.
#[derive(Debug)]
pub(super) struct Unseen {
    pub xid: i64,
    pub done: Done,
}

impl Fault {
    /// An error of the reading that precedes the first batch.
    pub(super) fn reading(source: tokio_postgres::Error) -> Self {
        database(READING)(source)
    }

    /// The error, for where nothing is tried again.
    pub(super) fn into_error(self) -> SweepError {
        match self {
            Self::Transient(_, error) | Self::Unseen(_, error) | Self::Fatal(error) => error,
        }
    }
}

impl From<SweepError> for Fault {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::Tokens(error) => fault(error),
            refused => Self::Fatal(refused),
        }
    }
}

/// A connection that comes back.
pub(super) struct Connection<'a> {
    pool: &'a Pool,
    client: Option<Object>,
}

impl<'a> Connection<'a> {
    pub(super) const fn new(pool: &'a Pool) -> Self {
        Self { pool, client: None }
    }

    /// The connection, a new one if the last one is gone.
    pub(super) async fn client(&mut self) -> Result<&mut Object, Fault> {
        let usable = self.client.take().filter(|client| !client.is_closed());
        let client = match usable {
            Some(client) => client,
            None => self.pool.get().await.map_err(|error| fault(DbError::from(error).into()))?,
        };
        Ok(self.client.insert(client))
    }

    /// Cancels what still runs on the connection, and closes it.
    pub(super) async fn cancel(&mut self, cancel: Cancel<'_>) {
        if let Some(client) = self.client.as_ref().filter(|client| !client.is_closed()) {
            cancel(client)().await;
        }
        self.close();
    }

    /// Closes the connection instead of giving it back. A cancel request that is still on its way finds nothing then;
    /// on a connection that is used again it would cancel the next statement.
    pub(super) fn close(&mut self) {
        drop(self.client.take().map(Object::take));
    }

    /// One more connection, if the pool has one to spare.
    pub(super) async fn another(&self) -> Option<Object> {
        let status = self.pool.status();
        if status.available == 0 && status.size >= status.max_size {
            return None;
        }
        self.pool.get().await.ok()
    }

    /// Cuts a window off the front of what is left.
    pub(super) async fn cut(
        &mut self,
        cleaner: &Cleaner,
        rest: &Window,
        rows: u32,
    ) -> Result<(Window, Option<Window>), Fault> {
        let cut =
            async |transaction: &Transaction<'_>| cleaner.walk.cut(transaction, rest.clone(), rows).await;
        self.reading(cut).await
    }

    /// The table from one key to another; see [`Walk::part`](crate::db::tokens::Walk::part).
    pub(super) async fn part(
        &mut self,
        cleaner: &Cleaner,
        from: Option<&Key>,
        until: Option<&Key>,
    ) -> Result<Option<Window>, Fault> {
        let part = async |transaction: &Transaction<'_>| cleaner.walk.part(transaction, from, until).await;
        self.reading(part).await
    }

    /// The lowest of some keys.
    pub(super) async fn lowest(&mut self, cleaner: &Cleaner, keys: &[Key]) -> Result<Option<Key>, Fault> {
        self.reading(async |transaction: &Transaction<'_>| cleaner.walk.lowest(transaction, keys).await).await
    }

    /// Reads in a transaction, because a time-out for locks that belongs to no transaction would stay with the session.
    async fn reading<T>(
        &mut self,
        read: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, TokensError>,
    ) -> Result<T, Fault> {
        let client = self.client().await?;
        let began = client.build_transaction().read_only(true).start().await;
        let transaction = began.map_err(database(READING))?;
        settings::of_a_look(&transaction).await.map_err(database(READING))?;
        let found = read(&transaction).await;
        let ended = transaction.rollback().await;
        let found = found.map_err(fault)?;
        ended.map(|()| found).map_err(database(READING))
    }

    /// Who keeps a batch from these tables.
    pub(super) async fn blocked(&mut self, tables: &[Oid], wanted: Wanted) -> Result<Blocked, Fault> {
        let client = self.client().await?;
        patience::who(&***client, Some(tables), wanted).await.map_err(|error| fault(error.into()))
    }

    /// The doomed keys of a window if they are few; `None`: they are many, or it takes too long to find them.
    pub(super) async fn search(
        &mut self,
        cleaner: &Cleaner,
        window: &Window,
        most: u32,
    ) -> Result<Option<Vec<Key>>, Fault> {
        let client = self.client().await?;
        let began = client.build_transaction().read_only(true).start().await;
        let transaction = began.map_err(database("beginning a search"))?;
        settings::of_a_search(&transaction).await.map_err(database("beginning a search"))?;
        let found = cleaner.search(&*transaction, window, most).await;
        // Not left to the drop, which would keep the table's lock until the connection is used again.
        let ended = transaction.rollback().await;
        let found = match found {
            Ok(found) => found,
            // The search only saves time: if it takes too long or too much memory, the table is walked instead.
            Err(TokensError::Database(error))
                if matches!(error.meaning(), Meaning::QueryCanceled | Meaning::Other) =>
            {
                None
            }
            Err(error) => return Err(fault(error)),
        };
        ended.map(|()| found).map_err(database("ending a search"))
    }

    /// Asks something outside of a transaction; `attempted` reads well in front of "failed".
    pub(super) async fn ask<T>(
        &mut self,
        attempted: &'static str,
        question: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Fault> {
        let client = self.client().await?;
        question(&***client).await.map_err(database(attempted))
    }

    /// Runs one batch in a transaction of its own.
    pub(super) async fn attempt(
        &mut self,
        cleaner: &Cleaner,
        window: &Window,
        way: Way,
    ) -> Result<Done, Fault> {
        let client = self.client().await?;
        let started = Instant::now();
        let careful = matches!(way, Way::Careful(_));
        let silent = cleaner.is_silent() && !careful;
        let isolation = if cleaner.verifies() || careful {
            IsolationLevel::ReadCommitted
        } else {
            IsolationLevel::RepeatableRead
        };
        let joins = match way {
            Way::Bulk(pointers) if cleaner.joins_ranges(pointers) => Joins::Ranges,
            Way::Bulk(_) | Way::Few(..) | Way::Careful(_) => Joins::Keys,
        };
        let began = client.build_transaction().isolation_level(isolation).start().await;
        let transaction = began.map_err(database("beginning a batch"))?;
        let begun = settings::of_a_batch(&transaction, joins, careful, silent).await;
        begun.map_err(database("beginning a batch"))?;
        let taken = match way {
            Way::Bulk(pointers) => {
                let deleted = cleaner.delete_window(&*transaction, window, pointers).await.map_err(fault)?;
                Taken { deleted, left: 0, rest: None, seen: window.clone() }
            }
            Way::Few(keys, pointers) => {
                cleaner.delete_few(&*transaction, window, keys, pointers).await.map_err(fault)?
            }
            Way::Careful(keys) => cleaner.delete_some(&*transaction, window, keys).await.map_err(fault)?,
        };
        if taken.deleted.rows() > 0 {
            cleaner.assert_not_awaited(&*transaction).await.map_err(fault)?;
        }
        let xid = assigned(&*transaction).await.map_err(database("finishing a batch"))?;
        let committed = transaction.commit().await.map_err(DbError::during("committing a batch"));
        let done = Done { taken, elapsed: started.elapsed() };
        match (committed, xid) {
            (Ok(()), _) => Ok(done),
            (Err(error), Some(xid)) if error.is_connection_lost() => {
                Err(Fault::Unseen(Box::new(Unseen { xid, done }), TokensError::from(error).into()))
            }
            (Err(error), _) => Err(fault(error.into())),
        }
    }

    /// Asks whether a transaction was committed.
    pub(super) async fn fate(&mut self, xid: i64) -> Result<Verdict, Fault> {
        for _ in 0..VERDICTS {
            let client = self.client().await?;
            match fate(&***client, xid).await.map_err(|error| fault(error.into()))? {
                Verdict::Running => tokio::time::sleep(Duration::from_millis(100)).await,
                known @ (Verdict::Committed | Verdict::Aborted | Verdict::Unknown) => return Ok(known),
            }
        }
        Ok(Verdict::Unknown)
    }
}

/// For `map_err`; `attempted` reads well in front of "failed".
pub(super) fn database(attempted: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Fault {
    move |source| fault(DbError::new(attempted, source).into())
}

pub(super) fn fault(error: TokensError) -> Fault {
    let reason = match &error {
        TokensError::Referenced { .. } => Some(Transient::Referenced),
        TokensError::Awaited { .. } => Some(Transient::Changed),
        TokensError::Database(error) => transient(error),
        TokensError::Vetoed { .. } | TokensError::Altered | TokensError::Lost => None,
    };
    match reason {
        Some(reason) => Fault::Transient(reason, error.into()),
        None => Fault::Fatal(error.into()),
    }
}

/// Which errors are worth a retry.
const fn transient(error: &DbError) -> Option<Transient> {
    match error.meaning() {
        Meaning::LockNotAvailable => Some(Transient::Locked),
        Meaning::Deadlock => Some(Transient::Deadlock),
        Meaning::Serialization => Some(Transient::Changed),
        Meaning::ForeignKeyViolation(_) => Some(Transient::Referenced),
        Meaning::QueryCanceled => Some(Transient::TooSlow),
        Meaning::ConnectionLost | Meaning::AdminShutdown | Meaning::Unreachable => {
            Some(Transient::Disconnected)
        }
        Meaning::LoginRefused
        | Meaning::MissingTable
        | Meaning::PermissionDenied
        | Meaning::ReadOnly
        | Meaning::UniqueViolation(_)
        | Meaning::StatementPooling
        | Meaning::Other => None,
    }
}
