//! The health of the token tables as a page for a browser: what the JSON of `status` holds, with bars. Pure.

use std::time::Duration;

use super::about;
use super::backlog;
use super::html::{Column, Page, bar, code, number, paragraph, section, table, text};
use super::plan::by_category;
use super::progress::short;
use super::status::{ending, headline, instant, signed};
use super::tables::title;
use crate::health::status::{Growth, Status, TableStatus};
use crate::model::health::{AgeBand, PastRun, TableRows};
use crate::model::words::{bytes, grouped, plural, span};
use crate::model::{Estimate, TableForecast};

/// The whole page.
#[must_use]
pub fn render(status: &Status) -> String {
    let name = format!("Token tables of {}", status.database);
    let mut body = section("reclaimable", "Reclaimable", &reclaimable(status));
    body += &section("rows", "Rows", &(counted(status) + &estimated(status)));
    body += &section("ages", "How long ago they expired or were revoked", &ages(status));
    body += &section("storage", "Size", &storage(status));
    body += &section("growth", "Growth", &growth(status));
    body += &section("runs", "Last runs", &runs(status));
    let unseen: String = status.unseen.iter().map(|unseen| paragraph(&format!("{unseen}."))).collect();
    body += &section("unseen", "Not shown", &unseen);
    let head = paragraph(&format!("As of {}.", instant(status.as_of)));
    Page { title: &name, head, body, script: None }.render()
}

fn reclaimable(status: &Status) -> String {
    let rows =
        by_category(&status.reclaimable).into_iter().map(|(number, what)| vec![text(&what), text(&number)]);
    let rows: Vec<Vec<String>> = rows.collect();
    let cost = status.cost.as_ref().map(|cost| paragraph(&backlog::sentence(cost))).unwrap_or_default();
    let categories = table("By category", &[Column::Words("Category"), Column::Number("Rows")], &rows);
    paragraph(&headline(status)) + &categories + &cost
}

fn counted(status: &Status) -> String {
    let counted = status.tables.iter().filter_map(|table| table.counted.as_ref());
    let row = |(rows, reclaimable): &(TableRows, u64)| {
        let TableRows { role, live, orphaned, idle, ages } = rows;
        let numbers = [rows.total(), *live, ages.total(), *orphaned, *idle, *reclaimable];
        [text(title(*role))].into_iter().chain(numbers.map(number)).collect()
    };
    let rows: Vec<Vec<String>> = counted.map(row).collect();
    let columns = [
        Column::Words("Table"),
        Column::Number("All"),
        Column::Number("Live"),
        Column::Number("Expired or revoked"),
        Column::Number("Orphaned"),
        Column::Number("Past the lifetime"),
        Column::Number("Reclaimable"),
    ];
    table("Counted", &columns, &rows)
}

fn estimated(status: &Status) -> String {
    let both = |rows: &Estimate| [about::about(rows), about::bounds(rows).unwrap_or_default()];
    let row = |TableForecast { role, rows, reclaimable }: &TableForecast| {
        let cells = [title(*role).to_owned()].into_iter().chain(both(rows)).chain(both(reclaimable));
        cells.map(|cell| text(&cell)).collect()
    };
    let rows: Vec<Vec<String>> =
        status.tables.iter().filter_map(|table| table.forecast.as_ref()).map(row).collect();
    let columns = [
        Column::Words("Table"),
        Column::Number("All"),
        Column::Number("Bounds"),
        Column::Number("Reclaimable"),
        Column::Number("Bounds"),
    ];
    table("Estimated, so there are no ages; --count exact counts them", &columns, &rows)
}

/// One bar per age, and the numbers of each table.
fn ages(status: &Status) -> String {
    let all = status.ages();
    if all.total() == 0 {
        return String::new();
    }
    let most = AgeBand::ALL.iter().copied().map(|band| all.get(band)).max().unwrap_or_default();
    let tables: Vec<&TableRows> =
        status.tables.iter().filter_map(TableStatus::rows).filter(|rows| rows.ages.total() > 0).collect();
    let mut columns = vec![Column::Words("Age"), Column::Number("Rows"), Column::Words("Share")];
    columns.extend(tables.iter().map(|rows| Column::Number(title(rows.role))));
    let row = |band: AgeBand| {
        let sum = [text(band.title()), number(all.get(band)), bar(all.get(band), most)];
        sum.into_iter().chain(tables.iter().map(|rows| number(rows.ages.get(band)))).collect()
    };
    let rows: Vec<Vec<String>> = AgeBand::ALL.iter().copied().map(row).collect();
    table("Rows by age", &columns, &rows) + &undated(status)
}

