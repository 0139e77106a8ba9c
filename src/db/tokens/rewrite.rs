//! The statements of a rewrite: what stays is put aside, the tables are emptied, and it is put back.
//!
//! One transaction of the caller's; begins and ends none. All token tables that refer to each other go together, because
//! `TRUNCATE` insists on it.

use std::cmp::Ordering;

use tokio_postgres::types::Oid;
use tokio_postgres::{GenericClient, Transaction};

use super::excluded::Excluded;
use super::passes::Run;
use super::rewritable::{columns, has_row_security, indexes, not_ours, others};
use super::settings;
use super::statement::{Binds, Sql, Values};
use super::triggers::{UnmetCondition, custom, new_references};
use super::{TokensError, attempt};
use crate::db::layout::{Layout, Table};
use crate::db::query::{self, unsigned};
use crate::model::printable::quote;
use crate::model::{Category, Sweep, TableRole, Tally};

/// Writers lock refresh tokens first, then access tokens, then ID tokens.
const ORDER: [TableRole; 6] = [
    TableRole::RefreshToken,
    TableRole::AccessToken,
    TableRole::IdToken,
    TableRole::Grant,
    TableRole::ParRequest,
    TableRole::DeviceGrant,
];

/// Whole tables are joined, and what is put aside has no statistics: hash joins, and memory for them.
const MEMORY: &str = "SET LOCAL work_mem = '256MB'; SET LOCAL maintenance_work_mem = '256MB'; SET LOCAL jit = off; SET LOCAL enable_nestloop = off";

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

#[derive(Debug)]
struct Part<'a> {
    role: TableRole,
    table: &'a Table,
    /// Where its rows are put aside.
    aside: String,
    /// Its columns in order, quoted, without generated ones.
    columns: Vec<String>,
    /// Its indexes that are built anew: how one drops them, and how one makes them.
    indexes: Vec<(String, String)>,
}

/// What a step of a rewrite does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Puts the rows of a table that stay aside.
    PutAside,
    /// Empties all tables.
    Empty,
    /// Puts rows back and builds indexes.
    PutBack,
    /// Gathers statistics, when all is committed.
    Vacuum,
}

/// Rows before and after.
#[derive(Clone, Copy, Debug, Default)]
struct Rows {
    before: i64,
    revoked: i64,
    orphaned: i64,
    kept: i64,
    detached: i64,
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

    /// Locks the tables for this transaction alone.
    ///
    /// # Errors
    /// The server's; the lock is waited for one second.
    pub async fn lock(&self, transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
        settings::of_a_rewrite(transaction, self.silent, &self.names()).await
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
        2 * self.parts.len() + 1
    }

    /// What a step does, and to which table; none: to all.
    #[must_use]
    pub fn describe(&self, step: usize) -> (Phase, Option<TableRole>) {
        let parts = self.parts.len();
        let role = |position: usize| self.parts.get(position).map(|part| part.role);
        match step.cmp(&parts) {
            Ordering::Less => (Phase::PutAside, role(step)),
            Ordering::Equal => (Phase::Empty, None),
            Ordering::Greater => (Phase::PutBack, role(step - parts - 1)),
        }
    }

    /// Runs VACUUM (ANALYZE): the new files have neither statistics nor a visibility map.
    /// Not in a transaction; other sessions can go on. Returns the tables that the role may not do it for.
    ///
    /// # Errors
    /// The error of the server; the rewrite stays committed.
    pub async fn vacuum(&self, client: &impl GenericClient) -> Result<Vec<String>, TokensError> {
        let passed_over = not_ours(client, &self.oids()).await?;
        let vacuum = format!("VACUUM (ANALYZE) {}", self.names());
        client.batch_execute(&vacuum).await.map_err(attempt(vacuum))?;
        Ok(passed_over)
    }

    /// Does one step: puts a table aside, empties all, or puts a table back.
    pub async fn step(
        &self,
        client: &impl GenericClient,
        step: usize,
        result: &mut Rewritten,
    ) -> Result<(), TokensError> {
        let parts = self.parts.len();
        if step == 0 {
            client.batch_execute(MEMORY).await.map_err(attempt("beginning a rewrite"))?;
        }
        if let Some(part) = self.parts.get(step) {
            let rows = self.put_aside(client, part).await?;
            result.add(part.role, rows);
            result.kept.push(rows.kept);
        } else if step == parts {
            self.assert_whole(client).await?;
            let truncate = format!("TRUNCATE TABLE {}", self.names());
            let drops = self.parts.iter().flat_map(|part| &part.indexes).map(|(drop, _)| drop.as_str());
            let statements: Vec<&str> = std::iter::once(truncate.as_str()).chain(drops).collect();
            let failed = attempt(format!("emptying {}", self.names()));
            client.batch_execute(&statements.join("; ")).await.map_err(failed)?;
        } else if let Some(part) = self.parts.get(step - parts - 1) {
            let kept = result.kept.get(step - parts - 1).copied().unwrap_or_default();
            part.put_back(client, kept).await?;
        }
        Ok(())
    }

    async fn put_aside(&self, client: &impl GenericClient, part: &Part<'_>) -> Result<Rows, TokensError> {
        let failed = || attempt(format!("putting aside the rows of {} that stay", part.table.sql()));
        let Some(run) = Run::new(self.layout, self.sweeps, &self.excluded) else {
            return Ok(Rows::default());
        };
        let refresh = self.parts.iter().find(|part| part.role == TableRole::RefreshToken);
        let values = Values::new(&self.excluded);
        let create = Sql::new(|binds| {
            format!(
                "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {}",
                part.aside,
                survivors(&run, part, refresh, binds)
            )
        });
        create.execute(client, values).await.map_err(failed())?;
        let row = Sql::new(|binds| counts(&run, part, binds)).one(client, values).await.map_err(failed())?;
        Ok(Rows {
            before: row.get(0),
            revoked: row.get(1),
            orphaned: row.get(2),
            kept: row.get(3),
            detached: row.get(4),
        })
    }

