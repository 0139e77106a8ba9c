//! The statements of one sweep.
//!
//! Aliases and predicates are those of [`super::predicate`]. `NOT IN` over a materialised list rather than `NOT
//! EXISTS`: it is hashed even where hash joins are off, as they are while a sweep runs.

mod careful;
mod verified;

pub(super) use careful::{Locked, LockedRows};

use super::predicate::{Cutoffs, Tables};
use super::statement::{Bind, Binds, Sql};
use super::walk::{between, within};
use crate::db::layout::Table;
use crate::model::{Category, Doomed, Sweep, Unit};

/// What a batch does to refresh tokens, and then to the rows of one more table.
#[derive(Debug)]
pub(super) struct Steps<R, W = Sql> {
    pub refresh: Option<R>,
    pub rows: Option<(Category, W)>,
}

/// The refresh tokens of a window in bulk: their number, how many were revoked, how many pointers were cleared.
#[derive(Debug)]
pub(super) struct BulkRefresh {
    /// With [`Pointers::Clear`].
    pub clearing: Sql,
    /// With [`Pointers::ExpectNone`].
    pub trusting: Sql,
    /// The keys of these refresh tokens.
    pub keys: Sql,
}

/// The rows of a window in bulk.
#[derive(Debug)]
pub(super) struct BulkRows {
    pub delete: Sql,
    /// The keys of these rows, once the refresh tokens are gone.
    pub keys: Sql,
}

/// What a bulk statement covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// A range of keys.
    Window,
    Keys,
}

/// What to do about access tokens that have a deleted refresh token as their source.
///
/// Looking for them costs as much as the server's own check at COMMIT. DOT's rows have such pointers to revoked refresh
/// tokens, and not to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointers {
    /// Clear their pointers, as the ORM does.
    Clear,
    /// There are none; if there is one, COMMIT fails with a foreign key violation.
    ExpectNone,
}

/// Writes the statements of one sweep.
pub(super) struct Writer<'a> {
    tables: Tables<'a>,
    /// The table that is walked.
    table: &'a Table,
    doomed: Doomed,
    cutoffs: Cutoffs,
}

impl<'a> Writer<'a> {
    pub(super) fn new(tables: Tables<'a>, sweep: &Sweep, table: &'a Table) -> Self {
        Self { tables, table, doomed: sweep.doomed, cutoffs: Cutoffs::of(sweep) }
    }

