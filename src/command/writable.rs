//! A session that cannot write is found before there is work to lose, in the words of `doctor`.

use super::connected::Connected;
use super::reading;
use super::session::Session;
use crate::db::error::DbError;
use crate::db::writable;
use crate::error::{Error, Exit};
use crate::model::health::ReadOnly;

/// Refuses to write where nothing can be written.
///
/// # Errors
/// When the session is read-only, or cannot be asked.
pub async fn require(connected: &Connected) -> Result<(), Error> {
    look(connected).await?.map_or(Ok(()), |why| Err(refused(&why)))
}

async fn look(connected: &Connected) -> Result<Option<ReadOnly>, DbError> {
    reading::again(async || {
        let client = connected.database.get().await?;
        writable::look(&**client).await
    })
    .await
}

/// The same as an error.
#[must_use]
pub fn refused(why: &ReadOnly) -> Error {
    let error = Error::new(Exit::Refused, format!("{why}; nothing was changed")).hint(why.advice());
    match why.statement() {
        Some(statement) => error.hint(format!("in psql: {statement}")),
        None => error,
    }
}

/// Warns, in a verb that only reads, that the writing verb would be refused.
///
/// # Errors
/// When the session cannot be asked.
pub async fn warn(session: &mut Session, connected: &Connected, verb: &str) -> Result<(), Error> {
    let Some(why) = look(connected).await? else { return Ok(()) };
    session.ui.warning(format_args!("in this session, {verb} would be refused: {why}."));
    session.ui.hint(why.advice());
    if let Some(statement) = why.statement() {
        session.ui.hint(format_args!("in psql: {statement}"));
    }
    Ok(())
}
