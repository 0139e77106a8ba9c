//! Waiting for locks of others: aloud, and not for ever.
//!
//! The server is asked to wait for a slice of time only (`lock_timeout`, always `SET LOCAL`: behind a transaction
//! pooler a setting of the session would stay with the server connection). Between two slices the same connection asks
//! who holds the lock, and the teller says so. One connection suffices.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Transaction};
use tokio::time::Instant;
use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{Client, GenericClient, IsolationLevel};

use super::error::{DbError, Meaning};
use super::layout::{Layout, LayoutError};
use super::lock::{self, Blocked, Wanted};
use super::{Parameter, UNIFORM, query, timeouts};
use crate::model::TableNames;
use crate::model::printable::quote;

/// The longest time without a word.
const SLICE: Duration = Duration::from_secs(2);

const READING: &str = "reading the tables";

/// The callback that says what is waited for.
pub type Teller = Arc<dyn Fn(&Blocked) + Send + Sync>;

/// How long a lock is waited for, and who is told.
#[derive(Clone)]
pub struct Patience {
    limit: Duration,
    tell: Teller,
}

/// A table that this role may read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Readable {
    oid: Oid,
    sql: String,
    /// `LOCK TABLE` wants a privilege on the whole table; some columns suffice to read them.
    lockable: bool,
    of_applications: bool,
}

/// The tables that a database offers to this role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readables(Vec<Readable>);

/// What is about to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Applications, their owners and the ledger.
    Applications,
    /// Tokens too, and the tables that refer to them.
    Everything,
}

/// Errors that a lock may be behind.
pub trait Waits: From<DbError> {
    /// The database's error.
    fn database(&self) -> Option<&DbError>;

    /// Whether a lock was not free.
    fn is_locked(&self) -> bool {
        self.database().is_some_and(|error| *error.meaning() == Meaning::LockNotAvailable)
    }
}

impl Waits for DbError {
    fn database(&self) -> Option<&DbError> {
        Some(self)
    }
}

impl Waits for LayoutError {
    fn database(&self) -> Option<&DbError> {
        match self {
            Self::Database(error) => Some(error),
            Self::Missing { .. } | Self::BeforeIdTokens { .. } | Self::NotDot { .. } | Self::NoKey { .. } => {
                None
            }
        }
    }
}

/// One wait for one lock: slice after slice until the limit.
#[derive(Debug)]
pub struct Wait {
    limit: Duration,
    deadline: Instant,
    told: Option<Blocked>,
}

impl Wait {
    /// Begins to wait.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { limit, deadline: Instant::now() + limit, told: None }
    }

    /// The setting for the next try.
    #[must_use]
    pub fn setting(&self) -> String {
        lock_timeout(SLICE.min(self.deadline.saturating_duration_since(Instant::now())))
    }

    /// After a try in vain: tells who holds the lock, unless that is known already.
    ///
    /// # Errors
    /// When the time is over.
    pub fn go_on(
        &mut self,
        attempted: &str,
        blocked: Blocked,
        tell: impl FnOnce(&Blocked),
    ) -> Result<(), DbError> {
        self.go_on_or_name(blocked, tell).map_err(|blocked| DbError::locked(attempted, &blocked, self.limit))
    }

    /// The same; when the time is over, who holds the lock.
    fn go_on_or_name(&mut self, blocked: Blocked, tell: impl FnOnce(&Blocked)) -> Result<(), Blocked> {
        if Instant::now() >= self.deadline {
            return Err(blocked);
        }
        if self.told.as_ref() != Some(&blocked) {
            tell(&blocked);
            self.told = Some(blocked);
        }
        Ok(())
    }
}

/// `SET LOCAL lock_timeout`. Zero would mean no limit.
#[must_use]
pub fn lock_timeout(limit: Duration) -> String {
    format!("SET LOCAL lock_timeout = {}", limit.as_millis().clamp(1, 0x7fff_ffff))
}

