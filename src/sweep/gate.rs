//! What stands between two batches: waits until nothing that is watched speaks against the next one.

use std::time::Instant;

use super::account::Account;
use super::attended::attended;
use super::cause::{Cause, Kind};
use super::connection::{Connection, Fault, database};
use super::event::{Event, Stop};
use super::watch::{Next, Tended, Watch};
use crate::db::pressure;

/// Waits, and says why the run must end, if it must.
pub(super) async fn pass(
    connection: &mut Connection<'_>,
    account: &Account<'_>,
) -> Result<Option<Stop>, Fault> {
    let Some(watch) = &account.watch else { return Ok(account.must_stop()) };
    loop {
        if let Some(stop) = account.must_stop() {
            return Ok(Some(stop));
        }
        let (next, untold) = watch.look(connection, &account.committed()).await?;
        for unwatched in &untold {
            account.tell(Event::Unwatched(unwatched));
        }
        match next {
            Next::Go => return Ok(account.must_stop()),
            Next::Vacuum(table) => vacuum(connection, account, watch, &table).await?,
            Next::Wait(held) => {
                if held.fresh {
                    account.tell(Event::Held { cause: &held.cause, waited: held.waited });
                }
                if held.stuck {
                    return Ok(Some(Stop::Held { cause: held.cause, waited: held.waited }));
                }
                account.hold(held.cause.kind(), held.wait).await;
            }
        }
    }
}

/// Vacuums a table, with as many processes as the run has workers, which wait meanwhile.
async fn vacuum(
    connection: &mut Connection<'_>,
    account: &Account<'_>,
    watch: &Watch,
    table: &Tended,
) -> Result<(), Fault> {
    let (cause, started) = (Cause::Vacuum { table: table.name.clone(), own: true }, Instant::now());
    let beside = account.crew.allowed().saturating_sub(1);
    let done = async {
        let client = connection.client().await?;
        let canceller = (account.cancel)(client);
        let tell = |waited| account.tell(Event::Held { cause: &cause, waited });
        let work = pressure::vacuum(client, &table.sql, beside);
        attended(account, &canceller, tell, work).await.map_err(database("vacuuming a table"))
    };
    let done = done.await;
    account.book(|outcome| outcome.waited.add(Kind::Vacuum, started.elapsed()));
    watch.vacuumed(table, &account.committed()).await;
    if account.must_stop().is_some() {
        // A cancel request may still be on its way.
        connection.close();
        return Ok(());
    }
    done
}
