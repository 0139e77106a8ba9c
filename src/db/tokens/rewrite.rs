//! The statements of a rewrite: what stays is put aside, the tables are locked and emptied, and it is put back.
//!
//! One transaction of the caller's, `READ COMMITTED`; begins and ends none. All token tables that refer to each other go
//! together, because `TRUNCATE` insists on it. What is put aside before the lock is compared with the tables under it:
//! `aside.rs` has the argument.

mod aside;
mod tables;

use std::cmp;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join_all;
use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{Client, GenericClient, Transaction};

use super::excluded::Excluded;
use super::rewritable::{columns, has_row_security, indexes, not_ours, others};
use super::settings;
use super::triggers::{UnmetCondition, custom, new_references};
use super::{TokensError, attempt};
use crate::db::layout::Layout;
use crate::model::{Category, Sweep, TableRole, Tally};

use aside::Aside;
use tables::{Part, Rows, closure};

/// Whole tables are joined: hash joins, and memory for them. What is put aside gets statistics of a small sample: how many
/// rows there are is what matters. Tables of some megabytes are read, and their indexes built, by several processes if the
/// server has some to spare.
const MEMORY: &str = "SET LOCAL work_mem = '256MB'; SET LOCAL maintenance_work_mem = '256MB'; SET LOCAL jit = off; \
    SET LOCAL enable_nestloop = off; SET LOCAL min_parallel_table_scan_size = '2MB'; \
    SET LOCAL default_statistics_target = 10";

/// The tables of a rewrite.
#[derive(Debug)]
pub struct Rewrite<'a> {
    layout: &'a Layout,
    sweeps: &'a [Sweep],
    excluded: Excluded,
    parts: Vec<Part<'a>>,
    /// Whether the role may switch triggers off.
    silent: bool,
}

/// What a step of a rewrite does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Puts the rows of a table that stay aside, beside other sessions.
    PutAside,
    /// Looks at what other sessions have changed since, when all tables are locked.
    CatchUp,
    /// Empties all tables.
    Empty,
    /// Puts rows back and builds indexes.
    PutBack,
    /// Gathers statistics, when all is committed.
    Vacuum,
}

impl<'a> Rewrite<'a> {
    /// Looks at the tables.
    ///
    /// # Errors
    /// Inside: every reason why they cannot be rewritten.
    pub async fn find(
        client: &impl GenericClient,
        layout: &'a Layout,
        sweeps: &'a [Sweep],
        excluded: Excluded,
    ) -> Result<Result<Self, Vec<UnmetCondition>>, TokensError> {
        let tables = closure(layout, sweeps);
        let oids: Vec<Oid> = tables.iter().map(|(_, table)| table.oid).collect();
        let mut reasons = custom(client, &oids).await?;
        let referring = layout.references.iter().filter(|reference| oids.contains(&reference.to));
        let foreign = referring.filter(|reference| layout.role_of(reference.from).is_none());
        reasons.extend(foreign.map(UnmetCondition::foreign));
        reasons.extend(tables.iter().filter_map(|(_, table)| UnmetCondition::partitioned(table)));
        for applications in sweeps.iter().filter(|sweep| sweep.role() == TableRole::Application) {
            reasons.push(UnmetCondition::here(format!("{applications} only go in batches")));
        }
        reasons.extend(others(client, &oids).await?);
        if !reasons.is_empty() {
            return Ok(Err(reasons));
        }
        let mut parts = Vec::with_capacity(tables.len());
        for (role, table) in tables {
            let columns = columns(client, table.oid).await?;
            let indexes = indexes(client, table).await?;
            parts.push(Part { role, table, aside: format!("oauthctl_{}", parts.len()), columns, indexes });
        }
        Ok(Ok(Self { layout, sweeps, excluded, parts, silent: true }))
    }

    /// Has the triggers of foreign keys look at every row that is put back, and leaves all indexes in place, because
    /// PostgreSQL refuses to change a table that triggers are still to look at. Both are slower.
    pub fn keep_triggers(&mut self) {
        self.silent = false;
        for part in &mut self.parts {
            part.indexes.clear();
        }
    }

