//! The health of the token tables, as scripts read it. The format is documented in `docs/operations.md` and versioned
//! as the plan's. Pure.

use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::backlog::{self, CostView};
use super::forecast_json::{self, ForecastView};
use crate::health::status::{Growth, Status, TableStatus};
use crate::model::health::{AgeBand, PastRun, Storage, TableRows};
use crate::model::json;
use crate::model::words::rfc3339;
use crate::model::{CountMethod, Estimate, TableForecast, Tally};

/// The version of the document.
pub const FORMAT_VERSION: &str = "1.0";

#[derive(Serialize)]
struct Document<'a> {
    format_version: &'static str,
    tool_version: &'static str,
    as_of: String,
    database: &'a str,
    policy: &'static str,
    count: CountMethod,
    rows: Option<u64>,
    reclaimable: Reclaimable<'a>,
    tables: Vec<TableView<'a>>,
    ledger: bool,
    runs: Option<Vec<RunView<'a>>>,
    unseen: &'a [String],
}

#[derive(Serialize)]
struct Reclaimable<'a> {
    total: Option<u64>,
    rows: Option<&'a Tally>,
    forecast: Option<ForecastView>,
    cost: Option<CostView>,
}

#[derive(Serialize)]
struct TableView<'a> {
    role: &'static str,
    table: Option<&'a str>,
    rows: Option<u64>,
    live: Option<u64>,
    expired: Option<u64>,
    orphaned: Option<u64>,
    idle: Option<u64>,
    reclaimable: Option<u64>,
    ages: Option<Vec<AgeView>>,
    forecast: Option<TableForecastView>,
    storage: Option<StorageView>,
    growth: Option<GrowthView<'a>>,
}

#[derive(Serialize)]
struct TableForecastView {
    rows: Estimate,
    reclaimable: Estimate,
}

#[derive(Serialize)]
struct AgeView {
    from_seconds: u32,
    rows: u64,
}

#[derive(Serialize)]
struct StorageView {
    table_bytes: u64,
    index_bytes: u64,
    dead_rows: u64,
    last_vacuum: Option<String>,
    last_vacuum_automatic: Option<bool>,
}

#[derive(Serialize)]
struct GrowthView<'a> {
    since: String,
    verb: &'a str,
    rows_inserted: Option<u64>,
    rows_per_day: Option<u64>,
    table_bytes: i64,
    index_bytes: i64,
}

#[derive(Serialize)]
struct RunView<'a> {
    verb: &'a str,
    who: &'a str,
    started_at: String,
    finished_at: Option<String>,
    outcome: Option<&'a str>,
    stop: Option<&'a str>,
    deleted: Map<String, Value>,
    applications: Map<String, Value>,
}

/// The whole picture, with a newline at the end.
///
/// # Errors
/// Serde's, which do not occur.
pub fn render(status: &Status) -> Result<String, serde_json::Error> {
    let Status { as_of, database, policy_of_file, tables, reclaimable, cost, runs, ledger, unseen } = status;
    let document = Document {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        as_of: rfc3339(*as_of),
        database,
        policy: if *policy_of_file { "file" } else { "defaults" },
        rows: status.total(),
        count: reclaimable.method(),
        reclaimable: Reclaimable {
            total: reclaimable.exact().map(Tally::total),
            rows: reclaimable.exact(),
            forecast: forecast_json::forecast(reclaimable),
            cost: cost.as_ref().map(backlog::view),
        },
        tables: tables.iter().map(|table| table_view(table, *as_of)).collect(),
        ledger: *ledger,
        runs: runs.as_ref().map(|runs| runs.iter().map(run_view).collect()),
        unseen,
    };
    json::document(&document)
}

fn table_view(table: &TableStatus, as_of: OffsetDateTime) -> TableView<'_> {
    let TableStatus { role, counted, forecast, storage, growth } = table;
    let rows = counted.as_ref().map(|(rows, _)| rows);
    TableView {
        role: role.key(),
        table: storage.as_ref().map(|storage| storage.name.as_str()),
        rows: rows.map(TableRows::total),
        live: rows.map(|rows| rows.live),
        expired: rows.map(|rows| rows.ages.total()),
        orphaned: rows.map(|rows| rows.orphaned),
        idle: rows.map(|rows| rows.idle),
        reclaimable: counted.as_ref().map(|(_, reclaimable)| *reclaimable),
        ages: rows.map(ages),
        forecast: forecast.as_ref().map(|TableForecast { role: _, rows, reclaimable }| TableForecastView {
            rows: *rows,
            reclaimable: *reclaimable,
        }),
        storage: storage.as_ref().map(storage_view),
        growth: growth.as_ref().map(|growth| growth_view(growth, as_of)),
    }
}

fn ages(rows: &TableRows) -> Vec<AgeView> {
    let view = |band: AgeBand| AgeView { from_seconds: band.begins(), rows: rows.ages.get(band) };
    AgeBand::ALL.iter().copied().map(view).collect()
}

fn storage_view(storage: &Storage) -> StorageView {
    let vacuumed = storage.vacuumed();
    StorageView {
        table_bytes: storage.table_bytes(),
        index_bytes: storage.index_bytes(),
        dead_rows: storage.dead_rows(),
        last_vacuum: vacuumed.map(|(at, _)| rfc3339(at)),
        last_vacuum_automatic: vacuumed.map(|(_, automatic)| automatic),
    }
}

fn growth_view(growth: &Growth, as_of: OffsetDateTime) -> GrowthView<'_> {
    let Growth { inserted, table_bytes, index_bytes, since, verb } = growth;
    GrowthView {
        since: rfc3339(*since),
        verb,
        rows_inserted: *inserted,
        rows_per_day: growth.per_day(as_of),
        table_bytes: *table_bytes,
        index_bytes: *index_bytes,
    }
}

fn run_view(run: &PastRun) -> RunView<'_> {
    let PastRun { verb, who, started, finished, outcome, stop, deleted, applications } = run;
    let object =
        |counts: &[(String, u64)]| counts.iter().map(|(name, n)| (name.clone(), (*n).into())).collect();
    RunView {
        verb,
        who,
        started_at: rfc3339(*started),
        finished_at: finished.map(rfc3339),
        outcome: outcome.as_deref(),
        stop: stop.as_deref(),
        deleted: object(deleted),
        applications: object(applications),
    }
}
