//! The columns that hold secrets, and whether a DOT before 2.4 hashes them: its rows have no flag for it, so the stored
//! secrets are looked at.

use std::collections::BTreeSet;

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use super::columns;
use crate::db::error::DbError;
use crate::db::layout::{Layout, Table};
use crate::db::query;
use crate::hasher::Algorithm;
use crate::model::Field;
use crate::model::printable::quote;

/// Forms that say nothing of DOT: what the project has encrypted, and what may be a hash of its own.
const NEUTRAL: &str = r"^(\$encrypted\$|gAAAA[A-Za-z0-9_=-]{15,}$|vault:v\d+:.|[a-z][a-z0-9_-]{2,}\$.*\$[A-Za-z0-9+/=._-]{20,}$)";

/// Lets no statement read a secret of an application any more.
pub fn withhold_secrets(layout: &mut Layout) {
    let columns = secret_columns(layout.application());
    layout.withhold(columns);
}

/// The columns of applications that a plan without secrets does not read.
pub(in crate::db) fn secret_columns(table: &Table) -> BTreeSet<String> {
    let own = columns::confidential(table).map(|column| column.name.clone());
    own.chain([Field::ClientSecret.column().to_owned()]).collect()
}

/// The stored secrets if they may be read, else the migrations. DOT 1.x compares plain text, and takes a hash for the secret itself.
pub(super) async fn are_hashed(client: &impl GenericClient, table: &Table) -> Result<bool, DbError> {
    let during = || DbError::during("finding out whether this DOT hashes secrets");
    let shown = if table.reads(Field::ClientSecret.column()) {
        stored(client, table).await.map_err(during())?
    } else {
        None
    };
    match shown {
        Some(hashed) => Ok(hashed),
        None => migrated(client, table).await.map_err(during()),
    }
}

/// Whether one of the stored secrets is a hash; `None`: they do not show it.
pub(in crate::db) async fn stored(client: &impl GenericClient, table: &Table) -> Result<Option<bool>, Error> {
    let names: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
    let sql = format!(
        "SELECT bool_or(s.hashed) FROM {table} t CROSS JOIN LATERAL (SELECT t.client_secret::text AS secret, \
           strpos(t.client_secret::text, '$') > 0 AND split_part(t.client_secret::text, '$', 1) = ANY($1) AS hashed) s \
         WHERE s.secret <> '' AND (s.hashed OR s.secret !~ $2)",
        table = table.sql(),
    );
    query::value(client, &sql, &[(&names, Type::TEXT_ARRAY), (&NEUTRAL, Type::TEXT)]).await
}

/// Whether Django has run DOT 2.0's data migration, which rewrote all of them. Without Django's table DOT is taken for a
/// new one.
async fn migrated(client: &impl GenericClient, table: &Table) -> Result<bool, Error> {
    let migrations = format!("{}.{}", quote(&table.schema), quote("django_migrations"));
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    if !query::value::<bool>(client, sql, &[(&migrations, Type::TEXT)]).await? {
        return Ok(true);
    }
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {migrations} \
         WHERE app = 'oauth2_provider' AND name = '0006_alter_application_client_secret')"
    );
    query::value(client, &sql, &[]).await
}