    /// Begins the transaction.
    ///
    /// # Errors
    /// The server's.
    pub async fn begin(&self, transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
        settings::of_a_rewrite(transaction, self.silent).await?;
        transaction.batch_execute(MEMORY).await
    }

    /// Locks the tables for this transaction alone, one after the other.
    ///
    /// If this is part of a lock cycle, it gives way: once it has the first table, all its waits together take at most half
    /// of `deadlock_timeout`, after which PostgreSQL would fail the statement of another session. Where another session
    /// waits for this transaction already, that time may be over, so it does not wait at all.
    ///
    /// # Errors
    /// The server's.
    pub async fn lock(&self, transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
        let nowait = if is_in_the_way(transaction).await? { " NOWAIT" } else { "" };
        let mut begun = None;
        for part in &self.parts {
            limit_wait(transaction, begun.as_deref()).await?;
            let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE{nowait}", part.table.sql());
            transaction.batch_execute(&lock).await?;
            if begun.is_none() {
                // From now on others wait for this transaction.
                let now = "SELECT pg_catalog.clock_timestamp()::text";
                begun = Some(transaction.query_typed_one(now, &[]).await?.get::<_, String>(0));
            }
        }
        Ok(())
    }

    /// Fails if the tables are not what [`Rewrite::find`] saw. To be called under the lock: the session that held it
    /// before may have been a migration, and rows would come back without a new column.
    ///
    /// # Errors
    /// [`TokensError::Altered`], and the server's.
    pub async fn assert_same(&self, client: &impl GenericClient) -> Result<(), TokensError> {
        let oids = self.oids();
        let mut same = custom(client, &oids).await?.is_empty()
            && others(client, &oids).await?.is_empty()
            && new_references(client, self.layout, &oids).await?.is_empty()
            && !has_row_security(client, &oids).await?;
        for part in &self.parts {
            same &= columns(client, part.table.oid).await? == part.columns;
            same &= !self.silent || indexes(client, part.table).await? == part.indexes;
        }
        if same { Ok(()) } else { Err(TokensError::Altered) }
    }

    fn names(&self) -> String {
        self.parts.iter().map(|part| part.table.sql()).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn oids(&self) -> Vec<Oid> {
        self.parts.iter().map(|part| part.table.oid).collect()
    }

    /// How many steps there are; the caller may give up between any two.
    #[must_use]
    pub fn steps(&self) -> usize {
        2 * self.parts.len() + 2
    }

    /// How many of them come before the lock.
    #[must_use]
    pub fn steps_before_the_lock(&self) -> usize {
        self.parts.len()
    }

    /// What a step does, and to which table; none: to all.
    #[must_use]
    pub fn describe(&self, step: usize) -> (Phase, Option<TableRole>) {
        let parts = self.parts.len();
        let role = |position: usize| self.parts.get(position).map(|part| part.role);
        match step.cmp(&(parts + 1)) {
            cmp::Ordering::Less if step < parts => (Phase::PutAside, role(step)),
            cmp::Ordering::Less => (Phase::CatchUp, None),
            cmp::Ordering::Equal => (Phase::Empty, None),
            cmp::Ordering::Greater => (Phase::PutBack, role(step - parts - 2)),
        }
    }

    /// Runs VACUUM (ANALYZE): the new files have neither statistics nor a visibility map. Each client takes the next table.
    /// Not in a transaction; other sessions can go on. Returns the tables that the role may not do it for.
    ///
    /// # Errors
    /// The error of the server; the rewrite stays committed.
    pub async fn vacuum(&self, clients: &[&Client]) -> Result<Vec<String>, TokensError> {
        let Some(first) = clients.first() else { return Ok(Vec::new()) };
        let passed_over = not_ours(*first, &self.oids()).await?;
        let next = AtomicUsize::new(0);
        let lanes = clients.iter().map(async |client| {
            while let Some(part) = self.parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                let vacuum = format!("VACUUM (ANALYZE) {}", part.table.sql());
                client.batch_execute(&vacuum).await.map_err(attempt(vacuum))?;
            }
            Ok::<(), TokensError>(())
        });
        try_join_all(lanes).await?;
        Ok(passed_over)
    }

