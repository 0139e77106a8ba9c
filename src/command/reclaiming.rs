//! `cleartokens --reclaim`: after the deletion, tables or their indexes are written anew beside their users.

use std::collections::BTreeMap;
use std::time::Duration;

use deadpool_postgres::Object;

use super::Format;
use super::connected::{Connected, give_back};
use super::interrupted::Interrupted;
use super::session::Session;
use crate::db::error::DbError;
use crate::db::health::{server, storage};
use crate::db::patience::Reading;
use crate::db::reclaim;
use crate::error::{Error, Exit};
use crate::health::space::{self, Step};
use crate::model::health::{Rebuild, Server, Storage};
use crate::model::{Sweep, TableRole};
use crate::sweep::{Outcome, Stop};
use crate::ui::progress::Manner;
use crate::ui::reclaim::{Reclaimed, Reclaiming, render};

const LOOKING: &str = "looking at the space that the tables take";

/// How often the server is asked how far it has come.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// The tables of a run, and what this server can do about their space.
#[derive(Debug)]
pub struct Space {
    pub server: Server,
    tables: Vec<Storage>,
}

impl Space {
    /// Reads what the catalogue and the statistics say about the tables of these sweeps.
    pub async fn read(connected: &Connected, sweeps: &[Sweep]) -> Result<Self, Error> {
        let mut client = connected.database.get().await?;
        let snapshot = connected.snapshot(&mut client, Reading::Applications).await?;
        let layout = &connected.layout;
        let read = async {
            let mut tables = storage::storage(&*snapshot, layout, None).await?;
            tables.retain(|table| sweeps.iter().any(|sweep| sweep.tables().contains(&table.role)));
            storage::add_indexes(&*snapshot, &mut tables).await?;
            Ok(Self { server: server::server(&*snapshot, Some(layout)).await?, tables })
        };
        Ok(read.await.map_err(DbError::during(LOOKING))?)
    }

    /// What the role lacks is refused before the first deletion.
    pub fn require(&self) -> Result<(), Error> {
        let lacks: Vec<_> = self
            .tables
            .iter()
            .flat_map(|table| &table.parts)
            .filter_map(|part| space::lacks(part, &self.server))
            .collect();
        let Some((reason, _)) = lacks.first() else { return Ok(()) };
        let error =
            Error::new(Exit::Refused, format!("{reason}, and --reclaim writes it anew; nothing was changed"));
        Err(lacks.into_iter().fold(error, |error, (_, hint)| error.hint(hint)))
    }

    /// The statements for the tables that lost much, or are half empty.
    fn steps(&self, deleted: &BTreeMap<TableRole, u64>) -> Vec<Step> {
        let lost = |table: &Storage| deleted.get(&table.role).copied().unwrap_or_default();
        let worth_it = self.tables.iter().filter(|table| space::is_worth_it(table, lost(table)));
        worth_it.flat_map(|table| &table.parts).flat_map(|part| space::steps(part, &self.server)).collect()
    }
}

/// How many rows each table has lost.
fn deleted(outcome: &Outcome) -> BTreeMap<TableRole, u64> {
    let mut deleted: BTreeMap<TableRole, u64> = BTreeMap::new();
    for (category, rows) in outcome.deleted.iter() {
        *deleted.entry(category.role()).or_default() += rows;
    }
    deleted
}

/// Whether a run has left the tables with room to give back.
fn has_left_room(outcome: &Outcome) -> bool {
    // A rewrite gives it back itself.
    outcome.disk.is_none() && matches!(outcome.stop, Stop::Finished | Stop::MaxRows | Stop::MaxDuration)
}

/// Writes anew what is worth it, and says what that gave back; where that is not wanted, says how the room comes back.
pub async fn after(
    session: &mut Session,
    connected: &Connected,
    sweeps: &[Sweep],
    outcome: &Outcome,
    wanted: bool,
) -> Result<(), Error> {
    if !has_left_room(outcome) {
        return Ok(());
    }
    if !wanted {
        hint(session, connected, sweeps, outcome).await;
        return Ok(());
    }
    let (reclaimed, server) = run(session, connected, sweeps, outcome).await?;
    // In JSON each of them is an object on stderr, and stdout has the outcome of the deletion alone.
    if session.global.format == Format::Json {
        return Ok(());
    }
    session.tell(&render(&reclaimed, space::keeps_tables(&server)))
}

