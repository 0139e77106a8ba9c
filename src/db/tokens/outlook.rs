//! What a forecast has found out about each table, and what follows from it. Pure.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers of rows and blocks are far below 2^53, and not negative"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::passes::Pass;
use crate::db::health::statistics::Statistics;
use crate::model::sample::{Rough, Sample, Sums};
use crate::model::{Category, Estimate, Forecast, TableForecast, TableRole};

/// A block of 8 kB has no more rows.
const MOST_ROWS: f64 = 291.0;

/// The smallest degree of freedom for which Student's t is the normal distribution.
const MANY: f64 = f64::INFINITY;

/// How the rows of a table were counted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// By a sample, which may be empty.
    Sample(Sample),
    /// By the statistics alone.
    Catalogue,
    /// One by one: each category, and then all rows.
    All(Vec<u64>),
}

/// One table of a forecast.
#[derive(Clone, Debug)]
pub(super) struct Outlook {
    pub role: TableRole,
    pub categories: Vec<Category>,
    pub blocks: f64,
    /// Its rows by the statistics.
    pub rows: Option<Rough>,
    /// The rows of each category by the statistics.
    pub catalogue: Vec<Option<Rough>>,
    /// What a count of all rows costs, in the planner's units.
    pub cost: f64,
    pub found: Found,
}

/// What is known of one table in the end.
struct Result {
    categories: Vec<(Category, Estimate)>,
    total: Estimate,
    rows: Estimate,
    read: f64,
}

impl Outlook {
    /// Nothing was read so far.
    pub(super) fn new(pass: &Pass<'_>, known: Option<Statistics>) -> Self {
        let categories: Vec<Category> = pass.counts.iter().map(|count| count.category).collect();
        let blocks = known.map_or(0.0, |known| known.blocks);
        Self {
            role: pass.role,
            catalogue: vec![None; categories.len()],
            found: if blocks > 0.0 {
                Found::Sample(empty(categories.len()))
            } else {
                Found::All(vec![0; categories.len() + 1])
            },
            categories,
            blocks,
            rows: known.and_then(|known| known.rows),
            cost: f64::INFINITY,
        }
    }

    /// Whether it has to be sampled.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.found, Found::Sample(_))
    }

    /// Whether the statistics tell the rows of each category up to this share of all rows.
    pub(super) fn is_known_within(&self, share: f64) -> bool {
        let Some(rows) = self.rows else { return false };
        self.catalogue
            .iter()
            .all(|known| known.is_some_and(|known| 2.0 * known.deviation + known.slack <= share * rows.value))
    }

    pub(super) fn add(&mut self, round: &Sample) {
        if let Found::Sample(sample) = &mut self.found {
            *sample += round;
        }
    }

    fn result(&self) -> Result {
        match &self.found {
            Found::All(rows) => self.counted(rows),
            Found::Catalogue => self.by_statistics(),
            Found::Sample(sample) => self.sampled(sample),
        }
    }

    fn counted(&self, rows: &[u64]) -> Result {
        let counted: Vec<Estimate> = rows.iter().copied().map(Estimate::counted).collect();
        let (all, of_categories) =
            counted.split_last().map_or((Estimate::default(), &[][..]), |(a, b)| (*a, b));
        Result {
            categories: self.categories.iter().copied().zip(of_categories.iter().copied()).collect(),
            total: Estimate::sum(of_categories),
            rows: all,
            read: self.blocks,
        }
    }

    fn by_statistics(&self) -> Result {
        let rows = self.rows_by(None);
        let most = rows.value + 2.0 * rows.deviation + rows.slack;
        let of = |known: &Option<Rough>| {
            known.map_or_else(Estimate::default, |known| known.estimate(MANY, 0.0, most))
        };
        let estimates: Vec<Estimate> = self.catalogue.iter().map(of).collect();
        Result {
            total: Estimate::sum(&estimates),
            categories: self.categories.iter().copied().zip(estimates).collect(),
            rows: rows.estimate(MANY, 0.0, f64::INFINITY),
            read: 0.0,
        }
    }

    fn sampled(&self, sample: &Sample) -> Result {
        let rows = self.rows_by(Some(sample));
        let each = sample.counts.iter().zip(&self.catalogue);
        let estimates: Vec<Estimate> =
            each.map(|(sums, known)| sample.estimate(sums, 1.0, rows, *known)).collect();
        let alone: Vec<Estimate> =
            sample.counts.iter().map(|sums| sample.estimate(sums, 1.0, rows, None)).collect();
        let per_row = self.categories.len().max(1) as f64;
        let total = match estimates.as_slice() {
            [only] => *only,
            _ if sample.blocks < 1.0 => Estimate::sum(&estimates),
            _ => moved(sample.estimate(&sample.total, per_row, rows, None), &alone, &estimates),
        };
        Result {
            categories: self.categories.iter().copied().zip(estimates).collect(),
            total,
            rows: rows.estimate(sample.blocks - 1.0, sample.rows.min(rows.value), f64::INFINITY),
            read: sample.blocks,
        }
    }

    /// All rows of the table. If nothing is known: as many as fit into it.
    fn rows_by(&self, sample: Option<&Sample>) -> Rough {
        let known = sample.map_or(self.rows, |sample| sample.table_rows(self.rows));
        let most = self.blocks * MOST_ROWS;
        known.unwrap_or(Rough { value: most / 2.0, deviation: 0.0, slack: most / 2.0 })
    }
}

