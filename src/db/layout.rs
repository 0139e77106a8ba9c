//! Which tables and columns this database really has.
//!
//! Probed once from the catalogue, never guessed from a version: swapped models lag behind DOT's migrations, and
//! `django_migrations` lists them even when the models are swapped out. All SQL identifiers in this crate come from
//! here and are quoted by [`quote`]. Knows no file and no plan.

mod catalogue;
mod declared;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::GenericClient;
use tokio_postgres::types::Oid;

pub use table::{Candidate, Column, Marked, Reference, Table};

use super::error::DbError;
use crate::model::printable::quote;
use crate::model::{TableNames, TableRole};

/// The tables of one DOT installation.
#[derive(Clone, Debug)]
pub struct Layout {
    tables: BTreeMap<TableRole, Table>,
    /// The table of `AUTH_USER_MODEL`: what `application.user_id` refers to.
    pub users: Option<Table>,
    /// Every foreign key to one of the tables, DOT's own included.
    pub references: Vec<Reference>,
    /// The foreign keys to the tables that have one of those, and so on: they matter where rows there are deleted along.
    pub further: Vec<Reference>,
    /// `[policy] dynamic`: what marks an application that registered itself, besides DOT's `registration_source`.
    pub marks: Vec<Marked>,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Tables that every DOT has are not there.
    #[error("{}", missing_tables(.missing, .searched))]
    Missing {
        /// What was looked for: role and table name.
        missing: Vec<(TableRole, String)>,
        /// Where: a schema or the search path.
        searched: String,
        /// Tables that look like an application table, the most probable first.
        candidates: Vec<Candidate>,
        /// The application table that was found.
        application: Option<Oid>,
    },
    /// There are no ID tokens in any way.
    #[error(
        "the tables are of a DOT before 1.5: there is no table {id_token}, and {access_token} has no column id_token_id"
    )]
    BeforeIdTokens { id_token: String, access_token: String },
    /// A table that is no DOT table.
    #[error("table {table} lacks {}, so it is not a DOT {role} table", .columns.join(", "))]
    NotDot {
        /// Which role it was to play.
        role: TableRole,
        table: String,
        /// The columns that every DOT since 1.5 has.
        columns: Vec<String>,
    },
    /// The primary key is missing or has several columns.
    #[error("table {table} has no single-column primary key")]
    NoKey { table: String },
    /// The catalogue could not be read.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<tokio_postgres::Error> for LayoutError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(DbError::new("reading the catalogue", error))
    }
}

fn missing_tables(missing: &[(TableRole, String)], searched: &str) -> String {
    let names: Vec<&str> = missing.iter().map(|(_, name)| name.as_str()).collect();
    let (noun, verb) = if names.len() == 1 { ("table", "does") } else { ("tables", "do") };
    format!("{noun} {} {verb} not exist in {searched}", names.join(", "))
}

/// Columns without which a table of the role cannot be worked on; all are in DOT 1.5.
const fn essential_columns(role: TableRole) -> &'static [&'static str] {
    match role {
        TableRole::Application => &[
            "client_id",
            "client_secret",
            "client_type",
            "authorization_grant_type",
            "redirect_uris",
            "name",
        ],
        TableRole::AccessToken => {
            &["token", "expires", "application_id", "source_refresh_token_id", "id_token_id"]
        }
        TableRole::RefreshToken => &["token", "revoked", "application_id", "access_token_id"],
        TableRole::IdToken => &["expires", "application_id"],
        TableRole::Grant => &["code", "expires", "application_id"],
        TableRole::DeviceGrant => &["device_code", "expires", "client_id"],
        TableRole::ParRequest => &["request_uri", "expires", "client_id"],
    }
}