async fn run(
    session: &mut Session,
    connected: &Connected,
    sweeps: &[Sweep],
    outcome: &Outcome,
) -> Result<(Vec<Reclaimed>, Server), Error> {
    let interrupted = session.interrupted.clone();
    let space = interrupted.or(Space::read(connected, sweeps)).await;
    let space =
        space.map_err(|error| if interrupted.exit().is_some() { stopped(&interrupted) } else { error })?;
    let steps = space.steps(&deleted(outcome));
    let result = write_anew(session, connected, &steps).await;
    for finding in space::left_behind(&Space::read(connected, sweeps).await?.tables) {
        session.ui.warning(format_args!("{} {}", finding.found, finding.meaning));
        for remedy in &finding.remedies {
            session.ui.hint(remedy.text());
        }
    }
    Ok((result?, space.server))
}

async fn write_anew(
    session: &mut Session,
    connected: &Connected,
    steps: &[Step],
) -> Result<Vec<Reclaimed>, Error> {
    let manner = Manner::of(&session.ui, session.global.format == Format::Json);
    let interrupted = session.interrupted.clone();
    let mut shown = Reclaiming::new(&mut session.ui, manner);
    let client = connected.database.get().await?;
    // Where the role may have one connection only, the line shows the time and nothing more.
    let watcher = connected.database.get().await.ok();
    let mut all = Vec::new();
    for (position, step) in steps.iter().enumerate() {
        if interrupted.exit().is_some() {
            return Err(stopped(&interrupted));
        }
        let doing = |source| Error::from(DbError::new("reclaiming space", source)).context(step.sql.clone());
        let bytes_before = reclaim::size(&**client, &step.of).await.map_err(doing)?;
        let pid = reclaim::pid(&**client).await.map_err(doing)?;
        let (number, of) = (position + 1, steps.len());
        shown.begin(step, number, of);
        let cancelling = connected.cancel_on_signal(&client, &interrupted);
        let done = {
            let mut work = std::pin::pin!(reclaim::run(&client, &step.sql));
            loop {
                tokio::select! {
                    done = &mut work => break done,
                    () = tokio::time::sleep(ASK_EVERY) => {
                        let progress = ask(watcher.as_ref(), pid).await;
                        shown.tell(step, (number, of), progress.as_ref());
                    }
                }
            }
        };
        drop(cancelling);
        if interrupted.exit().is_some() {
            give_back(client, &interrupted);
            return Err(stopped(&interrupted));
        }
        done.map_err(doing)?;
        let bytes_after = reclaim::size(&**client, &step.of).await.map_err(doing)?;
        let reclaimed =
            Reclaimed { name: step.of.clone(), statement: step.sql.clone(), bytes_before, bytes_after };
        shown.done(&reclaimed);
        all.push(reclaimed);
    }
    Ok(all)
}

/// A signal came after the deletion.
fn stopped(interrupted: &Interrupted) -> Error {
    let exit = interrupted.exit().unwrap_or(Exit::Interrupted);
    Error::new(exit, "interrupted while space was reclaimed; the rows were deleted before")
}

/// How far it has come, seen from another connection. Nothing depends on it.
async fn ask(watcher: Option<&Object>, pid: i32) -> Option<Rebuild> {
    reclaim::progress(&***watcher?, pid).await.ok().flatten()
}

/// Says how the space comes back, where a run that was not to see to it has left much.
async fn hint(session: &mut Session, connected: &Connected, sweeps: &[Sweep], outcome: &Outcome) {
    let few = deleted(outcome).values().all(|rows| *rows < space::FEW);
    if few || session.global.format == Format::Json {
        return;
    }
    // The run has ended; whether there is something to add to it changes nothing.
    let Ok(space) = Space::read(connected, sweeps).await else { return };
    if !space.steps(&deleted(outcome)).is_empty() {
        session.ui.hint(space::advice(&space.server));
    }
}
