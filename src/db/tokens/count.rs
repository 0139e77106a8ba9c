//! Exact counts of the rows that a run would delete, and of the rows that prevent it.
//!
//! Pure reading, in the snapshot of the caller's transaction. Rows that an earlier step frees are counted in the later
//! one, as a run would find them. One pass over each table, with joins of the planner's choice.

use std::collections::BTreeSet;

use tokio_postgres::GenericClient;

use super::excluded::Excluded;
use super::predicate::{Cutoffs, Tables};
use super::statement::{Binds, Sql, Values};
use super::{TokensError, attempt, supports};
use crate::db::layout::{Layout, Reference, Table};
use crate::db::query::unsigned;
use crate::model::printable::quote;
use crate::model::{BlockingRows, Category, Sweep, TableRole, Tally};

/// Memory for the joins of a count. The default of 4 MB would spill to disk.
const WORK_MEM: &str = "SELECT set_config('work_mem', '256MB', true)";

/// Counts what the sweeps would delete. Run it in a transaction: it raises `work_mem` until its end.
pub async fn count(
    client: &impl GenericClient,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<Tally, TokensError> {
    let mut tally = Tally::ZERO;
    let excluded = Excluded::resolve(client, layout, sweeps).await?;
    let Some(run) = Run::new(layout, sweeps, &excluded) else { return Ok(tally) };
    let mut categories = Vec::new();
    let sql = Sql::new(|binds| {
        let passes = run.passes(binds);
        let selects = passes.iter().enumerate().map(|(position, pass)| {
            let counts: Vec<String> = pass
                .counts
                .iter()
                .map(|(category, predicate)| {
                    categories.push(*category);
                    format!("count(*) FILTER (WHERE {predicate})")
                })
                .collect();
            format!("(SELECT {} FROM {}) p{position}", counts.join(", "), pass.from)
        });
        format!("SELECT * FROM {}", selects.collect::<Vec<_>>().join(" CROSS JOIN "))
    });
    if categories.is_empty() {
        return Ok(tally);
    }
    let failed = || attempt("counting the rows to delete");
    client.query_typed(WORK_MEM, &[]).await.map_err(failed())?;
    let row = sql.one(client, Values::new(&excluded)).await.map_err(failed())?;
    for (position, category) in categories.into_iter().enumerate() {
        tally.add(category, unsigned(row.get(position)));
    }
    Ok(tally)
}

/// Counts the unused applications that `max_age` spares. Run it in a transaction, like [`count`].
pub async fn spared_by_age(
    client: &impl GenericClient,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<u64, TokensError> {
    let excluded = Excluded::resolve(client, layout, sweeps).await?;
    let Some(run) = Run::new(layout, sweeps, &excluded) else { return Ok(0) };
    let mut spared = None;
    let sql = Sql::new(|binds| {
        spared = run.cutoffs.spared_by_age(&run.tables, binds);
        let spared = spared.as_deref().unwrap_or("false");
        format!("SELECT count(*) FROM {} t WHERE {spared}", layout.application().sql())
    });
    if spared.is_none() {
        return Ok(0);
    }
    let row = sql.one(client, Values::new(&excluded)).await;
    Ok(unsigned(row.map_err(attempt("counting the applications that max_age spares"))?.get(0)))
}

/// Finds the rows of unknown tables that refer to rows that would go, by foreign key: PostgreSQL would refuse to delete
/// these. Rows that it deletes or changes by itself (`ON DELETE`) do not count. Run it in a transaction, like
/// [`count`].
pub async fn blocking_rows(
    client: &impl GenericClient,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<Vec<BlockingRows>, TokensError> {
    let mut found = Vec::new();
    let excluded = Excluded::resolve(client, layout, sweeps).await?;
    let Some(run) = Run::new(layout, sweeps, &excluded) else { return Ok(found) };
    let roles: BTreeSet<TableRole> = sweeps.iter().flat_map(|sweep| sweep.tables().iter().copied()).collect();
    for role in roles {
        let Some(table) = layout.table(role) else { continue };
        for reference in layout.foreign_references(role).filter(|reference| reference.blocks()) {
            let sql =
                Sql::new(|binds| format!("SELECT count(*) {}", run.referring(role, table, reference, binds)));
            let failed = || {
                attempt(format!("looking for rows of {} that refer to rows to delete", reference.from_table))
            };
            client.query_typed(WORK_MEM, &[]).await.map_err(failed())?;
            let row = sql.one(client, Values::new(&excluded)).await.map_err(failed())?;
            let rows = unsigned(row.get(0));
            if rows > 0 {
                let write = |binds: &mut Binds| {
                    format!("SELECT f.* {}", run.referring(role, table, reference, binds))
                };
                found.push(BlockingRows {
                    table: reference.from_table.clone(),
                    column: reference.from_column.clone(),
                    constraint: reference.constraint.clone(),
                    to: table.sql(),
                    rows,
                    select: Sql::typed(write, &excluded),
                });
            }
        }
    }
    Ok(found)
}

/// One pass over one table.
struct Pass {
    from: String,
    counts: Vec<(Category, String)>,
}

/// What all sweeps of a run delete together.
pub(super) struct Run<'a> {
    tables: Tables<'a>,
    cutoffs: Cutoffs,
}

impl<'a> Run<'a> {
    /// `None`: see [`Tables::new`].
    pub(super) fn new(layout: &'a Layout, sweeps: &[Sweep], excluded: &Excluded) -> Option<Self> {
        let mut cutoffs = Cutoffs::default();
        for sweep in sweeps.iter().filter(|sweep| supports(layout, sweep)) {
            cutoffs.add(sweep);
        }
        Some(Self { tables: Tables::new(layout, !excluded.is_empty())?, cutoffs })
    }

    /// Which refresh tokens `r` count as revoked and as orphaned, and whether their access token `a` has to be joined.
    pub(super) fn refresh_counts(&self, binds: &mut Binds) -> (bool, String, String) {
        let never = || "false".to_owned();
        let revoked = self.cutoffs.revoked(&self.tables, binds).unwrap_or_else(never);
        let orphaned = self.cutoffs.orphaned(&self.tables, binds).unwrap_or_else(never);
        (self.cutoffs.revoked_with_expired.is_some(), revoked, orphaned)
    }

    /// The rows `f` of another table that refer to rows that go.
    fn referring(&self, role: TableRole, table: &Table, reference: &Reference, binds: &mut Binds) -> String {
        let (alias, from, doomed) = self.doomed(role, table, binds);
        let (column, to) = (quote(&reference.from_column), quote(&reference.to_column));
        let with_applications = self.with_applications(role, table, &to, binds);
        let others = with_applications.map(|keys| format!(" OR f.{column} IN ({keys})")).unwrap_or_default();
        let from_table = &reference.from_table;
        format!(
            "FROM {from_table} f WHERE f.{column} IN (SELECT {alias}.{to} FROM {from} WHERE {doomed}){others}"
        )
    }

    fn passes(&self, binds: &mut Binds) -> Vec<Pass> {
        let (tables, cutoffs) = (&self.tables, &self.cutoffs);
        let mut refresh = Pass { from: format!("{} r", tables.refresh.sql()), counts: Vec::new() };
        let mut sessions = Pass { from: tables.sessions(), counts: Vec::new() };
        if let Some(revoked) = cutoffs.revoked(tables, binds) {
            let pass = if cutoffs.revoked_with_expired.is_some() { &mut sessions } else { &mut refresh };
            pass.counts.push((Category::Revoked, revoked));
        }
        if let Some(orphaned) = cutoffs.orphaned(tables, binds) {
            refresh.counts.push((Category::Orphaned, orphaned));
        }
        if let Some(idle) = cutoffs.idle(tables, binds) {
            sessions.counts.push((Category::Expired, idle));
        }
        if cutoffs.access.is_some() {
            sessions.counts.push((Category::Access, cutoffs.access(tables, binds)));
        }
        let mut passes = vec![refresh, sessions];
        let others = [
            (Category::Id, cutoffs.id),
            (Category::Grants, cutoffs.grants),
            (Category::Par, cutoffs.par),
            (Category::Device, cutoffs.device),
        ];
        for (category, cutoff) in others {
            if cutoff.is_some()
                && let Some(table) = tables.layout.table(category.role())
            {
                let (_, from, doomed) = self.doomed(category.role(), table, binds);
                passes.push(Pass { from, counts: vec![(category, doomed)] });
            }
        }
        let from = format!("{} t", tables.layout.application().sql());
        passes.push(Pass { from, counts: cutoffs.applications(tables, binds) });
        passes.retain(|pass| !pass.counts.is_empty());
        passes
    }

    /// Selects a column of the rows of a table that go because their application goes.
    fn with_applications(
        &self,
        role: TableRole,
        table: &Table,
        column: &str,
        binds: &mut Binds,
    ) -> Option<String> {
        let Self { tables, cutoffs } = self;
        let goes = cutoffs.cimd.is_some() || cutoffs.dcr.is_some();
        (goes && role != TableRole::Application && table.has("application_id")).then(|| {
            let application = tables.layout.application();
            format!(
                "SELECT x.{column} FROM {} x JOIN {} t ON t.{} = x.application_id WHERE {}",
                table.sql(),
                application.sql(),
                application.key_sql(),
                cutoffs.application(tables, binds)
            )
        })
    }

    /// The rows of a table that go: its alias, what to select from, and the condition.
    pub(super) fn doomed(
        &self,
        role: TableRole,
        table: &Table,
        binds: &mut Binds,
    ) -> (&'static str, String, String) {
        let (tables, cutoffs) = (&self.tables, &self.cutoffs);
        let plain = || format!("{} t", table.sql());
        match role {
            TableRole::RefreshToken => {
                let access = tables.access;
                let from = format!(
                    "{} r LEFT JOIN {} a ON a.{} = r.access_token_id",
                    table.sql(),
                    access.sql(),
                    access.key_sql()
                );
                ("r", from, cutoffs.refresh(tables, binds))
            }
            TableRole::AccessToken => ("a", tables.sessions(), cutoffs.access(tables, binds)),
            TableRole::IdToken => {
                let (access, key) = (tables.access, table.key_sql());
                let from = format!(
                    "{} i LEFT JOIN {} a ON a.id_token_id = i.{key} LEFT JOIN {} r ON r.access_token_id = a.{}",
                    table.sql(),
                    access.sql(),
                    tables.refresh.sql(),
                    access.key_sql()
                );
                let mut doomed = cutoffs.id(tables, binds);
                if cutoffs.id.is_some() {
                    let (key, access_goes) = (access.key_sql(), cutoffs.access(tables, binds));
                    doomed = format!("({doomed} AND (a.{key} IS NULL OR {access_goes}))");
                }
                ("i", from, doomed)
            }
            TableRole::Grant => ("t", plain(), cutoffs.grant(tables, binds)),
            TableRole::ParRequest => ("t", plain(), cutoffs.par(tables, binds)),
            TableRole::DeviceGrant => ("t", plain(), cutoffs.device(tables, binds)),
            TableRole::Application => ("t", plain(), cutoffs.application(tables, binds)),
        }
    }
}