/// A sampled total, by as much as the statistics have moved its parts.
fn moved(total: Estimate, sampled: &[Estimate], known: &[Estimate]) -> Estimate {
    let sum = |parts: &[Estimate]| parts.iter().map(|part| part.estimate).fold(0, u64::saturating_add);
    let (before, after) = (sum(sampled), sum(known));
    let moved = |rows: u64| rows.saturating_add(after).saturating_sub(before);
    let Estimate { estimate, low, high, exact } = total;
    Estimate { estimate: moved(estimate), low: moved(low), high: moved(high), exact }
}

fn empty(counts: usize) -> Sample {
    Sample { counts: vec![Sums::default(); counts], ..Sample::default() }
}

/// Puts the tables together: what each has, and all of them.
pub(super) fn forecast_of(outlooks: &[Outlook], known: &BTreeMap<TableRole, Statistics>) -> Forecast {
    let results: Vec<(TableRole, Result)> =
        outlooks.iter().map(|outlook| (outlook.role, outlook.result())).collect();
    let totals: Vec<Estimate> = results.iter().map(|(_, result)| result.total).collect();
    let mut rows: Vec<(Category, Estimate)> =
        results.iter().flat_map(|(_, result)| result.categories.iter().copied()).collect();
    rows.sort_by_key(|(category, _)| *category);
    let used = outlooks.iter().filter(|outlook| !matches!(outlook.found, Found::All(_)));
    let ages =
        used.filter(|outlook| outlook.rows.is_some()).filter_map(|outlook| known.get(&outlook.role)?.age);
    let statistics: Option<Duration> = ages.max();
    Forecast {
        total: Estimate::sum(&totals),
        tables: tables(&rows, &results, known),
        rows,
        blocks: outlooks.iter().map(|outlook| outlook.blocks).sum::<f64>() as u64,
        read: results.iter().map(|(_, result)| result.read).sum::<f64>().round() as u64,
        statistics,
    }
}

/// The token tables, also those that lose no rows.
fn tables(
    rows: &[(Category, Estimate)],
    results: &[(TableRole, Result)],
    known: &BTreeMap<TableRole, Statistics>,
) -> Vec<TableForecast> {
    let token_tables = known.iter().filter(|(role, _)| **role != TableRole::Application);
    let each = token_tables.map(|(role, statistics)| {
        let of_role = rows.iter().filter(|(category, _)| category.role() == *role);
        let lost: Vec<Estimate> = of_role.map(|(_, rows)| *rows).collect();
        let found = results.iter().find(|(of, _)| of == role).map(|(_, result)| result.rows);
        let most = statistics.blocks * MOST_ROWS;
        let unread = || {
            if statistics.blocks <= 0.0 {
                return Estimate::counted(0);
            }
            let unknown = Rough { value: most / 2.0, deviation: 0.0, slack: most / 2.0 };
            statistics.rows.unwrap_or(unknown).estimate(MANY, 0.0, most)
        };
        let rows = found.unwrap_or_else(unread);
        // Categories of one table have no row in common.
        let Estimate { estimate, low, high, exact } = Estimate::sum(&lost);
        let reclaimable =
            Estimate { estimate: estimate.min(rows.high), low, high: high.min(rows.high), exact };
        TableForecast { role: *role, rows, reclaimable }
    });
    each.collect()
}
