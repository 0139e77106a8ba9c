//! The tables that a run goes through, once each, and which of their rows it deletes: for counts, samples and rewrites.

use super::excluded::Excluded;
use super::predicate::{Cutoffs, Tables};
use super::statement::Binds;
use super::supports;
use crate::db::along::Along;
use crate::db::layout::{Layout, Table};
use crate::model::printable::quote;
use crate::model::{Category, Sweep, TableRole};

/// One pass over one table.
pub(super) struct Pass<'a> {
    pub role: TableRole,
    pub table: &'a Table,
    /// The name of its rows in the conditions.
    pub alias: &'static str,
    /// What is joined to each of its rows: at most one row of each table.
    pub joins: String,
    pub counts: Vec<Count>,
}

/// The rows of one category.
pub(super) struct Count {
    pub category: Category,
    pub condition: String,
    /// Whether the condition is about one column of the table itself, so that the statistics of this column tell how many
    /// rows fulfil it.
    pub single: bool,
}

impl<'a> Pass<'a> {
    /// `from`: the table, its alias and the joins, as a FROM clause has them.
    fn new(role: TableRole, table: &'a Table, alias: &'static str, from: &str) -> Self {
        let joins = from.strip_prefix(&format!("{} {alias}", table.sql())).unwrap_or_default().to_owned();
        Self { role, table, alias, joins, counts: Vec::new() }
    }

    fn count(&mut self, category: Category, condition: String, single: bool) {
        self.counts.push(Count { category, condition, single });
    }

    /// Counts every category, and then what else is wanted.
    pub(super) fn select(&self, further: &[&str]) -> String {
        let counts = self.counts.iter().map(|count| format!("count(*) FILTER (WHERE {})", count.condition));
        let columns: Vec<String> = counts.chain(further.iter().map(|column| (*column).to_owned())).collect();
        format!("SELECT {} FROM {} {}{}", columns.join(", "), self.table.sql(), self.alias, self.joins)
    }
}

/// What all sweeps of a run delete together.
pub(super) struct Run<'a> {
    pub(super) tables: Tables<'a>,
    pub(super) cutoffs: Cutoffs,
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
    pub(super) fn along(&self, role: TableRole, along: &Along<'_>, node: usize, binds: &mut Binds) -> String {
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

    pub(super) fn passes(&self, binds: &mut Binds) -> Vec<Pass<'a>> {
        let (tables, cutoffs) = (&self.tables, &self.cutoffs);
        let single = !tables.excluding;
        let alone = format!("{} r", tables.refresh.sql());
        let mut refresh = Pass::new(TableRole::RefreshToken, tables.refresh, "r", &alone);
        let mut sessions = Pass::new(TableRole::AccessToken, tables.access, "a", &tables.sessions());
        if let Some(revoked) = cutoffs.revoked(tables, binds) {
            let joined = cutoffs.revoked_with_expired.is_some();
            let pass = if joined { &mut sessions } else { &mut refresh };
            pass.count(Category::Revoked, revoked, single && !joined);
        }
        if let Some(orphaned) = cutoffs.orphaned(tables, binds) {
            refresh.count(Category::Orphaned, orphaned, false);
        }
        if let Some(idle) = cutoffs.idle(tables, binds) {
            sessions.count(Category::Expired, idle, false);
        }
        if cutoffs.access.is_some() {
            sessions.count(Category::Access, cutoffs.access(tables, binds), false);
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
                let (alias, from, doomed) = self.doomed(category.role(), table, binds);
                let mut pass = Pass::new(category.role(), table, alias, &from);
                pass.count(category, doomed, single && category != Category::Id);
                passes.push(pass);
            }
        }
        let application = tables.layout.application();
        let from = format!("{} t", application.sql());
        let mut applications = Pass::new(TableRole::Application, application, "t", &from);
        for (category, condition) in cutoffs.applications(tables, binds) {
            applications.count(category, condition, false);
        }
        passes.push(applications);
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
