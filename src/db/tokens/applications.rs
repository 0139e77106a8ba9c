//! The deletion of applications that are not used, with all rows that refer to them, in batches.
//!
//! A token that is issued meanwhile locks its application's row when its foreign key is checked: at the latest when it
//! is committed, because Django's constraints are deferred. So: lock the applications, look again with a fresh snapshot
//! whether they are doomed, delete the rows that refer to them in the order of [`Drain`], delete them. A request
//! that issues a token at the same time has either locked the row before, and the application stays, or comes too late,
//! and fails because the application is gone: no token is deleted unseen, and none is left without its application.
//! Begins and ends no transaction.

use tokio_postgres::{Error, GenericClient};

use super::predicate::{Cutoffs, Tables};
use super::statement::{Bind, Sql, Values};
use crate::db::dependents::Drain;
use crate::db::layout::Layout;
use crate::model::ForeignTally;

/// What a batch did to its applications.
#[derive(Clone, Debug, Default)]
pub(super) struct Gone {
    /// Those that were locked and doomed, and had nothing left.
    pub doomed: i64,
    /// Those of them that were deleted.
    pub applications: i64,
    /// Rows that referred to them.
    pub dependents: u64,
    /// Rows of other tables that went or were changed first.
    pub others: ForeignTally,
    /// Whether more rows refer to them than a batch may delete: the applications are still there.
    pub more: bool,
}

/// The statements that delete applications.
#[derive(Debug)]
pub(super) struct Applications {
    lock: Sql,
    doomed: Sql,
    drain: Drain,
    delete: Sql,
}

impl Applications {
    pub(super) fn new(layout: &Layout, tables: &Tables<'_>, cutoffs: Cutoffs) -> Self {
        let table = layout.application();
        let (name, key, key_type) = (table.sql(), table.key_sql(), table.key_type());
        Self {
            lock: Sql::new(|binds| {
                let keys = binds.keys(Bind::Keys, key_type);
                format!(
                    "WITH c AS MATERIALIZED (SELECT t.{key} AS k FROM {name} t WHERE t.{key} = ANY({keys}) \
                     ORDER BY t.{key} FOR UPDATE SKIP LOCKED) SELECT coalesce(array_agg(k), '{{}}')::text FROM c"
                )
            }),
            doomed: Sql::new(|binds| {
                let keys = binds.keys(Bind::Keys, key_type);
                let doomed = cutoffs.application(tables, binds);
                format!(
                    "SELECT coalesce(array_agg(t.{key}), '{{}}')::text, count(*) FROM {name} t \
                     WHERE t.{key} = ANY({keys}) AND {doomed}"
                )
            }),
            drain: Drain::new(layout),
            delete: Sql::new(|binds| {
                let keys = binds.keys(Bind::Keys, key_type);
                format!(
                    "WITH d AS (DELETE FROM {name} t WHERE t.{key} = ANY({keys}) RETURNING 1) SELECT count(*) FROM d"
                )
            }),
        }
    }

    /// Deletes those of the given applications that are still doomed and not locked, and up to `limit` rows that refer
    /// to them.
    ///
    /// The transaction must be `READ COMMITTED`: the second look has to see what was committed before the lock.
    pub(super) async fn delete(
        &self,
        client: &impl GenericClient,
        keys: &str,
        limit: i64,
        values: Values<'_>,
    ) -> Result<Gone, Error> {
        let locked: String = self.lock.one(client, Values { keys, ..values }).await?.get(0);
        let row = self.doomed.one(client, Values { keys: &locked, ..values }).await?;
        let (doomed, count): (String, i64) = (row.get(0), row.get(1));
        let mut gone = Gone::default();
        if count == 0 {
            return Ok(gone);
        }
        let drained = self.drain.run(client, &doomed, limit).await?;
        (gone.dependents, gone.others) = (drained.rows, drained.others);
        if i64::try_from(gone.dependents).unwrap_or(limit) >= limit {
            gone.more = true;
            return Ok(gone);
        }
        gone.others.extend(&self.drain.detach(client, &doomed).await?);
        gone.doomed = count;
        gone.applications = self.delete.one(client, Values { keys: &doomed, ..values }).await?.get(0);
        Ok(gone)
    }
}
