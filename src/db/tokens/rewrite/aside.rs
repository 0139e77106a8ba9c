//! What stays is put aside before the tables are locked, and compared with them under the lock.
//!
//! A row is *old* if no transaction has written it that was running when the run began, or came later: its `xmin` is
//! before the horizon. Only old rows are put aside before the lock, with their place (`ctid`) and version (`xmin`). The
//! transaction has a reader's lock on the tables from then on, so nothing but `VACUUM` and writers works on them, and no
//! row is moved. Under the lock:
//!
//! 1. Old rows only ever become fewer. They were counted before they were put aside, so an equal number says that each of
//!    them is still there, as it was. If there are fewer, those that were put aside and are gone are taken out.
//! 2. Rows that are not old are judged now, by the conditions that judge the old ones.
//! 3. Whether an old row goes depends on itself, and on one more: a refresh token on its access token, an access token on
//!    the refresh token that refers to it, an ID token on its access token. Old refresh tokens whose access token is not
//!    old are judged again. An old row that goes, and that a row which stays refers to, stays.
//!
//! An xid that was frozen so long ago that its number looks new makes a row not old, so that it is judged under the lock.

use std::collections::BTreeSet;

use tokio_postgres::GenericClient;
use tokio_postgres::types::Oid;

use super::tables::{Part, Rows};
use crate::db::layout::Layout;
use crate::db::query::{self, unsigned};
use crate::db::tokens::excluded::Excluded;
use crate::db::tokens::passes::Run;
use crate::db::tokens::statement::{Binds, Sql, Values};
use crate::db::tokens::{TokensError, attempt};
use crate::model::printable::quote;
use crate::model::{Sweep, TableRole};

/// The column of the access tokens that becomes NULL where the refresh token goes.
const SOURCE: &str = "source_refresh_token_id";

/// Few rows are found by index, many by reading all.
const BY_INDEX: &str =
    "SET LOCAL enable_nestloop = on; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
const BY_READING: &str =
    "SET LOCAL enable_nestloop = off; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on";

/// A row in this many that is not old is few.
const FEW: u64 = 20;

/// The tables of a rewrite, for what is put aside.
pub(super) struct Aside<'a> {
    pub layout: &'a Layout,
    pub sweeps: &'a [Sweep],
    pub excluded: &'a Excluded,
    pub parts: &'a [Part<'a>],
}

/// The first transaction whose rows are not old: the 32 bits of it that rows have.
pub(super) async fn horizon(client: &impl GenericClient) -> Result<String, TokensError> {
    let sql = "SELECT (pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint & 4294967295)::text";
    query::value(client, sql, &[]).await.map_err(attempt("looking at the transactions that are under way"))
}

/// The row is old. Transactions are counted in a circle of 2^32, half of it before each. (`age()` would say the same, and
/// keep PostgreSQL from reading with several processes.)
fn old(alias: &str, horizon: &str) -> String {
    format!("((({alias}.xmin::text::bigint - {horizon}) & 4294967295) >= 2147483648)")
}

