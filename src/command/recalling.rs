//! What the ledger remembers of runs, for the verbs that show it.

use super::connected::Connected;
use super::rights;
use crate::db::error::DbError;
use crate::db::ledger::steps::{self, NotedStep};
use crate::db::ledger::{Ledger, Use};
use crate::error::{Error, Exit};
use crate::model::{Knowledge, NotedRun};
use crate::plan::undo::Done;

const READING: &str = "reading the history in the ledger";

/// A run with what it changed.
pub struct Recalled {
    pub run: NotedRun,
    /// `None`: it is not known.
    pub steps: Option<Vec<Done>>,
    /// The tables that hold the applications of the steps, as `schema.table`.
    pub tables: Vec<String>,
}

/// The last runs, newest first; `limit`: `None` is all of them.
pub async fn runs(connected: &Connected, limit: Option<u32>) -> Result<Vec<NotedRun>, Error> {
    read(connected, None, limit).await
}

/// The run with this number, with what it changed.
pub async fn run(connected: &Connected, number: i64) -> Result<Recalled, Error> {
    let Some(run) = read(connected, Some(number), None).await?.pop() else {
        let message = format!("the ledger has no run {number}");
        return Err(Error::new(Exit::Failed, message).hint("`oauthctl history` lists the runs"));
    };
    let (steps, tables) = match run.knowledge() {
        Knowledge::Steps => {
            let client = connected.database.get().await?;
            let noted = steps::of(&**client, number).await.map_err(DbError::during(READING))?;
            let tables = noted.iter().map(|(table, _)| table.clone()).collect();
            let done: Result<Vec<Done>, Error> =
                noted.into_iter().map(|(_, step)| done(number, step)).collect();
            (Some(done?), tables)
        }
        Knowledge::Nothing => (Some(Vec::new()), Vec::new()),
        Knowledge::Unknown => (None, Vec::new()),
    };
    Ok(Recalled { run, steps, tables })
}

async fn read(connected: &Connected, only: Option<i64>, limit: Option<u32>) -> Result<Vec<NotedRun>, Error> {
    let during = || DbError::during(READING);
    let client = connected.database.get().await?;
    let Some(ledger) = Ledger::find(&**client).await.map_err(during())? else {
        return Err(Error::new(Exit::Failed, "this database has no ledger, and so no history of runs")
            .hint("`oauthctl migrate --ledger` makes one; it notes the runs from then on"));
    };
    let lacks = ledger.lacks(&**client, None, Use::Recall).await.map_err(during())?;
    if !lacks.is_empty() {
        return Err(rights::refusal(Exit::Failed, &lacks));
    }
    Ok(steps::runs(&**client, ledger.has_steps(), only, limit).await.map_err(during())?)
}

/// A step as plans have it.
fn done(run: i64, noted: NotedStep) -> Result<Done, Error> {
    let NotedStep { key, client_id: _, step, before, after } = noted;
    let unknown = |_| {
        Error::new(Exit::Failed, format!("this version of oauthctl cannot read what run {run} changed"))
            .hint("use the version that made the run, which `oauthctl history show` names, or a newer one")
    };
    let row = |row: Option<serde_json::Value>| row.map(serde_json::from_value).transpose();
    Ok(Done {
        step: serde_json::from_value(step).map_err(unknown)?,
        key,
        before: row(before).map_err(unknown)?,
        after: row(after).map_err(unknown)?,
    })
}
