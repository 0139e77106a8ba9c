//! Saved plans: what `plan --out` writes and `apply PLAN` reads.

use std::path::Path;

use super::reconcile::{Prepared, ScopeArgs, parse_instant};
use super::session::Session;
use crate::db::error::DbError;
use crate::error::{Error, Exit};
use crate::model::Allow;
use crate::plan::saved::{Origin, Saved, SavedError, digest, save};

/// Writes the plan.
pub async fn write(
    session: &Session,
    path: &Path,
    prepared: &Prepared,
    scope: &ScopeArgs,
) -> Result<(), Error> {
    let text = save(&prepared.plan, &origin(prepared, scope).await?)
        .map_err(|error| Error::from_source(Exit::Failed, &error))?;
    session.write_file(path, &text)
}

/// Reads a plan.
pub fn read(path: &Path) -> Result<Saved, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("cannot read the saved plan {}: {error}", path.display()))
            .hint("`oauthctl plan --out FILE` writes one")
    })?;
    Ok(Saved::read(&text)?)
}

/// The flags that the saved plan was made with, and what is let through now.
pub fn scope(saved: &Saved, allow: &[Allow]) -> Result<ScopeArgs, Error> {
    let Origin { config: _, database: _, table: _, targets, cleanup, as_of } = &saved.origin;
    let as_of =
        as_of.as_deref().map(parse_instant).transpose().map_err(|_| Error::from(SavedError::Edited))?;
    Ok(ScopeArgs { targets: targets.clone(), allow: allow.to_vec(), no_cleanup: !cleanup, as_of })
}

/// Refuses unless what was planned just now is what was saved.
pub async fn check(saved: &Saved, prepared: &Prepared, scope: &ScopeArgs) -> Result<(), Error> {
    Ok(saved.check(&prepared.plan, &origin(prepared, scope).await?)?)
}

async fn origin(prepared: &Prepared, scope: &ScopeArgs) -> Result<Origin, Error> {
    let client = prepared.connected.database.get().await?;
    let row = client
        .query_typed_one("SELECT current_database()::text", &[])
        .await
        .map_err(DbError::during("reading the database's name"))?;
    Ok(Origin {
        config: digest(prepared.config.source.text()),
        database: row.get(0),
        table: prepared.connected.layout.application().oid,
        targets: scope.targets.clone(),
        cleanup: !scope.no_cleanup,
        as_of: prepared.forecast.as_ref().map(|forecast| forecast.as_of.clone()),
    })
}
