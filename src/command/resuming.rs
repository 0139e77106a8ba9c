//! Where a cleanup begins, and where the next one will: in the ledger, or in what is printed and given with
//! `--resume-from`.

use deadpool_postgres::Transaction;

use super::connected::Connected;
use super::session::Session;
use crate::db::error::DbError;
use crate::db::ledger::{self, Ledger, Use};
use crate::db::lock::Wanted;
use crate::error::Error;
use crate::model::{CleanupPolicy, Position, Strategy, Sweep};
use crate::plan::resume::{fingerprint, fits, is_rememberable, name};
use crate::sweep::{Outcome, Place, Stop};

const READING: &str = "reading in the ledger where the last run stopped";
const WRITING: &str = "noting in the ledger where the run stopped";

/// Where a run begins, and how a place is written down.
#[derive(Debug, Default)]
pub struct Resuming {
    /// By sweep; `None`: places of it are not remembered.
    known: Vec<Option<Known>>,
    /// The run in the ledger that the place is noted with; `None`: it is printed.
    run: Option<i64>,
    from: Option<Place>,
}

/// A sweep whose places are remembered.
#[derive(Debug)]
struct Known {
    table: String,
    sweep: String,
    fingerprint: String,
}

impl Resuming {
    /// Looks where to begin. `given`: by the user, instead of what the ledger says. `run`: the number of the run in the
    /// ledger, if that can be written.
    pub async fn begin(
        session: &mut Session,
        connected: &Connected,
        (policy, sweeps): (&CleanupPolicy, &[Sweep]),
        given: Option<&Position>,
        run: Option<i64>,
    ) -> Result<Self, Error> {
        if policy.pace.strategy == Strategy::Rewrite {
            return Ok(Self::default());
        }
        let known: Vec<Option<Known>> = sweeps.iter().map(|sweep| known(connected, policy, sweep)).collect();
        let run = match run {
            Some(run) if remembers(connected).await? => Some(run),
            _ => None,
        };
        let found = match given {
            Some(given) => vec![given.clone()],
            None if run.is_some() => stored(session, connected, &known).await?,
            None => Vec::new(),
        };
        let place = |position: &Position| {
            sweeps.iter().zip(&known).position(|(sweep, known)| {
                known.as_ref().is_some_and(|known| {
                    let key_type = connected.layout.table(sweep.role()).map_or("", |table| table.key_type());
                    fits(position, sweep, &known.fingerprint, key_type)
                })
            })
        };
        let fitting = found.iter().find_map(|position| Some((place(position)?, position)));
        let from = fitting.map(|(sweep, position)| Place { sweep, key: position.key.clone() });
        if from.is_none() && !found.is_empty() {
            let whose = if given.is_some() { "of --resume-from" } else { "where the last run stopped" };
            session.ui.warning(format_args!(
                "the position {whose} belongs to another policy or schema and is ignored: this run begins at the beginning."
            ));
        }
        Ok(Self { known, run, from })
    }

    /// Where the run begins; `None`: at the beginning.
    pub const fn place(&self) -> Option<&Place> {
        self.from.as_ref()
    }

    /// Notes where the run stopped, or that it came to its end. Where that is not possible, the outcome says what to give
    /// the next run. The work is done by now, so a failure is only told.
    pub async fn end(&self, connected: &Connected, outcome: &mut Outcome) -> Option<Error> {
        if matches!(outcome.stop, Stop::Failed { .. }) {
            return None;
        }
        let known = |place: &Place| self.known.get(place.sweep).and_then(Option::as_ref);
        let at = outcome.place.as_ref().and_then(|place| Some((known(place)?, place)));
        let position = at.map(|(known, place)| Position {
            sweep: known.sweep.clone(),
            fingerprint: known.fingerprint.clone(),
            key: place.key.clone(),
        });
        outcome.position = position;
        let run = self.run?;
        let stored = at.map(|(known, _)| known.table.as_str()).zip(outcome.position.as_ref());
        let failed = self.store(connected, run, stored).await.err();
        outcome.remembered = failed.is_none();
        failed.map(Error::from)
    }

    async fn store(
        &self,
        connected: &Connected,
        run: i64,
        stored: Option<(&str, &Position)>,
    ) -> Result<(), DbError> {
        let of: Vec<(&str, &str)> =
            self.known.iter().flatten().map(|known| (known.table.as_str(), known.sweep.as_str())).collect();
        let note = async |transaction: &Transaction<'_>| {
            ledger::remember(&**transaction, run, &of, stored).await.map_err(DbError::during(WRITING))
        };
        let mut client = connected.database.get_when_free().await?;
        connected.patience.transact(&mut client, WRITING, Wanted::Write, note).await
    }
}

fn known(connected: &Connected, policy: &CleanupPolicy, sweep: &Sweep) -> Option<Known> {
    let table = connected.layout.table(sweep.role()).filter(|table| is_rememberable(table.key_type()))?;
    let qualified = table.qualified_name();
    let fingerprint = fingerprint(policy, &qualified, table.key_type());
    Some(Known { table: qualified, sweep: name(sweep), fingerprint })
}

/// Whether the ledger has the table for it, and this role may write it.
async fn remembers(connected: &Connected) -> Result<bool, Error> {
    let client = connected.database.get().await?;
    let Some(found) = Ledger::find(&**client).await.map_err(DbError::during(READING))? else {
        return Ok(false);
    };
    let lacks = found.lacks(&**client, None, Use::Remember).await.map_err(DbError::during(READING))?;
    Ok(found.has_positions() && lacks.is_empty())
}

/// The positions of these sweeps, the newest first.
async fn stored(
    session: &Session,
    connected: &Connected,
    known: &[Option<Known>],
) -> Result<Vec<Position>, Error> {
    let of: Vec<(&str, &str)> =
        known.iter().flatten().map(|known| (known.table.as_str(), known.sweep.as_str())).collect();
    let mut client = connected.database.get().await?;
    let read = async |transaction: &Transaction<'_>| {
        ledger::positions(&**transaction, &of).await.map_err(DbError::during(READING))
    };
    let reading = connected.patience.transact(&mut client, READING, Wanted::Read, read);
    session.interrupted.or(async { Ok(reading.await?) }).await
}
