//! How many rows a cleanup would delete, without reading all of them.
//!
//! The catalogue is asked first. Where it is not enough, because a condition needs a join or the statistics are old, rounds
//! of a sample are drawn until the time is spent. Each round is a transaction of its own, so that none holds back VACUUM
//! for longer than one round. Tables that are counted in no time are counted.

use std::collections::BTreeMap;
use std::time::Duration;

use deadpool_postgres::{Object, Transaction};
use tokio::time::Instant;

use super::count::WORK_MEM;
use super::effort::{self, Budget, Effort, Next};
use super::excluded::Excluded;
use super::outlook::{Found, Outlook, forecast_of};
use super::passes::Run;
use super::statement::{Sql, Values};
use super::{TokensError, attempt, sample, settings};
use crate::db::error::Meaning;
use crate::db::health::statistics;
use crate::db::layout::Layout;
use crate::db::patience::{Patience, Readables, Reading, Waits as _};
use crate::model::sample::{Rough, Sample};
use crate::model::{Forecast, Sweep};

const COUNTING: &str = "estimating the rows to delete";

/// What the planner says of the share of a column's values below a cutoff, as part of all rows: its histogram has a
/// hundred bins, and it is made from 30,000 rows.
const DEVIATION_OF_SHARES: f64 = 0.005;

/// The bound, as part of all rows, within which the catalogue suffices.
const ENOUGH: f64 = 0.015;

/// Where to look.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub layout: &'a Layout,
    pub patience: &'a Patience,
    pub tables: &'a Readables,
}

/// What became of a statement.
enum Tried<T> {
    Done(T),
    /// Its time was over, or a lock was not free.
    GivenUp,
}

/// Estimates what the sweeps would delete. `seed`: another one draws other blocks.
///
/// # Errors
/// The server's, or that the tables are locked. A round that takes too long is no error.
pub async fn forecast(
    client: &mut Object,
    place: Place<'_>,
    sweeps: &[Sweep],
    seed: u32,
    effort: Effort,
) -> Result<Forecast, TokensError> {
    let snapshot = place.patience.snapshot(client, place.tables, Reading::Everything).await?;
    let excluded = Excluded::resolve(&*snapshot, place.layout, sweeps).await?;
    let run = Run::new(place.layout, sweeps, &excluded);
    let known = statistics::statistics(&*snapshot, place.layout).await.map_err(attempt(COUNTING))?;
    let Some(run) = run else { return Ok(forecast_of(&[], &BTreeMap::new())) };
    let mut outlooks = Vec::new();
    for (index, pass) in run.passes(&mut super::statement::Binds::default()).iter().enumerate() {
        let table = known.get(&pass.role).copied();
        let mut outlook = Outlook::new(pass, table);
        if let Effort::Within(_) = effort {
            look_ahead(&snapshot, &run, &excluded, index, &mut outlook).await?;
        }
        outlooks.push(outlook);
    }
    snapshot.rollback().await.map_err(attempt(COUNTING))?;
    let mut rounds = Rounds { client, place, run: &run, excluded: &excluded, seed };
    match effort {
        Effort::Once { percent } => {
            let open = outlooks.iter_mut().enumerate().filter(|(_, outlook)| outlook.is_open());
            for (index, outlook) in open {
                rounds.once(index, outlook, percent).await?;
            }
        }
        Effort::Within(budget) => rounds.within(&mut outlooks, budget).await?,
    }
    Ok(forecast_of(&outlooks, &known))
}

/// Asks the planner what a pass costs, and what the statistics say of its categories.
async fn look_ahead(
    snapshot: &Transaction<'_>,
    run: &Run<'_>,
    excluded: &Excluded,
    index: usize,
    outlook: &mut Outlook,
) -> Result<(), TokensError> {
    let failed = || attempt("asking the planner what a count would cost");
    let values = Values::new(excluded);
    snapshot.query_typed(WORK_MEM, &[]).await.map_err(failed())?;
    let whole = Sql::new(|binds| run.passes(binds)[index].select(&["count(*)"]));
    outlook.cost = whole.explained(&**snapshot, values).await.map_err(failed())?.cost;
    let Some(rows) = outlook.rows else { return Ok(()) };
    for count in 0..outlook.categories.len() {
        let mut single = false;
        let sql = Sql::new(|binds| {
            let pass = &run.passes(binds)[index];
            single = pass.counts[count].single;
            format!("SELECT FROM {} {} WHERE {}", pass.table.sql(), pass.alias, pass.counts[count].condition)
        });
        if single {
            let expected = sql.explained(&**snapshot, values).await.map_err(failed())?.rows;
            let deviation = rows.value * DEVIATION_OF_SHARES;
            outlook.catalogue[count] = Some(Rough { value: expected, deviation, slack: rows.slack });
        }
    }
    Ok(())
}

/// The rounds of one forecast, on one connection.
struct Rounds<'a> {
    client: &'a mut Object,
    place: Place<'a>,
    run: &'a Run<'a>,
    excluded: &'a Excluded,
    /// Of the next round.
    seed: u32,
}

