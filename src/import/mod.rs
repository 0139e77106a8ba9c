//! Live rows to changes of the file: what is written, what is left out and why.
//!
//! Pure: rows, a valid file and its drift in; [`Changes`] and remarks out. Invariant: what is imported is what the
//! planner then finds unchanged, and nothing that validation of the file would refuse. Never a secret: a hash at most,
//! where the user asks for it. Knows neither SQL nor the text of the file.

mod describe;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use describe::describe;

use crate::config::Config;
use crate::config::edit::{Assignment, Block, Changes, Line};
use crate::model::{Attribute, ClientId, CustomColumns, Field, Listed, SecretDeclaration};
use crate::plan::drift::Drift;

/// How much is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Fields at DOT's default too.
    pub full: bool,
    /// The hashes of secrets.
    pub hashes: bool,
    /// Declared applications follow the database.
    pub update: bool,
}

/// What becomes of the file.
#[derive(Debug, Default)]
pub struct Import {
    pub changes: Changes,
    /// What is not in them, in the order of the applications.
    pub remarks: Vec<Remark>,
    /// Applications that are declared already and need no change.
    pub unchanged: Vec<ClientId>,
}

/// Something that is not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Of which application.
    pub client_id: ClientId,
    /// What, and why.
    pub reason: Reason,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Why something is not imported, or not as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A new application without one of its fields.
    #[error("{0} is left out: {1}")]
    Omitted(Attribute, String),
    /// A declared field that cannot follow the database.
    #[error("{0} stays as it is in the file: {1}")]
    Kept(Attribute, String),
    /// A declared application that differs, without `--update`.
    #[error("is declared already and differs in {}; left alone", fields(.0))]
    Differs(Vec<Attribute>),
    /// The file gives it another client id.
    #[error("the file renames it to {0}; left alone")]
    Renamed(ClientId),
    /// The file says that it must not exist.
    #[error("the file lists it under [[removed]]; left alone")]
    Removed,
    /// The file has its block, with `enabled = false`.
    #[error("the file declares it with enabled = false; left alone")]
    Disabled,
    /// No file can declare it.
    #[error("cannot be declared: {0}")]
    Undeclarable(String),
    /// The planner has something against the declaration.
    #[error("is declared, but not as this database can have it: {0}; left alone")]
    Impossible(String),
    /// The server rewrites the row.
    #[error("was registered by itself: the server may overwrite what a file says of it")]
    Dynamic,
}

fn fields(fields: &[Attribute]) -> String {
    fields.iter().map(Attribute::to_string).collect::<Vec<_>>().join(", ")
}

/// Decides what to write, and forgets each row when that is done. `drift`: of the file as it is; without an entry, a row is not in the file.
#[must_use]
pub fn import(
    rows: Vec<Listed>,
    custom: &CustomColumns,
    config: &Config,
    drift: &BTreeMap<ClientId, Drift>,
    wish: Wish,
) -> Import {
    let mut importer = Importer { config, custom, wish, import: Import::default() };
    for row in rows {
        importer.row(&row, drift.get(&row.stored.client_id));
    }
    importer.import
}

struct Importer<'a> {
    config: &'a Config,
    custom: &'a CustomColumns,
    wish: Wish,
    import: Import,
}

