//! What is watched between batches, and whether the next one has to wait. Shared by the workers of a run.
//!
//! Asks the server as rarely as it can: for the WAL before each batch, where its rate is limited; for everything else up to
//! once a second.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio_postgres::types::Oid;

use super::cause::{Cause, Kind, Unwatched};
use super::connection::{Connection, Fault};
use super::lag::Track;
use super::wal_rate::WalRate;
use crate::db::layout::Layout;
use crate::db::pressure::{self, Standing};
use crate::db::replication;
use crate::model::{Pace, Sweep, TableRole, Tally};

/// The longest time between two looks.
const OFTEN: Duration = Duration::from_secs(1);

/// How often another worker looks whether a vacuum has ended.
const VACUUM_POLL: Duration = Duration::from_millis(100);

pub(super) struct Watch {
    pace: Pace,
    /// A wait during which nothing changes ends the run after this time.
    patience: Duration,
    tables: Vec<Tended>,
    state: tokio::sync::Mutex<State>,
}

/// A table that loses rows.
#[derive(Clone, Debug)]
pub(super) struct Tended {
    role: TableRole,
    oid: Oid,
    /// Its name as SQL takes it.
    pub sql: String,
    /// Its name for people.
    pub name: String,
}

/// What the run has committed by now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Committed {
    pub batches: u64,
    pub deleted: Tally,
}

/// What to do before the next batch.
pub(super) enum Next {
    Go,
    Wait(Held),
    /// Vacuum this table, and then say so with [`Watch::vacuumed`].
    Vacuum(Tended),
}

/// A wait, as it is told, and how long it goes on.
pub(super) struct Held {
    pub cause: Cause,
    /// How long the run has waited for this by now.
    pub waited: Duration,
    /// How long to wait until the next look.
    pub wait: Duration,
    /// Whether it was measured just now. `false`: the result of another worker's look is repeated.
    pub fresh: bool,
    /// Whether nothing has changed for too long.
    pub stuck: bool,
}

#[derive(Default)]
struct State {
    standing: Option<Standing>,
    untold: Vec<Unwatched>,
    next: Option<Instant>,
    found: Option<Found>,
    since: Option<Since>,
    track: Track,
    told_hidden: bool,
    rate: Option<WalRate>,
    /// Requested checkpoints, as they were counted last.
    requested: Option<u64>,
    /// Whether one of them may still run.
    checkpoint: bool,
    /// The segment after which the archiver's queue begins.
    archived: Option<u64>,
    /// How many rows of a table were deleted when it was vacuumed last.
    vacuumed: BTreeMap<TableRole, u64>,
    /// Tables that others were seen to vacuum.
    seen: BTreeSet<TableRole>,
    /// The table that a worker vacuums now, and since when.
    vacuuming: Option<(String, Instant)>,
}

/// Something to wait for.
#[derive(Clone, Debug)]
struct Found {
    cause: Cause,
    /// Changes while it moves.
    mark: u64,
}

/// Since when the run waits for one kind of thing.
struct Since {
    kind: Kind,
    began: Instant,
    mark: u64,
    /// When the mark changed last.
    moved: Instant,
}

impl Watch {
    /// `None`: nothing is to be watched.
    pub(super) fn new(pace: &Pace, patience: Duration, layout: &Layout, sweeps: &[Sweep]) -> Option<Self> {
        if pace.settings_of_wal().is_empty() && pace.vacuum_every.is_none() {
            return None;
        }
        let roles: BTreeSet<TableRole> =
            sweeps.iter().flat_map(|sweep| sweep.tables().iter().copied()).collect();
        let tended = |role| {
            layout.table(role).map(|table| Tended {
                role,
                oid: table.oid,
                sql: table.sql(),
                name: table.qualified_name(),
            })
        };
        let tables = roles.into_iter().filter_map(tended).collect();
        let state = State { rate: pace.max_wal_rate.map(WalRate::new), ..State::default() };
        Some(Self { pace: pace.clone(), patience, tables, state: tokio::sync::Mutex::new(state) })
    }

    /// The time between two looks: often enough to notice before a limit is far exceeded.
    fn interval(&self) -> Duration {
        let of_lag = self.pace.max_replica_lag.map_or(OFTEN, |most| most / 4);
        of_lag.clamp(Duration::from_millis(100), OFTEN)
    }

    /// Looks, where it is time to; also what is told once.
    pub(super) async fn look(
        &self,
        connection: &mut Connection<'_>,
        committed: &Committed,
    ) -> Result<(Next, Vec<Unwatched>), Fault> {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        if state.standing.is_none() {
            self.begin(state, connection).await?;
        }
        let next = self.next(state, connection, committed).await?;
        Ok((next, std::mem::take(&mut state.untold)))
    }

