//! Those of a batch whose references are verified set by set.

use super::{Scope, Writer};
use crate::db::layout::{Reference, Table};
use crate::db::tokens::predicate::{self, Cutoffs};
use crate::db::tokens::statement::{Bind, Binds, Sql};
use crate::db::tokens::verified::Verified;
use crate::model::Unit;
use crate::model::printable::quote;

impl Writer<'_> {
    /// The same where nothing but these statements looks at references. See [`Verified`].
    pub(in crate::db::tokens) fn verified(&self, scope: Scope) -> Option<Verified> {
        self.bulk(scope)?;
        let takes = self.takes_refresh_tokens();
        let walked = self.category().map(|category| {
            let rows = Sql::new(|binds| self.verified_rows(scope, binds));
            (category, rows)
        });
        Some(Verified {
            refers_to_walked: if walked.is_some() { self.asked_for(self.table) } else { None },
            refers_to_refresh: if takes { self.asked_for(self.tables.refresh) } else { None },
            refresh: takes.then(|| Sql::new(|binds| self.verified_refresh(scope, binds))),
            walked,
            clear: Sql::new(|binds| self.verified_clear(binds)),
        })
    }

    fn asked_for(&self, table: &Table) -> Option<Sql> {
        (!self.referring_to(table).is_empty())
            .then(|| Sql::new(|binds| self.refers_to(table, binds).unwrap_or_default()))
    }

    /// Deletes the rows of the walked table: their number, their keys, and whether each takes a refresh token along that
    /// was not revoked.
    pub(in crate::db::tokens) fn verified_rows(&self, scope: Scope, binds: &mut Binds) -> String {
        let (refresh, key) = (self.tables.refresh, self.key());
        let within = self.within(scope, binds);
        let (goes, flag) = match self.doomed.unit() {
            Unit::Session { idle, .. } => {
                let expired = self.cutoffs.expired(&self.tables, binds);
                let doomed = self.cutoffs.refresh(&self.tables, binds);
                let flag = idle.map_or_else(
                    || "false".to_owned(),
                    |idle| format!("a.expires <= {}", binds.get(Bind::Instant(idle))),
                );
                let range = self.referring("r.access_token_id", scope, binds);
                let kept = format!(
                    "SELECT FROM {} r WHERE r.access_token_id = {key}{range} AND ({doomed}) IS NOT TRUE",
                    refresh.sql()
                );
                (format!("{expired} AND NOT EXISTS ({kept})"), flag)
            }
            Unit::RefreshToken | Unit::Row => (self.row(scope, binds), "false".to_owned()),
        };
        let (table, alias) = (self.table.sql(), self.alias());
        format!(
            "WITH d AS (DELETE FROM {table} {alias} WHERE {within} AND {goes} RETURNING {key} AS k, {flag} AS f) \
             SELECT count(*), coalesce(array_agg(k), '{{}}')::text, coalesce(array_agg(f), '{{}}')::text FROM d"
        )
    }

    /// Deletes refresh tokens, those of the rows above if there are any: their number, how many were revoked, their keys.
    pub(in crate::db::tokens) fn verified_refresh(&self, scope: Scope, binds: &mut Binds) -> String {
        let (refresh, key) = (self.tables.refresh.sql(), self.tables.refresh.key_sql());
        let which = if let Unit::Session { idle, .. } = self.doomed.unit() {
            // The access tokens have just been deleted, and were expired.
            let revoked = Cutoffs { revoked_with_expired: None, ..self.cutoffs };
            let revoked = revoked.revoked(&self.tables, binds);
            let included = self.tables.included("r", binds);
            let idle = idle.map(|_| format!("(r.revoked IS NULL AND g.f AND {included})"));
            let doomed = predicate::any([revoked, idle].into_iter().flatten());
            let keys = binds.keys(Bind::Keys, self.table.key_type());
            let flags = binds.keys(Bind::Flags, "boolean");
            let range = self.referring("r.access_token_id", scope, binds);
            format!(
                "USING unnest({keys}, {flags}) g (k, f) WHERE r.access_token_id = g.k{range} AND {doomed}"
            )
        } else {
            let within = self.within(scope, binds);
            let doomed = self.cutoffs.refresh(&self.tables, binds);
            format!("WHERE {within} AND {doomed}")
        };
        format!(
            "WITH d AS (DELETE FROM {refresh} r {which} RETURNING r.{key} AS k, r.revoked) \
             SELECT count(*), count(revoked), coalesce(array_agg(k), '{{}}')::text FROM d"
        )
    }

    /// Clears the pointers to deleted refresh tokens.
    pub(in crate::db::tokens) fn verified_clear(&self, binds: &mut Binds) -> String {
        let keys = binds.keys(Bind::Keys, self.tables.refresh.key_type());
        format!(
            "UPDATE {} x SET source_refresh_token_id = NULL WHERE x.source_refresh_token_id = ANY({keys})",
            self.tables.access.sql()
        )
    }

    fn referring_to(&self, table: &Table) -> Vec<&Reference> {
        self.tables.layout.references.iter().filter(|reference| reference.to == table.oid).collect()
    }

    /// Whether a row refers to one of the keys, by any foreign key that the catalogue knows; `None`: there is none.
    pub(in crate::db::tokens) fn refers_to(&self, table: &Table, binds: &mut Binds) -> Option<String> {
        let references = self.referring_to(table);
        if references.is_empty() {
            return None;
        }
        let keys = binds.keys(Bind::Keys, table.key_type());
        let each = references.iter().map(|reference| {
            let (from, column) = (&reference.from_table, quote(&reference.from_column));
            format!("EXISTS (SELECT FROM {from} x WHERE x.{column} = ANY({keys}))")
        });
        Some(format!("SELECT {}", each.collect::<Vec<_>>().join(" OR ")))
    }
}
