//! The deletion of one batch with references verified set by set instead of by one trigger call per row.
//!
//! The transaction has `session_replication_role = replica`, so the triggers of foreign keys stay silent, and is
//! `READ COMMITTED`, so every statement sees what was committed before it. The rows are deleted first; that locks them.
//! Then, with a newer snapshot, every foreign key that points at them is asked for rows that refer to them. If there are
//! any, the batch fails and is rolled back. `docs/design/cleanup.md` has the argument why nothing dangles. Begins and ends no
//! transaction.

use tokio_postgres::GenericClient;

use super::statement::{Sql, Values};
use super::taken::Deleted;
use super::triggers::Silent;
use super::{Pointers, TokensError};
use crate::db::along::Statements;
use crate::db::query::unsigned;
use crate::model::Category;

/// The statements that delete a batch and verify its references.
#[derive(Debug)]
pub(super) struct Verified {
    /// Deletes the rows of the walked table: their number, their keys, and whether a refresh token that was not revoked
    /// goes with each.
    pub walked: Option<(Category, Sql)>,
    /// Deletes refresh tokens, those of the rows above if there are any: their number, how many were revoked, their keys.
    pub refresh: Option<Sql>,
    /// Clears the pointers to deleted refresh tokens.
    pub clear: Sql,
    /// Whether anything refers to one of the deleted rows of the walked table.
    pub refers_to_walked: Option<Sql>,
    /// Whether anything refers to one of the deleted refresh tokens.
    pub refers_to_refresh: Option<Sql>,
}

/// What one batch has deleted.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub deleted: Deleted,
    /// Refresh tokens, and how many of them were revoked.
    pub refresh: (i64, i64),
}

impl Verified {
    pub(super) async fn delete(
        &self,
        client: &impl GenericClient,
        values: Values<'_>,
        pointers: Pointers,
        silent: &Silent,
        (of_walked_rows, of_refresh_tokens): (&Statements, &Statements),
        subject: &str,
    ) -> Result<Gone, TokensError> {
        let failed = || super::attempt(format!("deleting {subject}"));
        let mut gone = Gone::default();
        let (mut walked, mut flags, mut refresh) = ("{}".to_owned(), "{}".to_owned(), "{}".to_owned());
        if let Some((category, sql)) = &self.walked {
            let row = sql.one(client, values).await.map_err(failed())?;
            gone.deleted.tally.add(*category, unsigned(row.get(0)));
            (walked, flags) = (row.get(1), row.get(2));
        }
        let of_walked = Values { keys: &walked, flags: &flags, ..values };
        if let Some(sql) = &self.refresh {
            let at = if self.walked.is_some() { of_walked } else { values };
            let row = sql.one(client, at).await.map_err(failed())?;
            gone.refresh = (row.get(0), row.get(1));
            refresh = row.get(2);
        }
        let of_refresh = Values { keys: &refresh, ..values };
        if gone.refresh.0 > 0 && pointers == Pointers::Clear {
            gone.deleted.detached = self.clear.execute(client, of_refresh).await.map_err(failed())?;
        }
        // Which way round makes no difference: the triggers are silent.
        for (along, keys) in [(of_walked_rows, &walked), (of_refresh_tokens, &refresh)] {
            let taken = along.take(client, keys).await.map_err(failed())?;
            gone.deleted.others.extend(&taken);
        }
        // From here on nothing else is written: these statements have newer snapshots than every lock.
        for (sql, at) in [(&self.refers_to_walked, of_walked), (&self.refers_to_refresh, of_refresh)] {
            let Some(sql) = sql.as_ref().filter(|_| at.keys != "{}") else { continue };
            if sql.one(client, at).await.map_err(failed())?.get(0) {
                return Err(TokensError::Referenced { subject: subject.to_owned() });
            }
        }
        silent.assert_same(client).await?;
        Ok(gone)
    }
}
