//! Exact counts of the rows that a run would delete, and of the rows that prevent it.
//!
//! Pure reading, in the snapshot of the caller's transaction. Rows that an earlier step frees are counted in the later
//! one, as a run would find them. One pass over each table, with joins of the planner's choice.

use std::collections::BTreeSet;

use tokio_postgres::GenericClient;

use super::excluded::Excluded;
use super::passes::Run;
use super::statement::{Binds, Sql, Values};
use super::{TokensError, attempt};
use crate::db::along::{Along, rows_of};
use crate::db::layout::{Layout, Reference, Table};
use crate::db::query::unsigned;
use crate::model::{BlockingRows, Category, ForeignRows, ForeignTally, Sweep, TableRole, Tally};

/// Memory for the joins of a count. The default of 4 MB would spill to disk.
pub(super) const WORK_MEM: &str = "SELECT set_config('work_mem', '256MB', true)";

/// Counts what the sweeps would delete. Run it in a transaction: it raises `work_mem` until its end.
pub async fn count(
    client: &impl GenericClient,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<Tally, TokensError> {
    let mut tally = Tally::ZERO;
    let excluded = Excluded::resolve(client, layout, sweeps).await?;
    let Some(run) = Run::new(layout, sweeps, &excluded) else { return Ok(tally) };
    let (sql, categories) = statement(&run);
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

/// What an exact count would cost, in the planner's units, without counting. Run it in a transaction, like [`count`].
pub async fn cost(
    client: &impl GenericClient,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<f64, TokensError> {
    let excluded = Excluded::resolve(client, layout, sweeps).await?;
    let Some(run) = Run::new(layout, sweeps, &excluded) else { return Ok(0.0) };
    let (sql, categories) = statement(&run);
    if categories.is_empty() {
        return Ok(0.0);
    }
    let failed = || attempt("asking what a count would cost");
    client.query_typed(WORK_MEM, &[]).await.map_err(failed())?;
    Ok(sql.explained(client, Values::new(&excluded)).await.map_err(failed())?.cost)
}

/// One statement for all passes, and the category of each of its columns.
fn statement(run: &Run<'_>) -> (Sql, Vec<Category>) {
    let mut categories = Vec::new();
    let sql = Sql::new(|binds| {
        let passes = run.passes(binds);
        let selects = passes.iter().enumerate().map(|(position, pass)| {
            categories.extend(pass.counts.iter().map(|count| count.category));
            format!("({}) p{position}", pass.select(&[]))
        });
        format!("SELECT * FROM {}", selects.collect::<Vec<_>>().join(" CROSS JOIN "))
    });
    (sql, categories)
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
                    declared: reference.declared,
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

/// The same without counting: which rows may go, or be changed.
#[must_use]
pub fn uncounted_foreign_rows(layout: &Layout, sweeps: &[Sweep]) -> Vec<ForeignRows> {
    let mut found = ForeignTally::default();
    for (_, table) in losing(layout, sweeps) {
        let along = Along::new(layout, table);
        for (_, reference) in along.references().filter(|(_, reference)| !reference.blocks()) {
            found.add(&rows_of(layout, reference, None));
        }
    }
    found.iter().cloned().collect()
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