fn undated(status: &Status) -> String {
    let undated =
        status.tables.iter().filter_map(TableStatus::rows).map(|rows| rows.orphaned + rows.idle).sum();
    if undated == 0 {
        return String::new();
    }
    let tokens = plural(undated, "refresh token");
    paragraph(&format!(
        "Not among these: {tokens}, orphaned or past the lifetime, with no date of their own."
    ))
}

fn storage(status: &Status) -> String {
    let row = |table: &TableStatus| {
        let storage = table.storage.as_ref()?;
        let vacuumed = match storage.vacuumed() {
            Some((at, automatic)) => {
                let ago = Duration::try_from(status.as_of - at).unwrap_or_default();
                format!("{} ago{}", span(ago), if automatic { " (auto)" } else { "" })
            }
            None => "never".to_owned(),
        };
        Some(vec![
            text(title(table.role)),
            code(&storage.name),
            text(&bytes(storage.table_bytes())),
            text(&bytes(storage.index_bytes())),
            number(storage.dead_rows()),
            text(&vacuumed),
        ])
    };
    let rows: Vec<Vec<String>> = status.tables.iter().filter_map(row).collect();
    let columns = [
        Column::Words("Table"),
        Column::Words("Name"),
        Column::Number("Rows"),
        Column::Number("Indexes"),
        Column::Number("Dead rows"),
        Column::Words("Last vacuum"),
    ];
    table("Size on disk", &columns, &rows)
}

/// Since the last run that the ledger knows.
fn growth(status: &Status) -> String {
    let grown: Vec<(&TableStatus, &Growth)> =
        status.tables.iter().filter_map(|table| Some((table, table.growth.as_ref()?))).collect();
    let most = grown.iter().filter_map(|(_, growth)| growth.inserted).max().unwrap_or_default();
    let row = |(table, growth): &(&TableStatus, &Growth)| {
        let Growth { inserted, table_bytes, index_bytes, since, verb } = growth;
        vec![
            text(title(table.role)),
            text(&format!("{verb} of {}", instant(*since))),
            inserted.map_or_else(|| "?".to_owned(), number),
            bar(inserted.unwrap_or_default(), most),
            growth.per_day(status.as_of).map_or_else(|| "-".to_owned(), grouped),
            text(&signed(*table_bytes)),
            text(&signed(*index_bytes)),
        ]
    };
    let rows: Vec<Vec<String>> = grown.iter().map(row).collect();
    let columns = [
        Column::Words("Table"),
        Column::Words("Since the end of"),
        Column::Number("New rows"),
        Column::Words("Share"),
        Column::Number("A day"),
        Column::Number("Table"),
        Column::Number("Indexes"),
    ];
    table("Since the last run that the ledger knows", &columns, &rows)
}

fn runs(status: &Status) -> String {
    match &status.runs {
        Some(runs) if runs.is_empty() => paragraph("The ledger knows of no run."),
        Some(runs) => past(runs),
        // Why it is not shown comes with everything else that is not.
        None if status.ledger => String::new(),
        None => paragraph("No ledger, so no growth and no history; oauthctl migrate --ledger makes one."),
    }
}

fn past(runs: &[PastRun]) -> String {
    let most = runs.iter().map(PastRun::rows).max().unwrap_or_default();
    let row = |run: &PastRun| {
        let PastRun { verb, who, started, finished, outcome: _, stop: _, deleted, applications } = run;
        let took = finished.map(|end| short(Duration::try_from(end - *started).unwrap_or_default()));
        vec![
            text(verb),
            text(&instant(*started)),
            text(&took.unwrap_or_default()),
            number(run.rows()),
            bar(run.rows(), most) + &text(&counts(deleted)),
            text(&counts(applications)),
            text(&ending(run)),
            text(who),
        ]
    };
    let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
    let columns = [
        Column::Words("Run"),
        Column::Words("Began"),
        Column::Number("Took"),
        Column::Number("Rows deleted"),
        Column::Words("By category"),
        Column::Words("Applications"),
        Column::Words("End"),
        Column::Words("Who"),
    ];
    table("Newest first", &columns, &rows)
}

/// `access: 12, revoked: 3`.
fn counts(counts: &[(String, u64)]) -> String {
    counts.iter().map(|(what, count)| format!("{what}: {}", grouped(*count))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
