//! Stub.
use super::session::{Connected, Session};
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::model::Sweep;
use crate::sweep::{self, Outcome, Pace};

/// x
pub async fn clean(
    session: &mut Session,
    connected: &Connected,
    sweeps: &[Sweep],
    config: &Config,
    _total: u64,
) -> Result<Outcome, Error> {
    let policy = config.cleanup.clone().unwrap_or_default();
    sweep::run(
        connected.database.pool(),
        &connected.layout,
        sweeps,
        &Pace::from(&policy),
        &session.interrupted.token,
        &mut |_| {},
    )
    .await
    .map_err(|e| Error::from_source(Exit::Failed, &e.error))
}
/// x
pub fn exit_of(_session: &Session, _outcome: &Outcome) -> Option<Exit> {
    None
}

impl From<crate::db::tokens::TokensError> for Error {
    fn from(error: crate::db::tokens::TokensError) -> Self {
        Self::from_source(Exit::Failed, &error)
    }
}
