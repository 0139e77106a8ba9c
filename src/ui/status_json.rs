//! The health of the token tables, as scripts read it. The format is documented in `docs/operations.md` and versioned
//! as the plan's. Pure.

use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::health::status::{Growth, Status, TableStatus};
use crate::model::Tally;
use crate::model::health::{AgeBand, PastRun, Storage};
use crate::model::json;
use crate::model::words::rfc3339;

/// The version of the document.
pub const FORMAT_VERSION: &str = "1.0";

#[derive(Serialize)]
struct Document<'a> {
    format_version: &'static str,
    tool_version: &'static str,
    as_of: String,
    database: &'a str,
    policy: &'static str,
    rows: u64,
    reclaimable: Reclaimable<'a>,
    tables: Vec<TableView<'a>>,
    ledger: bool,
    runs: Option<Vec<RunView<'a>>>,
    unseen: &'a [String],
}

#[derive(Serialize)]
struct Reclaimable<'a> {
    total: u64,
    rows: &'a Tally,
}

#[derive(Serialize)]
struct TableView<'a> {
    role: &'static str,
    table: Option<&'a str>,
    rows: u64,
    live: u64,
    expired: u64,
    orphaned: u64,
    idle: u64,
    reclaimable: u64,
    ages: Vec<AgeView>,
    storage: Option<StorageView>,
    growth: Option<GrowthView<'a>>,
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
    let Status { as_of, database, policy_of_file, tables, reclaimable, runs, ledger, unseen } = status;
    let document = Document {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        as_of: rfc3339(*as_of),
        database,
        policy: if *policy_of_file { "file" } else { "defaults" },
        rows: status.total(),
        reclaimable: Reclaimable { total: reclaimable.total(), rows: reclaimable },
        tables: tables.iter().map(|table| table_view(table, *as_of)).collect(),
        ledger: *ledger,
        runs: runs.as_ref().map(|runs| runs.iter().map(run_view).collect()),
        unseen,
    };
    json::document(&document)
}

fn table_view(table: &TableStatus, as_of: OffsetDateTime) -> TableView<'_> {
    let TableStatus { rows, reclaimable, storage, growth } = table;
    TableView {
        role: rows.role.key(),
        table: storage.as_ref().map(|storage| storage.name.as_str()),
        rows: rows.total(),
        live: rows.live,
        expired: rows.ages.total(),
        orphaned: rows.orphaned,
        idle: rows.idle,
        reclaimable: *reclaimable,
        ages: AgeBand::ALL
            .iter()
            .copied()
            .map(|band| AgeView { from_seconds: band.begins(), rows: rows.ages.get(band) })
            .collect(),
        storage: storage.as_ref().map(storage_view),
        growth: growth.as_ref().map(|growth| growth_view(growth, as_of)),
    }
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
