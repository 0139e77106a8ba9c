//! How many rows a cleanup would delete: counted, estimated or left open, as the policy and the flags say.

use std::time::Duration;

use clap::Args;
use deadpool_postgres::{Object, Transaction};
use time::OffsetDateTime;

use super::connected::Connected;
use super::values;
use crate::config::duration;
use crate::db::error::{DbError, Meaning};
use crate::db::patience::{Reading, Waits as _};
use crate::db::tokens::{self, Budget, Effort, Place, TokensError, settings};
use crate::error::Error;
use crate::model::{CountMethod, Counted, Counting, Doomed, Forecast, ForeignRows, Sweep, Tally};

/// Of the budget, for an exact count that is expected to fit into it. If it does not, the rest is for a forecast.
const FOR_EXACT: f64 = 0.75;

/// Flags that say how the rows to delete are counted; each overrides its key in the file's `[cleanup]`.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct CountArgs {
    /// How the rows to delete are counted: exact, forecast (from statistics and a sample), or off. Default: exact if
    /// --count-budget suffices, otherwise forecast.
    #[arg(long, value_name = "HOW", value_parser = values::count_method())]
    pub count: Option<CountMethod>,
    /// The most time that counting takes, unless it is exact. Default: 5s.
    #[arg(long, value_name = "DURATION", value_parser = parse_budget, allow_negative_numbers = true)]
    pub count_budget: Option<Duration>,
}

impl CountArgs {
    /// The file's settings with these flags over them.
    #[must_use]
    pub fn over(&self, file: Counting) -> Counting {
        Counting { method: self.count.or(file.method), budget: self.count_budget.unwrap_or(file.budget) }
    }

    /// The same for a dry run: it is exact unless a flag says otherwise.
    #[must_use]
    pub fn of_a_dry_run(&self, file: Counting) -> Counting {
        Counting { method: Some(self.count.unwrap_or(CountMethod::Exact)), ..self.over(file) }
    }
}

fn parse_budget(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(budget) if budget.is_zero() => Err("must be longer than 0; --count off counts nothing".to_owned()),
        Ok(budget) => Ok(budget),
        Err(error) => Err(error.to_string()),
    }
}

/// What a cleanup would do to the database.
pub struct Found {
    pub counted: Counted,
    /// Rows of the project's own tables.
    pub others: Vec<ForeignRows>,
    /// Applications that `max_age` spares; `None`: there is none in force, or they were not counted.
    pub spared_by_age: Option<u64>,
}

/// Which sweeps are looked at, and how.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub sweeps: &'a [Sweep],
    pub counting: Counting,
    /// What the sweeps compare with; other samples are drawn at another instant.
    pub as_of: OffsetDateTime,
}

/// Counts what a cleanup would do, in the way that the policy asks for.
pub async fn find(
    connected: &Connected,
    client: &mut Object,
    question: Question<'_>,
) -> Result<Found, Error> {
    let Question { sweeps, counting, as_of: _ } = question;
    if counting.method == Some(CountMethod::Off) {
        return Ok(uncounted(connected, sweeps, Counted::Off));
    }
    let snapshot = connected.snapshot(client, Reading::Everything).await?;
    let budget = Budget::new(counting.budget);
    if let Some(limit) = exact_limit(&snapshot, connected, question, 0.0).await?
        && let Some(found) = exactly(&snapshot, connected, sweeps, limit).await?
    {
        return Ok(found);
    }
    drop(snapshot);
    let forecast = forecast(connected, client, question, budget).await?;
    let Some(tally) = forecast.as_exact() else {
        return Ok(uncounted(connected, sweeps, Counted::Forecast(forecast)));
    };
    let snapshot = connected.snapshot(client, Reading::Everything).await?;
    let further = further(&snapshot, connected, sweeps, Some(budget)).await?;
    let without = || uncounted(connected, sweeps, Counted::Exact(tally));
    Ok(further.map_or_else(without, |further| further.with(tally)))
}

/// The rows alone, for a bar; `None`: they are not to be counted, or a lock is not free. The run waits for it.
pub async fn rows(
    connected: &Connected,
    client: &mut Object,
    question: Question<'_>,
) -> Result<Option<Counted>, Error> {
    if question.counting.method == Some(CountMethod::Off) {
        return Ok(None);
    }
    let at_once = connected.patience.within(Duration::ZERO);
    let snapshot = match at_once.snapshot(client, &connected.tables, Reading::Everything).await {
        Err(error) if error.is_locked() => return Ok(None),
        snapshot => snapshot?,
    };
    let budget = Budget::new(question.counting.budget);
    if let Some(limit) = exact_limit(&snapshot, connected, question, 0.0).await?
        && let Some(tally) = tally(&snapshot, connected, question.sweeps, limit).await?
    {
        return Ok(Some(Counted::Exact(tally)));
    }
    drop(snapshot);
    let forecast = forecast(connected, client, question, budget).await?;
    Ok(Some(forecast.as_exact().map_or(Counted::Forecast(forecast), Counted::Exact)))
}