impl Readables {
    /// Looks which tables there are for this role: DOT's, the users', those that refer to DOT's, and the ledger.
    ///
    /// # Errors
    /// The server's.
    pub async fn find(client: &Client, layout: &Layout) -> Result<Self, DbError> {
        let tables: Vec<Oid> = layout.oids();
        let applications: Vec<Oid> =
            std::iter::once(layout.application()).chain(&layout.users).map(|table| table.oid).collect();
        let sql = "SELECT c.oid, n.nspname::text, c.relname::text, pg_catalog.has_table_privilege(c.oid, 'SELECT'), \
                          c.oid = ANY ($2) OR n.nspname = 'oauthctl' \
                   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   WHERE (c.oid = ANY ($1) OR n.nspname = 'oauthctl') AND c.relkind IN ('r', 'p') \
                     AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
                     AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT') ORDER BY c.oid";
        let parameters: [Parameter<'_>; 2] = [(&tables, Type::OID_ARRAY), (&applications, Type::OID_ARRAY)];
        let readables = query::rows(client, sql, &parameters, |row| Readable {
            oid: row.get(0),
            sql: format!("{}.{}", quote(row.get(1)), quote(row.get(2))),
            lockable: row.get(3),
            of_applications: row.get(4),
        });
        readables.await.map(Self).map_err(DbError::during("looking which tables may be read"))
    }

    fn of(&self, reading: Reading) -> impl Iterator<Item = &Readable> {
        self.0.iter().filter(move |table| match reading {
            Reading::Applications => table.of_applications,
            Reading::Everything => true,
        })
    }

    /// Takes no snapshot, so that what is read afterwards is as it was when the lock was there: to a snapshot from
    /// before, a table that was rewritten meanwhile looks empty.
    fn lock(&self, reading: Reading) -> String {
        let tables: Vec<&str> =
            self.of(reading).filter(|table| table.lockable).map(|table| table.sql.as_str()).collect();
        if tables.is_empty() {
            return String::new();
        }
        format!("; LOCK TABLE {} IN ACCESS SHARE MODE", tables.join(", "))
    }

    /// The same for tables that cannot be locked by name, for a transaction whose snapshot does not matter.
    fn touch(&self, reading: Reading) -> String {
        let tables = self.of(reading).filter(|table| !table.lockable);
        tables.map(|table| format!("; SELECT FROM {} LIMIT 0", table.sql)).collect()
    }

    fn oids(&self, reading: Reading) -> Vec<Oid> {
        self.of(reading).map(|table| table.oid).collect()
    }
}

impl Patience {
    /// `limit`: how long a lock is waited for.
    #[must_use]
    pub const fn new(limit: Duration, tell: Teller) -> Self {
        Self { limit, tell }
    }

    /// How long a lock is waited for.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// The same, but for no longer than this.
    #[must_use]
    pub fn within(&self, most: Duration) -> Self {
        Self { limit: self.limit.min(most), tell: Arc::clone(&self.tell) }
    }

    /// Waits until the tables can be read.
    ///
    /// # Errors
    /// When the time is over, or the server's.
    pub async fn wait(&self, client: &Client, tables: &Readables, reading: Reading) -> Result<(), DbError> {
        let blocked = self.wait_or_name(client, tables, reading).await?;
        blocked.map_or(Ok(()), |blocked| Err(DbError::locked(READING, &blocked, self.limit)))
    }

    /// Waits until the tables can be read; when the time is over, who holds the lock.
    ///
    /// # Errors
    /// The server's.
    pub async fn wait_or_name(
        &self,
        client: &Client,
        tables: &Readables,
        reading: Reading,
    ) -> Result<Option<Blocked>, DbError> {
        let mut wait = Wait::new(self.limit);
        loop {
            let (setting, lock, touch) = (wait.setting(), tables.lock(reading), tables.touch(reading));
            let sql = format!("BEGIN READ ONLY; {setting}{lock}{touch}; ROLLBACK");
            let Err(error) = client.batch_execute(&sql).await.map_err(DbError::during(READING)) else {
                return Ok(None);
            };
            if error.is_connection_lost() {
                return Err(error);
            }
            client.batch_execute("ROLLBACK").await.map_err(DbError::during(READING))?;
            if !error.is_locked() {
                return Err(error);
            }
            let blocked = who(client, Some(&tables.oids(reading)), Wanted::Read).await?;
            if let Err(blocked) = wait.go_on_or_name(blocked, |blocked| (self.tell)(blocked)) {
                return Ok(Some(blocked));
            }
        }
    }

