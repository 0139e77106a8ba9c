//! The deletion of one batch of one sweep.
//!
//! Refresh tokens go before access tokens, in the lock order of DOT's token endpoint. What the ORM does on the side is
//! done too: `source_refresh_token_id` becomes NULL where the refresh token goes, `updated` stays as it was. Begins and
//! ends no transaction.

use tokio_postgres::GenericClient;

use super::applications::Applications;
use super::bulk::{Both, Bulk, Checks};
use super::definer::Call;
use super::excluded::Excluded;
use super::predicate::{Cutoffs, Tables};
use super::statement::{Sql, Values};
use super::steps::{Locked, LockedRows, Pointers, Scope, Steps, Writer};
use super::taken::{Deleted, Taken};
use super::verified::Gone;
use super::walk::{Walk, Window};
use super::{TokensError, attempt, supports};
use crate::db::along::{Along, Nest, Statements};
use crate::db::layout::Layout;
use crate::db::query::{array, unsigned};
use crate::db::transaction::is_awaited_by_a_reference;
use crate::model::{Category, Key, Sweep, TableRole, Unit};

/// The statements of one sweep on one layout.
#[derive(Debug)]
pub struct Cleaner {
    /// What the statements are about, for errors.
    subject: String,
    excluded: Excluded,
    /// The category under which deleted refresh tokens that were not revoked are counted.
    live: Category,
    /// What the sweep's refresh tokens are like where DOT made the rows.
    pub pointers: Pointers,
    /// The windows of the driving table.
    pub walk: Walk,
    candidates: Sql,
    search: Sql,
    left: Sql,
    bulk: Option<Bulk>,
    careful: Steps<Locked, LockedRows>,
    /// What else refers to refresh tokens, and to rows of the walked table.
    of_refresh: Statements,
    of_rows: Statements,
    applications: Option<(Category, Applications)>,
}

impl Cleaner {
    /// Writes the statements. `None`: the layout lacks the sweep's table, or a column that its condition needs.
    #[must_use]
    pub fn new(layout: &Layout, sweep: &Sweep, excluded: Excluded, checks: &Checks) -> Option<Self> {
        let table = layout.table(sweep.role()).filter(|_| supports(layout, sweep))?;
        let tables = Tables::new(layout, !excluded.is_empty())?;
        let writer = Writer::new(tables, sweep, table);
        let (live, pointers) = match sweep.doomed.unit() {
            Unit::RefreshToken => (Category::Orphaned, Pointers::Clear),
            Unit::Session { .. } | Unit::Row => (Category::Expired, Pointers::ExpectNone),
        };
        Some(Self {
            subject: format!("{sweep} in {}", table.sql()),
            live,
            pointers,
            walk: Walk::new(table),
            candidates: writer.candidates(),
            search: writer.search(),
            left: writer.left(),
            bulk: match checks {
                Checks::Triggers => Both::new(|scope| writer.bulk(scope)).map(Bulk::Triggers),
                Checks::Silent(silent) => {
                    Both::new(|scope| writer.verified(scope)).map(|both| Bulk::Verified(silent.clone(), both))
                }
                Checks::Definer(_) => writer
                    .bulk(Scope::Window)
                    .and_then(|_| Call::new(layout, sweep, table, writer.category()))
                    .map(Bulk::Called),
            },
            careful: writer.careful(),
            of_refresh: Along::new(layout, tables.refresh).statements(Nest::List),
            of_rows: Along::new(layout, table).statements(Nest::List),
            applications: sweep
                .categories()
                .into_iter()
                .find(|category| category.role() == TableRole::Application)
                .map(|category| (category, Applications::new(layout, &tables, Cutoffs::of(sweep)))),
            excluded,
        })
    }

    /// How many rows a window of one row deletes: a session is two, and so is an unused application with its
    /// registration access token. (More rows may refer to an application; those take batches of their own.)
    #[must_use]
    pub const fn rows_per_key(&self) -> u32 {
        if self.applications.is_some() || self.careful.refresh.is_some() && self.careful.rows.is_some() {
            2
        } else {
            1
        }
    }

    /// Whether [`Cleaner::delete_window`] and [`Cleaner::delete_few`] are there for this sweep.
    #[must_use]
    pub const fn has_bulk(&self) -> bool {
        self.bulk.is_some()
    }

    /// Whether those two must run in `READ COMMITTED`, because they look at references themselves, and not in
    /// `REPEATABLE READ`.
    #[must_use]
    pub const fn verifies(&self) -> bool {
        matches!(self.bulk, Some(Bulk::Verified(..) | Bulk::Called(_)))
    }

