//! The history of runs, where the database has a ledger: a row when a run begins to write, completed when it ends.

use std::time::Duration;

use deadpool_postgres::{Object, Transaction};
use serde_json::Value;

use super::connected::Connected;
use super::environment::commit;
use super::rights;
use super::session::Session;
use super::verb_name::VerbName;
use crate::config::Config;
use crate::db::error::DbError;
use crate::db::health::measurement;
use crate::db::ledger::{self, Ending, Ledger, Noted, Run, Use};
use crate::db::lock::Wanted;
use crate::db::patience::Waits as _;
use crate::error::Error;
use crate::model::digest;
use crate::model::visible::visible;

const NOTING: &str = "noting the run in the ledger";
const ENDING: &str = "noting the end of the run in the ledger";
const MEASURING: &str = "noting the sizes of the tables in the ledger";

/// How long the measurement waits for a lock.
const MEASURING_WAITS: Duration = Duration::from_millis(500);

/// A run that is under way.
#[derive(Debug)]
pub struct History {
    pub noted: Noted,
}

impl History {
    /// Notes that a run begins.
    pub async fn begin(session: &mut Session, connected: &Connected, config: &Config) -> Result<Self, Error> {
        let during = || DbError::during(NOTING);
        let mut client = connected.database.get().await?;
        let Some(found) = Ledger::find(&**client).await.map_err(during())? else {
            return Ok(Self { noted: Noted::default() });
        };
        session.require_owner(&config.policy)?;
        // Only `apply` says which file manages an application.
        let manages = session.verb == VerbName::Apply;
        let wanted = if manages { Use::Manage } else { Use::Note };
        let lacks = found.lacks(&**client, None, wanted).await.map_err(during())?;
        if !lacks.is_empty() {
            drop(client);
            rights::warn(session, "this run is not noted in the ledger: ", &lacks);
            return Ok(Self { noted: Noted::default() });
        }
        let has_steps = Self::has_steps(session, &found, &client).await?;
        let has_file = !config.source.text().is_empty();
        let digest = has_file.then(|| digest(&config.said()));
        let owner = session.owner(&config.policy);
        let commit = commit();
        let run = Run {
            verb: session.verb.name(),
            who: &who(),
            owner: digest.is_some().then_some(owner.as_str()),
            config_digest: digest.as_deref(),
            commit: commit.as_deref(),
        };
        let begin = async |transaction: &Transaction<'_>| {
            ledger::begin(&**transaction, &run, has_steps).await.map_err(during())
        };
        let noted = connected.patience.transact(&mut client, NOTING, Wanted::Write, begin);
        let run = session.interrupted.or(async { Ok(noted.await?) }).await?;
        Ok(Self { noted: Noted { run: Some(run), manages, has_steps } })
    }

    /// Whether the steps of the run are noted, which only a verb has that changes applications. If the role may not write
    /// them, the run is noted all the same.
    async fn has_steps(session: &mut Session, found: &Ledger, client: &Object) -> Result<bool, Error> {
        if session.verb == VerbName::Cleartokens || !found.has_steps() {
            return Ok(false);
        }
        let lacks = found.lacks(&***client, None, Use::NoteSteps).await.map_err(DbError::during(NOTING))?;
        if !lacks.is_empty() {
            rights::warn(
                session,
                "what this run changes is not noted in the ledger, so `undo` will not know it: ",
                &lacks,
            );
        }
        Ok(lacks.is_empty())
    }

    /// Notes how it ended and what it did. The work is done by now, so a failure here is a warning.
    pub async fn finish<T>(
        self,
        session: &mut Session,
        connected: &Connected,
        result: &Result<T, Error>,
        counts: Value,
    ) {
        let Some(run) = self.noted.run else { return };
        let ending = match (result, session.interrupted.exit()) {
            (_, Some(_)) => Ending::Interrupted,
            (Ok(_), None) => Ending::Succeeded,
            (Err(error), None) if error.exit().is_interruption() => Ending::Interrupted,
            (Err(_), None) => Ending::Failed,
        };
        let finished = async {
            let mut client = connected.database.get_when_free().await?;
            end(&mut client, connected, run, (ending, &counts)).await?;
            measure(&mut client, connected, run).await
        };
        if let Err(error) = finished.await {
            session.ui.warning(Error::from(error));
        }
    }
}

async fn end(
    client: &mut Object,
    connected: &Connected,
    run: i64,
    (ending, counts): (Ending, &Value),
) -> Result<(), DbError> {
    let note = async |transaction: &Transaction<'_>| {
        ledger::finish(&**transaction, run, ending, counts).await.map_err(DbError::during(ENDING))
    };
    connected.patience.transact(client, ENDING, Wanted::Write, note).await
}

/// Notes how large the tables are: apart from the end of the run, because it takes locks on them. Where one is not free,
/// the next run measures.
async fn measure(client: &mut Object, connected: &Connected, run: i64) -> Result<(), DbError> {
    let during = || DbError::during(MEASURING);
    let record = async |transaction: &Transaction<'_>| {
        if measurement::supported(&**transaction).await.map_err(during())? {
            measurement::record(&**transaction, &connected.layout, run).await.map_err(during())?;
        }
        Ok::<(), DbError>(())
    };
    let patience = connected.patience.within(MEASURING_WAITS);
    match patience.transact(client, MEASURING, Wanted::Write, record).await {
        Err(error) if error.is_locked() => {
            tracing::debug!(error = visible(&error.to_string()), "the tables were not measured");
            Ok(())
        }
        measured => measured,
    }
}

/// `user@host`.
fn who() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.name);
    let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
    format!("{}@{}", user.as_deref().unwrap_or("?"), host.as_deref().unwrap_or("?"))
}