/// The limit of an exact count: `Some(None)`: none. `None`: it is not tried. `cost`: of what else is counted, in the
/// planner's units.
pub async fn exact_limit(
    snapshot: &Transaction<'_>,
    connected: &Connected,
    question: Question<'_>,
    cost: f64,
) -> Result<Option<Option<Budget>>, Error> {
    match question.counting.method {
        Some(CountMethod::Exact) => Ok(Some(None)),
        Some(CountMethod::Forecast | CountMethod::Off) => Ok(None),
        None => {
            let cost = cost + tokens::cost(&**snapshot, &connected.layout, question.sweeps).await?;
            let limit = Budget::new(question.counting.budget.mul_f64(FOR_EXACT));
            Ok(limit.covers(cost).then_some(Some(limit)))
        }
    }
}

/// Estimates within the budget.
pub async fn forecast(
    connected: &Connected,
    client: &mut Object,
    question: Question<'_>,
    budget: Budget,
) -> Result<Forecast, Error> {
    let Connected { layout, patience, tables, .. } = connected;
    let place = Place { layout, patience, tables };
    let effort = Effort::Within(budget);
    // Boxed: the callers' futures hold it, and most of the time it is not needed.
    Ok(Box::pin(tokens::forecast(client, place, question.sweeps, seed(question.as_of), effort)).await?)
}

/// Other blocks are drawn at another instant.
fn seed(as_of: OffsetDateTime) -> u32 {
    u32::try_from(as_of.unix_timestamp().rem_euclid(1 << 30)).unwrap_or_default()
}

/// What is counted beside the rows of the token tables.
struct Further {
    others: Vec<ForeignRows>,
    spared_by_age: Option<u64>,
}

impl Further {
    fn with(self, tally: Tally) -> Found {
        let Self { others, spared_by_age } = self;
        Found { counted: Counted::Exact(tally), others, spared_by_age }
    }
}

/// Counts everything; `None`: the time is over.
async fn exactly(
    snapshot: &Transaction<'_>,
    connected: &Connected,
    sweeps: &[Sweep],
    limit: Option<Budget>,
) -> Result<Option<Found>, Error> {
    let Some(tally) = tally(snapshot, connected, sweeps, limit).await? else { return Ok(None) };
    Ok(further(snapshot, connected, sweeps, limit).await?.map(|further| further.with(tally)))
}

/// Counts the rows of the token tables; `None`: the time is over.
pub async fn tally(
    snapshot: &Transaction<'_>,
    connected: &Connected,
    sweeps: &[Sweep],
    limit: Option<Budget>,
) -> Result<Option<Tally>, Error> {
    set_limit(snapshot, limit, 1).await?;
    in_time(tokens::count(&**snapshot, &connected.layout, sweeps).await)
}

/// Counts the rest; `None`: the time is over.
async fn further(
    snapshot: &Transaction<'_>,
    connected: &Connected,
    sweeps: &[Sweep],
    limit: Option<Budget>,
) -> Result<Option<Further>, Error> {
    let layout = &connected.layout;
    let of = |sweep: &Sweep| matches!(sweep.doomed, Doomed::DcrApplications { oldest: Some(_), .. });
    let mut spared_by_age = None;
    if sweeps.iter().any(of) {
        set_limit(snapshot, limit, 1).await?;
        let Some(spared) = in_time(tokens::spared_by_age(&**snapshot, layout, sweeps).await)? else {
            return Ok(None);
        };
        spared_by_age = Some(spared);
    }
    // One statement for each foreign key.
    set_limit(snapshot, limit, layout.all_references().count()).await?;
    let others = in_time(tokens::foreign_rows(&**snapshot, layout, sweeps).await)?;
    Ok(others.map(|others| Further { others, spared_by_age }))
}

/// Divides what is left among the statements to come.
pub async fn set_limit(
    snapshot: &Transaction<'_>,
    limit: Option<Budget>,
    statements: usize,
) -> Result<(), DbError> {
    let Some(limit) = limit else { return Ok(()) };
    let each = limit.left() / u32::try_from(statements.max(1)).unwrap_or(u32::MAX);
    settings::of_a_count(snapshot, each).await.map_err(DbError::during("counting the rows to delete"))
}

/// `None`: the time is over.
pub fn in_time<T>(counted: Result<T, TokensError>) -> Result<Option<T>, Error> {
    match counted {
        Ok(counted) => Ok(Some(counted)),
        Err(TokensError::Database(error)) if *error.meaning() == Meaning::QueryCanceled => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn uncounted(connected: &Connected, sweeps: &[Sweep], counted: Counted) -> Found {
    let others = tokens::uncounted_foreign_rows(&connected.layout, sweeps);
    Found { counted, others, spared_by_age: None }
}