    /// Nothing that was put aside may refer to a row that was not.
    async fn assert_whole(&self, client: &impl GenericClient) -> Result<(), TokensError> {
        let part = |oid: Oid| self.parts.iter().find(|part| part.table.oid == oid);
        for reference in &self.layout.references {
            let (Some(from), Some(to)) = (part(reference.from), part(reference.to)) else { continue };
            let (column, key) = (quote(&reference.from_column), quote(&reference.to_column));
            let sql = format!(
                "SELECT count(*) FROM {} f LEFT JOIN {} t ON t.{key} = f.{column} \
                 WHERE f.{column} IS NOT NULL AND t.{key} IS NULL",
                from.aside, to.aside
            );
            let failed = attempt(format!("looking at {} of the rows that stay", reference.constraint));
            if query::value::<i64>(client, &sql, &[]).await.map_err(failed)? > 0 {
                return Err(TokensError::Referenced { subject: format!("rows of {}", to.table.sql()) });
            }
        }
        Ok(())
    }
}

/// The rows that stay, as they will be.
fn survivors(run: &Run<'_>, part: &Part<'_>, refresh: Option<&Part<'_>>, binds: &mut Binds) -> String {
    let (alias, mut from, doomed) = run.doomed(part.role, part.table, binds);
    let mut columns: Vec<String> = part.columns.iter().map(|column| format!("{alias}.{column}")).collect();
    if let (TableRole::AccessToken, Some(refresh)) = (part.role, refresh) {
        // The source of an access token may be gone: then the pointer is cleared, as the ORM does it.
        let key = refresh.table.key_sql();
        from += &format!(" LEFT JOIN {} s ON s.{key} = a.source_refresh_token_id", refresh.aside);
        for column in columns.iter_mut().filter(|column| *column == "a.\"source_refresh_token_id\"") {
            *column = format!("s.{key} AS source_refresh_token_id");
        }
        columns.push(format!(
            "(a.source_refresh_token_id IS NOT NULL AND s.{key} IS NULL) AS \"oauthctl detached\""
        ));
    }
    format!("SELECT {} FROM {from} WHERE ({doomed}) IS NOT TRUE", columns.join(", "))
}

/// The table's rows; revoked and orphaned ones that go; what was put aside; pointers that were cleared.
fn counts(run: &Run<'_>, part: &Part<'_>, binds: &mut Binds) -> String {
    let detached = if part.role == TableRole::AccessToken {
        "count(*) FILTER (WHERE \"oauthctl detached\")"
    } else {
        "0::bigint"
    };
    let (from, revoked, orphaned) = if part.role == TableRole::RefreshToken {
        let (joined, revoked, orphaned) = run.refresh_counts(binds);
        let from = if joined {
            run.doomed(part.role, part.table, &mut Binds::default()).1
        } else {
            format!("{} r", part.table.sql())
        };
        (from, revoked, orphaned)
    } else {
        (format!("{} t", part.table.sql()), "false".to_owned(), "false".to_owned())
    };
    format!(
        "SELECT b.*, k.* FROM (SELECT count(*), count(*) FILTER (WHERE {revoked}), count(*) FILTER (WHERE {orphaned}) \
         FROM {from}) b CROSS JOIN (SELECT count(*), {detached} FROM {}) k",
        part.aside
    )
}

impl Part<'_> {
    async fn put_back(&self, client: &impl GenericClient, kept: i64) -> Result<(), TokensError> {
        let columns = self.columns.join(", ");
        let sql = format!(
            "INSERT INTO {} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {} ORDER BY {}",
            self.table.sql(),
            self.aside,
            self.table.key_sql()
        );
        let subject = format!("putting back the rows of {}", self.table.sql());
        let back = client.execute_typed(&sql, &[]).await.map_err(attempt(subject.clone()))?;
        for (_, create) in &self.indexes {
            let failed = attempt(format!("building an index of {}", self.table.sql()));
            client.batch_execute(create).await.map_err(failed)?;
        }
        let kept = unsigned(kept);
        if back == kept {
            Ok(())
        } else {
            Err(TokensError::Vetoed { subject, rows: kept.saturating_sub(back) })
        }
    }
}

/// What a rewrite did.
#[derive(Clone, Debug, Default)]
pub struct Rewritten {
    /// Rows that did not come back, per category.
    pub tally: Tally,
    /// Pointers to them that were cleared.
    pub detached: u64,
    /// Rows that were put aside, per table.
    kept: Vec<i64>,
}

impl Rewritten {
    fn add(&mut self, role: TableRole, rows: Rows) {
        let gone = rows.before - rows.kept;
        let only = match role {
            TableRole::RefreshToken => {
                self.tally.add(Category::Revoked, unsigned(rows.revoked));
                self.tally.add(Category::Orphaned, unsigned(rows.orphaned));
                self.tally.add(Category::Expired, unsigned(gone - rows.revoked - rows.orphaned));
                return;
            }
            TableRole::AccessToken => Category::Access,
            TableRole::IdToken => Category::Id,
            TableRole::Grant => Category::Grants,
            TableRole::ParRequest => Category::Par,
            TableRole::DeviceGrant => Category::Device,
            TableRole::Application => return,
        };
        self.tally.add(only, unsigned(gone));
        self.detached += unsigned(rows.detached);
    }
}

/// The tables that lose rows, and those that refer to them, in the order of the writers' locks.
fn closure<'a>(layout: &'a Layout, sweeps: &[Sweep]) -> Vec<(TableRole, &'a Table)> {
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
