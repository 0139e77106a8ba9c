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
use crate::db::along::{Along, rows_of};
use crate::db::layout::{Layout, Reference, Table};
use crate::db::query::unsigned;
use crate::model::printable::quote;
use crate::model::{BlockingRows, Category, ForeignRows, ForeignTally, Sweep, TableRole, Tally};

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

/// Finds the rows of the project's own tables that refer to rows that would go, by foreign key: PostgreSQL would refuse to
/// delete these. Rows that are dealt with do not count. Run it in a transaction, like [`count`].
pub async fn blocking_rows(
    client: &impl GenericClient,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<Vec<BlockingRows>, TokensError> {
    let mut found = Vec::new();
    let excluded = Excluded::resolve(client, layout, sweeps).await?;
    let Some(run) = Run::new(layout, sweeps, &excluded) else { return Ok(found) };
    let home = &layout.application().schema;
    for (role, table) in losing(layout, sweeps) {
        let along = Along::new(layout, table);
        for (node, reference) in along.references().filter(|(_, reference)| reference.blocks()) {
            let write = |what: &str, binds: &mut Binds| {
                format!("SELECT {what} {}", run.along(role, &along, node, binds))
            };
            let rows =
                count_rows(client, &Sql::new(|binds| write("count(*)", binds)), reference, &excluded).await?;
            if rows > 0 {
                found.push(BlockingRows {
                    table: reference.from_table.clone(),
                    column: reference.from_column.clone(),
                    constraint: reference.constraint.clone(),
                    to: reference.to_table.clone(),
                    rows,
                    select: Sql::typed(|binds| write("f.*", binds), &excluded),
                    name: reference.file_name(home),
                    not_null: reference.not_null,
                });
            }
        }
    }
    Ok(found)
}

/// Counts the rows of the project's own tables that go, or are changed, with the rows that would go. Run it in a
/// transaction, like [`count`].
pub async fn foreign_rows(
    client: &impl GenericClient,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<Vec<ForeignRows>, TokensError> {
    let mut found = ForeignTally::default();
    let excluded = Excluded::resolve(client, layout, sweeps).await?;
    let Some(run) = Run::new(layout, sweeps, &excluded) else { return Ok(Vec::new()) };
    for (role, table) in losing(layout, sweeps) {
        let along = Along::new(layout, table);
        for (node, reference) in along.references().filter(|(_, reference)| !reference.blocks()) {
            let sql = Sql::new(|binds| format!("SELECT count(*) {}", run.along(role, &along, node, binds)));
            let rows = if along.is_readable(node) {
                Some(count_rows(client, &sql, reference, &excluded).await?)
            } else {
                None
            };
            found.add(&rows_of(layout, reference, rows));
        }
    }
    Ok(found.iter().cloned().collect())
}

/// The tables that lose rows.
fn losing<'a>(layout: &'a Layout, sweeps: &[Sweep]) -> Vec<(TableRole, &'a Table)> {
    let roles: BTreeSet<TableRole> = sweeps.iter().flat_map(|sweep| sweep.tables().iter().copied()).collect();
    roles.into_iter().filter_map(|role| Some((role, layout.table(role)?))).collect()
}

async fn count_rows(
    client: &impl GenericClient,
    sql: &Sql,
    reference: &Reference,
    excluded: &Excluded,
) -> Result<u64, TokensError> {
    let failed =
        || attempt(format!("looking for rows of {} that refer to rows to delete", reference.from_table));
    client.query_typed(WORK_MEM, &[]).await.map_err(failed())?;
    Ok(unsigned(sql.one(client, Values::new(excluded)).await.map_err(failed())?.get(0)))
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

    /// The alias of the access tokens or of the ID tokens, and which of them have expired.
    pub(super) fn expired(&self, role: TableRole, binds: &mut Binds) -> (&'static str, String) {
        match role {
            TableRole::AccessToken => ("a", self.cutoffs.expired(&self.tables, binds)),
            TableRole::IdToken
            | TableRole::RefreshToken
            | TableRole::Grant
            | TableRole::ParRequest
            | TableRole::DeviceGrant
            | TableRole::Application => ("i", self.cutoffs.id(&self.tables, binds)),
        }
    }

    /// The rows `f` of a node: those that refer to rows that go.
    fn along(&self, role: TableRole, along: &Along<'_>, node: usize, binds: &mut Binds) -> String {
        let Some(table) = self.tables.layout.table(role) else { return String::new() };
        // Written once, because the columns are asked for from behind a shared reference.
        let (alias, from, doomed) = self.doomed(role, table, binds);
        let with_applications = self.with_applications(role, table, binds);
        along.rows(node, &|column| {
            let column = quote(column);
            let others = with_applications
                .as_ref()
                .map(|rows| format!(" UNION ALL SELECT x.{column} {rows}"))
                .unwrap_or_default();
            format!("SELECT {alias}.{column} FROM {from} WHERE {doomed}{others}")
        })
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

    /// The rows `x` of a table that go because their application goes.
    fn with_applications(&self, role: TableRole, table: &Table, binds: &mut Binds) -> Option<String> {
        let Self { tables, cutoffs } = self;
        let goes = cutoffs.cimd.is_some() || cutoffs.dcr.is_some();
        (goes && role != TableRole::Application && table.has("application_id")).then(|| {
            let application = tables.layout.application();
            format!(
                "FROM {} x JOIN {} t ON t.{} = x.application_id WHERE {}",
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
