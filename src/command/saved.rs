//! Saved plans: what `plan --out` writes and `apply PLAN` reads.

use std::collections::BTreeMap;
use std::path::Path;

use super::connected::Connected;
use super::connected::database_now;
use super::counting::CountArgs;
use super::outputs;
use super::prepared::Prepared;
use super::scope::ScopeArgs;
use super::session::Session;
use super::values::parse_instant;
use crate::config::Config;
use crate::db::identity;
use crate::error::{Error, Exit, not_shown};
use crate::model::visible::visible;
use crate::model::words::rfc3339;
use crate::model::{Identity, Sameness, digest};
use crate::plan::saved::{Origin, Saved, SavedError, save};

/// Writes the plan.
pub async fn write(
    session: &mut Session,
    path: &Path,
    prepared: &Prepared,
    scope: &ScopeArgs,
) -> Result<(), Error> {
    let origin = origin(prepared, scope).await?;
    if origin.database.is_weak() {
        session.ui.warning(
            "the server keeps its identity from this role, so the saved plan knows it by address, name and oids only: a \
             server that takes over the address may be taken for it.",
        );
        session.ui.hint(
            "`oauthctl migrate --ledger` gives the database an identity, and GRANT EXECUTE ON FUNCTION \
             pg_control_system() shows the server's",
        );
    }
    let text = save(&prepared.proposal, &origin).map_err(|error| Error::from_source(Exit::Failed, &error))?;
    outputs::write(path, &text)
}

/// Reads a plan.
pub fn read(path: &Path) -> Result<Saved, Error> {
    Ok(Saved::read(&text(path)?)?)
}

/// Reads a plan that is shown and no more.
pub fn read_to_show(path: &Path) -> Result<Saved, Error> {
    Saved::read(&text(path)?).map_err(|error| not_shown(&error))
}

fn text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("cannot read the saved plan {}: {error}", path.display()))
            .hint("`oauthctl plan --out FILE` writes one")
    })
}

/// The flags that the saved plan was made with, and those that are given now.
pub fn scope(saved: &Saved, given: &ScopeArgs) -> Result<ScopeArgs, Error> {
    let Origin { config: _, variables: _, database: _, table: _, targets, cleanup, as_of } = &saved.origin;
    let as_of =
        as_of.as_deref().map(parse_instant).transpose().map_err(|_| Error::from(SavedError::Edited))?;
    let ScopeArgs { targets: _, allow, label, no_cleanup: _, as_of: _, counting: _ } = given;
    Ok(ScopeArgs {
        targets: targets.clone(),
        allow: allow.clone(),
        label: label.clone(),
        no_cleanup: !cleanup,
        as_of,
        counting: CountArgs::default(),
    })
}

/// Refuses unless the file is the one that the plan was made from.
pub fn check_config(saved: &Saved, config: &Config) -> Result<(), Error> {
    let file = visible(&config.source.path().display().to_string());
    saved.check_config(&file, &digest(config.source.text()), &variables(config))?;
    let Origin { cleanup, as_of, .. } = &saved.origin;
    // Without the instant, the cleanup would be that of another instant.
    let lacks_instant = *cleanup && config.cleanup.is_some() && as_of.is_none();
    if lacks_instant || saved.proposal.hooks != config.hooks {
        return Err(SavedError::Edited.into());
    }
    Ok(())
}

/// Refuses unless the database is the one that the plan was made for.
pub async fn check_database(
    session: &mut Session,
    saved: &Saved,
    connected: &Connected,
) -> Result<(), Error> {
    match saved.check_database(&identity_of(connected).await?, connected.layout.application().oid)? {
        Sameness::Likely => session.ui.warning(
            "the saved plan knows its server by address, name and oids only, and so it cannot be told whether another \
             server has taken over the address.",
        ),
        Sameness::Same | Sameness::Different => {}
    }
    let Some(as_of) = &saved.origin.as_of else { return Ok(()) };
    let client = connected.database.get().await?;
    let now = database_now(&client).await?;
    match parse_instant(as_of) {
        Ok(instant) if instant <= now => Ok(()),
        Ok(_) => Err(SavedError::Ahead { as_of: as_of.clone(), now: rfc3339(now) }.into()),
        Err(_) => Err(SavedError::Edited.into()),
    }
}

/// The digests of the values of the file's variables.
fn variables(config: &Config) -> BTreeMap<String, String> {
    config.variables.iter().map(|(name, value)| (name.clone(), digest(value))).collect()
}

async fn identity_of(connected: &Connected) -> Result<Identity, Error> {
    let client = connected.database.get().await?;
    Ok(identity::read(&client).await?)
}

async fn origin(prepared: &Prepared, scope: &ScopeArgs) -> Result<Origin, Error> {
    Ok(Origin {
        config: digest(prepared.config.source.text()),
        variables: variables(&prepared.config),
        database: identity_of(&prepared.connected).await?,
        table: prepared.connected.layout.application().oid,
        targets: scope.targets.clone(),
        cleanup: !scope.no_cleanup,
        as_of: prepared.proposal.forecast.as_ref().map(|forecast| forecast.as_of.clone()),
    })
}