    async fn next(
        &self,
        state: &mut State,
        connection: &mut Connection<'_>,
        committed: &Committed,
    ) -> Result<Next, Fault> {
        if let Some((table, began)) = &state.vacuuming {
            let cause = Cause::Vacuum { table: table.clone(), own: true };
            let waited = began.elapsed();
            return Ok(Next::Wait(Held { cause, waited, wait: VACUUM_POLL, fresh: false, stuck: false }));
        }
        let mut fresh = state.next.is_none_or(|next| Instant::now() >= next);
        if fresh {
            state.found = self.find(state, connection, committed).await?;
            state.next = Some(Instant::now() + self.interval());
        }
        let mut wait = self.interval();
        let mut found = state.found.clone();
        if found.is_none()
            && let Some(rate) = &mut state.rate
            && let Some(most) = self.pace.max_wal_rate
        {
            let written = connection.ask("reading the end of the WAL", pressure::written).await?;
            wait = rate.wait(written, committed.batches, Instant::now()).min(OFTEN);
            found = (!wait.is_zero()).then_some(Found { cause: Cause::WalRate { most }, mark: 0 });
            fresh = true;
        }
        if found.is_none()
            && let Some(table) = self.due(state, committed, true)
        {
            state.vacuuming = Some((table.name.clone(), Instant::now()));
            return Ok(Next::Vacuum(table));
        }
        Ok(self.hold(state, found, wait, fresh))
    }

    /// Keeps the time of a wait.
    fn hold(&self, state: &mut State, found: Option<Found>, wait: Duration, fresh: bool) -> Next {
        let Some(Found { cause, mark }) = found else {
            state.since = None;
            return Next::Go;
        };
        let (now, kind) = (Instant::now(), cause.kind());
        let since = match state.since.take() {
            Some(since) if since.kind == kind && since.mark == mark => since,
            Some(since) if since.kind == kind => Since { mark, moved: now, ..since },
            _ => Since { kind, began: now, mark, moved: now },
        };
        let (waited, stuck) = (now - since.began, now - since.moved >= self.patience);
        state.since = Some(since);
        Next::Wait(Held { cause, waited, wait, fresh, stuck })
    }

    /// What is asked for and not to be had.
    async fn begin(&self, state: &mut State, connection: &mut Connection<'_>) -> Result<(), Fault> {
        let oids: Vec<Oid> = self.tables.iter().map(|table| table.oid).collect();
        let standing = connection
            .ask("looking what the role may watch", async |client| pressure::standing(client, &oids).await)
            .await?;
        if self.pace.max_wal_rate.is_some() && !standing.sees_activity {
            state.untold.push(Unwatched::Checkpoints);
        }
        let denied = |table: &&Tended| !standing.may_vacuum.contains(&table.oid);
        let tables: Vec<String> = self.tables.iter().filter(denied).map(|table| table.name.clone()).collect();
        if self.pace.vacuum_every.is_some() && !tables.is_empty() {
            let (maintain, sees) = (standing.version >= 170_000, standing.sees_activity);
            state.untold.push(Unwatched::Vacuum { tables, maintain, sees });
        }
        state.standing = Some(standing);
        Ok(())
    }

    /// The first thing to wait for.
    async fn find(
        &self,
        state: &mut State,
        connection: &mut Connection<'_>,
        committed: &Committed,
    ) -> Result<Option<Found>, Fault> {
        if let Some(most) = self.pace.max_replica_lag
            && let Some(found) = replicas(state, connection, most).await?
        {
            return Ok(Some(found));
        }
        if let Some(most) = self.pace.max_slot_lag
            && let Some(found) = slots(connection, most).await?
        {
            return Ok(Some(found));
        }
        if let Some(most) = self.pace.max_archive_backlog
            && let Some(found) = archiver(state, connection, most).await?
        {
            return Ok(Some(found));
        }
        if self.pace.max_wal_rate.is_some()
            && let Some(found) = checkpoint(state, connection).await?
        {
            return Ok(Some(found));
        }
        self.vacuum_of_others(state, connection, committed).await
    }

    /// The first table whose deleted rows are to be vacuumed; `ours`: of those that the role may vacuum.
    fn due(&self, state: &State, committed: &Committed, ours: bool) -> Option<Tended> {
        let every = self.pace.vacuum_every?;
        let may = |table: &Tended| {
            state.standing.as_ref().is_some_and(|standing| standing.may_vacuum.contains(&table.oid))
        };
        let rows = |table: &Tended| {
            let last = state.vacuumed.get(&table.role).copied().unwrap_or_default();
            rows_of(&committed.deleted, table.role).saturating_sub(last)
        };
        self.tables.iter().find(|table| rows(table) >= every && (!ours || may(table))).cloned()
    }

