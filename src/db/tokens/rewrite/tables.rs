//! The tables of a rewrite, and how each is put back.

use tokio_postgres::GenericClient;

use crate::db::layout::{Layout, Table};
use crate::db::tokens::{TokensError, attempt};
use crate::model::{Sweep, TableRole};

/// Writers lock refresh tokens first, then access tokens, then ID tokens.
const ORDER: [TableRole; 6] = [
    TableRole::RefreshToken,
    TableRole::AccessToken,
    TableRole::IdToken,
    TableRole::Grant,
    TableRole::ParRequest,
    TableRole::DeviceGrant,
];

/// A table of a rewrite.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub role: TableRole,
    pub table: &'a Table,
    /// Where its rows are put aside.
    pub aside: String,
    /// Its columns in order, quoted, without generated ones.
    pub columns: Vec<String>,
    /// Its indexes that are built anew: how one drops them, and how one makes them.
    pub indexes: Vec<(String, String)>,
}

/// Rows of a table before and after.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rows {
    /// Those that no transaction after the horizon has written.
    pub old: u64,
    pub before: u64,
    /// Refresh tokens that go.
    pub revoked: u64,
    pub orphaned: u64,
    pub kept: u64,
    pub detached: u64,
}

impl Part<'_> {
    /// Puts back the rows that were put aside, in the order in which that was done: that of the primary key, but for a few.
    pub(super) async fn put_back(&self, client: &impl GenericClient, kept: u64) -> Result<(), TokensError> {
        let columns = self.columns.join(", ");
        let sql = format!(
            "INSERT INTO {} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {}",
            self.table.sql(),
            self.aside
        );
        let subject = format!("putting back the rows of {}", self.table.sql());
        let back = client.execute_typed(&sql, &[]).await.map_err(attempt(subject.clone()))?;
        for (_, create) in &self.indexes {
            let failed = attempt(format!("building an index of {}", self.table.sql()));
            client.batch_execute(create).await.map_err(failed)?;
        }
        if back == kept {
            Ok(())
        } else {
            Err(TokensError::Vetoed { subject, rows: kept.saturating_sub(back) })
        }
    }
}

/// The tables that lose rows, and those that refer to them, in the order of the writers' locks.
pub(super) fn closure<'a>(layout: &'a Layout, sweeps: &[Sweep]) -> Vec<(TableRole, &'a Table)> {
    let mut roles: Vec<TableRole> = sweeps.iter().flat_map(|sweep| sweep.tables().iter().copied()).collect();
    let mut next = 0;
    while let Some(role) = roles.get(next).copied() {
        next += 1;
        let oid = layout.table(role).map(|table| table.oid);
        for reference in layout.references.iter().filter(|reference| Some(reference.to) == oid) {
            roles.extend(layout.role_of(reference.from).filter(|from| !roles.contains(from)));
        }
    }
    let wanted = ORDER.into_iter().filter(|role| roles.contains(role));
    wanted.filter_map(|role| layout.table(role).map(|table| (role, table))).collect()
}