impl Aside<'_> {
    fn part(&self, role: TableRole) -> Option<&Part<'_>> {
        self.parts.iter().find(|part| part.role == role)
    }

    fn run(&self) -> Option<Run<'_>> {
        Run::new(self.layout, self.sweeps, self.excluded)
    }

    /// Puts the old rows of a table that stay aside. Its tables before it have been.
    pub(super) async fn put(
        &self,
        client: &impl GenericClient,
        number: usize,
        horizon: &str,
    ) -> Result<Rows, TokensError> {
        let (Some(part), Some(run)) = (self.parts.get(number), self.run()) else {
            return Ok(Rows::default());
        };
        let failed = || attempt(format!("putting aside the rows of {} that stay", part.table.sql()));
        let values = Values::new(self.excluded);
        // First: what goes from here on makes the number smaller, and is looked for under the lock.
        let counted = Sql::new(|binds| counts(&run, part, horizon, binds));
        let row = counted.one(client, values).await.map_err(failed())?;
        let create = Sql::new(|binds| {
            let stays = self.stays(&run, part, &|alias| old(alias, horizon), binds);
            format!("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {stays} ORDER BY 1", part.aside)
        });
        create.execute(client, values).await.map_err(failed())?;
        // Without statistics PostgreSQL takes it for larger than the table, and builds the hash of a join over the table.
        let analyze = format!("ANALYZE {} ({})", part.aside, self.joined(part));
        client.batch_execute(&analyze).await.map_err(failed())?;
        let (kept, detached) = self.kept(client, part).await?;
        let count = |column: usize| unsigned(row.get(column));
        let (old, revoked, orphaned) = (count(0), count(2), count(3));
        Ok(Rows { old, before: old, revoked, orphaned, kept, detached })
    }

    /// The columns by which what was put aside is joined: the key, and what refers to the others.
    fn joined(&self, part: &Part<'_>) -> String {
        let own = self.layout.references.iter().filter(|reference| reference.from == part.table.oid);
        let own = own.filter(|reference| self.parts.iter().any(|to| to.table.oid == reference.to));
        let columns: BTreeSet<String> =
            own.map(|reference| quote(&reference.from_column)).chain([part.table.key_sql()]).collect();
        columns.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// The rows that were put aside, and the pointers of these that are cleared.
    async fn kept(&self, client: &impl GenericClient, part: &Part<'_>) -> Result<(u64, u64), TokensError> {
        let detached = if part.role == TableRole::AccessToken {
            format!("count(*) FILTER (WHERE {}.\"oauthctl source\" IS DISTINCT FROM {SOURCE})", part.aside)
        } else {
            "0::bigint".to_owned()
        };
        let sql = format!("SELECT count(*), {detached} FROM {}", part.aside);
        let row = client.query_typed_one(&sql, &[]).await.map_err(attempt("counting the rows that stay"))?;
        Ok((unsigned(row.get(0)), unsigned(row.get(1))))
    }

    /// The rows of a table that stay, as they will be, with their places and versions. `which`: some of them only.
    fn stays(
        &self,
        run: &Run<'_>,
        part: &Part<'_>,
        which: &dyn Fn(&str) -> String,
        binds: &mut Binds,
    ) -> String {
        let (alias, from, doomed) = self.judged(run, part, binds);
        let (columns, joined) = self.columns(part, alias);
        format!("SELECT {columns} FROM {from}{joined} WHERE ({doomed}) IS NOT TRUE AND {}", which(alias))
    }

    /// The columns of a row that stays: the key first.
    fn columns(&self, part: &Part<'_>, alias: &str) -> (String, String) {
        let key = part.table.key_sql();
        let others = part.columns.iter().filter(|column| **column != key);
        let mut columns: Vec<String> =
            std::iter::once(&key).chain(others).map(|column| format!("{alias}.{column}")).collect();
        let mut joined = String::new();
        if let (TableRole::AccessToken, Some(refresh)) = (part.role, self.part(TableRole::RefreshToken)) {
            // The source of an access token may be gone: then the pointer is cleared, as the ORM does it.
            let key = refresh.table.key_sql();
            joined = format!(" LEFT JOIN {} s ON s.{key} = {alias}.{SOURCE}", refresh.aside);
            let pointer = format!("{alias}.{}", quote(SOURCE));
            for column in columns.iter_mut().filter(|column| **column == pointer) {
                *column = format!("s.{key} AS {SOURCE}");
            }
            columns.push(format!("{alias}.{SOURCE} AS \"oauthctl source\""));
        }
        columns.push(format!("{alias}.ctid AS \"oauthctl place\""));
        columns.push(format!("{alias}.xmin AS \"oauthctl version\""));
        (columns.join(", "), joined)
    }

    /// The rows of a table: the alias, what to select from, and which go. What refers to them has been put aside.
    fn judged(&self, run: &Run<'_>, part: &Part<'_>, binds: &mut Binds) -> (&'static str, String, String) {
        let referring = match part.role {
            TableRole::AccessToken => {
                self.part(TableRole::RefreshToken).map(|refresh| (refresh, "access_token_id"))
            }
            TableRole::IdToken => self.part(TableRole::AccessToken).map(|access| (access, "id_token_id")),
            TableRole::RefreshToken
            | TableRole::Grant
            | TableRole::ParRequest
            | TableRole::DeviceGrant
            | TableRole::Application => None,
        };
        let Some((referring, column)) = referring else { return run.doomed(part.role, part.table, binds) };
        let (alias, expired) = run.expired(part.role, binds);
        let from = format!(
            "{} {alias} LEFT JOIN {} k ON k.{column} = {alias}.{}",
            part.table.sql(),
            referring.aside,
            part.table.key_sql()
        );
        (alias, from, format!("({expired} AND k.{column} IS NULL)"))
    }

    /// Under the lock: makes what was put aside the rows that stay.
    pub(super) async fn catch_up(
        &self,
        client: &impl GenericClient,
        horizon: &str,
        found: &mut [Rows],
        whole: bool,
    ) -> Result<(), TokensError> {
        let Some(run) = self.run() else { return Ok(()) };
        let failed = || attempt("looking at what other sessions have changed");
        let mut changed = false;
        let mut now = Vec::with_capacity(self.parts.len());
        for (part, rows) in self.parts.iter().zip(found.iter()) {
            let sql = format!(
                "SELECT count(*) FILTER (WHERE {}), count(*) FROM {} t",
                old("t", horizon),
                part.table.sql()
            );
            let row = client.query_typed_one(&sql, &[]).await.map_err(failed())?;
            let (still, all): (u64, u64) = (unsigned(row.get(0)), unsigned(row.get(1)));
            changed |= still != rows.old || all != still;
            now.push((still, all));
        }
        if !changed && whole {
            return Ok(());
        }
        let new: u64 = now.iter().map(|(still, all)| all - still).sum();
        let all: u64 = now.iter().map(|(_, all)| *all).sum();
        let way = if new.saturating_mul(FEW) < all { BY_INDEX } else { BY_READING };
        for ((part, rows), (still, _)) in self.parts.iter().zip(found.iter()).zip(&now) {
            if *still != rows.old {
                client.batch_execute(BY_READING).await.map_err(failed())?;
                let sql = format!(
                    "DELETE FROM {} f WHERE NOT EXISTS (SELECT FROM {} t \
                     WHERE t.ctid = f.\"oauthctl place\" AND t.xmin = f.\"oauthctl version\")",
                    part.aside,
                    part.table.sql()
                );
                client.execute_typed(&sql, &[]).await.map_err(failed())?;
            }
        }
        client.batch_execute(way).await.map_err(failed())?;
        for part in self.parts {
            self.add_new(client, &run, part, horizon).await?;
            self.add_referred(client, part).await?;
        }
        client.batch_execute(BY_READING).await.map_err(failed())?;
        self.point(client).await?;
        for ((part, rows), (still, all)) in self.parts.iter().zip(found.iter_mut()).zip(now) {
            let values = Values::new(self.excluded);
            let counted = Sql::new(|binds| counts(&run, part, horizon, binds));
            let row = counted.one(client, values).await.map_err(failed())?;
            let (revoked, orphaned) = self.kept_although(client, &run, part).await?;
            let (kept, detached) = self.kept(client, part).await?;
            let less = |column: usize, kept: u64| unsigned(row.get(column)).saturating_sub(kept);
            *rows = Rows {
                old: still,
                before: all,
                revoked: less(2, revoked),
                orphaned: less(3, orphaned),
                kept,
                detached,
            };
        }
        match self.torn(client).await? {
            None => Ok(()),
            Some(table) => Err(TokensError::Referenced { subject: format!("rows of {table}") }),
        }
    }

    /// Adds the rows that are not old and stay, and the old refresh tokens that stay for an access token which is not.
    async fn add_new(
        &self,
        client: &impl GenericClient,
        run: &Run<'_>,
        part: &Part<'_>,
        horizon: &str,
    ) -> Result<(), TokensError> {
        let failed = || attempt(format!("putting aside the new rows of {} that stay", part.table.sql()));
        let values = Values::new(self.excluded);
        let new = |alias: &str| format!("NOT {}", old(alias, horizon));
        let insert = |which: &dyn Fn(&str) -> String| {
            Sql::new(|binds| format!("INSERT INTO {} {}", part.aside, self.stays(run, part, which, binds)))
        };
        let added = |alias: &str| format!("{} AND {}", new(alias), missing(part, alias));
        insert(&added).execute(client, values).await.map_err(failed())?;
        if let (TableRole::RefreshToken, Some(access)) = (part.role, self.part(TableRole::AccessToken)) {
            let again = |alias: &str| {
                format!(
                    "{} AND {alias}.access_token_id IN (SELECT n.{} FROM {} n WHERE {}) AND {}",
                    old(alias, horizon),
                    access.table.key_sql(),
                    access.table.sql(),
                    new("n"),
                    missing(part, alias)
                )
            };
            insert(&again).execute(client, values).await.map_err(failed())?;
        }
        Ok(())
    }

    /// Adds the rows that the rows of a table which stay refer to: what refers to them keeps them.
    async fn add_referred(&self, client: &impl GenericClient, part: &Part<'_>) -> Result<(), TokensError> {
        let own = self.layout.references.iter().filter(|reference| reference.from == part.table.oid);
        for reference in own.filter(|reference| reference.from_column != SOURCE) {
            let Some(to) = self.parts.iter().find(|to| to.table.oid == reference.to) else { continue };
            let (columns, joined) = self.columns(to, "x");
            let sql = format!(
                "INSERT INTO {} SELECT {columns} FROM {} x{joined} \
                 WHERE x.{} IN (SELECT f.{} FROM {} f) AND {}",
                to.aside,
                to.table.sql(),
                quote(&reference.to_column),
                quote(&reference.from_column),
                part.aside,
                missing(to, "x")
            );
            let failed =
                attempt(format!("putting aside the rows of {} that others refer to", to.table.sql()));
            client.execute_typed(&sql, &[]).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Sets the pointers to refresh tokens, now that it is known which of these stay.
    async fn point(&self, client: &impl GenericClient) -> Result<(), TokensError> {
        let parts = self.part(TableRole::AccessToken).zip(self.part(TableRole::RefreshToken));
        let Some((access, refresh)) = parts else { return Ok(()) };
        let (key, refresh_key) = (access.table.key_sql(), refresh.table.key_sql());
        let sql = format!(
            "UPDATE {access} f SET {SOURCE} = s.{refresh_key} FROM {access} g \
             LEFT JOIN {refresh} s ON s.{refresh_key} = g.\"oauthctl source\" \
             WHERE g.{key} = f.{key} AND g.{SOURCE} IS DISTINCT FROM s.{refresh_key}",
            access = access.aside,
            refresh = refresh.aside,
        );
        let failed = attempt("setting the pointers to refresh tokens");
        client.execute_typed(&sql, &[]).await.map_err(failed)?;
        Ok(())
    }

    /// Refresh tokens that stay although they are revoked, or orphaned.
    async fn kept_although(
        &self,
        client: &impl GenericClient,
        run: &Run<'_>,
        part: &Part<'_>,
    ) -> Result<(u64, u64), TokensError> {
        let access =
            self.layout.table(TableRole::AccessToken).filter(|_| part.role == TableRole::RefreshToken);
        let Some(access) = access else { return Ok((0, 0)) };
        let sql = Sql::new(|binds| {
            let (_, revoked, orphaned) = run.refresh_counts(binds);
            format!(
                "SELECT count(*) FILTER (WHERE {revoked}), count(*) FILTER (WHERE {orphaned}) \
                 FROM {} r LEFT JOIN {} a ON a.{} = r.access_token_id",
                part.aside,
                access.sql(),
                access.key_sql()
            )
        });
        let row = sql.one(client, Values::new(self.excluded)).await;
        let row = row.map_err(attempt("counting the rows that stay"))?;
        Ok((unsigned(row.get(0)), unsigned(row.get(1))))
    }

    /// The table of which a row was put aside that refers to none that was; none: all is whole.
    pub(super) async fn torn(&self, client: &impl GenericClient) -> Result<Option<String>, TokensError> {
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
                return Ok(Some(to.table.sql()));
            }
        }
        Ok(None)
    }
}

/// A row was not put aside.
fn missing(part: &Part<'_>, alias: &str) -> String {
    let key = part.table.key_sql();
    format!("NOT EXISTS (SELECT FROM {} m WHERE m.{key} = {alias}.{key})", part.aside)
}

/// The old rows; all rows; the revoked and the orphaned ones that go.
fn counts(run: &Run<'_>, part: &Part<'_>, horizon: &str, binds: &mut Binds) -> String {
    let (alias, from, revoked, orphaned) = if part.role == TableRole::RefreshToken {
        let (joined, revoked, orphaned) = run.refresh_counts(binds);
        let from = if joined {
            run.doomed(part.role, part.table, &mut Binds::default()).1
        } else {
            format!("{} r", part.table.sql())
        };
        ("r", from, revoked, orphaned)
    } else {
        ("t", format!("{} t", part.table.sql()), "false".to_owned(), "false".to_owned())
    };
    format!(
        "SELECT count(*) FILTER (WHERE {}), count(*), count(*) FILTER (WHERE {revoked}), \
         count(*) FILTER (WHERE {orphaned}) FROM {from}",
        old(alias, horizon)
    )
}
