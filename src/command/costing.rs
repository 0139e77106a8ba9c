//! What it would cost to delete a backlog, at the rate of the last runs if the ledger knows them.

use deadpool_postgres::{Object, Transaction};

use super::connected::Connected;
use super::look::look;
use crate::db::health::vacuuming;
use crate::db::ledger::{self, Ledger, Use};
use crate::db::patience::Reading;
use crate::error::Error;
use crate::health::backlog::{self, Cost, Rate};
use crate::model::health::PastRun;
use crate::model::{Counted, Pace};

/// The number of runs of the ledger that tell the rate.
const RUNS: u32 = 20;

/// The cost; `None`: there is little to delete, or too little is known.
pub async fn cost(
    connected: &Connected,
    client: &mut Object,
    counted: &Counted,
    pace: &Pace,
) -> Result<Option<Cost>, Error> {
    if counted.about().is_none_or(|rows| rows < backlog::WORTH_SAYING) {
        return Ok(None);
    }
    let mut snapshot = connected.snapshot(client, Reading::Applications).await?;
    let runs = look(&mut snapshot, "reading the ledger", async |client| {
        let Some(found) = Ledger::find(client).await? else { return Ok(Vec::new()) };
        if !found.lacks(client, None, Use::History).await?.is_empty() {
            return Ok(Vec::new());
        }
        ledger::recent(client, RUNS).await
    });
    let runs = runs.await?.unwrap_or_default();
    of(&mut snapshot, connected, counted, (pace, &runs)).await
}

/// The same in a snapshot, with the runs of the ledger.
pub async fn of(
    snapshot: &mut Transaction<'_>,
    connected: &Connected,
    counted: &Counted,
    (pace, runs): (&Pace, &[PastRun]),
) -> Result<Option<Cost>, Error> {
    let Some(rows) = counted.by_table() else { return Ok(None) };
    if rows.iter().map(|(_, rows)| rows).sum::<u64>() < backlog::WORTH_SAYING {
        return Ok(None);
    }
    let found = look(snapshot, "looking at the indexes", async |client| {
        vacuuming::vacuuming(client, &connected.layout).await
    });
    // Without the catalogue there is no sentence; nothing else depends on it.
    Ok(found.await?.ok().and_then(|vacuuming| backlog::cost(&rows, &vacuuming, pace, Rate::of(runs))))
}