impl Rounds<'_> {
    /// Spends the time: first on what costs nothing, then on the tables that have to be sampled, by their sizes.
    async fn within(&mut self, outlooks: &mut [Outlook], budget: Budget) -> Result<(), TokensError> {
        let open = outlooks.iter_mut().enumerate().filter(|(_, outlook)| outlook.is_open());
        for (index, outlook) in open {
            if budget.hardly_notices(outlook.cost) {
                self.all(index, outlook, budget.a_little()).await?;
            } else if outlook.is_known_within(ENOUGH) {
                outlook.found = Found::Catalogue;
            }
        }
        let mut left: f64 = outlooks.iter().filter(|outlook| outlook.is_open()).map(|open| open.blocks).sum();
        for (index, outlook) in outlooks.iter_mut().enumerate().filter(|(_, outlook)| outlook.is_open()) {
            let until = budget.part(outlook.blocks / left.max(1.0));
            left -= outlook.blocks;
            self.until(index, outlook, until, &budget).await?;
        }
        Ok(())
    }

    /// Rounds of one table, each as large as the time allows that is left after the one before.
    async fn until(
        &mut self,
        index: usize,
        outlook: &mut Outlook,
        until: Instant,
        budget: &Budget,
    ) -> Result<(), TokensError> {
        let mut next = effort::first(outlook.blocks).map_or(Next::All, Next::Round);
        loop {
            let began = Instant::now();
            let percent = match next {
                Next::Enough => return Ok(()),
                Next::All => return self.all(index, outlook, budget.left()).await,
                Next::Round(percent) => percent,
            };
            if effort::is_spent(budget.left()) {
                return Ok(());
            }
            // If this table takes its time twice, there is some left for the others.
            let limit = budget.left().min(2 * until.saturating_duration_since(began));
            match self.round(index, percent, limit).await? {
                Tried::GivenUp => return Ok(()),
                Tried::Done(sample) => outlook.add(&sample),
            }
            next = effort::next(percent, began.elapsed(), until.saturating_duration_since(Instant::now()));
        }
    }

    /// One round, without regard to the time.
    async fn once(&mut self, index: usize, outlook: &mut Outlook, percent: f64) -> Result<(), TokensError> {
        if let Tried::Done(sample) = self.round(index, percent, Duration::from_hours(1)).await? {
            outlook.add(&sample);
        }
        Ok(())
    }

    async fn round(
        &mut self,
        index: usize,
        percent: f64,
        limit: Duration,
    ) -> Result<Tried<Sample>, TokensError> {
        let (seed, values) = (self.seed, Values::new(self.excluded));
        self.seed = self.seed.wrapping_add(1);
        let mut counts = 0;
        let sql = Sql::new(|binds| {
            let pass = &self.run.passes(binds)[index];
            counts = pass.counts.len();
            sample::round(pass, percent, seed)
        });
        let Some(transaction) = self.begin().await? else { return Ok(Tried::GivenUp) };
        settings::of_a_round(&transaction, limit).await.map_err(attempt(COUNTING))?;
        let row = match given_up(sql.one(&*transaction, values).await)? {
            Tried::Done(row) => row,
            Tried::GivenUp => return Ok(Tried::GivenUp),
        };
        transaction.rollback().await.map_err(attempt(COUNTING))?;
        Ok(Tried::Done(sample::read(&row, counts, percent)))
    }

    /// Counts all rows of a table, if that takes no longer than the limit.
    async fn all(&mut self, index: usize, outlook: &mut Outlook, limit: Duration) -> Result<(), TokensError> {
        if effort::is_spent(limit) {
            return Ok(());
        }
        let values = Values::new(self.excluded);
        let sql = Sql::new(|binds| self.run.passes(binds)[index].select(&["count(*)"]));
        let Some(transaction) = self.begin().await? else { return Ok(()) };
        settings::of_a_count(&transaction, limit).await.map_err(attempt(COUNTING))?;
        transaction.query_typed(WORK_MEM, &[]).await.map_err(attempt(COUNTING))?;
        let Tried::Done(row) = given_up(sql.one(&*transaction, values).await)? else { return Ok(()) };
        transaction.rollback().await.map_err(attempt(COUNTING))?;
        outlook.found =
            Found::All((0..row.len()).map(|column| super::query::unsigned(row.get(column))).collect());
        Ok(())
    }

    /// A short transaction; `None`: a lock is not free.
    async fn begin(&mut self) -> Result<Option<Transaction<'_>>, TokensError> {
        let Place { layout: _, patience, tables } = self.place;
        let at_once = patience.within(Duration::ZERO);
        match at_once.snapshot(self.client, tables, Reading::Everything).await {
            Err(error) if error.is_locked() => Ok(None),
            snapshot => Ok(Some(snapshot?)),
        }
    }
}

/// Time-outs and locks are no errors here.
fn given_up<T>(result: Result<T, tokio_postgres::Error>) -> Result<Tried<T>, TokensError> {
    match result.map_err(attempt(COUNTING)) {
        Ok(done) => Ok(Tried::Done(done)),
        Err(TokensError::Database(error))
            if matches!(error.meaning(), Meaning::QueryCanceled | Meaning::LockNotAvailable) =>
        {
            Ok(Tried::GivenUp)
        }
        Err(error) => Err(error),
    }
}