impl Layout {
    /// Reads the catalogue.
    pub async fn probe(client: &impl GenericClient, names: &TableNames) -> Result<Self, LayoutError> {
        let oids = catalogue::find_tables(client, names).await?;
        let mut found: Vec<(TableRole, Oid)> = Vec::new();
        let mut missing = Vec::new();
        for role in TableRole::ALL.iter().copied() {
            match oids.get(&role) {
                Some(oid) => found.push((role, *oid)),
                None if role.is_required() || names.swapped.contains_key(&role) => {
                    missing.push((role, names.name(role).to_owned()));
                }
                None => {}
            }
        }
        if let [(TableRole::IdToken, id_token)] = missing.as_slice()
            && let Some(access_token) = without_id_tokens(client, &oids).await?
        {
            return Err(LayoutError::BeforeIdTokens { id_token: id_token.clone(), access_token });
        }
        if !missing.is_empty() {
            let searched = names.schema.as_ref().map_or_else(
                || "any schema of the search path".to_owned(),
                |schema| format!("schema {}", quote(schema)),
            );
            let candidates = catalogue::application_candidates(client).await?;
            let application = oids.get(&TableRole::Application).copied();
            return Err(LayoutError::Missing { missing, searched, candidates, application });
        }
        let mut described =
            catalogue::describe(client, &found.iter().map(|(_, oid)| *oid).collect::<Vec<_>>()).await?;
        let mut tables = BTreeMap::new();
        for (role, oid) in found {
            if let Some(table) = described.remove(&oid) {
                check(role, &table)?;
                tables.insert(role, table);
            }
        }
        let own: Vec<Oid> = tables.values().map(|t: &Table| t.oid).collect();
        let all = catalogue::references(client, &own).await?;
        let (references, further) = all.into_iter().partition(|reference| own.contains(&reference.to));
        let users = match catalogue::user_table(client, &tables).await? {
            Some(oid) => catalogue::describe(client, &[oid]).await?.remove(&oid),
            None => None,
        };
        Ok(Self { tables, users, references, further, marks: Vec::new() })
    }

    /// The tables that there are, with their roles.
    pub fn tables(&self) -> impl Iterator<Item = (TableRole, &Table)> {
        self.tables.iter().map(|(role, table)| (*role, table))
    }

    /// The roles of the tables that there are.
    #[must_use]
    pub fn roles(&self) -> BTreeSet<TableRole> {
        self.tables.keys().copied().collect()
    }

    /// The table of a role; `None`: this DOT has no such model.
    #[must_use]
    pub fn table(&self, role: TableRole) -> Option<&Table> {
        self.tables.get(&role)
    }

    /// The application table, which every layout has.
    ///
    /// # Panics
    /// Never: [`Layout::probe`] refuses a database without it.
    #[must_use]
    pub fn application(&self) -> &Table {
        &self.tables[&TableRole::Application]
    }

    /// From now on no statement reads these columns of the application table.
    pub fn withhold(&mut self, columns: BTreeSet<String>) {
        if let Some(table) = self.tables.get_mut(&TableRole::Application) {
            table.withheld = columns;
        }
    }

    /// The role of a table.
    #[must_use]
    pub fn role_of(&self, oid: Oid) -> Option<TableRole> {
        self.tables().find(|(_, table)| table.oid == oid).map(|(role, _)| role)
    }

    /// Foreign keys from tables that are none of DOT's to a table: one of DOT's, or one whose rows are deleted along.
    /// Rows there keep ours from being deleted where the key [blocks](Reference::blocks), and only at COMMIT, because
    /// Django's constraints are deferred. A table of DOT's that refers to one of the project's is among them.
    pub fn foreign_references(&self, to: Oid) -> impl Iterator<Item = &Reference> {
        let own = self.role_of(to).is_some();
        self.references
            .iter()
            .chain(&self.further)
            .filter(move |reference| reference.to == to && !(own && self.role_of(reference.from).is_some()))
    }

    /// Every foreign key that is known.
    pub fn all_references(&self) -> impl Iterator<Item = &Reference> {
        self.references.iter().chain(&self.further)
    }
}

/// The table of the access tokens, if these cannot have ID tokens.
async fn without_id_tokens(
    client: &impl GenericClient,
    oids: &BTreeMap<TableRole, Oid>,
) -> Result<Option<String>, tokio_postgres::Error> {
    let Some(oid) = oids.get(&TableRole::AccessToken) else { return Ok(None) };
    let access_token = catalogue::describe(client, &[*oid]).await?.remove(oid);
    Ok(access_token.filter(|table| !table.has("id_token_id")).map(|table| table.name))
}

fn check(role: TableRole, table: &Table) -> Result<(), LayoutError> {
    let columns: Vec<String> = essential_columns(role)
        .iter()
        .filter(|column| !table.has(column))
        .map(|column| (*column).to_owned())
        .collect();
    if !columns.is_empty() {
        return Err(LayoutError::NotDot { role, table: table.sql(), columns });
    }
    if table.key.is_empty() {
        return Err(LayoutError::NoKey { table: table.sql() });
    }
    Ok(())
}