impl Importer<'_> {
    fn remark(&mut self, client_id: &ClientId, reason: Reason) {
        self.hinted(client_id, reason, None);
    }

    fn hinted(&mut self, client_id: &ClientId, reason: Reason, hint: Option<&String>) {
        let (client_id, hint) = (client_id.clone(), hint.cloned());
        self.import.remarks.push(Remark { client_id, reason, hint });
    }

    fn row(&mut self, row: &Listed, drift: Option<&Drift>) {
        let client_id = &row.stored.client_id;
        match drift {
            None | Some(Drift::Missing | Drift::Unmanaged) => self.add(row),
            Some(Drift::Removed) if self.config.disables(client_id) => {
                self.remark(client_id, Reason::Disabled);
            }
            Some(Drift::Removed) => self.remark(client_id, Reason::Removed),
            Some(Drift::Changed { renamed_to: Some(to), .. }) => {
                self.remark(client_id, Reason::Renamed(to.clone()));
            }
            Some(Drift::Impossible(findings)) => {
                let causes: Vec<String> = findings
                    .iter()
                    .map(|finding| finding.cause.to_string().trim_end_matches('.').to_owned())
                    .collect();
                self.remark(client_id, Reason::Impossible(causes.join("; ")));
            }
            Some(Drift::Changed { changes, .. }) => {
                let fields: Vec<Attribute> = changes.iter().map(|change| change.field.clone()).collect();
                self.declared(row, &fields);
            }
            Some(Drift::Unchanged) => self.declared(row, &[]),
        }
    }

    fn add(&mut self, row: &Listed) {
        let client_id = &row.stored.client_id;
        match describe(row, self.custom, self.config, self.wish) {
            Err(why) => self.remark(client_id, Reason::Undeclarable(why)),
            Ok(lines) => {
                for line in &lines {
                    if let Line::Omitted { field, why, value: _, hint } = line {
                        self.hinted(client_id, Reason::Omitted(field.clone(), why.clone()), hint.as_ref());
                    }
                }
                if !row.stored.origin.is_manual() {
                    self.remark(client_id, Reason::Dynamic);
                }
                self.import.changes.add.push(Block { client_id: client_id.clone(), lines });
            }
        }
    }

    /// An application that the file declares. `differing`: what the planner would change.
    fn declared(&mut self, row: &Listed, differing: &[Attribute]) {
        let client_id = &row.stored.client_id;
        if !self.wish.update {
            if differing.is_empty() {
                self.import.unchanged.push(client_id.clone());
            } else {
                self.remark(client_id, Reason::Differs(differing.to_vec()));
            }
            return;
        }
        // Every field, because a declared one may have gone back to DOT's default.
        let wish = Wish { full: true, ..self.wish };
        let lines = match describe(row, self.custom, self.config, wish) {
            Ok(lines) => lines,
            Err(why) => return self.remark(client_id, Reason::Undeclarable(why)),
        };
        let before = self.import.changes.set.len();
        let columns = self.custom.keys().cloned().map(Attribute::Column);
        for attribute in Field::ALL.iter().copied().map(Attribute::from).chain(columns) {
            let is_wanted = differing.contains(&attribute) || self.is_to_be_added(client_id, &attribute);
            if is_wanted {
                self.assign(client_id, &attribute, &lines);
            }
        }
        if self.import.changes.set.len() == before && differing.is_empty() {
            self.import.unchanged.push(client_id.clone());
        }
    }

    /// Whether the file lacks a field that was asked for.
    fn is_to_be_added(&self, client_id: &ClientId, field: &Attribute) -> bool {
        let asked = if *field == Field::ClientSecret { self.wish.hashes } else { self.wish.full };
        let declared = self.config.desired.applications.get(client_id);
        let is_ignored = declared.is_some_and(|declared| declared.ignores(field));
        asked && !is_ignored && !self.config.declares(client_id, field)
    }

    fn assign(&mut self, client_id: &ClientId, field: &Attribute, lines: &[Line]) {
        let is_declared = self.config.declares(client_id, field);
        if *field == Field::ClientSecret && is_declared {
            let declared = self.config.desired.applications.get(client_id);
            let secret = declared.and_then(|declared| declared.application.client_secret.as_ref());
            if !(self.wish.hashes && matches!(secret, Some(SecretDeclaration::Hash(_)))) {
                let why = "secrets are imported as hashes only, with --with-hashes, and only over hashes";
                return self.remark(client_id, Reason::Kept(field.clone(), why.to_owned()));
            }
        }
        let line = lines.iter().find(|line| match line {
            Line::Field(written, _) | Line::Omitted { field: written, .. } => written == field,
        });
        match line {
            Some(Line::Field(_, value)) => self.import.changes.set.push(Assignment {
                client_id: client_id.clone(),
                field: field.clone(),
                value: value.clone(),
            }),
            Some(Line::Omitted { why, hint, .. }) => {
                let reason = if is_declared { Reason::Kept } else { Reason::Omitted };
                self.hinted(client_id, reason(field.clone(), why.clone()), hint.as_ref());
            }
            None if is_declared => {
                let why =
                    "the row has none, and a file cannot say that; delete the line to leave it unmanaged";
                self.remark(client_id, Reason::Kept(field.clone(), why.to_owned()));
            }
            // A column that this schema lacks, or no owner.
            None => {}
        }
    }
}
