//! `status`: how the token tables are, in transactions that only read: one pass for what cleanup would delete, one for
//! the ages, and the catalogue. Where the passes take too long, a forecast instead.

use std::path::PathBuf;

use clap::Args;
use deadpool_postgres::{Object, Transaction};
use time::OffsetDateTime;

use super::Format;
use super::cleanup::warn;
use super::connected::Connected;
use super::connected::database_now;
use super::costing;
use super::counting::{self, CountArgs, Question};
use super::loading;
use super::look::look;
use super::outputs::{self, Output};
use super::reaching;
use super::rights;
use super::session::Session;
use super::values::parse_instant;
use crate::config::Config;
use crate::db::error::DbError;
use crate::db::health::{census, measurement, storage};
use crate::db::ledger::{self, Ledger, Use};
use crate::db::patience::Reading;
use crate::db::rights::Task;
use crate::db::tokens::{Budget, TokensError};
use crate::error::{Error, Exit};
use crate::health::status::{Status, TableStatus};
use crate::model::health::{Lacks, Measurement, PastRun, TableRows};
use crate::model::{CountMethod, Counted, TableRole};
use crate::plan::retention;
use crate::ui::status::{Canvas, render};
use crate::ui::{metrics, status_html, status_json};

/// The number of runs of the ledger.
const RUNS: u32 = 5;

const EXAMPLES: &str = "\
Examples:
  oauthctl status
  oauthctl status --format html > status.html    # a page for a browser
  oauthctl status --metrics-file /var/lib/node_exporter/oauthctl.prom";

/// The flags of `status`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    /// Also write the numbers to this file, in the text format of Prometheus. The file is replaced.
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
    /// Count what has expired at this instant, in RFC 3339. Default: the time of the database.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    as_of: Option<OffsetDateTime>,
    #[command(flatten)]
    counting: CountArgs,
}

/// What the ledger says.
enum Remembered {
    /// There is none.
    Nothing,
    /// This role may not read it.
    Hidden(Lacks),
    /// The last runs, and what they measured.
    Runs(Vec<PastRun>, Vec<Measurement>),
}

/// Counts and shows.
pub async fn run(session: &mut Session, args: &StatusArgs) -> Result<Exit, Error> {
    let outputs: Vec<Output<'_>> =
        Output::given("--metrics-file", args.metrics_file.as_ref()).into_iter().collect();
    outputs::check(session, &outputs, None)?;
    let config = loading::without_secrets(session)?;
    outputs::check_referred(&config, &outputs)?;
    let connected = reaching::connect(session, &config, 1).await?;
    warn(session, &connected, &config.cleanup.clone().unwrap_or_default()).await?;
    let interrupted = session.interrupted.clone();
    let status = interrupted.or(read(&connected, &config, args.as_of, args.counting)).await?;
    if let Some(path) = &args.metrics_file {
        outputs::write(path, &metrics::render(&status))?;
    }
    let text = match session.global.format {
        Format::Text | Format::Markdown | Format::Sarif | Format::Github | Format::Gitlab => {
            let canvas = Canvas { width: session.ui.answer_width(), unicode: session.ui.terminal().unicode };
            render(&status, canvas)
        }
        Format::Html => status_html::render(&status),
        Format::Json => {
            status_json::render(&status).map_err(|error| Error::from_source(Exit::Failed, &error))?
        }
    };
    session.tell(&text)?;
    Ok(Exit::Done)
}

/// What a cleanup would delete, and where that is exact, all rows by age.
async fn count(
    connected: &Connected,
    client: &mut Object,
    question: Question<'_>,
) -> Result<(Counted, Vec<TableRows>), Error> {
    if question.counting.method == Some(CountMethod::Off) {
        return Ok((Counted::Off, Vec::new()));
    }
    let tokens = TableRole::ALL.iter().copied().filter(|role| *role != TableRole::Application).collect();
    let task = Task { tokens, ..Task::default() };
    rights::require_of(&***client, &connected.layout, &task, Exit::Failed).await?;
    let snapshot = connected.snapshot(client, Reading::Everything).await?;
    let budget = Budget::new(question.counting.budget);
    let cost = match question.counting.method {
        None => census::cost(&*snapshot, &connected.layout, question.as_of).await?,
        Some(CountMethod::Exact | CountMethod::Forecast | CountMethod::Off) => 0.0,
    };
    if let Some(limit) = counting::exact_limit(&snapshot, connected, question, cost).await? {
        let tally = counting::tally(&snapshot, connected, question.sweeps, limit).await?;
        if let Some(tally) = tally
            && let Some(rows) = all_rows(&snapshot, connected, question, limit).await?
        {
            return Ok((Counted::Exact(tally), rows));
        }
    }
    drop(snapshot);
    let forecast = counting::forecast(connected, client, question, budget).await?;
    let Some(tally) = forecast.as_exact() else { return Ok((Counted::Forecast(forecast), Vec::new())) };
    let snapshot = connected.snapshot(client, Reading::Everything).await?;
    let rows = all_rows(&snapshot, connected, question, Some(budget)).await?;
    Ok(match rows {
        Some(rows) => (Counted::Exact(tally), rows),
        None => (Counted::Forecast(forecast), Vec::new()),
    })
}

