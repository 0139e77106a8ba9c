//! What `status` shows: counts, sizes and the ledger's memory, put together at one instant.

use std::time::Duration;

use time::OffsetDateTime;

use super::backlog::Cost;
use crate::model::health::{AgeBand, Ages, Measurement, PastRun, Storage, TableRows};
use crate::model::{Category, Counted, TableForecast, TableRole, Tally};

/// Growth over less than this says nothing about a day.
const WORTH_A_RATE: Duration = Duration::from_hours(1);

/// One token table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableStatus {
    pub role: TableRole,
    /// Its rows, and how many of them a cleanup would delete now; `None`: they were not counted.
    pub counted: Option<(TableRows, u64)>,
    /// About the same, where they were not counted; `None`: they were, or nothing was estimated.
    pub forecast: Option<TableForecast>,
    /// Sizes and statistics; `None`: they could not be read.
    pub storage: Option<Storage>,
    /// Since the last run that the ledger knows.
    pub growth: Option<Growth>,
}

/// How much a table has grown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Rows inserted meanwhile; `None`: PostgreSQL has begun to count anew.
    pub inserted: Option<u64>,
    /// The table, without indexes.
    pub table_bytes: i64,
    pub index_bytes: i64,
    pub since: OffsetDateTime,
    /// The verb of that run.
    pub verb: String,
}

/// The whole picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The instant that everything is compared with.
    pub as_of: OffsetDateTime,
    pub database: String,
    /// Whether the policy is that of the file; otherwise DOT's defaults.
    pub policy_of_file: bool,
    /// The token tables, in DOT's order.
    pub tables: Vec<TableStatus>,
    /// What a cleanup would delete now, by category.
    pub reclaimable: Counted,
    /// What that would cost; `None`: it is little, or too little is known.
    pub cost: Option<Cost>,
    /// The last runs, newest first; `None`: there is no ledger, or it cannot be read.
    pub runs: Option<Vec<PastRun>>,
    /// Whether there is a ledger, readable or not.
    pub ledger: bool,
    /// What could not be read, and why.
    pub unseen: Vec<String>,
}

impl TableStatus {
    /// The status of a table without its rows, from the sizes of all tables that could be read, and what the ledger noted
    /// last.
    #[must_use]
    pub fn new(role: TableRole, storage: &[Storage], measurements: &[Measurement]) -> Self {
        let storage = storage.iter().find(|storage| storage.role == role).cloned();
        let before = measurements.iter().find(|measurement| measurement.role == role);
        let growth = before.zip(storage.as_ref()).map(|(before, storage)| growth(before, storage));
        Self { role, counted: None, forecast: None, storage, growth }
    }

    /// With the rows counted in it and what a cleanup would delete.
    #[must_use]
    pub fn with_rows(self, rows: TableRows, tally: &Tally) -> Self {
        let idle = if self.role == TableRole::RefreshToken { tally.get(Category::Expired) } else { 0 };
        let rows = TableRows { live: rows.live.saturating_sub(idle), idle, ..rows };
        Self { counted: Some((rows, reclaimable_of(tally, self.role))), ..self }
    }

    /// Its rows, if they were counted.
    #[must_use]
    pub fn rows(&self) -> Option<&TableRows> {
        self.counted.as_ref().map(|(rows, _)| rows)
    }
}

impl Status {
    /// All rows of all tables; `None`: they were not counted.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.tables.iter().map(|table| table.rows().map(TableRows::total)).sum()
    }

    /// The ages of all tables together.
    #[must_use]
    pub fn ages(&self) -> Ages {
        let mut all = Ages::default();
        for band in AgeBand::ALL.iter().copied() {
            all.add(
                band,
                self.tables.iter().filter_map(TableStatus::rows).map(|rows| rows.ages.get(band)).sum(),
            );
        }
        all
    }
}

impl Growth {
    /// Rows a day, where enough time has passed.
    #[must_use]
    pub fn per_day(&self, now: OffsetDateTime) -> Option<u64> {
        let elapsed = Duration::try_from(now - self.since).ok().filter(|elapsed| *elapsed >= WORTH_A_RATE)?;
        let day = u128::from(self.inserted?) * 86_400 / u128::from(elapsed.as_secs());
        u64::try_from(day).ok()
    }
}

/// The rows of a table that go, in all categories.
fn reclaimable_of(tally: &Tally, role: TableRole) -> u64 {
    Category::ALL
        .iter()
        .copied()
        .filter(|category| category.role() == role)
        .map(|category| tally.get(category))
        .sum()
}

fn growth(before: &Measurement, now: &Storage) -> Growth {
    Growth {
        inserted: now.inserted().checked_sub(before.inserted),
        table_bytes: difference(now.table_bytes(), before.table_bytes),
        index_bytes: difference(now.index_bytes(), before.index_bytes),
        since: before.at,
        verb: before.verb.clone(),
    }
}

fn difference(now: u64, before: u64) -> i64 {
    i64::try_from(i128::from(now) - i128::from(before)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(inserted: Option<u64>) -> Growth {
        let since = OffsetDateTime::UNIX_EPOCH;
        Growth { inserted, table_bytes: 0, index_bytes: 0, since, verb: "cleartokens".to_owned() }
    }

    #[test]
    fn a_rate_needs_some_time_and_a_counter_that_was_not_reset() {
        let after = |seconds| OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds);
        assert_eq!(growth(Some(100)).per_day(after(43_200)), Some(200));
        assert_eq!(growth(Some(100)).per_day(after(3_599)), None);
        assert_eq!(growth(Some(100)).per_day(after(-86_400)), None);
        assert_eq!(growth(None).per_day(after(86_400)), None);
    }

    #[test]
    fn a_counter_that_went_back_is_no_growth() {
        let before = Measurement {
            role: TableRole::Grant,
            at: OffsetDateTime::UNIX_EPOCH,
            verb: "apply".to_owned(),
            inserted: 500,
            table_bytes: 8_192,
            index_bytes: 0,
        };
        let part = crate::model::health::Part { inserted: 499, index_bytes: 10, ..Default::default() };
        let storage = Storage {
            role: TableRole::Grant,
            name: "g".to_owned(),
            partitioned: false,
            row_security: false,
            hides_rows: false,
            parts: vec![part],
        };
        let grown = super::growth(&before, &storage);
        assert_eq!((grown.inserted, grown.table_bytes, grown.index_bytes), (None, -8_192, 10));
    }
}
