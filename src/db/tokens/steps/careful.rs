//! Those of a batch that deletes given keys, one row lock at a time.

use super::{Scope, Steps, Writer};
use crate::db::tokens::statement::{Bind, Sql};
use crate::model::Unit;

/// The refresh tokens of a batch, row locks first.
#[derive(Debug)]
pub(in crate::db::tokens) struct Locked {
    /// Locks those that are still doomed: their keys, their number.
    pub lock: Sql,
    /// Locks the access tokens that have one of them as their source: the keys of those where that was not possible.
    pub blocked: Sql,
    /// Clears the pointers to the others.
    pub detach: Sql,
    /// Those of them that are not blocked.
    pub rest: Sql,
    /// Deletes the others: their number, and how many were revoked.
    pub delete: Sql,
}

/// The other rows of a batch, row locks first.
#[derive(Debug)]
pub(in crate::db::tokens) struct LockedRows {
    /// Locks those that are still doomed: their keys, their number.
    pub lock: Sql,
    /// Deletes those with these keys.
    pub delete: Sql,
}

impl Writer<'_> {
    /// The rows of given keys, one lock at a time.
    pub(in crate::db::tokens) fn careful(&self) -> Steps<Locked, LockedRows> {
        let (key, table, alias) = (self.key(), self.table.sql(), self.alias());
        let key_name = self.table.key_sql();
        Steps {
            refresh: self.takes_refresh_tokens().then(|| self.locked()),
            rows: self.category().map(|category| {
                let lock = Sql::new(|binds| {
                    let keys = binds.keys(Bind::Keys, self.table.key_type());
                    let row = self.row(Scope::Keys, binds);
                    format!(
                        "WITH c AS MATERIALIZED (SELECT {key} AS k FROM {table} {alias} WHERE {key} = ANY({keys}) \
                         AND {row} FOR UPDATE OF {alias} SKIP LOCKED) \
                         SELECT coalesce(array_agg(k), '{{}}')::text, count(*) FROM c"
                    )
                });
                let delete = Sql::new(|binds| {
                    let keys = binds.keys(Bind::Keys, self.table.key_type());
                    format!("DELETE FROM {table} x WHERE x.{key_name} = ANY({keys})")
                });
                (category, LockedRows { lock, delete })
            }),
        }
    }

    fn locked(&self) -> Locked {
        let (refresh, access) = (self.tables.refresh, self.tables.access);
        let (r, a) = (refresh.sql(), access.sql());
        let (r_key, a_key, r_type) = (refresh.key_sql(), access.key_sql(), refresh.key_type());
        Locked {
            lock: Sql::new(|binds| {
                let keys = binds.keys(Bind::Keys, self.table.key_type());
                let (from, locks, at) = match self.doomed.unit() {
                    Unit::Session { .. } => (
                        format!("{r} r JOIN {a} a ON a.{a_key} = r.access_token_id"),
                        "r, a",
                        format!("a.{a_key}"),
                    ),
                    Unit::RefreshToken | Unit::Row => (format!("{r} r"), "r", format!("r.{r_key}")),
                };
                let doomed = self.cutoffs.refresh(&self.tables, binds);
                format!(
                    "WITH c AS MATERIALIZED (SELECT r.{r_key} AS k FROM {from} WHERE {at} = ANY({keys}) AND {doomed} \
                     FOR UPDATE OF {locks} SKIP LOCKED) SELECT coalesce(array_agg(k), '{{}}')::text, count(*) FROM c"
                )
            }),
            blocked: Sql::new(|binds| {
                let keys = binds.keys(Bind::Keys, r_type);
                format!(
                    "WITH m AS MATERIALIZED (SELECT x.{a_key} AS k FROM {a} x \
                     WHERE x.source_refresh_token_id = ANY({keys}) FOR UPDATE SKIP LOCKED) \
                     SELECT coalesce(array_agg(x.source_refresh_token_id), '{{}}')::text, count(*) FROM {a} x \
                     WHERE x.source_refresh_token_id = ANY({keys}) AND x.{a_key} NOT IN (SELECT k FROM m)"
                )
            }),
            detach: Sql::new(|binds| {
                let keys = binds.keys(Bind::Keys, r_type);
                let blocked = binds.keys(Bind::Blocked, r_type);
                format!(
                    "UPDATE {a} x SET source_refresh_token_id = NULL \
                     WHERE x.source_refresh_token_id = ANY({keys}) AND x.source_refresh_token_id <> ALL({blocked})"
                )
            }),
            rest: Sql::new(|binds| {
                let keys = binds.keys(Bind::Keys, r_type);
                let blocked = binds.keys(Bind::Blocked, r_type);
                format!(
                    "SELECT coalesce(array_agg(k), '{{}}')::text FROM unnest({keys}) u (k) WHERE k <> ALL({blocked})"
                )
            }),
            delete: Sql::new(|binds| {
                let keys = binds.keys(Bind::Keys, r_type);
                let blocked = binds.keys(Bind::Blocked, r_type);
                format!(
                    "WITH d AS (DELETE FROM {r} r WHERE r.{r_key} = ANY({keys}) AND r.{r_key} <> ALL({blocked}) \
                     RETURNING r.revoked) SELECT count(*), count(revoked) FROM d"
                )
            }),
        }
    }
}