/// `None`: the time is over.
async fn all_rows(
    snapshot: &Transaction<'_>,
    connected: &Connected,
    question: Question<'_>,
    limit: Option<Budget>,
) -> Result<Option<Vec<TableRows>>, Error> {
    counting::set_limit(snapshot, limit, 1).await?;
    let census = census::census(&**snapshot, &connected.layout, question.as_of).await;
    counting::in_time(census.map_err(TokensError::from))
}

async fn read(
    connected: &Connected,
    config: &Config,
    as_of: Option<OffsetDateTime>,
    counting: CountArgs,
) -> Result<Status, Error> {
    let layout = &connected.layout;
    let policy = config.cleanup.clone().unwrap_or_default();
    let mut client = connected.database.get().await?;
    let as_of = match as_of {
        Some(instant) => instant,
        None => database_now(&client).await?,
    };
    let sweeps = retention::sweeps(&policy, as_of, &connected.layout.roles());
    let question = Question { sweeps: &sweeps, counting: counting.over(policy.counting), as_of };
    let (reclaimable, rows) = count(connected, &mut client, question).await?;
    let mut snapshot = connected.snapshot(&mut client, Reading::Everything).await?;
    let database = crate::db::session::database(&*snapshot).await;
    let database = database.map_err(DbError::during("asking for the name of the database"))?;
    let mut unseen = Vec::new();
    let storage = look(&mut snapshot, "looking at the sizes of the tables", async |client| {
        storage::storage(client, layout, None).await
    });
    let storage = storage.await?.unwrap_or_else(|reason| {
        unseen.push(reason);
        Vec::new()
    });
    let remembered = look(&mut snapshot, "reading the ledger", async |client| {
        let Some(found) = Ledger::find(client).await? else { return Ok(Remembered::Nothing) };
        let lacks = found.lacks(client, None, Use::History).await?;
        if !lacks.is_empty() {
            return Ok(Remembered::Hidden(lacks));
        }
        let runs = ledger::recent(client, RUNS).await?;
        let measured = if measurement::supported(client).await? {
            measurement::latest(client, layout).await?
        } else {
            Vec::new()
        };
        Ok(Remembered::Runs(runs, measured))
    });
    let (runs, measurements, ledger) = match remembered.await? {
        Ok(Remembered::Nothing) => (None, Vec::new(), false),
        Ok(Remembered::Runs(runs, measured)) => (Some(runs), measured, true),
        Ok(Remembered::Hidden(lacks)) => {
            unseen
                .push(format!("the ledger, for {lacks}; {}", lacks.grants().join(" ").trim_end_matches(';')));
            (None, Vec::new(), true)
        }
        Err(reason) => {
            unseen.push(reason);
            (None, Vec::new(), true)
        }
    };
    let known = runs.as_deref().unwrap_or_default();
    let cost = costing::of(&mut snapshot, connected, &reclaimable, (&policy.pace, known)).await?;
    let policy_of_file = config.cleanup.is_some();
    let roles = layout.tables().map(|(role, _)| role).filter(|role| *role != TableRole::Application);
    let tables = roles
        .map(|role| {
            let table = TableStatus::new(role, &storage, &measurements);
            let forecast = reclaimable.forecast().and_then(|forecast| forecast.of(role));
            match (rows.iter().find(|rows| rows.role == role), reclaimable.exact()) {
                (Some(rows), Some(tally)) => table.with_rows(*rows, tally),
                _ => TableStatus { forecast, ..table },
            }
        })
        .collect();
    Ok(Status { as_of, database, policy_of_file, tables, reclaimable, cost, runs, ledger, unseen })
}