    /// Does one step: puts a table aside, catches up, empties all, or puts a table back.
    pub async fn step(
        &self,
        client: &impl GenericClient,
        step: usize,
        result: &mut Rewritten,
    ) -> Result<(), TokensError> {
        let parts = self.parts.len();
        let aside =
            Aside { layout: self.layout, sweeps: self.sweeps, excluded: &self.excluded, parts: &self.parts };
        if step < parts {
            if step == 0 {
                result.horizon = aside::horizon(client).await?;
            }
            result.found.push(aside.put(client, step, &result.horizon).await?);
            if step + 1 == parts {
                // Rows of others that come now are looked at under the lock; then it may have been torn for a moment.
                result.whole = aside.torn(client).await?.is_none();
            }
        } else if step == parts {
            aside.catch_up(client, &result.horizon, &mut result.found, result.whole).await?;
            for (part, rows) in self.parts.iter().zip(result.found.clone()) {
                result.add(part.role, rows);
            }
        } else if step == parts + 1 {
            let truncate = format!("TRUNCATE TABLE {}", self.names());
            let drops = self.parts.iter().flat_map(|part| &part.indexes).map(|(drop, _)| drop.as_str());
            let statements: Vec<&str> = std::iter::once(truncate.as_str()).chain(drops).collect();
            let failed = attempt(format!("emptying {}", self.names()));
            client.batch_execute(&statements.join("; ")).await.map_err(failed)?;
        } else if let Some(part) = self.parts.get(step - parts - 2) {
            let kept = result.found.get(step - parts - 2).map(|rows| rows.kept).unwrap_or_default();
            part.put_back(client, kept).await?;
        }
        Ok(())
    }
}

/// What a rewrite did.
#[derive(Clone, Debug, Default)]
pub struct Rewritten {
    /// Rows that did not come back, per category.
    pub tally: Tally,
    /// Pointers to them that were cleared.
    pub detached: u64,
    /// From which transaction on others may have changed rows since they were put aside.
    horizon: String,
    /// What was found in each table.
    found: Vec<Rows>,
    /// Whether every row that was put aside before the lock refers only to such rows.
    whole: bool,
}

impl Rewritten {
    fn add(&mut self, role: TableRole, rows: Rows) {
        let gone = rows.before.saturating_sub(rows.kept);
        let only = match role {
            TableRole::RefreshToken => {
                self.tally.add(Category::Revoked, rows.revoked);
                self.tally.add(Category::Orphaned, rows.orphaned);
                self.tally.add(Category::Expired, gone.saturating_sub(rows.revoked + rows.orphaned));
                return;
            }
            TableRole::AccessToken => Category::Access,
            TableRole::IdToken => Category::Id,
            TableRole::Grant => Category::Grants,
            TableRole::ParRequest => Category::Par,
            TableRole::DeviceGrant => Category::Device,
            TableRole::Application => return,
        };
        self.tally.add(only, gone);
        self.detached += rows.detached;
    }
}

/// Whether another session waits for this transaction.
///
/// # Errors
/// The server's.
pub async fn is_in_the_way(client: &impl GenericClient) -> Result<bool, tokio_postgres::Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE NOT l.granted \
               AND pg_catalog.pg_backend_pid() = ANY (pg_catalog.pg_blocking_pids(l.pid)))";
    Ok(client.query_typed_one(sql, &[]).await?.get(0))
}

/// Waits for the next lock until half of `deadlock_timeout` has passed since an instant; `None`: since now.
async fn limit_wait(transaction: &Transaction<'_>, since: Option<&str>) -> Result<(), tokio_postgres::Error> {
    let sql = "SELECT pg_catalog.set_config('lock_timeout', greatest(setting::float8 / 2 - 1000 * extract(epoch FROM \
               pg_catalog.clock_timestamp() - coalesce($1::text::timestamptz, pg_catalog.clock_timestamp())), 1)::int8::text, \
               true) FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'";
    transaction.query_typed(sql, &[(&since, Type::TEXT)]).await?;
    Ok(())
}