    /// The alias of the walked table.
    const fn alias(&self) -> &'static str {
        match self.doomed {
            Doomed::Sessions { .. } => "a",
            Doomed::RefreshTokens { .. } => "r",
            Doomed::IdTokens { .. } => "i",
            Doomed::Grants { .. }
            | Doomed::ParRequests { .. }
            | Doomed::DeviceGrants { .. }
            | Doomed::CimdApplications { .. }
            | Doomed::DcrApplications { .. } => "t",
        }
    }

    fn key(&self) -> String {
        format!("{}.{}", self.alias(), self.table.key_sql())
    }

    /// The walked table and what has to be joined to see whether a row is doomed.
    fn from(&self) -> String {
        match self.doomed.unit() {
            Unit::Session { .. } => self.tables.sessions(),
            Unit::RefreshToken | Unit::Row => format!("{} {}", self.table.sql(), self.alias()),
        }
    }

    /// A row of [`Writer::from`] is doomed, or keeps a doomed one.
    fn predicate(&self, binds: &mut Binds) -> String {
        match self.doomed.unit() {
            Unit::Session { .. } => {
                let refresh = self.cutoffs.refresh(&self.tables, binds);
                let expired = self.cutoffs.expired(&self.tables, binds);
                format!("({refresh} OR (r.{} IS NULL AND {expired}))", self.tables.refresh.key_sql())
            }
            Unit::RefreshToken => self.cutoffs.refresh_alone(&self.tables, binds),
            Unit::Row => self.row(Scope::Keys, binds),
        }
    }

    /// A column that refers to the walked table has a key of the scope.
    ///
    /// For a window, the join implies this condition. Stating it lets the planner read one index range instead of one
    /// look-up per row (25 % fewer pages in a run).
    fn referring(&self, column: &str, scope: Scope, binds: &mut Binds) -> String {
        match scope {
            Scope::Window => format!(" AND {}", between(column, self.table, binds)),
            Scope::Keys => String::new(),
        }
    }

    /// A row of the walked table goes, the refresh tokens being gone.
    fn row(&self, scope: Scope, binds: &mut Binds) -> String {
        let key = self.key();
        match self.doomed {
            Doomed::Sessions { .. } => {
                let expired = self.cutoffs.expired(&self.tables, binds);
                let refresh = self.tables.refresh.sql();
                let range = self.referring("r.access_token_id", scope, binds);
                format!(
                    "{expired} AND NOT EXISTS (SELECT FROM {refresh} r WHERE r.access_token_id = {key}{range})"
                )
            }
            Doomed::IdTokens { .. } => {
                let expired = self.cutoffs.id(&self.tables, binds);
                let access = self.tables.access.sql();
                let range = self.referring("a.id_token_id", scope, binds);
                format!(
                    "{expired} AND NOT EXISTS (SELECT FROM {access} a WHERE a.id_token_id = {key}{range})"
                )
            }
            Doomed::Grants { .. } => self.cutoffs.grant(&self.tables, binds),
            Doomed::ParRequests { .. } => self.cutoffs.par(&self.tables, binds),
            Doomed::DeviceGrants { .. } => self.cutoffs.device(&self.tables, binds),
            Doomed::CimdApplications { .. } | Doomed::DcrApplications { .. } => {
                self.cutoffs.application(&self.tables, binds)
            }
            Doomed::RefreshTokens { .. } => "false".to_owned(),
        }
    }

    pub(super) const fn takes_refresh_tokens(&self) -> bool {
        match self.doomed.unit() {
            Unit::Session { revoked, idle } => revoked.is_some() || idle.is_some(),
            Unit::RefreshToken => true,
            Unit::Row => false,
        }
    }

    /// What the rows of the walked table count as, if they go themselves.
    pub(super) const fn category(&self) -> Option<Category> {
        match self.doomed {
            Doomed::Sessions { expired: Some(_), .. } => Some(Category::Access),
            Doomed::Sessions { expired: None, .. }
            | Doomed::RefreshTokens { .. }
            | Doomed::CimdApplications { .. }
            | Doomed::DcrApplications { .. } => None,
            Doomed::IdTokens { .. } => Some(Category::Id),
            Doomed::Grants { .. } => Some(Category::Grants),
            Doomed::ParRequests { .. } => Some(Category::Par),
            Doomed::DeviceGrants { .. } => Some(Category::Device),
        }
    }

    /// The first doomed keys of a window: the keys, their number, the last one.
    pub(super) fn candidates(&self) -> Sql {
        Sql::new(|binds| {
            let (key, from) = (self.key(), self.from());
            let within = within(self.alias(), self.table, binds);
            let (doomed, rows) = (self.predicate(binds), binds.get(Bind::Rows));
            format!(
                "WITH c AS MATERIALIZED (SELECT {key} AS k FROM {from} WHERE {within} AND {doomed} ORDER BY {key} \
                 LIMIT {rows}) SELECT coalesce(array_agg(k), '{{}}')::text, count(*), \
                 (SELECT k::text FROM c ORDER BY k DESC LIMIT 1) FROM c"
            )
        })
    }

    /// Finds the doomed keys of a window in the way that the planner chooses, at most `Bind::Rows` of them, in order.
    pub(super) fn search(&self) -> Sql {
        Sql::new(|binds| {
            let (key, from) = (self.key(), self.from());
            let within = within(self.alias(), self.table, binds);
            let (doomed, rows) = (self.predicate(binds), binds.get(Bind::Rows));
            format!(
                "SELECT f.k::text FROM (SELECT {key} AS k FROM {from} WHERE {within} AND {doomed} LIMIT {rows}) f \
                 ORDER BY f.k"
            )
        })
    }

    /// How many of the given keys are still doomed.
    pub(super) fn left(&self) -> Sql {
        Sql::new(|binds| {
            let (key, from) = (self.key(), self.from());
            let keys = binds.keys(Bind::Keys, self.table.key_type());
            let doomed = self.predicate(binds);
            format!("SELECT count(*) FROM {from} WHERE {key} = ANY({keys}) AND {doomed}")
        })
    }

    /// Rows of the walked table within a scope.
    fn within(&self, scope: Scope, binds: &mut Binds) -> String {
        match scope {
            Scope::Window => within(self.alias(), self.table, binds),
            Scope::Keys => {
                let keys = binds.keys(Bind::Keys, self.table.key_type());
                format!("{} = ANY({keys})", self.key())
            }
        }
    }

    /// All doomed rows of a scope at once.
    ///
    /// `None` where refresh tokens are deleted because of the age of their access tokens, but the access tokens stay: then
    /// nothing would notice that one was renewed meanwhile.
    pub(super) fn bulk(&self, scope: Scope) -> Option<Steps<BulkRefresh, BulkRows>> {
        if let Doomed::Sessions { idle: Some(_), expired, .. } = self.doomed
            && (expired.is_none() || self.tables.excluding)
        {
            return None;
        }
        if matches!(self.doomed, Doomed::CimdApplications { .. } | Doomed::DcrApplications { .. }) {
            return None;
        }
        let (table, alias) = (self.table.sql(), self.alias());
        Some(Steps {
            refresh: self.takes_refresh_tokens().then(|| BulkRefresh {
                clearing: self.bulk_refresh(scope, Pointers::Clear),
                trusting: self.bulk_refresh(scope, Pointers::ExpectNone),
                keys: Sql::new(|binds| {
                    let (and, doomed) = self.doomed_refresh(scope, ", ", binds);
                    let (refresh, key) = (self.tables.refresh.sql(), self.tables.refresh.key_sql());
                    format!("SELECT coalesce(array_agg(r.{key}), '{{}}')::text FROM {refresh} r{and} WHERE {doomed}")
                }),
            }),
            rows: self.category().map(|category| {
                let rows = |verb: &str| {
                    Sql::new(|binds| {
                        let (within, row) = (self.within(scope, binds), self.row(scope, binds));
                        format!("{verb} FROM {table} {alias} WHERE {within} AND {row}")
                    })
                };
                let keys = rows(&format!("SELECT coalesce(array_agg({}), '{{}}')::text", self.key()));
                (category, BulkRows { delete: rows("DELETE"), keys })
            }),
        })
    }

    /// The refresh tokens `r` of a scope that go: what is joined, after `and`, and the condition.
    fn doomed_refresh(&self, scope: Scope, and: &str, binds: &mut Binds) -> (String, String) {
        let access = self.tables.access;
        let within = self.within(scope, binds);
        let (using, joined) = match self.doomed.unit() {
            Unit::Session { .. } => {
                let range = self.referring("r.access_token_id", scope, binds);
                (
                    format!("{and}{} a", access.sql()),
                    format!("r.access_token_id = a.{}{range} AND ", access.key_sql()),
                )
            }
            Unit::RefreshToken | Unit::Row => (String::new(), String::new()),
        };
        let doomed = self.cutoffs.refresh(&self.tables, binds);
        (using, format!("{within} AND {joined}{doomed}"))
    }

    fn bulk_refresh(&self, scope: Scope, pointers: Pointers) -> Sql {
        let (refresh, access) = (self.tables.refresh, self.tables.access);
        Sql::new(|binds| {
            let (using, doomed) = self.doomed_refresh(scope, "USING ", binds);
            let key = refresh.key_sql();
            let (clear, cleared) = match pointers {
                Pointers::Clear => {
                    let range = match self.doomed.unit() {
                        Unit::RefreshToken => self.referring("x.source_refresh_token_id", scope, binds),
                        Unit::Session { .. } | Unit::Row => String::new(),
                    };
                    (
                        format!(
                            ", u AS (UPDATE {} x SET source_refresh_token_id = NULL FROM d \
                             WHERE x.source_refresh_token_id = d.k{range} RETURNING 1)",
                            access.sql()
                        ),
                        "(SELECT count(*) FROM u)",
                    )
                }
                Pointers::ExpectNone => (String::new(), "0::bigint"),
            };
            format!(
                "WITH d AS (DELETE FROM {} r {using} WHERE {doomed} RETURNING r.{key} AS k, \
                 r.revoked){clear} SELECT count(*), count(revoked), {cleared} FROM d",
                refresh.sql()
            )
        })
    }
}