    /// A snapshot in which nothing can be written, and for which no table has to be waited any more.
    ///
    /// # Errors
    /// When the time is over, or the server's.
    pub async fn snapshot<'c>(
        &self,
        client: &'c mut Object,
        tables: &Readables,
        reading: Reading,
    ) -> Result<Transaction<'c>, DbError> {
        const ATTEMPTED: &str = "starting a read-only transaction";
        self.wait(client, tables, reading).await?;
        let snapshot = client
            .build_transaction()
            .read_only(true)
            .isolation_level(IsolationLevel::RepeatableRead)
            .start()
            .await
            .map_err(DbError::during(ATTEMPTED))?;
        // Table names are qualified by now. Functions and operators that were put into a schema of the search path
        // must not be taken for PostgreSQL's own.
        let (setting, lock) = (lock_timeout(self.limit), tables.lock(reading));
        // Asked after the locks, because the first query fixes the snapshot.
        let begin = format!(
            "{UNIFORM}; SET LOCAL search_path = pg_catalog, pg_temp; {setting}{lock}; {}",
            timeouts::OF_A_SNAPSHOT
        );
        snapshot.batch_execute(&begin).await.map_err(DbError::during(ATTEMPTED))?;
        Ok(snapshot)
    }

    /// Does some work in a transaction of its own, as often as a lock keeps it from ending.
    ///
    /// # Errors
    /// When the time is over, or the work's.
    pub async fn transact<T, E: Waits>(
        &self,
        client: &mut Object,
        attempted: &str,
        wanted: Wanted,
        mut work: impl AsyncFnMut(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut wait = Wait::new(self.limit);
        loop {
            let during = || DbError::during(attempted.to_owned());
            let transaction = client.transaction().await.map_err(during())?;
            transaction.batch_execute(&format!("{UNIFORM}; {}", wait.setting())).await.map_err(during())?;
            match work(&transaction).await {
                Ok(done) => {
                    transaction.commit().await.map_err(during())?;
                    return Ok(done);
                }
                Err(error) if error.is_locked() => {
                    transaction.rollback().await.map_err(during())?;
                    let blocked = who(&***client, None, wanted).await?;
                    wait.go_on(attempted, blocked, |blocked| (self.tell)(blocked))?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the catalogue.
    ///
    /// # Errors
    /// [`Layout::probe`]'s, or that the time is over.
    pub async fn probe(&self, client: &mut Object, names: &TableNames) -> Result<Layout, LayoutError> {
        let probe = async |transaction: &Transaction<'_>| Layout::probe(&**transaction, names).await;
        self.transact(client, "reading the catalogue", Wanted::Read, probe).await
    }
}

/// Who holds the lock.
///
/// # Errors
/// The server's.
pub async fn who(
    client: &impl GenericClient,
    tables: Option<&[Oid]>,
    wanted: Wanted,
) -> Result<Blocked, DbError> {
    let found = lock::blocked(client, tables, wanted).await;
    found.map_err(DbError::during("finding out who holds the lock"))
}

impl Layout {
    /// Every table that is read or written: DOT's, the users', and those that refer to DOT's.
    #[must_use]
    pub fn oids(&self) -> Vec<Oid> {
        let tables = self.tables().map(|(_, table)| table).chain(&self.users).map(|table| table.oid);
        let mut oids: Vec<Oid> =
            tables.chain(self.references.iter().map(|reference| reference.from)).collect();
        oids.sort_unstable();
        oids.dedup();
        oids
    }
}
