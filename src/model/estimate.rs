//! A number of rows that need not be exact, and what was counted in which way.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cleanup::Category;
use super::counting::CountMethod;
use super::sweep::Tally;
use super::tables::TableRole;

/// A number of rows. In 95 of 100 forecasts or more, the true number is between the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    pub estimate: u64,
    pub low: u64,
    pub high: u64,
    /// Whether every row was counted; the three numbers are then the same.
    pub exact: bool,
}

impl Estimate {
    /// A number that was counted.
    #[must_use]
    pub const fn counted(rows: u64) -> Self {
        Self { estimate: rows, low: rows, high: rows, exact: true }
    }

    /// Whether so few rows were found that only the upper bound says something.
    #[must_use]
    pub const fn is_at_most(&self) -> bool {
        !self.exact && self.low.saturating_mul(4) < self.high
    }

    /// The sum of numbers that are independent of each other: the distances to the bounds add up in squares (MOVER:
    /// Zou and Donner, "Construction of confidence limits about effect measures", 2008). Where nothing but an upper
    /// bound is known, the distance is hardly one of chance, and is added as it is.
    #[must_use]
    pub fn sum(parts: &[Self]) -> Self {
        let add = |number: fn(&Self) -> u64| parts.iter().map(number).fold(0, u64::saturating_add);
        let estimate = add(|part| part.estimate);
        let distance = |distance: fn(&Self) -> u64| {
            let unknown = |part: &&Self| !part.exact && part.low == 0;
            let (wide, close): (Vec<&Self>, Vec<&Self>) = parts.iter().partition(unknown);
            let squares: u128 = close.into_iter().map(|part| u128::from(distance(part)).pow(2)).sum();
            let wide = wide.into_iter().map(distance).fold(0, u64::saturating_add);
            u64::try_from(squares.isqrt()).unwrap_or(u64::MAX).saturating_add(wide)
        };
        let below = distance(|part| part.estimate.saturating_sub(part.low));
        let above = distance(|part| part.high.saturating_sub(part.estimate));
        Self {
            estimate,
            low: estimate.saturating_sub(below),
            high: estimate.saturating_add(above),
            exact: parts.iter().all(|part| part.exact),
        }
    }
}

/// What a forecast says of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableForecast {
    pub role: TableRole,
    pub rows: Estimate,
    /// What a cleanup would delete of them.
    pub reclaimable: Estimate,
}

/// What cleanup would delete, without having counted all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// The categories that are cleaned, in order.
    pub rows: Vec<(Category, Estimate)>,
    pub total: Estimate,
    /// The tables that lose rows, in DOT's order.
    pub tables: Vec<TableForecast>,
    /// The blocks of these tables, and how many of them were read.
    pub blocks: u64,
    pub read: u64,
    /// The age of the oldest statistics that were used; `None`: none were used.
    pub statistics: Option<Duration>,
}

/// The rows to delete, in the way in which they were counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    Exact(Tally),
    Forecast(Forecast),
    /// They were not counted.
    Off,
}

impl Counted {
    /// The exact numbers, if there are some.
    #[must_use]
    pub const fn exact(&self) -> Option<&Tally> {
        match self {
            Self::Exact(tally) => Some(tally),
            Self::Forecast(_) | Self::Off => None,
        }
    }

    /// The forecast, if it is one.
    #[must_use]
    pub const fn forecast(&self) -> Option<&Forecast> {
        match self {
            Self::Forecast(forecast) => Some(forecast),
            Self::Exact(_) | Self::Off => None,
        }
    }

    /// The number of rows, or about that number; `None`: nobody knows.
    #[must_use]
    pub fn about(&self) -> Option<u64> {
        match self {
            Self::Exact(tally) => Some(tally.total()),
            Self::Forecast(forecast) => Some(forecast.total.estimate),
            Self::Off => None,
        }
    }

    /// Whether there may be rows to delete. A forecast never says that there are none.
    #[must_use]
    pub fn may_delete(&self) -> bool {
        self.exact().is_none_or(|tally| tally.total() > 0)
    }

    /// The rows of each table that would be deleted, or about that number; `None`: too little is known.
    #[must_use]
    pub fn by_table(&self) -> Option<Vec<(TableRole, u64)>> {
        match self {
            Self::Exact(tally) => {
                let of = |role: &TableRole| {
                    let own = tally.iter().filter(|(category, _)| category.role() == *role);
                    (*role, own.map(|(_, rows)| rows).sum())
                };
                Some(TableRole::ALL.iter().map(of).collect())
            }
            Self::Forecast(forecast) if !forecast.total.is_at_most() => {
                Some(forecast.tables.iter().map(|table| (table.role, table.reclaimable.estimate)).collect())
            }
            Self::Forecast(_) | Self::Off => None,
        }
    }

    /// How they were counted.
    #[must_use]
    pub const fn method(&self) -> CountMethod {
        match self {
            Self::Exact(_) => CountMethod::Exact,
            Self::Forecast(_) => CountMethod::Forecast,
            Self::Off => CountMethod::Off,
        }
    }
}

/// No row, and that for certain.
impl Default for Counted {
    fn default() -> Self {
        Self::Exact(Tally::ZERO)
    }
}

impl Forecast {
    /// What it says of one table.
    #[must_use]
    pub fn of(&self, role: TableRole) -> Option<TableForecast> {
        self.tables.iter().find(|table| table.role == role).copied()
    }

    /// The exact numbers, if all of them are.
    #[must_use]
    pub fn as_exact(&self) -> Option<Tally> {
        let exact = self.rows.iter().all(|(_, rows)| rows.exact);
        exact.then(|| self.rows.iter().map(|(category, rows)| (*category, rows.estimate)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn between(estimate: u64, low: u64, high: u64) -> Estimate {
        Estimate { estimate, low, high, exact: false }
    }

    #[test]
    fn bounds_of_a_sum_add_up_in_squares() {
        let sum = Estimate::sum(&[between(100, 70, 130), between(200, 160, 240), Estimate::counted(7)]);
        assert_eq!(sum, between(307, 257, 357));
        let unknown = Estimate::sum(&[between(50, 0, 100), between(60, 0, 120)]);
        assert_eq!(unknown, between(110, 0, 220));
        assert_eq!(Estimate::sum(&[Estimate::counted(3), Estimate::counted(4)]), Estimate::counted(7));
        assert_eq!(Estimate::sum(&[]), Estimate::counted(0));
    }

    #[test]
    fn wide_bounds_say_at_most() {
        assert!(between(3, 0, 40).is_at_most());
        assert!(!between(30, 20, 40).is_at_most());
        assert!(!Estimate::counted(0).is_at_most());
    }

    #[test]
    fn a_forecast_never_says_that_there_is_nothing() {
        let nothing = Forecast {
            rows: Vec::new(),
            total: between(0, 0, 0),
            tables: Vec::new(),
            blocks: 1,
            read: 1,
            statistics: None,
        };
        assert!(Counted::Forecast(nothing).may_delete());
        assert!(Counted::Off.may_delete());
        assert!(!Counted::default().may_delete());
    }
}
