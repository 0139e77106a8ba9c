//! What a file says of the project's own references, laid over what the catalogue says.

use std::collections::BTreeSet;

use tokio_postgres::GenericClient;
use tokio_postgres::types::{Oid, Type};

use super::{Layout, Reference};
use crate::db::{Parameter, query};
use crate::model::{ReferenceFault, ReferenceName, ReferenceRule, References, Treatment};

impl Layout {
    /// Decides anew what is done with every reference. Returns what does not fit this database; then the layout is of
    /// no use.
    ///
    /// # Errors
    /// The server's: names that no foreign key has are looked up.
    pub async fn declare(
        &mut self,
        client: &impl GenericClient,
        declared: &References,
    ) -> Result<Vec<(ReferenceName, ReferenceFault)>, tokio_postgres::Error> {
        let home = self.application().schema.clone();
        let mut faults = Vec::new();
        let mut known = BTreeSet::new();
        let own: Vec<Oid> = self.tables().map(|(_, table)| table.oid).collect();
        for reference in self.references.iter_mut().chain(&mut self.further) {
            let Reference { schema, name, from_column, .. } = &*reference;
            let mut entries =
                declared.iter().filter(|(written, _)| written.means(schema, name, from_column, &home));
            let entry = entries.next();
            let rule = entry.map(|(_, rule)| *rule);
            for (second, _) in entries {
                if known.insert(second.clone())
                    && let Some((first, _)) = entry
                {
                    faults.push((second.clone(), ReferenceFault::Twice { first: first.as_str().to_owned() }));
                }
            }
            if let Some((written, rule)) = entry.filter(|(written, _)| known.insert((*written).clone())) {
                let fault = misfit(reference, *rule, own.contains(&reference.from));
                faults.extend(fault.map(|fault| (written.clone(), fault)));
            }
            let Reference { on_delete, not_null, table, .. } = *reference;
            reference.declared = rule.is_some();
            reference.treatment = Treatment::decide(rule, on_delete, not_null, table);
        }
        let unknown = declared.keys().filter(|name| !known.contains(*name));
        for name in unknown {
            faults.push((name.clone(), missing(client, self, name, &home).await?));
        }
        if faults.is_empty() {
            for (name, rule) in declared {
                let fault = self.elsewhere(name, &home);
                let fault = fault.or_else(|| self.circle(name, *rule, &home));
                faults.extend(fault.map(|fault| (name.clone(), fault)));
            }
        }
        Ok(faults)
    }

    fn named<'a>(&'a self, name: &'a ReferenceName, home: &'a str) -> impl Iterator<Item = &'a Reference> {
        self.all_references()
            .filter(move |known| name.means(&known.schema, &known.name, &known.from_column, home))
    }

    /// The tables that lose rows when rows of DOT's go.
    fn deleted_along(&self) -> BTreeSet<Oid> {
        let mut all: BTreeSet<Oid> = self.tables().map(|(_, table)| table.oid).collect();
        loop {
            let more: Vec<Oid> = self
                .all_references()
                .filter(|reference| reference.treatment.deletes() && all.contains(&reference.to))
                .map(|reference| reference.from)
                .filter(|from| !all.contains(from))
                .collect();
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    /// It refers to nothing that goes.
    fn elsewhere(&self, name: &ReferenceName, home: &str) -> Option<ReferenceFault> {
        let along = self.deleted_along();
        if self.named(name, home).any(|reference| along.contains(&reference.to)) {
            return None;
        }
        let from = self.named(name, home).next()?.from;
        let others = self.all_references().filter(|other| other.from == from && along.contains(&other.to));
        Some(ReferenceFault::Elsewhere { known: others.map(|other| other.file_name(home)).collect() })
    }

    /// The deletions that it asks for lead back to its own table.
    fn circle(&self, name: &ReferenceName, rule: ReferenceRule, home: &str) -> Option<ReferenceFault> {
        if rule != ReferenceRule::Delete {
            return None;
        }
        self.named(name, home).find_map(|start| {
            let mut path = vec![start];
            self.way_back(start.to, &mut path).then(|| {
                let through = path.iter().map(|reference| reference.from_table.clone());
                ReferenceFault::Circle {
                    tables: std::iter::once(start.to_table.clone()).chain(through).collect(),
                }
            })
        })
    }

    /// Whether deleting rows of the table where the path ends deletes rows of `goal`; then the path says how.
    fn way_back<'a>(&'a self, goal: Oid, path: &mut Vec<&'a Reference>) -> bool {
        let Some(at) = path.last().map(|reference| reference.from) else { return false };
        if at == goal {
            return true;
        }
        let next =
            self.all_references().filter(|reference| reference.to == at && reference.treatment.deletes());
        for reference in next {
            if path.iter().any(|known| known.from == reference.from) {
                continue;
            }
            path.push(reference);
            if self.way_back(goal, path) {
                return true;
            }
            path.pop();
        }
        false
    }
}

/// Why a foreign key cannot be treated like that.
fn misfit(reference: &Reference, rule: ReferenceRule, own: bool) -> Option<ReferenceFault> {
    let Reference { constraint, composite, not_null, from_table, .. } = reference;
    if own {
        return Some(ReferenceFault::Own { table: from_table.clone() });
    }
    if rule == ReferenceRule::Refuse {
        return None;
    }
    if *composite {
        return Some(ReferenceFault::Composite { constraint: constraint.clone() });
    }
    (rule == ReferenceRule::Null && *not_null).then_some(ReferenceFault::NotNull)
}

/// What is wrong with a name that no foreign key has.
async fn missing(
    client: &impl GenericClient,
    layout: &Layout,
    name: &ReferenceName,
    home: &str,
) -> Result<ReferenceFault, tokio_postgres::Error> {
    let (table, column) = name.parts();
    let sql = "SELECT a.attname::text, \
                      EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY(k.conkey)) \
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
               WHERE c.relkind IN ('r', 'p') AND (n.nspname || '.' || c.relname = $1 OR n.nspname = $2 AND c.relname = $1) \
               ORDER BY a.attnum";
    let parameters: [Parameter<'_>; 2] = [(&table, Type::TEXT), (&home, Type::TEXT)];
    let columns: Vec<(String, bool)> =
        query::rows(client, sql, &parameters, |row| (row.get(0), row.get(1))).await?;
    let along = layout.deleted_along();
    let referring = layout
        .all_references()
        .filter(|reference| along.contains(&reference.to) && layout.role_of(reference.from).is_none());
    if columns.is_empty() {
        let known: BTreeSet<String> = referring.map(|reference| reference.file_name(home)).collect();
        return Ok(ReferenceFault::NoSuchTable {
            table: table.to_owned(),
            known: known.into_iter().collect(),
        });
    }
    if columns.iter().any(|(known, _)| known == column) {
        let own = referring.filter(|reference| {
            reference.name == table || format!("{}.{}", reference.schema, reference.name) == table
        });
        return Ok(ReferenceFault::Elsewhere {
            known: own.map(|reference| reference.file_name(home)).collect(),
        });
    }
    let keys: Vec<String> =
        columns.iter().filter(|(_, key)| *key).map(|(column, _)| column.clone()).collect();
    let all = || columns.iter().map(|(column, _)| column.clone()).collect();
    Ok(ReferenceFault::NoSuchColumn {
        table: table.to_owned(),
        column: column.to_owned(),
        known: if keys.is_empty() { all() } else { keys },
    })
}
