//! The statements of a rewrite: what stays is put aside, the tables are emptied, and it is put back.
//!
//! One transaction of the caller's; begins and ends none. All token tables that refer to each other go together, because
//! `TRUNCATE` insists on it.

use tokio_postgres::GenericClient;
use tokio_postgres::types::Oid;

use super::count::Run;
use super::excluded::Excluded;
use super::statement::{Binds, Sql, Values};
use super::triggers::{Hindrance, SILENCE, custom};
use super::{TokensError, attempt};
use crate::db::layout::{Layout, Table, quote};
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

/// One of them.
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

/// Rows before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    ) -> Result<Result<Self, Vec<Hindrance>>, TokensError> {
        let tables = closure(layout, sweeps);
        let oids: Vec<Oid> = tables.iter().map(|(_, table)| table.oid).collect();
        let mut reasons = custom(client, &oids).await?;
        for reference in layout.references.iter().filter(|reference| oids.contains(&reference.to)) {
            if layout.role_of(reference.from).is_none() {
                let (from, constraint) = (&reference.from_table, &reference.constraint);
                let what = format!("{from} is none of DOT's tables and refers to them ({constraint})");
                reasons.push(Hindrance::here(what));
            }
        }
        for (_, table) in &tables {
            if table.partitioned {
                reasons.push(Hindrance::here(format!("{} is partitioned", table.sql())));
            }
        }
        for applications in sweeps.iter().filter(|sweep| sweep.role() == TableRole::Application) {
            reasons.push(Hindrance::here(format!("{applications} only go in batches")));
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

    /// The statements that lock everybody out.
    #[must_use]
    pub fn lock(&self) -> String {
        let silence = if self.silent { SILENCE } else { "" };
        format!("{silence}; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", self.names())
    }

    fn names(&self) -> String {
        self.parts.iter().map(|part| part.table.sql()).collect::<Vec<_>>().join(", ")
    }

    /// How many steps there are; the caller may give up between any two.
    #[must_use]
    pub fn steps(&self) -> usize {
        2 * self.parts.len() + 1
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
            client.batch_execute(MEMORY).await.map_err(attempt("beginning a rewrite".to_owned()))?;
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
        create.execute_once(client, values).await.map_err(failed())?;
        let row = Sql::new(|binds| counts(&run, part, binds)).once(client, values).await.map_err(failed())?;
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
            if client.query_one(&sql, &[]).await.map_err(failed)?.get::<_, i64>(0) > 0 {
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
        let back = client.execute(&sql, &[]).await.map_err(attempt(subject.clone()))?;
        for (_, create) in &self.indexes {
            let failed = attempt(format!("building an index of {}", self.table.sql()));
            client.batch_execute(create).await.map_err(failed)?;
        }
        let kept = u64::try_from(kept).unwrap_or_default();
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
        let unsigned = |rows: i64| u64::try_from(rows).unwrap_or_default();
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

/// What else stands in the way: missing privileges, publications, children.
async fn others(client: &impl GenericClient, oids: &[Oid]) -> Result<Vec<Hindrance>, TokensError> {
    let rows = client
        .query(
            "SELECT 'the role may not ' || p || ' ' || oid::regclass::text, true FROM pg_catalog.pg_class, \
                 (VALUES ('truncate'), ('insert')) v (p) WHERE oid = ANY($1) AND NOT has_table_privilege(oid, p) \
             UNION ALL SELECT 'the role may not make temporary tables', true \
                 WHERE NOT has_database_privilege(current_database(), 'temporary') \
             UNION ALL SELECT format('publication %I has %s: subscribers would see it emptied and every row that stays \
                 inserted again', p.pubname, c.oid::regclass), false FROM pg_catalog.pg_publication_tables p \
                 JOIN pg_catalog.pg_namespace n ON n.nspname = p.schemaname \
                 JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename WHERE c.oid = ANY($1) \
             UNION ALL SELECT format('%s inherits from %s', inhrelid::regclass, inhparent::regclass), false \
                 FROM pg_catalog.pg_inherits WHERE inhparent = ANY($1) OR inhrelid = ANY($1) ORDER BY 1",
            &[&oids],
        )
        .await
        .map_err(attempt("looking at what a rewrite would do".to_owned()))?;
    Ok(rows.into_iter().map(|row| Hindrance { what: row.get(0), role: row.get(1) }).collect())
}

async fn columns(client: &impl GenericClient, oid: Oid) -> Result<Vec<String>, TokensError> {
    let rows = client
        .query(
            "SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped \
             AND attgenerated = '' ORDER BY attnum",
            &[&oid],
        )
        .await
        .map_err(attempt("looking at the columns of the token tables".to_owned()))?;
    Ok(rows.into_iter().map(|row| quote(row.get(0))).collect())
}

/// The indexes that can be dropped and made again exactly as they are. Building one from sorted rows takes a fraction of
/// filling it row by row. All others stay in place: primary keys, which foreign keys depend on, and whatever has
/// properties that its definition does not repeat.
async fn indexes(client: &impl GenericClient, table: &Table) -> Result<Vec<(String, String)>, TokensError> {
    let rows = client
        .query(
            "SELECT CASE WHEN k.oid IS NULL THEN format('DROP INDEX %s', i.indexrelid::regclass) \
                         ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', $2::text, k.conname) END, \
                    CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid) \
                         ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', $2::text, k.conname, \
                                     pg_get_constraintdef(k.oid)) END \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
             JOIN pg_catalog.pg_class t ON t.oid = i.indrelid \
             LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype <> 'f' \
             WHERE i.indrelid = $1 AND i.indisvalid AND i.indisready AND NOT i.indisprimary AND NOT i.indisreplident \
               AND NOT i.indisclustered AND i.indexprs IS NULL AND c.reltablespace = 0 AND c.reloptions IS NULL \
               AND current_setting('default_tablespace') = '' AND pg_has_role(t.relowner, 'USAGE') \
               AND has_schema_privilege(t.relnamespace, 'CREATE') AND (k.oid IS NULL OR k.contype = 'u') \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.conindid = i.indexrelid AND f.contype = 'f') \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_description d WHERE d.objoid IN (i.indexrelid, k.oid)) \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refobjid = i.indexrelid OR d.refobjid = k.oid \
                               AND d.deptype <> 'i') \
             ORDER BY c.relname",
            &[&table.oid, &table.sql()],
        )
        .await
        .map_err(attempt(format!("looking at the indexes of {}", table.sql())))?;
    Ok(rows.into_iter().map(|row| (row.get(0), row.get(1))).collect())
}