    /// Whether they must run with silent triggers, see [`settings::silence`](super::settings::silence).
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        matches!(self.bulk, Some(Bulk::Verified(..)))
    }

    /// Whether every join of [`Cleaner::delete_window`] is between two ranges of keys in the same order. The exception
    /// are pointers to the refresh tokens of a window of access tokens: those may be anywhere.
    #[must_use]
    pub const fn joins_ranges(&self, pointers: Pointers) -> bool {
        matches!(self.careful, Steps { refresh: None, .. } | Steps { rows: None, .. })
            || matches!(pointers, Pointers::ExpectNone)
            || self.verifies()
    }

    /// The doomed keys of a window, in order; `None`: more than `most`. The planner chooses the way, an index on the
    /// cutoff perhaps, so this is one pass over the table at most.
    pub async fn search(
        &self,
        client: &impl GenericClient,
        window: &Window,
        most: u32,
    ) -> Result<Option<Vec<Key>>, TokensError> {
        let values = Values { rows: i64::from(most) + 1, ..self.values(window) };
        let rows = self.search.all(client, values).await.map_err(self.failed())?;
        let complete = rows.len() as u64 <= u64::from(most);
        Ok(complete.then(|| rows.iter().map(|row| Key::new(row.get::<_, String>(0))).collect()))
    }

    /// Deletes all doomed rows of a window, one statement per table.
    ///
    /// The transaction must be `REPEATABLE READ`: every statement then sees the same rows, and a row that
    /// was changed meanwhile is a serialization failure instead of a decision on old facts.
    pub async fn delete_window(
        &self,
        client: &impl GenericClient,
        window: &Window,
        pointers: Pointers,
    ) -> Result<Deleted, TokensError> {
        self.delete_in_bulk(client, Scope::Window, self.values(window), pointers).await
    }

    /// The same for the first `keys` doomed keys of a window: where few rows are doomed, a window may be long and a
    /// batch short all the same.
    pub async fn delete_few(
        &self,
        client: &impl GenericClient,
        window: &Window,
        keys: u32,
        pointers: Pointers,
    ) -> Result<Taken, TokensError> {
        let mut taken = Taken::nothing_of(window);
        if let Some(candidates) = self.candidates(client, window, keys, &mut taken).await? {
            let values = Values { keys: &candidates, ..self.values(window) };
            taken.deleted = self.delete_in_bulk(client, Scope::Keys, values, pointers).await?;
        }
        Ok(taken)
    }

    async fn delete_in_bulk(
        &self,
        client: &impl GenericClient,
        scope: Scope,
        values: Values<'_>,
        pointers: Pointers,
    ) -> Result<Deleted, TokensError> {
        let steps = match &self.bulk {
            None => return Ok(Deleted::default()),
            Some(Bulk::Triggers(both)) => both.of(scope),
            Some(Bulk::Verified(silent, both)) => {
                let gone = both
                    .of(scope)
                    .delete(
                        client,
                        values,
                        pointers,
                        silent,
                        (&self.of_rows, &self.of_refresh),
                        &self.subject,
                    )
                    .await?;
                return Ok(self.counted(gone));
            }
            Some(Bulk::Called(call)) => {
                return Ok(self.counted(call.delete(client, scope, values, pointers, &self.subject).await?));
            }
        };
        let mut deleted = Deleted::default();
        if let Some(refresh) = &steps.refresh {
            self.take(client, &self.of_refresh, &refresh.keys, values, &mut deleted).await?;
            let sql = match pointers {
                Pointers::Clear => &refresh.clearing,
                Pointers::ExpectNone => &refresh.trusting,
            };
            let row = sql.one(client, values).await.map_err(self.failed())?;
            self.count_refresh(&mut deleted, row.get(0), row.get(1));
            deleted.detached = unsigned(row.get(2));
        }
        if let Some((category, rows)) = &steps.rows {
            self.take(client, &self.of_rows, &rows.keys, values, &mut deleted).await?;
            deleted.tally.add(*category, rows.delete.execute(client, values).await.map_err(self.failed())?);
        }
        Ok(deleted)
    }

    fn counted(&self, gone: Gone) -> Deleted {
        let Gone { mut deleted, refresh: (rows, revoked) } = gone;
        self.count_refresh(&mut deleted, rows, revoked);
        deleted
    }

    /// Deletes or changes what refers to rows that are deleted next. The snapshot is the same, so they are the same
    /// rows.
    async fn take(
        &self,
        client: &impl GenericClient,
        along: &Statements,
        keys: &Sql,
        values: Values<'_>,
        deleted: &mut Deleted,
    ) -> Result<(), TokensError> {
        if along.is_empty() {
            return Ok(());
        }
        let keys: String = keys.one(client, values).await.map_err(self.failed())?.get(0);
        deleted.others.extend(&along.take(client, &keys).await.map_err(self.failed())?);
        Ok(())
    }

    /// Deletes the doomed rows of the first `keys` doomed keys of a window, but for those that others have locked.
    ///
    /// The transaction must be `READ COMMITTED`: what a row lock waited for, or what came in between, is seen.
    pub async fn delete_some(
        &self,
        client: &impl GenericClient,
        window: &Window,
        keys: u32,
    ) -> Result<Taken, TokensError> {
        let mut taken = Taken::nothing_of(window);
        let candidates = self.candidates(client, window, keys, &mut taken).await?;
        let Some(candidates) = candidates else { return Ok(taken) };
        let values = Values { keys: &candidates, ..self.values(window) };
        if let Some((category, applications)) = &self.applications {
            // One more than there are applications, so that one row each leaves the batch a complete one.
            let gone = applications.delete(client, &candidates, i64::from(keys) + 1, values).await;
            let gone = gone.map_err(self.failed())?;
            self.assert_deleted(gone.doomed, gone.applications)?;
            taken.deleted.tally.add(*category, unsigned(gone.applications));
            taken.deleted.dependents = gone.dependents;
            taken.deleted.others.extend(&gone.others);
            if gone.more {
                taken.rest = Some(window.clone());
                return Ok(taken);
            }
        }
        if let Some(refresh) = &self.careful.refresh {
            self.delete_refresh(client, refresh, values, &mut taken.deleted).await?;
        }
        if let Some((category, rows)) = &self.careful.rows {
            let row = rows.lock.one(client, values).await.map_err(self.failed())?;
            let locked = self.of_rows.free(client, row.get(0), row.get(1)).await;
            let (keys, locked) = locked.map_err(self.failed())?;
            taken.deleted.others.extend(&self.of_rows.take(client, &keys).await.map_err(self.failed())?);
            let values = Values { keys: &keys, ..values };
            let gone = rows.delete.execute(client, values).await.map_err(self.failed())?;
            self.assert_deleted(locked, i64::try_from(gone).unwrap_or_default())?;
            taken.deleted.tally.add(*category, gone);
        }
        let row = self.left.one(client, values).await.map_err(self.failed())?;
        taken.left = unsigned(row.get(0));
        Ok(taken)
    }

    /// Fails where another session would: the one that is about to refer to a row of this batch goes first, and the row
    /// stays. The last thing that a batch asks.
    pub async fn assert_not_awaited(&self, client: &impl GenericClient) -> Result<(), TokensError> {
        if is_awaited_by_a_reference(client).await.map_err(self.failed())? {
            return Err(TokensError::Awaited { subject: self.subject.clone() });
        }
        Ok(())
    }

    /// The first doomed keys of a window, and what is left of it after them. `None`: there are none.
    async fn candidates(
        &self,
        client: &impl GenericClient,
        window: &Window,
        keys: u32,
        taken: &mut Taken,
    ) -> Result<Option<String>, TokensError> {
        if window.keys.is_some() {
            // They were found before; whether they still have to go is looked at when they do.
            let (now, rest) = window.clone().split(usize::try_from(keys).unwrap_or(usize::MAX));
            let list = array(now.keys.iter().flatten().map(Key::as_str));
            (taken.seen, taken.rest) = (now, rest);
            return Ok(Some(list));
        }
        let values = Values { rows: i64::from(keys), ..self.values(window) };
        let row = self.candidates.one(client, values).await.map_err(self.failed())?;
        let (candidates, count, last): (String, i64, Option<String>) = (row.get(0), row.get(1), row.get(2));
        let Some(last) = last else { return Ok(None) };
        if count == i64::from(keys) {
            taken.rest = self.walk.after(client, window, &last).await?;
            taken.seen.high = Key::new(last);
        }
        Ok(Some(candidates))
    }

    async fn delete_refresh(
        &self,
        client: &impl GenericClient,
        steps: &Locked,
        values: Values<'_>,
        deleted: &mut Deleted,
    ) -> Result<(), TokensError> {
        let row = steps.lock.one(client, values).await.map_err(self.failed())?;
        let free = self.of_refresh.free(client, row.get(0), row.get(1)).await;
        let (keys, locked) = free.map_err(self.failed())?;
        let values = Values { keys: &keys, ..values };
        let row = steps.blocked.one(client, values).await.map_err(self.failed())?;
        let (blocked, kept): (String, i64) = (row.get(0), row.get(1));
        let values = Values { blocked: &blocked, ..values };
        if !self.of_refresh.is_empty() {
            let rest: String = steps.rest.one(client, values).await.map_err(self.failed())?.get(0);
            deleted.others.extend(&self.of_refresh.take(client, &rest).await.map_err(self.failed())?);
        }
        deleted.detached += steps.detach.execute(client, values).await.map_err(self.failed())?;
        let row = steps.delete.one(client, values).await.map_err(self.failed())?;
        let gone = row.get(0);
        self.assert_deleted(locked - kept, gone)?;
        self.count_refresh(deleted, gone, row.get(1));
        Ok(())
    }

    fn count_refresh(&self, deleted: &mut Deleted, rows: i64, revoked: i64) {
        deleted.tally.add(Category::Revoked, unsigned(revoked));
        deleted.tally.add(self.live, unsigned(rows - revoked));
    }

    /// Locked rows can only stay if a trigger or a rule says so.
    fn assert_deleted(&self, locked: i64, deleted: i64) -> Result<(), TokensError> {
        if locked == deleted {
            return Ok(());
        }
        Err(TokensError::Vetoed { subject: self.subject.clone(), rows: unsigned(locked - deleted) })
    }

    fn values<'a>(&'a self, window: &'a Window) -> Values<'a> {
        Values { low: window.low.as_str(), high: window.high.as_str(), ..Values::new(&self.excluded) }
    }

    fn failed(&self) -> impl FnOnce(tokio_postgres::Error) -> TokensError + use<> {
        attempt(format!("deleting {}", self.subject))
    }
}