    /// Waits for a vacuum of a table that is due, and then counts its rows anew. Nothing waits for one to begin.
    async fn vacuum_of_others(
        &self,
        state: &mut State,
        connection: &mut Connection<'_>,
        committed: &Committed,
    ) -> Result<Option<Found>, Fault> {
        if self.due(state, committed, false).is_none() {
            return Ok(None);
        }
        let oids: Vec<Oid> = self.tables.iter().map(|table| table.oid).collect();
        let running = connection
            .ask("looking for running vacuums", async |client| pressure::vacuuming(client, &oids).await)
            .await?;
        for table in &self.tables {
            if let Some(vacuum) = running.iter().find(|vacuum| vacuum.table == table.oid) {
                state.seen.insert(table.role);
                let cause = Cause::Vacuum { table: table.name.clone(), own: false };
                return Ok(Some(Found { cause, mark: vacuum.mark }));
            }
            if state.seen.remove(&table.role) {
                state.vacuumed.insert(table.role, rows_of(&committed.deleted, table.role));
            }
        }
        Ok(None)
    }

    /// A worker has vacuumed a table, or tried to.
    pub(super) async fn vacuumed(&self, table: &Tended, committed: &Committed) {
        let mut state = self.state.lock().await;
        state.vacuuming = None;
        state.vacuumed.insert(table.role, rows_of(&committed.deleted, table.role));
    }
}

/// The rows of a table among the deleted ones.
fn rows_of(deleted: &Tally, role: TableRole) -> u64 {
    deleted.iter().filter(|(category, _)| category.role() == role).map(|(_, rows)| rows).sum()
}

async fn replicas(
    state: &mut State,
    connection: &mut Connection<'_>,
    most: Duration,
) -> Result<Option<Found>, Fault> {
    let replication = connection.ask("looking at the replicas", replication::look).await?;
    if replication.hidden > 0 && !state.told_hidden {
        state.told_hidden = true;
        state.untold.push(Unwatched::Replicas { hidden: replication.hidden });
    }
    let worst = state.track.worst(&replication, Instant::now());
    let worst = worst.filter(|(_, lag)| !lag.is_known || lag.at_least > most);
    Ok(worst.map(|(replica, lag)| Found {
        cause: Cause::Replica {
            replica: replica.name.clone(),
            lag: (lag.at_least > most).then_some(lag.at_least),
            most,
        },
        mark: replica.replayed,
    }))
}

async fn slots(connection: &mut Connection<'_>, most: u64) -> Result<Option<Found>, Fault> {
    let slot = connection.ask("looking at the replication slots", pressure::largest_slot).await?;
    Ok(slot.filter(|slot| slot.held > most).map(|slot| Found {
        mark: slot.position,
        cause: Cause::Slot { slot: slot.name, active: slot.active, held: slot.held, most },
    }))
}

async fn archiver(
    state: &mut State,
    connection: &mut Connection<'_>,
    most: u64,
) -> Result<Option<Found>, Fault> {
    let archiver = connection.ask("looking at the archiver", pressure::archiver).await?;
    if !archiver.on {
        if state.archived.is_none() {
            state.archived = Some(archiver.current);
            state.untold.push(Unwatched::Archiver);
        }
        return Ok(None);
    }
    // Where the server's statistics know of none, what was there before the run is not counted.
    let unknown = state.archived.unwrap_or(archiver.current.saturating_sub(1));
    let last = archiver.last.unwrap_or(unknown);
    state.archived = Some(last);
    let segments = archiver.current.saturating_sub(last + 1);
    let cause = Cause::Archiver { segments, most };
    Ok((segments > most).then_some(Found { cause, mark: last }))
}

/// A requested checkpoint writes as fast as it must. Those that begin by the clock are spread over the time between them.
async fn checkpoint(state: &mut State, connection: &mut Connection<'_>) -> Result<Option<Found>, Fault> {
    let version = state.standing.as_ref().map_or(0, |standing| standing.version);
    let ask = async |client: &tokio_postgres::Client| pressure::checkpoints(client, version).await;
    let checkpoints = connection.ask("looking at the checkpoints", ask).await?;
    let last = state.requested.replace(checkpoints.requested);
    state.checkpoint |= last.is_some_and(|last| checkpoints.requested > last);
    state.checkpoint &= checkpoints.running == Some(true);
    Ok(state.checkpoint.then_some(Found { cause: Cause::Checkpoint, mark: checkpoints.pages }))
}
