//! A file whose secrets no client can send: which secrets were meant, as far as the database knows them.
//!
//! The file is refused either way. Where the stored secret is the declared one without what stands at its ends, only the
//! source of the secret is wrong, and that is said.

use std::time::Duration;

use super::desired::mentioned;
use super::environment;
use super::hashing;
use super::reaching;
use super::session::Session;
use crate::config::Config;
use crate::db::applications::{self, Others};
use crate::db::patience::Reading;
use crate::error::Error;
use crate::hasher::{StoredSecret, Verdict, verify_all};
use crate::model::{Actual, ClientId, Desired, SecretDeclaration};
use crate::secret::Secret;
use crate::ui::plan::visible;

/// The file is refused already: a database that does not answer is not worth more waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// A secret as it was meant.
struct Meant<'a> {
    client_id: &'a ClientId,
    secret: Secret,
    /// What stands at the ends of the declared one.
    ends: String,
}

/// Says which stored secrets are the declared ones without what stands at their ends, if the database can be reached.
pub(super) async fn tell(session: &mut Session) {
    let Some(config) = session.flawed.take() else { return };
    let interrupted = session.interrupted.clone();
    let looked = tokio::select! {
        looked = tokio::time::timeout(PATIENCE, look(session, &config)) => looked,
        _ = interrupted.wait() => return,
    };
    match looked {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(error = visible(&error.to_string()), "the stored secrets were not looked at");
        }
        Err(_) => tracing::debug!("the stored secrets were not looked at in time"),
    }
}

async fn look(session: &mut Session, config: &Config) -> Result<(), Error> {
    let meant = meant(&config.desired);
    if meant.is_empty() {
        return Ok(());
    }
    let connected = reaching::connect(session, config, 1).await?;
    let mut client = connected.database.get().await?;
    let snapshot = connected.snapshot(&mut client, Reading::Applications).await?;
    let actual =
        applications::read(&*snapshot, &connected.layout, &mentioned(&config.desired), Others::Counted)
            .await?;
    drop(snapshot);
    let found: Vec<(&Meant<'_>, &StoredSecret)> = meant
        .iter()
        .filter_map(|meant| Some((meant, stored(&config.desired, &actual, meant.client_id)?)))
        .collect();
    let items: Vec<(&StoredSecret, &Secret)> =
        found.iter().map(|(meant, stored)| (*stored, &meant.secret)).collect();
    let mut watch = hashing::watch(session, hashing::VERIFYING);
    let verdicts =
        verify_all(&items, environment::threads(), &mut watch).map_err(|_| session.interrupted.stopped());
    drop(watch);
    for ((meant, _), verdict) in found.iter().zip(verdicts?) {
        if verdict == Verdict::Matches {
            session.ui.hint(format_args!(
                "the stored secret of {} is the declared one without {}: take that away at the source, and the \
                 secret stays as it is",
                visible(meant.client_id.as_str()),
                meant.ends
            ));
        }
    }
    Ok(())
}

fn meant(desired: &Desired) -> Vec<Meant<'_>> {
    desired
        .applications
        .iter()
        .filter_map(|(client_id, declared)| {
            let Some(SecretDeclaration::Plain(secret)) = &declared.application.client_secret else {
                return None;
            };
            let ends = secret.check_sendable().err()?.ends();
            Some(Meant { client_id, secret: secret.without_ends()?, ends })
        })
        .collect()
}

/// The stored secret of an application, under its present or its former name.
fn stored<'a>(desired: &Desired, actual: &'a Actual, client_id: &ClientId) -> Option<&'a StoredSecret> {
    let former = desired.renamed.iter().find(|(_, to)| *to == client_id).map(|(from, _)| from);
    let row = actual.applications.get(client_id).or_else(|| actual.applications.get(former?))?;
    Some(&row.fields.client_secret)
}
